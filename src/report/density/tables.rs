//! The tables of a density report, and all of its sentences.

use super::super::format::{MISSING, bytes, bytes_range, count, duration, ratio};
use super::super::summary::MARK;
use super::super::table::{Entry, NO_NUMBERS, Table};
use super::{AliveSummary, DensitySummary, RateSummary, RuntimeSummary};
use crate::results::density::{Ended, Resource};

pub(super) const TITLE: &str = "How many sandboxes fit on this machine";

pub(super) fn all(summary: &DensitySummary) -> Vec<Table> {
    vec![alive(summary), memory(summary), rates(summary), skipped(summary)]
}

/// The runtime as shown.
pub(in super::super) fn label(one: &RuntimeSummary) -> String {
    if one.is_virtual_machine { format!("{} {MARK}", one.runtime) } else { one.runtime.clone() }
}

/// Why no more were started.
pub(super) fn why(ended: &Ended) -> String {
    match ended {
        Ended::Planned => "as many as asked for".to_owned(),
        Ended::Interrupted => "you stopped it".to_owned(),
        Ended::LaunchFailed(reason) => format!("the next one could not be started: {reason}"),
        Ended::SandboxEnded(reason) => reason.clone(),
        Ended::Limit(limit) => {
            let amount = |value: u64| match limit.resource {
                Resource::Memory => bytes(value as f64),
                Resource::Files | Resource::Processes => count(value as f64),
            };
            let what = match limit.resource {
                Resource::Memory => "memory",
                Resource::Files => "open files",
                Resource::Processes => "processes",
            };
            format!(
                "{what} came first: {} has {} left, of which {} stay free",
                limit.name,
                amount(limit.free),
                amount(limit.reserve)
            )
        }
    }
}

pub(super) fn alive(summary: &DensitySummary) -> Table {
    let mut table = Table::new(
        "Alive at once",
        "Start-up is request → first output, the median of the first and of the last tenth of the starts. Host memory is the fall \
         of MemAvailable from the first to the last sandbox ÷ their number; its slope is the median over blocks of starts, with \
         its 95 % interval.",
        &["", "why no more"],
        &["alive", "start-up, first", "start-up, last", "host memory of one", "torn down in"],
    );
    for one in &summary.runtimes {
        let Some(alive) = &one.alive else { continue };
        let time = |ns: Option<f64>| ns.map_or_else(Entry::missing, |ns| Entry::new(duration(ns)));
        let mut last = time(alive.last);
        if let (Some(first), Some(end)) = (alive.first.filter(|first| *first > 0.0), alive.last) {
            last.details.push(format!("{} the first", ratio(end / first)));
        }
        let mut host = alive.host_bytes.map_or_else(Entry::missing, |host| Entry::new(bytes(host)));
        if let Some((slope, interval)) = &alive.slope_bytes {
            host.details.push(format!("slope {}", bytes(*slope)));
            host.details.push(bytes_range(interval.low, interval.high));
        }
        let mut reason = Entry::new(why(&alive.ended));
        if alive.silent && alive.count > 0 {
            reason
                .details
                .push("it prints nothing while it waits: start-up is request → first instruction".to_owned());
        }
        if let Some((number, how)) = &alive.bad_ends {
            reason.details.push(format!("{number} of them did not end well, the first with {how}"));
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

pub(super) fn memory(summary: &DensitySummary) -> Table {
    let mut table = Table::new(
        "Memory of one sandbox, by how many are alive",
        "Each column hides something. The host's view: fall of MemAvailable ÷ number. PSS: mean over a few of them, each page divided by \
         its users, so it falls as more share it; it knows nothing of the kernel. Kernel: growth of slab, page tables, kernel stacks and \
         per-CPU memory of the whole host ÷ number. Cgroup: what was charged to one's own, at the end, kernel part and peak; \
         a process or a virtual machine is put into one only where memory is looked at, after its start.",
        &["", "alive"],
        &["host's view", "PSS", "kernel", "cgroup, kernel", "cgroup, peak"],
    );
    for one in &summary.runtimes {
        let Some(alive) = &one.alive else { continue };
        for (number, row) in alive.rows.iter().enumerate() {
            let last = number + 1 == alive.rows.len();
            let own = |value: Option<f64>| match value {
                Some(value) if last => Entry::new(bytes(value)),
                _ => Entry::missing(),
            };
            table.rows.push(vec![
                Entry::new(label(one)),
                Entry::new(count(f64::from(row.count))),
                Entry::new(bytes(row.host)),
                Entry::new(bytes(row.pss)),
                Entry::new(bytes(row.kernel)),
                own(alive.cgroup_kernel_bytes),
                own(alive.cgroup_peak_bytes),
            ]);
        }
    }
    table
}

pub(super) fn rates(summary: &DensitySummary) -> Table {
    let mut table = Table::new(
        "Creation rate",
        "Each starter makes a sandbox, reads its output, waits until nothing of it is left, and makes the next one. At once: throughput × mean \
         latency, which by Little's law is how many existed on average; it cannot be more than there are starters, and what it \
         lacks of that is the starters' own work between two sandboxes. A row that breaks the law is marked invalid.",
        &["", "starters"],
        &["per second", "latency", "95 % within", "first output", "at once", "CPUs busy", "failed"]
            .map(str::to_owned),
    );
    for one in &summary.runtimes {
        for rate in &one.rates {
            table.rows.push(rate_row(one, rate));
        }
    }
    table
}

fn rate_row(one: &RuntimeSummary, rate: &RateSummary) -> Vec<Entry> {
    let time = |ns: Option<f64>| ns.map_or_else(Entry::missing, |ns| Entry::new(duration(ns)));
    let per_second = match rate.per_second {
        Some(rate) => Entry::new(count(rate.round())),
        None if rate.is_impossible() => Entry::with(MISSING, "invalid: against Little's law"),
        None => Entry::missing(),
    };
    let mut failed = Entry::new(count(f64::from(rate.failed)));
    failed.details.extend(rate.failure.clone());
    vec![
        Entry::new(label(one)),
        Entry::new(count(f64::from(rate.starters))),
        per_second,
        time(rate.latency),
        time(rate.latency_95),
        time(rate.first_output),
        Entry::new(format!("{:.2} of {}", rate.existing, rate.starters)),
        rate.cpu_busy.map_or_else(Entry::missing, |share| Entry::new(format!("{:.0} %", share * 100.0))),
        failed,
    ]
}

fn skipped(summary: &DensitySummary) -> Table {
    let mut table = Table::new("Took no part", "", &["", "why", "what mends it"], NO_NUMBERS);
    for row in &summary.skipped {
        table.rows.push([&row.runtime, &row.reason, &row.fix].map(Entry::new).into());
    }
    table
}

/// What it comes to, a sentence for each runtime.
pub(super) fn sentences(summary: &DensitySummary) -> Vec<String> {
    let sentence = |one: &RuntimeSummary| {
        let mut parts = Vec::new();
        parts.extend(one.alive.as_ref().and_then(alive_part));
        let best = one.rates.iter().filter_map(|rate| Some((rate.per_second?, rate.starters)));
        if let Some((rate, starters)) = best.max_by(|a, b| a.0.total_cmp(&b.0)) {
            let by = if starters == 1 { "one starter".to_owned() } else { format!("{starters} starters") };
            parts.push(format!("{} made and removed in a second by {by}", count(rate.round())));
        }
        (!parts.is_empty()).then(|| format!("{}: {}.", label(one), parts.join("; ")))
    };
    summary.runtimes.iter().filter_map(sentence).collect()
}

fn alive_part(alive: &AliveSummary) -> Option<String> {
    let mut text = format!("{} alive at once", count(f64::from(alive.count)));
    if let Some(host) = alive.host_bytes {
        text.push_str(&format!(", {} of host memory each", bytes(host)));
    }
    if let (Some(first), Some(last)) = (alive.first, alive.last) {
        text.push_str(&format!(", started in {} at first and {} at last", duration(first), duration(last)));
    }
    (alive.count > 0).then_some(text)
}
