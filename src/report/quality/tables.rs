//! The tables about how far the numbers can be trusted.

use super::super::cell::Estimate;
use super::super::format::{MISSING, bytes, duration, duration_range, ratio, ratio_range};
use super::super::summary::Summary;
use super::super::table::{Entry, NO_NUMBERS, Table};
use super::super::words;
use super::Figure;
use crate::language::{Language, text};
use crate::measure::host::checks::{Grade, mark};
use crate::results::Cold;
use crate::stats::{Interval, Shift};

/// Everything that speaks against the figures as a whole: of the host, of what it did meanwhile, of its pace.
pub fn host_warnings(summary: &Summary, language: Language) -> Vec<String> {
    let mut warnings = words::warnings(&summary.host, language);
    warnings.extend(summary.during.iter().flat_map(|during| during.warnings(language)));
    warnings.extend(summary.quality.drift.map(|drift| {
        let (round, percent) = (drift.at.to_string(), percent((drift.ratio - 1.0).abs()));
        if drift.ratio > 1.0 {
            text!(language, "drift-slower", round = round, percent = percent)
        } else {
            text!(language, "drift-faster", round = round, percent = percent)
        }
    }));
    warnings
}

/// The host's quality mark, and each check behind it.
pub fn checks(summary: &Summary, language: Language) -> Table {
    let checks = &summary.host.checks;
    let grade = mark(checks).unwrap_or(Grade::Unknown).name(language);
    let mut table = Table::new(
        text!(language, "table-checks", grade = grade),
        text!(language, "table-checks-note"),
        &[
            text!(language, "column-check"),
            text!(language, "column-grade"),
            text!(language, "column-found"),
            text!(language, "column-matters"),
        ],
        NO_NUMBERS,
    );
    for check in checks {
        let matters = [Some(check.why(language)), check.mend(language)].into_iter().flatten();
        table.rows.push(vec![
            Entry::new(text!(language, "check-name", name = check.name.as_str())),
            Entry::new(check.grade.name(language)),
            Entry::new(check.found(language)),
            Entry::new(matters.collect::<Vec<_>>().join(" ")),
        ]);
    }
    table
}

/// What measuring cost.
pub fn measuring(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-measuring"),
        text!(language, "table-measuring-note"),
        &[text!(language, "column-cost")],
        &[text!(language, "column-cost-median")],
    );
    let Some(measuring) = &summary.quality.measuring else { return table };
    let mut row = |name: String, entry: Entry| table.rows.push(vec![Entry::new(name), entry]);
    if measuring.null.is_some() {
        row(text!(language, "measuring-null"), time(measuring.null.as_ref()));
    }
    if measuring.harness.is_some() {
        row(text!(language, "measuring-harness"), time(measuring.harness.as_ref()));
    }
    if let Some(share) = measuring.share {
        row(text!(language, "measuring-share"), Entry::new(format!("{} %", percent(share))));
    }
    table
}

/// Every cell: spread, outliers, what could have been seen, drift.
pub fn trust(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-trust"),
        text!(language, "table-trust-note"),
        &[
            text!(language, "column-runtime"),
            text!(language, "column-workload"),
            text!(language, "column-figure"),
        ],
        &[
            text!(language, "column-trials"),
            text!(language, "column-spread"),
            text!(language, "column-outliers"),
            text!(language, "column-detectable"),
            text!(language, "column-drift"),
        ],
    );
    for row in &summary.quality.trust {
        let figure = match row.figure {
            Figure::StartUp => text!(language, "figure-start-up"),
            Figure::WorkTime => text!(language, "figure-work"),
        };
        let outliers = row.outliers.map_or(MISSING.to_owned(), |outliers| {
            let mild = outliers.mild_low + outliers.mild_high;
            format!("{mild} ÷ {}", outliers.severe_low + outliers.severe_high)
        });
        let detectable = row
            .detectable
            .map_or(MISSING.to_owned(), |size| text!(language, "detectable-from", percent = percent(size)));
        table.rows.push(vec![
            Entry::new(summary.label(&row.runtime)),
            Entry::new(&row.workload),
            Entry::new(figure),
            Entry::new(row.n.to_string()),
            Entry::new(format!("{} %", percent(row.spread))),
            Entry::new(outliers),
            Entry::new(detectable),
            row.drift.map_or(Entry::missing(), |drift| Entry::new(drift_in_words(&drift, language))),
        ]);
    }
    table
}

fn drift_in_words(drift: &Shift, language: Language) -> String {
    let sign = if drift.ratio > 1.0 { "+" } else { "−" };
    let change = format!("{sign}{} %", percent((drift.ratio - 1.0).abs()));
    text!(language, "drift-from", change = change, trial = drift.at.to_string())
}

/// Start-up intervals by three methods.
pub fn opinions(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-opinion"),
        text!(language, "table-opinion-note"),
        &[text!(language, "column-runtime")],
        &[
            text!(language, "column-order"),
            text!(language, "column-percentile"),
            text!(language, "column-bca"),
        ],
    );
    let range = |interval: Option<Interval>| {
        interval.map_or(Entry::missing(), |interval| Entry::new(duration_range(interval.low, interval.high)))
    };
    for row in &summary.quality.opinions {
        table.rows.push(vec![
            Entry::new(summary.label(&row.runtime)),
            range(Some(row.order)),
            range(row.percentile),
            range(row.bca),
        ]);
    }
    table
}

/// Cold starts beside warm ones.
pub fn cold(summary: &Summary, language: Language) -> Table {
    let note = match summary.cold {
        Some(Cold::Host) => text!(language, "table-cold-note-host"),
        _ => text!(language, "table-cold-note-files"),
    };
    let mut table = Table::new(
        text!(language, "table-cold"),
        note,
        &[text!(language, "column-runtime"), text!(language, "column-workload")],
        &[
            text!(language, "column-warm"),
            text!(language, "column-cold"),
            text!(language, "column-prepare-warm"),
            text!(language, "column-prepare-cold"),
            text!(language, "column-cold-ratio"),
            text!(language, "column-dropped"),
        ],
    );
    for row in &summary.quality.cold {
        let ratio = row.ratio.map_or(Entry::missing(), |one| Entry {
            text: ratio(one.ratio),
            details: one
                .interval
                .map(|interval| ratio_range(interval.low, interval.high))
                .into_iter()
                .collect(),
        });
        let [warm, cold] = row.start_up.each_ref().map(|one| time(one.as_ref()));
        let [prepare_warm, prepare_cold] = row.preparation.each_ref().map(|one| time(one.as_ref()));
        table.rows.push(vec![
            Entry::new(summary.label(&row.runtime)),
            Entry::new(&row.workload),
            warm,
            cold,
            prepare_warm,
            prepare_cold,
            ratio,
            row.dropped_bytes.map_or(Entry::missing(), |dropped| Entry::new(bytes(dropped))),
        ]);
    }
    table
}

fn time(estimate: Option<&Estimate>) -> Entry {
    let Some(estimate) = estimate else { return Entry::missing() };
    let interval = estimate.interval.map(|interval| duration_range(interval.low, interval.high));
    Entry { text: duration(estimate.median), details: interval.into_iter().collect() }
}

/// 0.0123 → `1.2`; small shares keep a digit that says something.
pub(in crate::report) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        size if !size.is_finite() => MISSING.to_owned(),
        size if size >= 9.95 => format!("{percent:.0}"),
        size if size >= 0.095 => format!("{percent:.1}"),
        _ => format!("{percent:.2}"),
    }
}
