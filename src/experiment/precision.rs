//! When is enough measured? When the interval of every cell's figure is narrow.
//!
//! The rule looks at the width of the intervals alone, never at what they say, so ending early favours no
//! outcome; the intervals still cover what they promise, as nearly as with a number of rounds that was
//! fixed before (Chow and Robbins, *Ann. Math. Statist.* 36, 1965).

use std::collections::HashMap;

use crate::results::{NULL, PlannedWorkload, WorkloadKind};
use crate::runtime::trial::Trial;
use crate::stats::{median, median_interval};

/// True when half the interval's width is at most `precision` × median in every cell that has given any
/// figure: start-up, or the time for one unit of work where the workload has work to do. A cell with too
/// few trials for an interval is not narrow; without any figure at all nothing is.
pub fn is_reached(trials: &[Trial], workloads: &[PlannedWorkload], precision: f64) -> bool {
    let kinds: HashMap<&str, WorkloadKind> =
        workloads.iter().map(|planned| (planned.name.as_str(), planned.kind)).collect();
    let mut cells: HashMap<(&str, &str, bool), Vec<f64>> = HashMap::new();
    for trial in trials.iter().filter(|trial| trial.is_valid() && trial.is_timing() && trial.runtime != NULL)
    {
        let kind = kinds.get(trial.workload.as_str()).copied().unwrap_or(WorkloadKind::Own);
        if let Some(figure) = figure(trial, kind) {
            cells.entry((&trial.runtime, &trial.workload, trial.is_cold())).or_default().push(figure);
        }
    }
    let is_narrow = |figures: &Vec<f64>| {
        let both = median(figures).zip(median_interval(figures));
        both.is_some_and(|(median, interval)| interval.half_width() <= precision * median)
    };
    !cells.is_empty() && cells.values().all(is_narrow)
}

fn figure(trial: &Trial, kind: WorkloadKind) -> Option<f64> {
    match kind {
        WorkloadKind::Startup | WorkloadKind::Own => trial.timeline.first_output_ns.map(|ns| ns as f64),
        _ => {
            let report = trial.self_report.as_ref().filter(|report| report.work > 0)?;
            Some(report.elapsed_ns as f64 / report.work as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::report::synthetic::Synthetic;

    #[test]
    fn wide_or_missing_intervals_are_not_enough() {
        let made = |rounds| Synthetic { rounds, ..Synthetic::default() }.results();
        let is_reached = |rounds, precision| {
            let results = made(rounds);
            super::is_reached(&results.trials, &results.plan.workloads, precision)
        };
        assert!(!is_reached(0, 10.0) && !is_reached(5, 10.0));
        assert!(is_reached(40, 10.0) && !is_reached(40, 1e-6));
        // One cell that is not narrow is enough to go on.
        let mut results = made(40);
        let wild =
            results.trials.iter_mut().filter(|trial| trial.runtime == "microvm" && trial.workload == "noop");
        wild.enumerate()
            .for_each(|(number, trial)| trial.timeline.first_output_ns = Some(1 << (number % 40)));
        assert!(!super::is_reached(&results.trials, &results.plan.workloads, 0.5));
    }

    #[test]
    fn a_cell_that_only_fails_does_not_keep_the_run_going() {
        let mut results = Synthetic { rounds: 40, ..Synthetic::default() }.results();
        for trial in results.trials.iter_mut().filter(|trial| trial.runtime == "docker") {
            trial.exit = crate::runtime::trial::Exit::Timeout;
        }
        assert!(super::is_reached(&results.trials, &results.plan.workloads, 10.0));
    }
}
