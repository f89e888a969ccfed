//! What the tool is for: per runtime, what isolation costs.

use super::super::cell::{Measured, Relative};
use super::super::format::{MISSING, bytes_range, ratio_range};
use super::super::summary::{Headline, Summary};
use super::super::table::{Entry, Table};
use super::{computing_entry, extra_bytes, or_invalid, time};
use crate::language::{Language, text};
use crate::results::{BASELINE, WorkloadKind};

/// One row per runtime, and the noise floor.
pub fn headline(summary: &Summary, language: Language) -> Table {
    let workload = summary.start_up_workload.as_deref().unwrap_or(MISSING);
    let mut table = Table::new(
        text!(language, "table-headline"),
        text!(language, "table-headline-note", workload = workload),
        &[&text!(language, "column-runtime")],
        &[
            &text!(language, "column-start-up"),
            &text!(language, "column-memory"),
            &text!(language, "column-computing"),
            &text!(language, "column-teardown"),
        ],
    );
    let any_memory = summary.headline.iter().any(|row| row.memory.is_some());
    let any_computing = summary.headline.iter().any(|row| row.computing.is_some());
    for row in &summary.headline {
        let reference = |text: &str, measured: bool, entry: Entry| {
            if row.runtime == BASELINE && measured {
                Entry::with(text, text!(language, "baseline"))
            } else {
                entry
            }
        };
        let start_up = summary.start_up_workload.as_deref();
        let own = start_up.and_then(|workload| summary.cell(&row.runtime, workload));
        let mut of_cpu = summary.cells.iter().filter(|cell| cell.kind == WorkloadKind::Cpu);
        let computing = of_cpu.find(|cell| cell.runtime == row.runtime && cell.invalid.is_some());
        let valid = |entry, cell| or_invalid(entry, cell, language);
        table.rows.push(vec![
            Entry::new(summary.label(&row.runtime)),
            valid(time(row.start_up.as_ref(), language), own),
            reference("0", any_memory, valid(extra_bytes(row.memory.as_ref(), language), own)),
            reference(
                "1×",
                any_computing,
                valid(computing_entry(row.computing.as_ref(), language), computing),
            ),
            valid(time(row.teardown.as_ref(), language), own),
        ]);
    }
    if let Some(control) = &summary.control {
        table.rows.push(noise_floor_row(control, language));
    }
    table
}

/// The control's row holds no costs but what two equal things differ by.
fn noise_floor_row(control: &Headline, language: Language) -> Vec<Entry> {
    let floor = |relative: Option<&Relative>| {
        let interval = relative.and_then(|relative| relative.interval);
        Entry::new(interval.map_or(MISSING.to_owned(), |floor| ratio_range(floor.low, floor.high)))
    };
    let of = |measured: &Option<Measured>| floor(measured.as_ref().and_then(|one| one.relative.as_ref()));
    let memory = control.memory.as_ref().and_then(|memory| memory.estimate.interval);
    vec![
        Entry::with(text!(language, "noise-floor"), text!(language, "process-again")),
        of(&control.start_up),
        Entry::new(memory.map_or(MISSING.to_owned(), |floor| bytes_range(floor.low, floor.high))),
        floor(control.computing.as_ref()),
        of(&control.teardown),
    ]
}
