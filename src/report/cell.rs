//! One cell of the summary: everything about one runtime under one workload.

use std::collections::BTreeMap;

use serde::Serialize;

use super::trials::{ByRound, CellTrials, Quantity, by_round, is_disturbed, pairs};
use crate::results::WorkloadKind;
use crate::runtime::trial::{Footprint, Trial};
use crate::stats::{self, Interval, Verdict, median, paired_ratio};

/// A median with its interval and the spread around it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Trials it rests on.
    pub n: usize,
    /// Median.
    pub median: f64,
    /// 95 % interval of the median; `None` below 6 trials.
    pub interval: Option<Interval>,
    /// Median absolute deviation.
    pub mad: f64,
    /// Smallest trial.
    pub minimum: f64,
    /// 95 % quantile.
    pub p95: f64,
    /// Largest trial.
    pub maximum: f64,
}

impl Estimate {
    /// `None` without values.
    pub fn of(values: &[f64]) -> Option<Estimate> {
        let sorted = stats::quantile::sorted(values)?;
        let at = |p| stats::quantile::quantile_of_sorted(&sorted, p);
        Some(Estimate {
            n: sorted.len(),
            median: at(0.5)?,
            interval: stats::interval::median_interval_of_sorted(&sorted),
            mad: stats::mad(values)?,
            minimum: at(0.0)?,
            p95: at(0.95)?,
            maximum: at(1.0)?,
        })
    }
}

/// A ratio to the baseline, paired by round, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Relative {
    /// Median over rounds of the ratio within a round.
    pub ratio: f64,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
    /// Rounds it rests on.
    pub rounds: usize,
    /// Judged against the A/A control.
    pub verdict: Verdict,
    /// The smallest difference that could have been seen (0.1: 10 %), see [`stats::detectable`].
    pub detectable: Option<f64>,
}

/// One quantity under one runtime, and beside the baseline's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The quantity itself.
    pub estimate: Estimate,
    /// Relative to the baseline; `None` for the baseline itself, or where that has no value.
    pub relative: Option<Relative>,
}

/// Host memory, in bytes: medians over the trials in which it was sampled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FootprintSummary {
    /// Trials it rests on.
    pub n: usize,
    /// Peak PSS of all processes.
    pub pss_peak: Option<Estimate>,
    /// Steady PSS of all processes.
    pub pss_steady: Option<Estimate>,
    /// Peak charged to the cgroup.
    pub cgroup_peak: Option<Estimate>,
    /// Its kernel part.
    pub cgroup_kernel: Option<Estimate>,
    /// Guest memory touched (VM).
    pub guest_touched: Option<Estimate>,
    /// Guest memory configured (VM).
    pub guest_configured: Option<f64>,
    /// PSS of the VMM without guest memory (VM).
    pub vmm_pss: Option<Estimate>,
    /// Peak PSS and kernel memory above the baseline's in the same round.
    pub overhead: Option<Overhead>,
}

/// Memory above the baseline's, in bytes, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overhead {
    /// Differences within rounds.
    pub estimate: Estimate,
    /// Judged against the A/A control.
    pub verdict: Verdict,
}

/// VM exits of one reason, medians per trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExitSummary {
    /// Reason.
    pub reason: String,
    /// Exits.
    pub count: f64,
    /// Time spent handling them in the VMM, in nanoseconds.
    pub handled_ns: f64,
}

/// Crossings of the isolation boundary, medians per trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CrossingSummary {
    /// Exits to the VMM.
    pub vm_exits: Option<f64>,
    /// Calls into the host kernel.
    pub host_syscalls: Option<f64>,
    /// Calls that the guest kernel served itself.
    pub guest_syscalls: Option<f64>,
    /// Entries into the host (VM exits, or else system calls) per second between `entered` and `exited`.
    pub per_second: Option<f64>,
    /// Names of the calls that the guest kernel lacks.
    pub missing_calls: Vec<String>,
}

/// Everything about one runtime under one workload. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Runtime name.
    pub runtime: String,
    /// Workload name.
    pub workload: String,
    /// What the workload measures.
    pub kind: WorkloadKind,
    /// Trials run.
    pub trials: usize,
    /// Trials that failed; no figure rests on them.
    pub failed: usize,
    /// Why none of its figures counts, where none does: a wrong or an impossible result.
    pub invalid: Option<String>,
    /// True when every trial was also sampled for memory or traced, which slows it.
    pub disturbed: bool,
    /// Request → first output: start-up.
    pub first_output: Option<Measured>,
    /// Request → first workload instruction.
    pub entered: Option<Measured>,
    /// Exit → nothing is left.
    pub teardown: Option<Measured>,
    /// Host CPU time, user and system.
    pub cpu: Option<Estimate>,
    /// Wall time less CPU time: what the sandbox waited.
    pub stalls: Option<Estimate>,
    /// Time for one unit of work, by the workload's own clock.
    pub work_time: Option<Measured>,
    /// Name of that unit.
    pub unit: String,
    /// Memory.
    pub footprint: Option<FootprintSummary>,
    /// VM exits, most frequent first.
    pub exits: Vec<ExitSummary>,
    /// Crossings.
    pub crossings: CrossingSummary,
    /// Start-up times in ascending order, thinned to quantiles where there are many.
    pub start_up_points: Vec<f64>,
}

/// The ratio of two series and its verdict.
pub(super) fn relative(above: &ByRound, below: &ByRound, noise_floor: Option<&Interval>) -> Option<Relative> {
    let ratio = paired_ratio(&pairs(above, below))?;
    let verdict = stats::verdict(&ratio, noise_floor);
    let noise = noise_floor.map_or(1.0, |floor| floor.high.max(1.0 / floor.low));
    let detectable = ratio.interval.and_then(|interval| stats::detectable(&interval, noise));
    Some(Relative { ratio: ratio.ratio, interval: ratio.interval, rounds: ratio.rounds, verdict, detectable })
}

pub(super) fn first_output(trial: &Trial) -> Option<f64> {
    trial.timeline.first_output_ns.map(|ns| ns as f64)
}

fn entered(trial: &Trial) -> Option<f64> {
    trial.timeline.entered_ns.map(|ns| ns as f64)
}

pub(super) fn teardown(trial: &Trial) -> Option<f64> {
    Some(trial.timeline.torn_down_ns?.checked_sub(trial.timeline.exited_ns?)? as f64)
}

fn lifetime(trial: &Trial) -> Option<f64> {
    let timeline = &trial.timeline;
    Some(timeline.exited_ns?.checked_sub(timeline.entered_ns.or(timeline.spawned_ns)?)? as f64)
}

fn cpu(trial: &Trial) -> f64 {
    trial.cpu.user_ns as f64 + trial.cpu.system_ns as f64
}

/// A trial whose CPU time exceeds its wall time, on several CPUs, did not wait.
fn stalls(trial: &Trial) -> Option<f64> {
    Some((trial.timeline.torn_down_ns? as f64 - cpu(trial)).max(0.0))
}

/// Nanoseconds for one unit of work, by the workload's own clock.
pub(super) fn work_time(trial: &Trial) -> Option<f64> {
    let report = trial.self_report.as_ref()?;
    (report.work > 0 && report.elapsed_ns > 0).then(|| report.elapsed_ns as f64 / report.work as f64)
}

/// Peak PSS and the kernel memory charged, as far as known.
pub(super) fn cost(trial: &Trial) -> Option<f64> {
    let footprint = trial.footprint.as_ref()?;
    Some(footprint.pss_peak_bytes? as f64 + footprint.cgroup_kernel_bytes.unwrap_or(0) as f64)
}

/// Start-up times kept for the chart of one cell.
const POINTS: usize = 200;

impl Cell {
    /// Summarises one cell. `baseline` and `control` are the cells of the same workload.
    pub(super) fn new(
        own: &CellTrials,
        kind: WorkloadKind,
        baseline: Option<&CellTrials>,
        control: Option<&CellTrials>,
    ) -> Cell {
        let timed = own.timed();
        let is_baseline = baseline.is_some_and(|baseline| baseline.runtime == own.runtime);
        let is_control = control.is_some_and(|control| control.runtime == own.runtime);
        let measured = |value: Quantity| -> Option<Measured> {
            let estimate = Estimate::of(&values(&timed, value))?;
            let relative = baseline.filter(|_| !is_baseline).and_then(|baseline| {
                let base = baseline.by_round(value);
                let floor = control
                    .filter(|_| !is_control)
                    .and_then(|control| paired_ratio(&pairs(&control.by_round(value), &base))?.interval);
                relative(&by_round(&timed, value), &base, floor.as_ref())
            });
            Some(Measured { estimate, relative })
        };
        let lifetime = median(&values(&timed, lifetime)).filter(|ns| *ns > 0.0);
        Cell {
            runtime: own.runtime.to_owned(),
            workload: own.workload.to_owned(),
            kind,
            trials: own.all.len(),
            failed: own.all.len() - own.good().count(),
            invalid: own.invalid.clone(),
            disturbed: timed.first().is_some_and(|trial| is_disturbed(trial)),
            first_output: measured(first_output),
            entered: measured(entered),
            teardown: measured(teardown),
            cpu: Estimate::of(&values(&timed, |trial| Some(cpu(trial)))),
            stalls: Estimate::of(&values(&timed, stalls)),
            work_time: measured(work_time),
            unit: timed
                .iter()
                .find_map(|trial| Some(trial.self_report.as_ref()?.unit.clone()))
                .unwrap_or_default(),
            footprint: footprint(own, baseline.filter(|_| !is_baseline), control.filter(|_| !is_control)),
            exits: exits(&timed),
            crossings: crossings(own, lifetime),
            start_up_points: thinned(&values(&timed, first_output)),
        }
    }
}

fn values(trials: &[&Trial], value: Quantity) -> Vec<f64> {
    trials.iter().filter_map(|trial| value(trial)).collect()
}

fn thinned(values: &[f64]) -> Vec<f64> {
    let Some(sorted) = stats::quantile::sorted(values) else { return Vec::new() };
    if sorted.len() <= POINTS {
        return sorted;
    }
    let at = |i: usize| stats::quantile::quantile_of_sorted(&sorted, i as f64 / (POINTS - 1) as f64);
    (0..POINTS).filter_map(at).collect()
}

fn footprint(
    own: &CellTrials,
    baseline: Option<&CellTrials>,
    control: Option<&CellTrials>,
) -> Option<FootprintSummary> {
    let sampled: Vec<&Trial> = own.good().filter(|trial| trial.footprint.is_some()).collect();
    if sampled.is_empty() {
        return None;
    }
    let of = |value: fn(&Footprint) -> Option<u64>| {
        let column = sampled.iter().filter_map(|trial| Some(value(trial.footprint.as_ref()?)? as f64));
        Estimate::of(&column.collect::<Vec<_>>())
    };
    let above = |cell: &CellTrials, baseline: &CellTrials| {
        let costs = |cell: &CellTrials| by_round(&cell.good().collect::<Vec<_>>(), cost);
        let differences = pairs(&costs(cell), &costs(baseline)).into_iter().map(|(own, base)| own - base);
        Estimate::of(&differences.collect::<Vec<_>>())
    };
    let overhead = baseline.and_then(|baseline| {
        let estimate = above(own, baseline)?;
        let floor = control.and_then(|control| above(control, baseline)?.interval);
        let verdict =
            stats::verdict_of_difference(estimate.median, estimate.interval.as_ref(), floor.as_ref());
        Some(Overhead { estimate, verdict })
    });
    Some(FootprintSummary {
        n: sampled.len(),
        pss_peak: of(|footprint| footprint.pss_peak_bytes),
        pss_steady: of(|footprint| footprint.pss_steady_bytes),
        cgroup_peak: of(|footprint| footprint.cgroup_peak_bytes),
        cgroup_kernel: of(|footprint| footprint.cgroup_kernel_bytes),
        guest_touched: of(|footprint| Some(footprint.guest_memory?.touched_bytes)),
        guest_configured: of(|footprint| Some(footprint.guest_memory?.configured_bytes))
            .map(|one| one.median),
        vmm_pss: of(|footprint| footprint.vmm_pss_bytes),
        overhead,
    })
}

fn exits(trials: &[&Trial]) -> Vec<ExitSummary> {
    let mut by_reason: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for exit in trials.iter().flat_map(|trial| &trial.crossings.vm_exits) {
        let of_reason = by_reason.entry(&exit.reason).or_default();
        of_reason.0.push(exit.count as f64);
        of_reason.1.push(exit.handled_ns as f64);
    }
    let with_exits = trials.iter().filter(|trial| !trial.crossings.vm_exits.is_empty()).count();
    let mut exits: Vec<ExitSummary> = by_reason
        .into_iter()
        .map(|(reason, (mut counts, mut times))| {
            // A trial that does not name the reason had none of it.
            counts.resize(counts.len().max(with_exits), 0.0);
            times.resize(times.len().max(with_exits), 0.0);
            ExitSummary {
                reason: reason.to_owned(),
                count: median(&counts).unwrap_or(0.0),
                handled_ns: median(&times).unwrap_or(0.0),
            }
        })
        .collect();
    exits.sort_by(|a, b| b.count.total_cmp(&a.count));
    exits
}

fn crossings(own: &CellTrials, lifetime_ns: Option<f64>) -> CrossingSummary {
    let good: Vec<&Trial> = own.good().collect();
    let vm_exits = median(&values(&good, |trial| {
        let exits = &trial.crossings.vm_exits;
        (!exits.is_empty()).then(|| exits.iter().map(|exit| exit.count as f64).sum())
    }));
    let host_syscalls = median(&values(&good, |trial| trial.crossings.host_syscalls.map(|n| n as f64)));
    let mut missing_calls: Vec<String> =
        good.iter().flat_map(|trial| &trial.crossings.missing_calls).map(|call| call.name.clone()).collect();
    missing_calls.sort();
    missing_calls.dedup();
    CrossingSummary {
        vm_exits,
        host_syscalls,
        guest_syscalls: median(&values(&good, |trial| trial.crossings.guest_syscalls.map(|n| n as f64))),
        per_second: vm_exits.or(host_syscalls).zip(lifetime_ns).map(|(crossings, ns)| crossings * 1e9 / ns),
        missing_calls,
    }
}
