//! How far the numbers of a run can be trusted: what measuring cost, how each figure scatters, what
//! difference could have been seen, whether the host changed its pace, and what other methods say.

mod tables;

use std::collections::BTreeMap;

use serde::Serialize;

use super::cell::{self, Cell, Estimate, Measured};
use super::trials::{CellTrials, Quantity, counts};
use crate::results::{BASELINE, CONTROL, NULL, Results, WorkloadKind};
use crate::runtime::trial::Trial;
use crate::stats::bootstrap::{self, Method};
use crate::stats::outliers::outliers_of_sorted;
use crate::stats::{self, Interval, Outliers, Shift, median, quantile};

pub(super) use tables::percent;
pub use tables::{checks, cold, host_warnings, measuring, opinions, trust};

/// A drift is told when it is this unlikely without one …
const UNLIKELY: f64 = 0.01;
/// … and changes the level by this share.
const WORTH_TELLING: f64 = 0.05;
/// Cells with more trials need no second opinion: the methods agree, and resampling takes long.
const MOST_RESAMPLED: usize = 2_000;

/// What a cell is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Request → first output.
    StartUp,
    /// Time for one unit of work.
    WorkTime,
}

impl Figure {
    fn of(kind: WorkloadKind) -> Figure {
        match kind {
            WorkloadKind::Startup | WorkloadKind::Own => Figure::StartUp,
            WorkloadKind::Cpu | WorkloadKind::Memory | WorkloadKind::Calls => Figure::WorkTime,
        }
    }

    fn quantity(self) -> Quantity {
        match self {
            Figure::StartUp => cell::first_output,
            Figure::WorkTime => cell::work_time,
        }
    }

    fn measured(self, cell: &Cell) -> Option<&Measured> {
        match self {
            Figure::StartUp => cell.first_output.as_ref(),
            Figure::WorkTime => cell.work_time.as_ref(),
        }
    }
}

/// What measuring cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measuring {
    /// Start-up of the null runtime, in nanoseconds.
    pub null: Option<Estimate>,
    /// CPU time of the harness for one trial, in nanoseconds.
    pub harness: Option<Estimate>,
    /// The same of all trials ÷ the duration of the run.
    pub share: Option<f64>,
}

/// How far the figure of one cell can be trusted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trust {
    /// Runtime name.
    pub runtime: String,
    /// Workload name.
    pub workload: String,
    /// Which figure.
    pub figure: Figure,
    /// Trials it rests on.
    pub n: usize,
    /// Median absolute deviation ÷ median.
    pub spread: f64,
    /// Outliers; `None` with too few trials.
    pub outliers: Option<Outliers>,
    /// The smallest difference to the baseline that could have been seen (0.1: 10 %).
    pub detectable: Option<f64>,
    /// A change of level during the run that is worth telling.
    pub drift: Option<Shift>,
}

/// A start-up's interval by three methods.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Opinion {
    /// Runtime name.
    pub runtime: String,
    /// The one that all other tables use.
    pub order: Interval,
    /// By the percentile bootstrap.
    pub percentile: Option<Interval>,
    /// By the BCa bootstrap.
    pub bca: Option<Interval>,
}

/// A cell with a cold page cache beside the same with a warm one. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColdStart {
    /// Runtime name.
    pub runtime: String,
    /// Workload name.
    pub workload: String,
    /// Start-up, warm and cold.
    pub start_up: [Option<Estimate>; 2],
    /// Preparing, warm and cold.
    pub preparation: [Option<Estimate>; 2],
    /// Preparing and start-up together, cold ÷ warm, paired by round, as [`stats::paired_ratio`].
    pub ratio: Option<stats::Ratio>,
    /// What the cold trials dropped, in bytes, median.
    pub dropped_bytes: Option<f64>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    /// What measuring cost.
    pub measuring: Option<Measuring>,
    /// A change of the whole host's pace that is worth telling; its places are rounds.
    pub drift: Option<Shift>,
    /// Every cell's figure.
    pub trust: Vec<Trust>,
    /// Second opinions on start-up.
    pub opinions: Vec<Opinion>,
    /// Cold starts.
    pub cold: Vec<ColdStart>,
}

impl Quality {
    /// `start_up` is the workload of the headline.
    pub(super) fn new(
        results: &Results,
        grouped: &[CellTrials],
        cells: &[Cell],
        start_up: Option<&str>,
    ) -> Quality {
        let opinion = |cell: &&CellTrials| opinion(cell);
        let of_start_up = |cell: &&CellTrials| Some(cell.workload) == start_up && cell.runtime != CONTROL;
        Quality {
            measuring: of_measuring(results),
            drift: host_drift(grouped, cells).filter(is_worth_telling),
            trust: trust_of(grouped, cells),
            opinions: grouped.iter().filter(of_start_up).filter_map(|cell| opinion(&cell)).collect(),
            cold: cold_starts(results, grouped),
        }
    }
}

fn is_worth_telling(shift: &Shift) -> bool {
    shift.p <= UNLIKELY && (shift.ratio >= 1.0 + WORTH_TELLING || shift.ratio <= 1.0 - WORTH_TELLING)
}

fn of_measuring(results: &Results) -> Option<Measuring> {
    let of_null = |trial: &&Trial| trial.runtime == NULL && counts(trial);
    let null = results.trials.iter().filter(of_null).filter_map(cell::first_output).collect::<Vec<_>>();
    let observed = results.trials.iter().filter(|trial| trial.runtime != NULL);
    let harness: Vec<f64> = observed.filter_map(|trial| Some(trial.harness_ns? as f64)).collect();
    if null.is_empty() && harness.is_empty() {
        return None;
    }
    let share = harness.iter().sum::<f64>() / results.duration_ns as f64;
    Some(Measuring {
        null: Estimate::of(&null),
        harness: Estimate::of(&harness),
        share: Some(share).filter(|share| share.is_finite() && !harness.is_empty()),
    })
}

/// The values of a cell's figure, in the order of time.
fn series(cell: &CellTrials, cells: &[Cell]) -> Option<(Figure, Vec<f64>)> {
    let kind = cells.iter().find(|own| own.runtime == cell.runtime && own.workload == cell.workload)?.kind;
    let figure = Figure::of(kind);
    Some((figure, cell.timed().into_iter().filter_map(figure.quantity()).collect()))
}

fn trust_of(grouped: &[CellTrials], cells: &[Cell]) -> Vec<Trust> {
    let mut rows = Vec::new();
    for cell in grouped.iter().filter(|cell| cell.runtime != CONTROL) {
        let Some((figure, values)) = series(cell, cells) else { continue };
        let Some(sorted) = quantile::sorted(&values) else { continue };
        let both = stats::mad(&values).zip(median(&values)).filter(|(_, median)| *median > 0.0);
        let Some((mad, median)) = both else { continue };
        let own = cells.iter().find(|own| own.runtime == cell.runtime && own.workload == cell.workload);
        let relative = own.and_then(|own| figure.measured(own)?.relative.as_ref());
        rows.push(Trust {
            runtime: cell.runtime.to_owned(),
            workload: cell.workload.to_owned(),
            figure,
            n: values.len(),
            spread: mad / median,
            outliers: outliers_of_sorted(&sorted),
            detectable: relative.and_then(|relative| relative.detectable),
            drift: stats::shift(&values),
        });
    }
    // A drift in one of many cells is likely by chance alone.
    let p: Vec<f64> = rows.iter().map(|row| row.drift.map_or(1.0, |drift| drift.p)).collect();
    for (row, p) in rows.iter_mut().zip(stats::holm(&p)) {
        row.drift = row.drift.map(|drift| Shift { p, ..drift }).filter(is_worth_telling);
    }
    rows
}

/// The pace of the host, round by round: the median over cells of a trial's figure ÷ its cell's median.
fn host_drift(grouped: &[CellTrials], cells: &[Cell]) -> Option<Shift> {
    let mut rounds: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for cell in grouped {
        let Some((figure, values)) = series(cell, cells) else { continue };
        let Some(typical) = median(&values).filter(|median| *median > 0.0) else { continue };
        for trial in cell.timed() {
            if let Some(value) = figure.quantity()(trial) {
                rounds.entry(trial.round).or_default().push(value / typical);
            }
        }
    }
    let pace: Vec<f64> = rounds.values().filter_map(|round| median(round)).collect();
    stats::shift(&pace)
}

fn opinion(cell: &CellTrials) -> Option<Opinion> {
    let values: Vec<f64> = cell.timed().into_iter().filter_map(cell::first_output).collect();
    if values.len() > MOST_RESAMPLED {
        return None;
    }
    let by = |method| bootstrap::of_median(&values, method, SEED);
    Some(Opinion {
        runtime: cell.runtime.to_owned(),
        order: stats::median_interval(&values)?,
        percentile: by(Method::Percentile),
        bca: by(Method::Bca),
    })
}

/// One file gives one report.
const SEED: u64 = 1;

fn cold_starts(results: &Results, grouped: &[CellTrials]) -> Vec<ColdStart> {
    let mut rows = Vec::new();
    for cell in grouped {
        let is_own = |trial: &&Trial| trial.runtime == cell.runtime && trial.workload == cell.workload;
        let cold = results.trials.iter().filter(|trial| trial.is_cold() && counts(trial)).filter(is_own);
        let levels = [
            cell.good().filter(|trial| trial.page_cache.is_some()).collect::<Vec<_>>(),
            cold.collect::<Vec<_>>(),
        ];
        if cell.invalid.is_some() || levels[1].is_empty() {
            continue;
        }
        let of = |value: Quantity| {
            levels.each_ref().map(|trials| {
                Estimate::of(&trials.iter().filter_map(|trial| value(trial)).collect::<Vec<_>>())
            })
        };
        let whole = |trial: &Trial| Some(preparation(trial)? + cell::first_output(trial)?);
        let [warm, cold] = levels.each_ref().map(|trials| super::trials::by_round(trials, whole));
        let dropped: Vec<f64> =
            levels[1].iter().filter_map(|trial| Some(trial.page_cache?.dropped_bytes as f64)).collect();
        rows.push(ColdStart {
            runtime: cell.runtime.to_owned(),
            workload: cell.workload.to_owned(),
            start_up: of(cell::first_output),
            preparation: of(preparation),
            ratio: stats::paired_ratio(&super::trials::pairs(&cold, &warm)),
            dropped_bytes: median(&dropped),
        });
    }
    rows.retain(|row| row.runtime != CONTROL || !grouped.iter().any(|cell| cell.runtime == BASELINE));
    rows
}

fn preparation(trial: &Trial) -> Option<f64> {
    trial.page_cache.map(|cache| cache.preparation_ns as f64)
}

#[cfg(test)]
mod tests;
