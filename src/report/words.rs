//! The numbers in plain words.

use super::cell::Measured;
use super::format::{bytes, count, duration, ratio};
use super::summary::{Headline, Summary};
use crate::results::{BASELINE, HostFacts};
use crate::stats::Verdict;

/// Three sentences, one each on start-up, computing and memory.
pub fn sentences(summary: &Summary) -> Vec<String> {
    vec![start_up(summary), computing(summary), memory(summary)]
}

/// The line under the title: where it ran.
pub fn host_line(summary: &Summary) -> String {
    host_line_of(&summary.host)
}

/// A host in one line.
pub fn host_line_of(host: &HostFacts) -> String {
    let mut parts =
        vec![host.cpu_model.clone(), format!("{} CPUs", host.logical_cpus), format!("Linux {}", host.kernel)];
    if let Some(under) = &host.hypervisor {
        parts.push(format!("virtual machine ({under})"));
    }
    match &host.kvm {
        Some(kvm) => {
            parts.push(format!("KVM by {}{}", kvm.backend, if kvm.software { " (software)" } else { "" }))
        }
        None => parts.push("no KVM".to_owned()),
    }
    parts.join(" · ")
}

/// How the intervals and verdicts were made.
pub fn method() -> Vec<String> {
    vec![
        "Every round runs each runtime with each workload once, in random order; the same program file, byte for byte, \
         runs in all of them."
            .to_owned(),
        "All times are on the host's CLOCK_MONOTONIC and count from the request. Start-up ends when the first byte of the \
         workload's output reaches the harness, which can be seen from outside alike for every runtime."
            .to_owned(),
        "Medians bear exact 95 % intervals between order statistics (binomial), which need no assumption about the \
         distribution; below 6 trials there is none. N× is the median over rounds of the ratio within a round, so what slows \
         a whole round down cancels; it can differ a little from the quotient of two medians."
            .to_owned(),
        "process runs a second time under another name. What the two differ by is the noise floor, and a difference inside \
         it, or one whose interval holds 1, is called no measurable difference. No trial is dropped as an outlier."
            .to_owned(),
    ]
}

/// What the longest phases of each runtime's start-up are; empty where phases are not known.
pub fn longest_phases(summary: &Summary) -> Vec<String> {
    let longest = |waterfall: &super::summary::Waterfall| {
        let end = waterfall.timeline.first_output_ns?;
        let before_output = waterfall.timeline.phases.iter().filter(|phase| phase.start_ns < end);
        let phase = before_output.max_by_key(|phase| phase.end_ns.saturating_sub(phase.start_ns))?;
        let takes = phase.end_ns.saturating_sub(phase.start_ns) as f64;
        Some(format!(
            "The longest phase of {} is {} ({}, {} % of its start-up).",
            summary.label(&waterfall.runtime),
            phase.name,
            duration(takes),
            count((takes / end.max(1) as f64 * 100.0).round())
        ))
    };
    summary.waterfalls.iter().filter(|one| one.timeline.phases.len() > 1).filter_map(longest).collect()
}

fn others(summary: &Summary) -> impl Iterator<Item = &Headline> {
    summary.headline.iter().filter(|row| row.runtime != BASELINE)
}

/// How long each runtime takes to start.
pub fn start_up(summary: &Summary) -> String {
    let of = |measured: &Option<Measured>| measured.as_ref().map(|one| one.estimate.median);
    let baseline =
        summary.headline.iter().find(|row| row.runtime == BASELINE).and_then(|row| of(&row.start_up));
    let clauses: Vec<String> = others(summary)
        .filter_map(|row| {
            let measured = row.start_up.as_ref()?;
            let time = duration(measured.estimate.median);
            let name = summary.label(&row.runtime);
            Some(match &measured.relative {
                Some(relative) if relative.verdict == Verdict::NoMeasurableDifference => {
                    format!("{name} in {time} (no measurable difference)")
                }
                Some(relative) => format!("{name} in {time} ({})", ratio(relative.ratio)),
                None => format!("{name} in {time}"),
            })
        })
        .collect();
    match (baseline, clauses.is_empty()) {
        (None, true) => "No start-up was measured.".to_owned(),
        (Some(process), true) => {
            format!("A plain process starts in {}; no other runtime was measured.", duration(process))
        }
        (None, false) => format!("From request to first output, {}.", join(&clauses)),
        (Some(process), false) => {
            format!("A plain process starts in {}, {}.", duration(process), join(&clauses))
        }
    }
}

/// What computing inside costs.
pub fn computing(summary: &Summary) -> String {
    let (mut differing, mut alike, mut unsure) = (Vec::new(), Vec::new(), Vec::new());
    for row in others(summary) {
        let (name, Some(relative)) = (summary.label(&row.runtime), &row.computing) else { continue };
        match relative.verdict {
            Verdict::NoMeasurableDifference => alike.push(name),
            Verdict::TooFewRounds => unsure.push(name),
            Verdict::Larger | Verdict::Smaller => {
                let percent = (relative.ratio - 1.0).abs() * 100.0;
                let digits = if percent < 10.0 { format!("{percent:.1}") } else { count(percent.round()) };
                let direction = if relative.ratio > 1.0 { "more" } else { "less" };
                differing.push(format!("{name} takes {digits} % {direction} time"));
            }
        }
    }
    if !alike.is_empty() {
        differing.push(format!("there is no measurable difference for {}", join(&alike)));
    }
    if !unsure.is_empty() {
        differing.push(format!("too few rounds were run to judge {}", join(&unsure)));
    }
    match differing.as_slice() {
        [] => "The cost of computing inside was not measured.".to_owned(),
        clauses => format!("For the same computing work as a plain process does, {}.", join(clauses)),
    }
}

/// What memory isolation costs.
pub fn memory(summary: &Summary) -> String {
    let (mut differing, mut alike) = (Vec::new(), Vec::new());
    for row in others(summary) {
        let (name, Some(overhead)) = (summary.label(&row.runtime), &row.memory) else { continue };
        let more = &overhead.estimate;
        if overhead.verdict == Verdict::NoMeasurableDifference {
            alike.push(name);
        } else {
            let direction = if more.median < 0.0 { "less" } else { "more" };
            differing.push(format!("{name} takes {} {direction}", bytes(more.median.abs())));
        }
    }
    let alike = (!alike.is_empty()).then(|| format!("no measurable difference for {}", join(&alike)));
    match (differing.is_empty(), alike) {
        (true, None) => "The memory that isolation costs was not measured.".to_owned(),
        (true, Some(alike)) => format!("In memory of the host there is {alike}."),
        (false, alike) => {
            let alike = alike.map_or(String::new(), |alike| format!("; there is {alike}"));
            format!("Of memory on the host, against a plain process, {}{alike}.", join(&differing))
        }
    }
}

/// `a, b and c`.
fn join(clauses: &[String]) -> String {
    match clauses {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
