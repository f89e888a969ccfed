//! Counting exits to the VMM, with the time spent handling them.

use guest_abi::Hypercall;

use crate::runtime::trial::ExitCount;

/// Exits by hypercall. Counting allocates nothing: the first allocation after a fork copies pages.
#[derive(Debug, Default)]
pub struct Exits {
    /// How many, and nanoseconds, in the order of [`Hypercall::ALL`].
    counts: [(u64, u64); Hypercall::ALL.len()],
}

impl Exits {
    /// One more exit, handled in `ns`.
    pub fn count(&mut self, call: Hypercall, ns: u64) {
        if let Some((count, handled_ns)) = self.counts.get_mut(call as usize - 1) {
            *count += 1;
            *handled_ns += ns;
        }
    }

    /// All of them by reason, most frequent first.
    pub fn report(&self) -> Vec<ExitCount> {
        let mut all: Vec<ExitCount> = Vec::new();
        for (call, (count, handled_ns)) in Hypercall::ALL.into_iter().zip(self.counts) {
            match all.iter_mut().find(|exit| exit.reason == call.name()) {
                Some(same) => {
                    same.count += count;
                    same.handled_ns += handled_ns;
                }
                None => all.push(ExitCount { reason: call.name().to_owned(), count, handled_ns }),
            }
        }
        all.retain(|exit| exit.count > 0);
        all.sort_by_key(|exit| std::cmp::Reverse(exit.count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hypercall_is_counted_under_its_name() {
        let mut exits = Exits::default();
        for call in Hypercall::ALL {
            exits.count(call, 2);
        }
        exits.count(Hypercall::Sleep, 5);
        let report = exits.report();
        let found = |reason: &str| report.iter().find(|exit| exit.reason == reason).unwrap();
        assert_eq!((found("sleep").count, found("sleep").handled_ns), (2, 7));
        // Two hypercalls write to the console.
        assert_eq!(found("console write").count, 2);
        assert_eq!(report.iter().map(|exit| exit.count).sum::<u64>(), Hypercall::ALL.len() as u64 + 1);
    }
}
