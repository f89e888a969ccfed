//! The tables of a density report, and its sentences.

use super::super::format::{MISSING, bytes, bytes_range, count, duration, ratio};
use super::super::summary::MARK;
use super::super::table::{Entry, NO_NUMBERS, Table};
use super::{AliveSummary, DensitySummary, RateSummary, RuntimeSummary};
use crate::language::{Language, text};
use crate::results::density::{Ended, HostLimit, Resource};

/// Every table, in the report's order; some may be empty.
pub(super) fn all(summary: &DensitySummary, language: Language) -> Vec<Table> {
    [alive, memory, rates, skipped].map(|table| table(summary, language)).into()
}

/// The runtime as shown.
fn label(one: &RuntimeSummary) -> String {
    if one.is_virtual_machine { format!("{} {MARK}", one.runtime) } else { one.runtime.clone() }
}

fn time(ns: Option<f64>) -> Entry {
    ns.map_or_else(Entry::missing, |ns| Entry::new(duration(ns)))
}

fn size(value: Option<f64>) -> Entry {
    value.map_or_else(Entry::missing, |value| Entry::new(bytes(value)))
}

/// Why no more were started.
fn why(ended: &Ended, language: Language) -> String {
    match ended {
        Ended::Planned => text!(language, "density-ended-planned"),
        Ended::Interrupted => text!(language, "density-ended-interrupted"),
        Ended::LaunchFailed(reason) => text!(language, "density-ended-launch-failed", reason = reason),
        Ended::SandboxEnded(reason) => reason.clone(),
        Ended::Limit(HostLimit { resource, name, free, reserve }) => {
            let amount = |value: u64| match resource {
                Resource::Memory => bytes(value as f64),
                Resource::Files | Resource::Processes => count(value as f64),
            };
            let (free, reserve) = (amount(*free), amount(*reserve));
            match resource {
                Resource::Memory => {
                    text!(language, "density-ended-limit-memory", name = name, free = free, reserve = reserve)
                }
                Resource::Files => {
                    text!(language, "density-ended-limit-files", name = name, free = free, reserve = reserve)
                }
                Resource::Processes => {
                    text!(
                        language,
                        "density-ended-limit-processes",
                        name = name,
                        free = free,
                        reserve = reserve
                    )
                }
            }
        }
    }
}

pub(super) fn alive(summary: &DensitySummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "density-alive"),
        text!(language, "density-alive-note"),
        &[String::new(), text!(language, "density-column-why")],
        &[
            text!(language, "density-column-alive"),
            text!(language, "density-column-first"),
            text!(language, "density-column-last"),
            text!(language, "density-column-host"),
            text!(language, "density-column-teardown"),
        ],
    );
    for one in &summary.runtimes {
        let Some(alive) = &one.alive else { continue };
        let mut last = time(alive.last);
        if let (Some(first), Some(end)) = (alive.first.filter(|first| *first > 0.0), alive.last) {
            last.details.push(text!(language, "density-growth", ratio = ratio(end / first)));
        }
        let mut host = size(alive.host_bytes);
        if let Some((slope, interval)) = &alive.slope_bytes {
            host.details.push(text!(language, "density-slope", size = bytes(*slope)));
            host.details.push(bytes_range(interval.low, interval.high));
        }
        let mut reason = Entry::new(why(&alive.ended, language));
        if alive.silent && alive.count > 0 {
            reason.details.push(text!(language, "density-silent"));
        }
        if let Some((number, how)) = &alive.bad_ends {
            reason.details.push(text!(
                language,
                "density-bad-ends",
                number = count(*number as f64),
                how = how
            ));
        }
        table.rows.push(vec![
            Entry::new(label(one)),
            reason,
            Entry::new(count(f64::from(alive.count))),
            time(alive.first),
            last,
            host,
            Entry::new(duration(alive.teardown_ns as f64)),
        ]);
    }
    table
}

pub(super) fn memory(summary: &DensitySummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "density-memory"),
        text!(language, "density-memory-note"),
        &[String::new(), text!(language, "density-column-alive")],
        &[
            text!(language, "density-column-host-view"),
            text!(language, "density-column-pss"),
            text!(language, "density-column-kernel"),
            text!(language, "density-column-cgroup-kernel"),
            text!(language, "density-column-cgroup-peak"),
        ],
    );
    for one in &summary.runtimes {
        let Some(alive) = &one.alive else { continue };
        for (number, row) in alive.rows.iter().enumerate() {
            // What a cgroup was charged is known at its end only.
            let at_the_end = |value: Option<f64>| size(value.filter(|_| number + 1 == alive.rows.len()));
            table.rows.push(vec![
                Entry::new(label(one)),
                Entry::new(count(f64::from(row.count))),
                Entry::new(bytes(row.host)),
                Entry::new(bytes(row.pss)),
                Entry::new(bytes(row.kernel)),
                at_the_end(alive.cgroup_kernel_bytes),
                at_the_end(alive.cgroup_peak_bytes),
            ]);
        }
    }
    table
}

pub(super) fn rates(summary: &DensitySummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "density-rates"),
        text!(language, "density-rates-note"),
        &[String::new(), text!(language, "density-column-starters")],
        &[
            text!(language, "density-column-per-second"),
            text!(language, "density-column-latency"),
            text!(language, "density-column-latency-95"),
            text!(language, "density-column-output"),
            text!(language, "density-column-existing"),
            text!(language, "density-column-busy"),
            text!(language, "density-column-failed"),
        ],
    );
    let rows = summary.runtimes.iter().flat_map(|one| one.rates.iter().map(move |rate| (one, rate)));
    table.rows = rows.map(|(one, rate)| rate_row(one, rate, language)).collect();
    table
}

fn rate_row(one: &RuntimeSummary, rate: &RateSummary, language: Language) -> Vec<Entry> {
    let per_second = match rate.per_second {
        Some(rate) => Entry::new(count(rate.round())),
        None if rate.is_impossible() => Entry::with(MISSING, text!(language, "density-impossible")),
        None => Entry::missing(),
    };
    let starters = count(f64::from(rate.starters));
    let existing = format!("{:.2}", rate.existing);
    let mut failed = Entry::new(count(f64::from(rate.failed)));
    failed.details.extend(rate.failure.clone());
    vec![
        Entry::new(label(one)),
        Entry::new(starters.clone()),
        per_second,
        time(rate.latency),
        time(rate.latency_95),
        time(rate.first_output),
        Entry::new(text!(language, "density-existing", existing = existing, starters = starters)),
        rate.cpu_busy.map_or_else(Entry::missing, |share| Entry::new(format!("{:.0} %", share * 100.0))),
        failed,
    ]
}

fn skipped(summary: &DensitySummary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "density-skipped"),
        "",
        &[String::new(), text!(language, "density-column-why"), text!(language, "density-column-fix")],
        NO_NUMBERS,
    );
    for row in &summary.skipped {
        table.rows.push([&row.runtime, &row.reason, &row.fix].map(Entry::new).into());
    }
    table
}

/// What it comes to, a sentence for each runtime.
pub(super) fn sentences(summary: &DensitySummary, language: Language) -> Vec<String> {
    let sentence = |one: &RuntimeSummary| {
        let mut parts = one.alive.as_ref().map_or_else(Vec::new, |alive| alive_parts(alive, language));
        let best = one.rates.iter().filter_map(|rate| Some((rate.per_second?, rate.starters)));
        if let Some((rate, starters)) = best.max_by(|a, b| a.0.total_cmp(&b.0)) {
            let rate = count(rate.round());
            parts.push(text!(language, "density-said-rate", starters = starters, rate = rate));
        }
        (!parts.is_empty()).then(|| format!("{}: {}.", label(one), parts.join("; ")))
    };
    summary.runtimes.iter().filter_map(sentence).collect()
}

fn alive_parts(alive: &AliveSummary, language: Language) -> Vec<String> {
    if alive.count == 0 {
        return Vec::new();
    }
    let number = count(f64::from(alive.count));
    let mut parts = vec![match alive.host_bytes {
        Some(host) => text!(language, "density-said-alive-memory", count = number, size = bytes(host)),
        None => text!(language, "density-said-alive", count = number),
    }];
    if let (Some(first), Some(last)) = (alive.first, alive.last) {
        let (first, last) = (duration(first), duration(last));
        parts.push(text!(language, "density-said-start-up", first = first, last = last));
    }
    parts
}
