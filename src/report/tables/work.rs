//! What was done inside, and how often the boundary was crossed for it.

use super::super::cell::Cell;
use super::super::format::{MISSING, count, duration, ratio, ratio_range, throughput, work_time};
use super::super::summary::Summary;
use super::super::table::{Entry, Table};
use super::super::words::workload_description;
use super::{judged, named, or_invalid, shown_cells};
use crate::language::{Language, text};
use crate::results::{CONTROL, WorkloadKind};

/// Work done, by workload and runtime: all workloads of some kinds.
pub fn work(summary: &Summary, language: Language, of_kind: fn(WorkloadKind) -> bool) -> Table {
    let mut headings: Vec<String> = summary.runtimes.iter().map(|runtime| summary.label(runtime)).collect();
    headings.push(text!(language, "noise-floor"));
    let mut table = Table::new(
        text!(language, "table-work"),
        text!(language, "table-work-note"),
        &[&text!(language, "column-workload")],
        &headings.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    for workload in summary.workloads.iter().filter(|workload| of_kind(workload.kind)) {
        let measured = |runtime: &str| {
            let cell = summary.cell(runtime, &workload.name)?;
            Some((cell, cell.work_time.as_ref()?))
        };
        let own = |runtime: &str| summary.cell(runtime, &workload.name);
        let is_told = |runtime: &String| {
            measured(runtime).is_some() || own(runtime).is_some_and(|cell| cell.invalid.is_some())
        };
        if !summary.runtimes.iter().any(is_told) {
            continue;
        }
        let mut row = vec![Entry::with(&workload.name, workload_description(workload, language))];
        row.extend(summary.runtimes.iter().map(|runtime| {
            let Some((cell, work)) = measured(runtime) else {
                return or_invalid(Entry::missing(), own(runtime), language);
            };
            let speed = throughput(work.estimate.median, &cell.unit);
            match &work.relative {
                None => {
                    let time = work_time(work.estimate.median);
                    Entry::with(speed, text!(language, "time-for-one", time = time, unit = unit(cell)))
                }
                Some(relative) => {
                    let details = judged(relative, language).into_iter().chain([speed]).collect();
                    Entry { text: ratio(relative.ratio), details }
                }
            }
        }));
        let floor = measured(CONTROL).and_then(|(_, work)| work.relative.as_ref()?.interval);
        row.push(floor.map_or(Entry::missing(), |floor| Entry::new(ratio_range(floor.low, floor.high))));
        table.rows.push(row);
    }
    table
}

/// VM exits by reason, of the start-up workload.
pub fn exits(summary: &Summary, language: Language) -> Table {
    let workload = summary.start_up_workload.as_deref().unwrap_or(MISSING);
    let mut table = Table::new(
        text!(language, "table-exits"),
        text!(language, "table-exits-note", workload = workload),
        &[&text!(language, "column-runtime"), &text!(language, "column-reason")],
        &[&text!(language, "column-exits"), &text!(language, "column-time"), &text!(language, "column-each")],
    );
    for cell in summary.start_up_cells() {
        for exit in &cell.exits {
            let each = exit.handled_ns / exit.count;
            table.rows.push(vec![
                named(summary, cell, language),
                Entry::new(&exit.reason),
                Entry::new(count(exit.count)),
                Entry::new(duration(exit.handled_ns)),
                Entry::new(duration(each)),
            ]);
        }
    }
    table
}

/// Crossings of the boundary, by cell.
pub fn crossings(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-crossings"),
        text!(language, "table-crossings-note"),
        &[&text!(language, "column-runtime"), &text!(language, "column-workload")],
        &[
            &text!(language, "column-vm-exits"),
            &text!(language, "column-host-calls"),
            &text!(language, "column-guest-calls"),
            &text!(language, "column-per-second"),
        ],
    );
    let mut any_missing = Vec::new();
    for cell in shown_cells(summary) {
        let crossings = &cell.crossings;
        let columns =
            [crossings.vm_exits, crossings.host_syscalls, crossings.guest_syscalls, crossings.per_second];
        if columns.iter().all(Option::is_none) {
            continue;
        }
        let mut row = vec![named(summary, cell, language), Entry::new(&cell.workload)];
        row.extend(columns.map(|number| Entry::new(number.map_or(MISSING.to_owned(), count))));
        table.rows.push(row);
        if !crossings.missing_calls.is_empty() {
            any_missing.push(format!("{}: {}", cell.workload, crossings.missing_calls.join(", ")));
        }
    }
    if !any_missing.is_empty() {
        let missing = text!(language, "missing-calls", calls = any_missing.join("; "));
        table.note = format!("{} {missing}", table.note);
    }
    table
}

fn unit(cell: &Cell) -> &str {
    if cell.unit.is_empty() { "unit" } else { &cell.unit }
}
