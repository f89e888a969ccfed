//! Counting exits to the VMM, with the time spent handling them.

use crate::runtime::trial::ExitCount;

/// More reasons than any of our VMMs tells apart.
const MOST_REASONS: usize = 32;

/// Exits by reason. Counting allocates nothing: what a process writes for the first time after its fork is
/// copied.
#[derive(Debug, Default)]
pub struct Exits {
    counts: [Option<Count>; MOST_REASONS],
}

#[derive(Clone, Copy, Debug)]
struct Count {
    reason: &'static str,
    count: u64,
    handled_ns: u64,
}

impl Exits {
    /// One more exit, handled in `ns`.
    pub fn count(&mut self, reason: &'static str, ns: u64) {
        let place = self.counts.iter_mut().find(|place| place.is_none_or(|other| other.reason == reason));
        if let Some(place) = place {
            let known = place.get_or_insert(Count { reason, count: 0, handled_ns: 0 });
            known.count += 1;
            known.handled_ns += ns;
        }
    }

    /// All of them, most frequent first.
    pub fn report(&self) -> Vec<ExitCount> {
        let mut all: Vec<ExitCount> = self
            .counts
            .iter()
            .flatten()
            .map(|known| ExitCount {
                reason: known.reason.to_owned(),
                count: known.count,
                handled_ns: known.handled_ns,
            })
            .collect();
        all.sort_by_key(|exit| std::cmp::Reverse(exit.count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_counted_by_reason() {
        let mut exits = Exits::default();
        for (reason, ns) in [("enter", 1), ("write", 2), ("write", 3)] {
            exits.count(reason, ns);
        }
        let report = exits.report();
        let found: Vec<_> = report.iter().map(|e| (e.reason.as_str(), e.count, e.handled_ns)).collect();
        assert_eq!(found, [("write", 2, 5), ("enter", 1, 1)]);
    }
}
