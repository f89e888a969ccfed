//! The tables of the report, as text in cells. The terminal, Markdown and HTML editions only lay
//! them out.

use super::cell::{Cell, Estimate, Measured, Overhead, Relative};
use super::format::{
    MISSING, bytes, bytes_range, count, duration, duration_range, ratio, ratio_range, throughput, work_time,
};
use super::summary::{Headline, Summary};
use super::table::{Entry, Table};
use crate::results::{BASELINE, CONTROL, WorkloadKind};
use crate::stats::Verdict;

/// What the tool is for: per runtime, what isolation costs.
pub fn headline(summary: &Summary) -> Table {
    let workload =
        summary.start_up_workload.as_ref().map_or(String::new(), |name| format!(" of the workload {name}"));
    let mut table = Table::new(
        "What isolation costs",
        format!(
            "Medians with 95 % intervals. Start-up: request to first output{workload}. Memory: peak \
             PSS and kernel memory beyond process. Computing: time for the same CPU-bound work. Teardown: exit of \
             the workload until nothing of the sandbox is left. N×: relative to process, paired by round."
        ),
        &["Runtime"],
        &["Start-up", "Memory", "Computing", "Teardown"],
    );
    let any_memory = summary.headline.iter().any(|row| row.memory.is_some());
    let any_computing = summary.headline.iter().any(|row| row.computing.is_some());
    for row in &summary.headline {
        let reference = |text: &str, measured: bool, entry: Entry| {
            if row.runtime == BASELINE && measured { Entry::with(text, "baseline") } else { entry }
        };
        table.rows.push(vec![
            Entry::new(summary.label(&row.runtime)),
            time(row.start_up.as_ref()),
            reference("0", any_memory, extra_bytes(row.memory.as_ref())),
            reference("1×", any_computing, computing_entry(row.computing.as_ref())),
            time(row.teardown.as_ref()),
        ]);
    }
    if let Some(control) = &summary.control {
        table.rows.push(noise_floor_row(control));
    }
    table
}

/// The control's row holds no costs but what two equal things differ by.
fn noise_floor_row(control: &Headline) -> Vec<Entry> {
    let floor = |relative: Option<&Relative>| {
        let interval = relative.and_then(|relative| relative.interval);
        Entry::new(interval.map_or(MISSING.to_owned(), |floor| ratio_range(floor.low, floor.high)))
    };
    let of = |measured: &Option<Measured>| floor(measured.as_ref().and_then(|one| one.relative.as_ref()));
    let memory = control.memory.as_ref().and_then(|memory| memory.estimate.interval);
    vec![
        Entry::with("noise floor", "process again"),
        of(&control.start_up),
        Entry::new(memory.map_or(MISSING.to_owned(), |floor| bytes_range(floor.low, floor.high))),
        floor(control.computing.as_ref()),
        of(&control.teardown),
    ]
}

/// Start-up in detail.
pub fn start_up(summary: &Summary) -> Table {
    let mut table = Table::new(
        "Start-up, in detail",
        "First output: the first byte of standard output reaches the harness. Entered: first instruction of the \
         workload. CPU: host CPU time of all its processes; waited: wall time less CPU time, until teardown is done.",
        &["Runtime"],
        &["Trials", "First output", "95 % quantile", "Min–max", "Entered", "CPU", "Waited", "Teardown"],
    );
    for cell in summary.start_up_cells() {
        let first = cell.first_output.as_ref().map(|one| &one.estimate);
        let or_missing = |text: Option<String>| Entry::new(text.unwrap_or(MISSING.to_owned()));
        table.rows.push(vec![
            named(summary, cell),
            Entry::new((cell.trials - cell.failed).to_string()),
            time(cell.first_output.as_ref()),
            or_missing(first.map(|one| duration(one.p95))),
            or_missing(first.map(|one| duration_range(one.minimum, one.maximum))),
            time(cell.entered.as_ref()),
            duration_entry(cell.cpu.as_ref()),
            duration_entry(cell.stalls.as_ref()),
            time(cell.teardown.as_ref()),
        ]);
    }
    table
}

/// Phases of the median trial.
pub fn phases(summary: &Summary) -> Table {
    let mut table = Table::new(
        "Phases of the median trial",
        "From the request; phases that run side by side overlap.",
        &["Runtime", "Phase"],
        &["Begins", "Takes"],
    );
    for waterfall in &summary.waterfalls {
        let mut row = |name: &str, start: f64, takes: Option<f64>| {
            table.rows.push(vec![
                Entry::new(summary.label(&waterfall.runtime)),
                Entry::new(name),
                Entry::new(duration(start)),
                takes.map_or(Entry::missing(), |ns| Entry::new(duration(ns))),
            ]);
        };
        let timeline = &waterfall.timeline;
        for phase in &timeline.phases {
            row(&phase.name, phase.start_ns as f64, Some(phase.end_ns.saturating_sub(phase.start_ns) as f64));
        }
        let milestones = [
            ("→ entered", timeline.entered_ns),
            ("→ first output", timeline.first_output_ns),
            ("→ exited", timeline.exited_ns),
            ("→ torn down", timeline.torn_down_ns),
        ];
        for (name, at) in milestones {
            if let Some(at) = at {
                row(name, at as f64, None);
            }
        }
    }
    table
}

/// Memory in its three columns.
pub fn memory(summary: &Summary) -> Table {
    let mut table = Table::new(
        "Host memory of one sandbox",
        "No single column is the truth: PSS (private memory plus a share of what is shared) misses the kernel, a cgroup \
         misses network namespaces and some page tables and charges shared pages to whoever touched them first. \
         The host's own view needs many sandboxes at once, and so an experiment of its own.",
        &["Runtime", "Workload"],
        &[
            "PSS peak",
            "PSS steady",
            "Cgroup peak",
            "of it kernel",
            "Guest touched",
            "Guest given",
            "VMM own",
            "Above process",
        ],
    );
    for cell in shown_cells(summary) {
        let Some(footprint) = &cell.footprint else { continue };
        table.rows.push(vec![
            named(summary, cell),
            Entry::new(&cell.workload),
            bytes_entry(footprint.pss_peak.as_ref()),
            bytes_entry(footprint.pss_steady.as_ref()),
            bytes_entry(footprint.cgroup_peak.as_ref()),
            bytes_entry(footprint.cgroup_kernel.as_ref()),
            bytes_entry(footprint.guest_touched.as_ref()),
            footprint.guest_configured.map_or(Entry::missing(), |given| Entry::new(bytes(given))),
            bytes_entry(footprint.vmm_pss.as_ref()),
            extra_bytes(footprint.overhead.as_ref()),
        ]);
    }
    table
}

/// Work done, by workload and runtime: all workloads of some kinds.
pub fn work(summary: &Summary, of_kind: fn(WorkloadKind) -> bool) -> Table {
    let labels: Vec<String> = summary.runtimes.iter().map(|runtime| summary.label(runtime)).collect();
    let mut headings: Vec<&str> = labels.iter().map(String::as_str).collect();
    headings.push("noise floor");
    let mut table = Table::new(
        "Time for the same work",
        "By the workload's own clock, so without start-up. N×: relative to process, paired by round; above 1 is slower.",
        &["Workload"],
        &headings,
    );
    for workload in summary.workloads.iter().filter(|workload| of_kind(workload.kind)) {
        let measured = |runtime: &str| {
            let cell = summary.cell(runtime, &workload.name)?;
            Some((cell, cell.work_time.as_ref()?))
        };
        if !summary.runtimes.iter().any(|runtime| measured(runtime).is_some()) {
            continue;
        }
        let mut row = vec![Entry::with(&workload.name, &workload.description)];
        row.extend(summary.runtimes.iter().map(|runtime| {
            let Some((cell, work)) = measured(runtime) else { return Entry::missing() };
            let speed = throughput(work.estimate.median, &cell.unit);
            match &work.relative {
                None => Entry::with(speed, format!("{} a {}", work_time(work.estimate.median), unit(cell))),
                Some(relative) => {
                    let details = judged(relative).into_iter().chain([speed]).collect();
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
pub fn exits(summary: &Summary) -> Table {
    let workload = summary.start_up_workload.as_deref().unwrap_or("none");
    let mut table = Table::new(
        "VM exits by reason",
        format!("One trial of {workload}, medians. Time: spent by the VMM in handling them."),
        &["Runtime", "Reason"],
        &["Exits", "Time", "Each"],
    );
    for cell in summary.start_up_cells() {
        for exit in &cell.exits {
            let each = exit.handled_ns / exit.count;
            table.rows.push(vec![
                named(summary, cell),
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
pub fn crossings(summary: &Summary) -> Table {
    let mut table = Table::new(
        "Crossings of the isolation boundary",
        "Per trial, medians. A process and a container cross into the host's kernel at every system call; a virtual \
         machine's calls end in its own kernel, and only its exits reach the host.",
        &["Runtime", "Workload"],
        &["VM exits", "Calls to the host kernel", "Calls to the guest kernel", "Into the host, per second"],
    );
    let mut any_missing = Vec::new();
    for cell in shown_cells(summary) {
        let crossings = &cell.crossings;
        let columns =
            [crossings.vm_exits, crossings.host_syscalls, crossings.guest_syscalls, crossings.per_second];
        if columns.iter().all(Option::is_none) {
            continue;
        }
        let mut row = vec![named(summary, cell), Entry::new(&cell.workload)];
        row.extend(columns.map(|number| Entry::new(number.map_or(MISSING.to_owned(), count))));
        table.rows.push(row);
        if !crossings.missing_calls.is_empty() {
            any_missing.push(format!("{} in {}", crossings.missing_calls.join(", "), cell.workload));
        }
    }
    if !any_missing.is_empty() {
        table.note.push_str(&format!(" Calls that the guest kernel lacks: {}.", any_missing.join("; ")));
    }
    table
}

/// Trials that do not count, and why.
pub fn failures(summary: &Summary) -> Table {
    let mut table = Table::new(
        "Failed trials",
        "No figure above rests on them.",
        &["Runtime", "Workload", "Reason"],
        &["Trials"],
    );
    for failure in &summary.failures {
        table.rows.push(vec![
            Entry::new(summary.label(&failure.runtime)),
            Entry::new(&failure.workload),
            Entry::new(&failure.reason),
            Entry::new(format!("{} of {}", failure.trials, failure.of)),
        ]);
    }
    table
}

/// Runtimes that took no part, and how to change that.
pub fn skipped(summary: &Summary) -> Table {
    let mut table = Table::new("Runtimes that took no part", "", &["Runtime", "Why", "How to mend it"], &[]);
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
pub fn notes(summary: &Summary) -> Table {
    let mut table =
        Table::new("Steps left out or not possible here", "", &["Runtime", "Remark"], &["Trials"]);
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
pub fn host(summary: &Summary) -> Table {
    let host = &summary.host;
    let unknown = || "not known".to_owned();
    let kvm = host.kvm.as_ref().map_or("none".to_owned(), |kvm| {
        let kind = if kvm.software { "software" } else { "hardware" };
        format!("{}, {kind}{}", kvm.backend, if kvm.nested { ", nested" } else { "" })
    });
    let smt = host.smt.map_or(String::new(), |on| format!(", SMT {}", if on { "on" } else { "off" }));
    let facts = [
        ("CPU", host.cpu_model.clone()),
        ("Logical CPUs", format!("{}{smt}", host.logical_cpus)),
        ("Frequency governor", host.governor.clone().unwrap_or_else(unknown)),
        ("Memory", bytes(host.memory_bytes as f64)),
        ("Swap in use", bytes(host.swap_used_bytes as f64)),
        ("Kernel", host.kernel.clone()),
        ("Distribution", host.distribution.clone().unwrap_or_else(unknown)),
        (
            "Bare metal",
            host.hypervisor.as_ref().map_or("yes".to_owned(), |under| format!("no, under {under}")),
        ),
        ("KVM", kvm),
        ("Cgroups", host.cgroup.clone()),
        ("Load at the start", format!("{:.2}", host.load)),
        ("Rights", if host.root { "root" } else { "unprivileged user" }.to_owned()),
    ];
    let mut table = Table::new("Host", "", &["Fact", "Here"], &[]);
    table.rows = facts.into_iter().map(|(name, value)| vec![Entry::new(name), Entry::new(value)]).collect();
    table
}

/// Cells in the report's order without the control's.
fn shown_cells(summary: &Summary) -> impl Iterator<Item = &Cell> {
    summary.cells.iter().filter(|cell| cell.runtime != CONTROL)
}

fn named(summary: &Summary, cell: &Cell) -> Entry {
    let details = cell.disturbed.then(|| "while being sampled".to_owned()).into_iter().collect();
    Entry { text: summary.label(&cell.runtime), details }
}

fn unit(cell: &Cell) -> &str {
    if cell.unit.is_empty() { "unit" } else { &cell.unit }
}

/// Verdict and interval of a ratio.
fn judged(relative: &Relative) -> Vec<String> {
    let verdict = match relative.verdict {
        Verdict::Larger | Verdict::Smaller => None,
        other => Some(other.of_time().to_owned()),
    };
    let interval = relative.interval.map(|interval| ratio_range(interval.low, interval.high));
    verdict.into_iter().chain(interval).collect()
}

fn time(measured: Option<&Measured>) -> Entry {
    let Some(measured) = measured else { return Entry::missing() };
    let mut entry = duration_entry(Some(&measured.estimate));
    if let Some(relative) = &measured.relative {
        let said = match relative.verdict {
            Verdict::NoMeasurableDifference => relative.verdict.of_time().to_owned(),
            _ => ratio(relative.ratio),
        };
        entry.details.insert(0, said);
    }
    entry
}

fn computing_entry(relative: Option<&Relative>) -> Entry {
    let Some(relative) = relative else { return Entry::missing() };
    Entry { text: ratio(relative.ratio), details: judged(relative) }
}

fn duration_entry(estimate: Option<&Estimate>) -> Entry {
    entry(estimate, duration, duration_range)
}

/// Bytes more than the baseline's.
fn extra_bytes(overhead: Option<&Overhead>) -> Entry {
    let Some(overhead) = overhead else { return Entry::missing() };
    let mut entry = bytes_entry(Some(&overhead.estimate));
    if overhead.verdict == Verdict::NoMeasurableDifference {
        entry.details.insert(0, overhead.verdict.of_time().to_owned());
    }
    entry
}

fn bytes_entry(estimate: Option<&Estimate>) -> Entry {
    entry(estimate, bytes, bytes_range)
}

fn entry(estimate: Option<&Estimate>, one: fn(f64) -> String, range: fn(f64, f64) -> String) -> Entry {
    let Some(estimate) = estimate else { return Entry::missing() };
    let detail = match estimate.interval {
        Some(interval) if interval.low == interval.high => None,
        Some(interval) => Some(range(interval.low, interval.high)),
        None => Some(format!("n = {}, no interval", estimate.n)),
    };
    Entry { text: one(estimate.median), details: detail.into_iter().collect() }
}
