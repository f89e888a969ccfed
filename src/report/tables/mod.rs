//! The tables of the report, as text in cells. The terminal, Markdown and HTML editions only lay
//! them out.

mod headline;
mod lists;
mod work;

pub use headline::headline;
pub use lists::{failures, host, notes, skipped};
pub use work::{crossings, exits, work};

use super::cell::{Cell, Estimate, Measured, Overhead, Relative};
use super::format::{MISSING, bytes, bytes_range, duration, duration_range, ratio, ratio_range};
use super::quality::percent;
use super::summary::Summary;
use super::table::{Entry, Table};
use super::words::verdict_of_time;
use crate::language::{Language, text};
use crate::results::CONTROL;
use crate::stats::Verdict;

/// Start-up in detail.
pub fn start_up(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-start-up"),
        text!(language, "table-start-up-note"),
        &[&text!(language, "column-runtime")],
        &[
            &text!(language, "column-trials"),
            &text!(language, "column-first-output"),
            &text!(language, "column-p95"),
            &text!(language, "column-min-max"),
            &text!(language, "column-entered"),
            &text!(language, "column-cpu"),
            &text!(language, "column-waited"),
            &text!(language, "column-teardown"),
        ],
    );
    for cell in summary.start_up_cells() {
        let first = cell.first_output.as_ref().map(|one| &one.estimate);
        let or_missing = |text: Option<String>| Entry::new(text.unwrap_or(MISSING.to_owned()));
        table.rows.push(vec![
            named(summary, cell, language),
            Entry::new((cell.trials - cell.failed).to_string()),
            or_invalid(time(cell.first_output.as_ref(), language), Some(cell), language),
            or_missing(first.map(|one| duration(one.p95))),
            or_missing(first.map(|one| duration_range(one.minimum, one.maximum))),
            time(cell.entered.as_ref(), language),
            duration_entry(cell.cpu.as_ref(), language),
            duration_entry(cell.stalls.as_ref(), language),
            time(cell.teardown.as_ref(), language),
        ]);
    }
    table
}

/// Phases of the median trial.
pub fn phases(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-phases"),
        text!(language, "table-phases-note"),
        &[&text!(language, "column-runtime"), &text!(language, "column-phase")],
        &[&text!(language, "column-begins"), &text!(language, "column-takes")],
    );
    for waterfall in &summary.waterfalls {
        let mut row = |name: String, start: f64, takes: Option<f64>| {
            table.rows.push(vec![
                Entry::new(summary.label(&waterfall.runtime)),
                Entry::new(name),
                Entry::new(duration(start)),
                takes.map_or(Entry::missing(), |ns| Entry::new(duration(ns))),
            ]);
        };
        let timeline = &waterfall.timeline;
        for phase in &timeline.phases {
            let takes = phase.end_ns.saturating_sub(phase.start_ns) as f64;
            row(phase.name.clone(), phase.start_ns as f64, Some(takes));
        }
        let milestones = [
            (text!(language, "milestone-entered"), timeline.entered_ns),
            (text!(language, "milestone-first-output"), timeline.first_output_ns),
            (text!(language, "milestone-exited"), timeline.exited_ns),
            (text!(language, "milestone-torn-down"), timeline.torn_down_ns),
        ];
        for (name, at) in milestones {
            if let Some(at) = at {
                row(format!("→ {name}"), at as f64, None);
            }
        }
    }
    table
}

/// Memory in its three columns.
pub fn memory(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-memory"),
        text!(language, "table-memory-note"),
        &[&text!(language, "column-runtime"), &text!(language, "column-workload")],
        &[
            &text!(language, "column-pss-peak"),
            &text!(language, "column-pss-steady"),
            &text!(language, "column-cgroup-peak"),
            &text!(language, "column-cgroup-kernel"),
            &text!(language, "column-guest-touched"),
            &text!(language, "column-guest-given"),
            &text!(language, "column-vmm-own"),
            &text!(language, "column-above-process"),
        ],
    );
    for cell in shown_cells(summary) {
        let Some(footprint) = &cell.footprint else { continue };
        let of = |estimate: &Option<Estimate>| bytes_entry(estimate.as_ref(), language);
        table.rows.push(vec![
            named(summary, cell, language),
            Entry::new(&cell.workload),
            of(&footprint.pss_peak),
            of(&footprint.pss_steady),
            of(&footprint.cgroup_peak),
            of(&footprint.cgroup_kernel),
            of(&footprint.guest_touched),
            footprint.guest_configured.map_or(Entry::missing(), |given| Entry::new(bytes(given))),
            of(&footprint.vmm_pss),
            extra_bytes(footprint.overhead.as_ref(), language),
        ]);
    }
    table
}

/// Cells in the report's order without the control's.
fn shown_cells(summary: &Summary) -> impl Iterator<Item = &Cell> {
    summary.cells.iter().filter(|cell| cell.runtime != CONTROL)
}

fn named(summary: &Summary, cell: &Cell, language: Language) -> Entry {
    let details = cell.disturbed.then(|| text!(language, "while-sampled")).into_iter().collect();
    Entry { text: summary.label(&cell.runtime), details }
}

/// What stands where a cell has no number since none of its trials can be trusted; the table of failed trials says why.
pub(super) fn or_invalid(entry: Entry, cell: Option<&Cell>, language: Language) -> Entry {
    match cell {
        Some(cell) if cell.invalid.is_some() && entry == Entry::missing() => {
            Entry::new(text!(language, "invalid"))
        }
        _ => entry,
    }
}

/// Verdict and interval of a ratio.
fn judged(relative: &Relative, language: Language) -> Vec<String> {
    let verdict = match relative.verdict {
        Verdict::Larger | Verdict::Smaller => None,
        other => Some(verdict_of_time(other, language)),
    };
    let interval = relative.interval.map(|interval| ratio_range(interval.low, interval.high));
    let is_alike = relative.verdict == Verdict::NoMeasurableDifference;
    let detectable = relative.detectable.filter(|_| is_alike).map(|size| {
        text!(
            language,
            "detectable-detail",
            size = text!(language, "detectable-from", percent = percent(size))
        )
    });
    verdict.into_iter().chain(interval).chain(detectable).collect()
}

pub(super) fn time(measured: Option<&Measured>, language: Language) -> Entry {
    let Some(measured) = measured else { return Entry::missing() };
    let mut entry = duration_entry(Some(&measured.estimate), language);
    if let Some(relative) = &measured.relative {
        let said = match relative.verdict {
            Verdict::NoMeasurableDifference => verdict_of_time(relative.verdict, language),
            _ => ratio(relative.ratio),
        };
        entry.details.insert(0, said);
    }
    entry
}

pub(super) fn computing_entry(relative: Option<&Relative>, language: Language) -> Entry {
    let Some(relative) = relative else { return Entry::missing() };
    Entry { text: ratio(relative.ratio), details: judged(relative, language) }
}

fn duration_entry(estimate: Option<&Estimate>, language: Language) -> Entry {
    entry(estimate, duration, duration_range, language)
}

/// Bytes more than the baseline's.
pub(super) fn extra_bytes(overhead: Option<&Overhead>, language: Language) -> Entry {
    let Some(overhead) = overhead else { return Entry::missing() };
    let mut entry = bytes_entry(Some(&overhead.estimate), language);
    if overhead.verdict == Verdict::NoMeasurableDifference {
        entry.details.insert(0, verdict_of_time(overhead.verdict, language));
    }
    entry
}

fn bytes_entry(estimate: Option<&Estimate>, language: Language) -> Entry {
    entry(estimate, bytes, bytes_range, language)
}

fn entry(
    estimate: Option<&Estimate>,
    one: fn(f64) -> String,
    range: fn(f64, f64) -> String,
    language: Language,
) -> Entry {
    let Some(estimate) = estimate else { return Entry::missing() };
    let detail = match estimate.interval {
        Some(interval) if interval.low == interval.high => None,
        Some(interval) => Some(range(interval.low, interval.high)),
        None => Some(text!(language, "no-interval", count = estimate.n)),
    };
    Entry { text: one(estimate.median), details: detail.into_iter().collect() }
}
