//! The trials of a cell: which of them count, and their values by round.

use std::collections::BTreeMap;

use crate::runtime::trial::Trial;

/// One value per round, in the order of rounds.
pub type ByRound = BTreeMap<u32, f64>;

/// The trials of one cell, as the cells of other runtimes need them for comparison.
pub struct CellTrials<'a> {
    /// Runtime name.
    pub runtime: &'a str,
    /// Workload name.
    pub workload: &'a str,
    /// Every trial, failed ones too.
    pub all: Vec<&'a Trial>,
    /// Why no figure of the cell counts, where one of its trials, or the host, shows that none can be trusted.
    pub invalid: Option<String>,
}

impl<'a> CellTrials<'a> {
    /// Trials whose figures count.
    pub fn good(&self) -> impl Iterator<Item = &'a Trial> {
        self.all.iter().copied().filter(|trial| self.invalid.is_none() && counts(trial))
    }

    /// Trials whose times count: those that nothing disturbed, or all where there are no others.
    pub fn timed(&self) -> Vec<&'a Trial> {
        let calm: Vec<&Trial> = self.good().filter(|trial| !is_disturbed(trial)).collect();
        if calm.is_empty() { self.good().collect() } else { calm }
    }

    /// Of the trials whose times count.
    pub fn by_round(&self, value: Quantity) -> ByRound {
        by_round(&self.timed(), value)
    }
}

/// True for a trial whose figures count.
pub fn counts(trial: &Trial) -> bool {
    trial.is_valid()
}

/// Sampling PSS and tracing system calls slow a sandbox down; the other columns come for free.
pub fn is_disturbed(trial: &Trial) -> bool {
    let is_sampled = trial.footprint.as_ref().is_some_and(|memory| memory.pss_peak_bytes.is_some());
    is_sampled || trial.crossings.host_syscalls.is_some()
}

/// Reads one number off a trial.
pub type Quantity = fn(&Trial) -> Option<f64>;

/// A round that has several trials of one cell counts with their mean.
pub fn by_round(trials: &[&Trial], value: Quantity) -> ByRound {
    let mut sums: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for trial in trials {
        if let Some(number) = value(trial) {
            let sum = sums.entry(trial.round).or_default();
            *sum = (sum.0 + number, sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(round, (sum, n))| (round, sum / n)).collect()
}

/// The pairs of rounds that both have.
pub fn pairs(above: &ByRound, below: &ByRound) -> Vec<(f64, f64)> {
    above.iter().filter_map(|(round, a)| Some((*a, *below.get(round)?))).collect()
}
