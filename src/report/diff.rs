//! Two runs compared: what changed, cell by cell, from the run *before* to the run *after*.
//!
//! Two runs share no rounds, so what slowed one of them as a whole does not cancel. The noise floor of
//! a cell is therefore the widest of three things: the A/A control of either run, and what the plain
//! process with the very same program has changed by. That last one is for `process` itself all there is to see, unless the
//! runs differ in something that the user has waived.

use super::cell;
use super::format::plain;
use super::summary::group;
use super::trials::{CellTrials, Quantity, by_round, pairs};
use crate::language::Language;
use crate::results::{BASELINE, CONTROL, PlannedWorkload, Results, WorkloadKind};
use crate::stats::{self, Change, Verdict, paired_ratio};

mod editions;
mod obstacles;

pub use editions::{html, markdown, terminal};
pub use obstacles::{Despite, Obstacle};

/// Comparisons whose corrected p-value is above this show no difference.
const SIGNIFICANCE: f64 = 0.05;

/// What is compared of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Request → first output.
    StartUp,
    /// Exit → nothing is left.
    Teardown,
    /// Time for one unit of work.
    WorkTime,
    /// Peak PSS and kernel memory.
    Memory,
}

impl Metric {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Metric::StartUp => "start-up",
            Metric::Teardown => "teardown",
            Metric::WorkTime => "time for the work",
            Metric::Memory => "memory",
        }
    }

    /// What is compared of a workload of this kind.
    fn of(kind: WorkloadKind) -> &'static [Metric] {
        match kind {
            WorkloadKind::Startup => &[Metric::StartUp, Metric::Teardown, Metric::Memory],
            // A program of the user's own may time itself (docs/workloads.md): what it says is compared too.
            WorkloadKind::Own => &[Metric::WorkTime, Metric::StartUp, Metric::Teardown, Metric::Memory],
            WorkloadKind::Cpu | WorkloadKind::Memory | WorkloadKind::Calls => &[Metric::WorkTime],
        }
    }

    fn values(self, cell: &CellTrials) -> Vec<f64> {
        let quantity = self.quantity();
        match self {
            Metric::Memory => cell.good().filter_map(quantity).collect(),
            _ => cell.timed().into_iter().filter_map(quantity).collect(),
        }
    }

    fn quantity(self) -> Quantity {
        match self {
            Metric::StartUp => cell::first_output,
            Metric::Teardown => cell::teardown,
            Metric::WorkTime => cell::work_time,
            Metric::Memory => cell::cost,
        }
    }
}

/// What is said about one metric of one cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// It was measured in both runs.
    Compared {
        /// The change, with the interval of this cell alone.
        change: Change,
        /// Median before.
        before: f64,
        /// Median after.
        after: f64,
        /// A ratio up to this, or down to its inverse, is noise.
        noise: f64,
        /// After Holm's correction over all cells, and against the noise floor.
        verdict: Verdict,
    },
    /// It cannot be compared, and why.
    NotComparable(String),
}

/// One metric of one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Runtime name.
    pub runtime: String,
    /// Workload name.
    pub workload: String,
    /// What of it.
    pub metric: Metric,
    /// What is said about it.
    pub finding: Finding,
}

impl Row {
    /// True when it got worse by more than `limit` (0.1: by 10 %) and that is no noise.
    pub fn is_regression_beyond(&self, limit: f64) -> bool {
        matches!(&self.finding, Finding::Compared { change, verdict: Verdict::Larger, .. } if change.ratio > 1.0 + limit)
    }
}

/// One of the two runs, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// isobench's version.
    pub tool: String,
    /// When.
    pub started: String,
    /// Where.
    pub host: String,
    /// It was stopped before its plan was done.
    pub interrupted: bool,
}

/// Two runs compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// The run before.
    pub before: Side,
    /// The run after.
    pub after: Side,
    /// What of the runs as a whole differs, whether or not it was waived.
    pub obstacles: Vec<Obstacle>,
    /// What differs was waived by the user.
    pub despite: Vec<Despite>,
    /// Every metric of every cell that either run has.
    pub rows: Vec<Row>,
}

impl Diff {
    /// Compares `after` with `before`; differences of a kind in `despite` are no obstacle.
    pub fn new(before: &Results, after: &Results, despite: &[Despite]) -> Diff {
        let obstacles = obstacles::between(before, after);
        let refused: Vec<&Obstacle> =
            obstacles.iter().filter(|obstacle| !despite.contains(&obstacle.kind)).collect();
        // What differs and was waived.
        let waived: Vec<Despite> =
            obstacles.iter().map(|obstacle| obstacle.kind).filter(|kind| despite.contains(kind)).collect();
        let (old, new) = (Run::new(before), Run::new(after));
        let mut rows = Vec::new();
        for (runtime, workload) in cells_of_either(&old, &new) {
            let own = |run: &Run| run.planned(workload).map(|planned| planned.kind);
            let kind = own(&old).or(own(&new)).unwrap_or(WorkloadKind::Own);
            for metric in Metric::of(kind) {
                let finding = match refused.iter().find(|obstacle| obstacle.concerns(runtime)) {
                    Some(obstacle) => Finding::NotComparable(obstacle.to_string()),
                    None => compare(&old, &new, runtime, workload, *metric, &waived),
                };
                let is_told = match &finding {
                    Finding::Compared { .. } => true,
                    // What neither run measured need not be said to be missing.
                    Finding::NotComparable(_) => [&old, &new].iter().any(|run| {
                        run.cell(runtime, workload)
                            .is_some_and(|cell| !metric.values(cell).is_empty() || cell.good().count() == 0)
                    }),
                };
                if is_told {
                    rows.push(Row {
                        runtime: plain(runtime, 60).into_owned(),
                        workload: plain(workload, 60).into_owned(),
                        metric: *metric,
                        finding,
                    });
                }
            }
        }
        judge(&mut rows);
        Diff { before: side(before), after: side(after), obstacles, despite: despite.to_vec(), rows }
    }

    /// The rows that got worse by more than `limit`.
    pub fn regressions(&self, limit: f64) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.is_regression_beyond(limit)).collect()
    }

    /// The rows on which a verdict rests: enough trials in both runs, and nothing in the way.
    pub fn judged(&self) -> usize {
        let is_judged = |row: &&Row| matches!(&row.finding, Finding::Compared { verdict, .. } if *verdict != Verdict::TooFewRounds);
        self.rows.iter().filter(is_judged).count()
    }
}

fn side(results: &Results) -> Side {
    Side {
        tool: plain(&results.tool, 60).into_owned(),
        started: plain(&results.started, 60).into_owned(),
        host: plain(&super::words::host_line(&results.host, Language::English), 400).into_owned(),
        interrupted: results.interrupted,
    }
}

/// One run's trials by cell.
struct Run<'a> {
    results: &'a Results,
    cells: Vec<CellTrials<'a>>,
}

impl<'a> Run<'a> {
    fn new(results: &'a Results) -> Run<'a> {
        Run { results, cells: group(results) }
    }

    fn cell(&self, runtime: &str, workload: &str) -> Option<&CellTrials<'a>> {
        self.cells.iter().find(|cell| cell.runtime == runtime && cell.workload == workload)
    }

    fn planned(&self, workload: &str) -> Option<&PlannedWorkload> {
        self.results.plan.workloads.iter().find(|planned| planned.name == workload)
    }

    /// By how much the A/A control differs from the baseline at most, as a ratio of at least 1.
    fn control_noise(&self, workload: &str, metric: Metric) -> f64 {
        let series = |runtime| {
            let trials: Vec<_> = match metric {
                Metric::Memory => self.cell(runtime, workload)?.good().collect(),
                _ => self.cell(runtime, workload)?.timed(),
            };
            Some(by_round(&trials, metric.quantity()))
        };
        let ratio = series(CONTROL)
            .zip(series(BASELINE))
            .and_then(|(control, baseline)| paired_ratio(&pairs(&control, &baseline)));
        ratio.and_then(|ratio| ratio.interval).map_or(1.0, |interval| mirrored(interval.low, interval.high))
    }
}

/// What `own` may have changed by if it only moved as the baseline did: the baseline's change, and beyond it the
/// uncertainty of both, as of a difference of two independent estimates.
fn drift_noise(baseline: &Change, own: &Change) -> f64 {
    let half_width = |change: &Change| change.interval.map_or(0.0, |one| (one.high / one.low).ln() / 2.0);
    (baseline.ratio.ln().abs() + half_width(baseline).hypot(half_width(own))).exp()
}

/// The larger distance from 1 of an interval's two ends.
fn mirrored(low: f64, high: f64) -> f64 {
    let noise = high.max(1.0 / low).max(1.0);
    if noise.is_finite() { noise } else { 1.0 }
}

/// (runtime, workload) in the order of the new run, then what only the old one has; no control.
fn cells_of_either<'a>(old: &'a Run, new: &'a Run) -> Vec<(&'a str, &'a str)> {
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for cell in new.cells.iter().chain(&old.cells) {
        let key = (cell.runtime, cell.workload);
        if cell.runtime != CONTROL && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn compare(
    old: &Run,
    new: &Run,
    runtime: &str,
    workload: &str,
    metric: Metric,
    waived: &[Despite],
) -> Finding {
    let because = |why: &str| Finding::NotComparable(why.to_owned());
    let (Some(before), Some(after)) = (old.cell(runtime, workload), new.cell(runtime, workload)) else {
        let missing = if old.cell(runtime, workload).is_none() { "before" } else { "after" };
        return because(&format!("not measured in the run {missing}"));
    };
    let (planned_before, planned_after) = (old.planned(workload), new.planned(workload));
    if let (Some(before), Some(after)) = (planned_before, planned_after)
        && let Some(why) = obstacles::other_work(before, after, waived.contains(&Despite::Version))
    {
        return Finding::NotComparable(why);
    }
    let (values_before, values_after) = (metric.values(before), metric.values(after));
    for (values, cell, when) in [(&values_before, before, "before"), (&values_after, after, "after")] {
        if let Some(why) = &cell.invalid {
            return because(&format!("invalid in the run {when}: {why}"));
        }
        if values.is_empty() {
            let why = if cell.good().count() == 0 { "every trial failed in" } else { "not measured in" };
            return because(&format!("{why} the run {when}"));
        }
    }
    let medians = stats::median(&values_before).zip(stats::median(&values_after));
    let Some(((median_before, median_after), change)) =
        medians.zip(stats::change(&values_before, &values_after))
    else {
        return because("a value is 0 or not a number");
    };
    let same_program =
        planned_before.zip(planned_after).is_some_and(|(a, b)| a.program_sha256 == b.program_sha256);
    let mut noise = f64::max(old.control_noise(workload, metric), new.control_noise(workload, metric));
    // With the same program, isobench, host and kernel, the process itself can only show what the host does.
    if same_program && (runtime != BASELINE || waived.is_empty()) {
        let baseline = |run: &Run| run.cell(BASELINE, workload).map(|cell| metric.values(cell));
        let moved = baseline(old).zip(baseline(new)).and_then(|(old, new)| stats::change(&old, &new));
        noise = noise.max(moved.map_or(1.0, |moved| drift_noise(&moved, &change)));
    }
    // The verdict waits for the correction, which needs all p-values.
    let verdict = Verdict::TooFewRounds;
    Finding::Compared { change, before: median_before, after: median_after, noise, verdict }
}

/// Sets every verdict, with Holm's correction over all rows that have an interval.
fn judge(rows: &mut [Row]) {
    let mut judged: Vec<(&Change, f64, &mut Verdict)> = rows
        .iter_mut()
        .filter_map(|row| match &mut row.finding {
            Finding::Compared { change, noise, verdict, .. } if change.interval.is_some() => {
                Some((&*change, *noise, verdict))
            }
            _ => None,
        })
        .collect();
    let p: Vec<f64> = judged.iter().map(|(change, ..)| change.p).collect();
    for ((change, noise, verdict), p) in judged.iter_mut().zip(stats::holm(&p)) {
        let is_noise = 1.0 / *noise <= change.ratio && change.ratio <= *noise;
        **verdict = match change.ratio {
            _ if p > SIGNIFICANCE || is_noise => Verdict::NoMeasurableDifference,
            ratio if ratio > 1.0 => Verdict::Larger,
            _ => Verdict::Smaller,
        };
    }
}

#[cfg(test)]
mod tests;
