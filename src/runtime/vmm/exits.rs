//! Counting exits to the VMM, with the time spent handling them.

use std::collections::BTreeMap;

use crate::runtime::trial::ExitCount;

/// Exits by reason.
#[derive(Debug, Default)]
pub struct Exits {
    by_reason: BTreeMap<&'static str, (u64, u64)>,
}

impl Exits {
    /// One more exit, handled in `ns`.
    pub fn count(&mut self, reason: &'static str, ns: u64) {
        let (count, handled_ns) = self.by_reason.entry(reason).or_default();
        *count += 1;
        *handled_ns += ns;
    }

    /// All of them, most frequent first.
    pub fn report(&self) -> Vec<ExitCount> {
        let mut all: Vec<ExitCount> = self
            .by_reason
            .iter()
            .map(|(reason, (count, handled_ns))| ExitCount {
                reason: (*reason).to_owned(),
                count: *count,
                handled_ns: *handled_ns,
            })
            .collect();
        all.sort_by_key(|exit| std::cmp::Reverse(exit.count));
        all
    }
}
