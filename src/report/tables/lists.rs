//! Tables of words: what failed, what was left out, where it ran.

use super::super::format::bytes;
use super::super::summary::Summary;
use super::super::table::{Entry, NO_NUMBERS, Table};
use crate::language::{Language, text};

/// Trials that do not count, and why.
pub fn failures(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-failures"),
        text!(language, "table-failures-note"),
        &[
            &text!(language, "column-runtime"),
            &text!(language, "column-workload"),
            &text!(language, "column-reason"),
        ],
        &[&text!(language, "column-trials")],
    );
    for failure in &summary.failures {
        table.rows.push(vec![
            Entry::new(summary.label(&failure.runtime)),
            Entry::new(&failure.workload),
            Entry::new(&failure.reason),
            Entry::new(text!(language, "some-of", some = failure.trials, all = failure.of)),
        ]);
    }
    table
}

/// Runtimes that took no part, and how to change that.
pub fn skipped(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-skipped"),
        String::new(),
        &[&text!(language, "column-runtime"), &text!(language, "column-why"), &text!(language, "column-fix")],
        NO_NUMBERS,
    );
    for skipped in &summary.skipped {
        table.rows.push(vec![
            Entry::new(&skipped.runtime),
            Entry::new(&skipped.reason),
            Entry::new(&skipped.fix),
        ]);
    }
    table
}

/// What runtimes left out.
pub fn notes(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "table-notes"),
        String::new(),
        &[&text!(language, "column-runtime"), &text!(language, "column-remark")],
        &[&text!(language, "column-trials")],
    );
    for note in &summary.notes {
        table.rows.push(vec![
            Entry::new(summary.label(&note.runtime)),
            Entry::new(&note.text),
            Entry::new(note.trials.to_string()),
        ]);
    }
    table
}

/// The host.
pub fn host(summary: &Summary, language: Language) -> Table {
    let host = &summary.host;
    let unknown = || text!(language, "not-known");
    let kvm = match &host.kvm {
        None => text!(language, "none"),
        Some(kvm) => {
            let kind = if kvm.software {
                text!(language, "kvm-kind-software")
            } else {
                text!(language, "kvm-kind-hardware")
            };
            let nested = kvm.nested.then(|| text!(language, "kvm-kind-nested"));
            [Some(kvm.backend.clone()), Some(kind), nested]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    let smt = match host.smt {
        None => String::new(),
        Some(true) => text!(language, "smt-on"),
        Some(false) => text!(language, "smt-off"),
    };
    let cpus = [host.logical_cpus.to_string(), smt];
    let rights = if host.root { text!(language, "rights-root") } else { text!(language, "rights-user") };
    let bare_metal = match &host.hypervisor {
        None => text!(language, "bare-metal-yes"),
        Some(under) => text!(language, "bare-metal-no", hypervisor = under),
    };
    let facts = [
        (text!(language, "fact-cpu"), host.cpu_model.clone()),
        (
            text!(language, "fact-cpus"),
            cpus.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "),
        ),
        (text!(language, "fact-governor"), host.governor.clone().unwrap_or_else(unknown)),
        (text!(language, "fact-memory"), bytes(host.memory_bytes as f64)),
        (text!(language, "fact-swap"), bytes(host.swap_used_bytes as f64)),
        (text!(language, "fact-kernel"), host.kernel.clone()),
        (text!(language, "fact-distribution"), host.distribution.clone().unwrap_or_else(unknown)),
        (text!(language, "fact-bare-metal"), bare_metal),
        (text!(language, "fact-kvm"), kvm),
        (text!(language, "fact-cgroups"), host.cgroup.clone()),
        (text!(language, "fact-load"), format!("{:.2}", host.load)),
        (text!(language, "fact-rights"), rights),
    ];
    let mut table = Table::new(
        text!(language, "table-host"),
        String::new(),
        &[&text!(language, "column-fact"), &text!(language, "column-here")],
        NO_NUMBERS,
    );
    table.rows = facts.into_iter().map(|(name, value)| vec![Entry::new(name), Entry::new(value)]).collect();
    table
}
