//! What a comparison would do, and how long that would take.

use std::time::Duration;

use super::ExperimentError;
use super::compare::{Comparison, Progress, prepare};
use super::plan::{LEAST_ROUNDS, order};
use crate::measure::clock::monotonic_ns;
use crate::results::SkippedRuntime;
use crate::runtime::session::{Watch, observe};

/// A comparison that has not been run.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Names under which something would run, the A/A control included.
    pub runtimes: Vec<String>,
    /// Runtimes that could take no part.
    pub skipped: Vec<SkippedRuntime>,
    /// Workloads with their rounds.
    pub workloads: Vec<(String, u32)>,
    /// Trials that would be kept.
    pub trials: usize,
    /// How long it would take, from one trial of every cell.
    pub expected: Duration,
    /// The time budget, see [`Effort::budget`](super::plan::Effort::budget).
    pub budget: Duration,
}

/// Makes everything ready and runs every cell once, which tells how long the rest would take. Nothing of it
/// is kept. `None` when the user stops it.
///
/// # Errors
/// When no runtime can run here, or the harness itself fails.
pub fn forecast(
    comparison: &Comparison<'_>,
    progress: &dyn Progress,
) -> Result<Option<Forecast>, ExperimentError> {
    let (cells, runtimes, skipped) = prepare(comparison, progress)?;
    let mut once = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        progress.trial(index, cells.len(), cell.runtime, &cell.workload.planned.name);
        let begin_ns = monotonic_ns();
        // One that fails takes its time all the same.
        let _ = observe(&*cell.plain, Watch::Input(&[]), &|| progress.stop());
        if progress.stop() {
            return Ok(None);
        }
        once.push(Duration::from_nanos(monotonic_ns() - begin_ns));
    }
    let effort = comparison.effort;
    let rounds: Vec<u32> = comparison.workloads.iter().map(|workload| workload.planned.rounds).collect();
    let steps = order(runtimes.len(), &rounds, comparison.cold.is_some(), comparison.seed);
    let pauses = comparison.cool_down * steps.last().map_or(0, |step| step.round);
    let of_step = |runtime: usize, workload: usize| {
        once.get(runtime * rounds.len() + workload).copied().unwrap_or_default() + effort.longest_gap() / 2
    };
    let of_rounds: Duration = steps.iter().map(|step| of_step(step.runtime, step.workload)).sum();
    let counted = cells.iter().zip(&once).filter(|(cell, _)| cell.counts_syscalls);
    let (counts, counting) = counted.fold((0, Duration::ZERO), |(n, sum), (_, one)| (n + 1, sum + *one));
    let footprint_trials: Vec<u32> =
        cells.iter().map(|cell| effort.footprint_trials(cell.workload.planned.kind)).collect();
    let sampling: Duration = footprint_trials.iter().zip(&once).map(|(trials, one)| *one * *trials).sum();
    let before_rounds = once.iter().sum::<Duration>() + sampling + counting;
    // Rounds are spread evenly, so the least of them are there after this share of the whole.
    let fewest = rounds.iter().copied().min().unwrap_or(LEAST_ROUNDS).max(LEAST_ROUNDS);
    let least = before_rounds + of_rounds * LEAST_ROUNDS / fewest;
    let latest = effort.budget().max(least.min(effort.budget() * 2));
    let measuring = (before_rounds + of_rounds).min(latest.max(before_rounds));
    // Fewer rounds, fewer pauses.
    let share = measuring.as_secs_f64() / (before_rounds + of_rounds).as_secs_f64().max(f64::MIN_POSITIVE);
    let expected = measuring + pauses.mul_f64(share.min(1.0));
    Ok(Some(Forecast {
        workloads: comparison
            .workloads
            .iter()
            .map(|one| (one.planned.name.clone(), one.planned.rounds))
            .collect(),
        trials: steps.len() + footprint_trials.iter().sum::<u32>() as usize + counts,
        expected,
        budget: effort.budget(),
        runtimes,
        skipped,
    }))
}
