//! The numbers in plain words.

use super::cell::Measured;
use super::format::{bytes, count, duration, ratio};
use super::summary::{Headline, KvmCaveat, Summary, Waterfall};
use crate::language::{Language, optional, text};
use crate::measure::host::checks::mark;
use crate::results::{BASELINE, HostFacts, PlannedWorkload, WorkloadKind};
use crate::stats::Verdict;

/// Three sentences, one each on start-up, computing and memory, and what the maintenance experiment says.
pub fn sentences(summary: &Summary, language: Language) -> Vec<String> {
    let mut sentences = match summary.is_no_comparison() {
        true => Vec::new(),
        false => vec![start_up(summary, language), computing(summary, language), memory(summary, language)],
    };
    let maintenance = summary.maintenance.iter();
    sentences.extend(maintenance.flat_map(|summary| super::maintenance::words::sentences(summary, language)));
    sentences
}

/// The line under the title: where it ran.
pub fn host_line(host: &HostFacts, language: Language) -> String {
    let mut parts = vec![
        host.cpu_model.clone(),
        text!(language, "host-line-cpus", count = host.logical_cpus),
        format!("Linux {}", host.kernel),
    ];
    if let Some(under) = &host.hypervisor {
        parts.push(text!(language, "host-line-virtual", hypervisor = under));
    }
    parts.push(match &host.kvm {
        Some(kvm) if kvm.software => text!(language, "host-line-software-kvm", backend = &kvm.backend),
        Some(kvm) => text!(language, "host-line-kvm", backend = &kvm.backend),
        None => text!(language, "host-line-no-kvm"),
    });
    if let Some(kind) = &host.container {
        parts.push(text!(language, "host-line-container", kind = kind));
    }
    if let Some(grade) = mark(&host.checks) {
        parts.push(text!(language, "host-line-mark", grade = grade.name(language)));
    }
    parts.join(" · ")
}

/// Version, date, trials and duration of the run in one line.
pub fn run_line(summary: &Summary, language: Language) -> String {
    let trials = text!(
        language,
        "run-line-trials",
        count = summary.trials,
        duration = duration(summary.duration_ns as f64)
    );
    format!("{} · {} · {trials}", summary.tool, summary.started)
}

/// What colours every number of a virtual machine.
pub fn kvm_caveat(caveat: &KvmCaveat, language: Language) -> String {
    match caveat {
        KvmCaveat::Unknown => text!(language, "kvm-unknown"),
        KvmCaveat::SoftwareNested(backend) => text!(language, "kvm-software-nested", backend = backend),
        KvmCaveat::Software(backend) => text!(language, "kvm-software", backend = backend),
        KvmCaveat::Nested(backend) => text!(language, "kvm-nested", backend = backend),
    }
}

/// What makes this host's numbers less trustworthy. What the running isobench said itself is said in the
/// reader's language, anything else as it was recorded.
pub fn warnings(host: &HostFacts, language: Language) -> Vec<String> {
    let known = host.warnings_in(Language::English);
    let own = host.warnings_in(language);
    let translated = |recorded: &String| {
        let place = known.iter().position(|known| known == recorded)?;
        own.get(place).cloned()
    };
    host.warnings.iter().map(|recorded| translated(recorded).unwrap_or_else(|| recorded.clone())).collect()
}

/// How the intervals and verdicts were made.
pub fn method(summary: &Summary, language: Language) -> Vec<String> {
    let mut method = match summary.is_no_comparison() {
        true => Vec::new(),
        false => vec![
            text!(language, "method-rounds"),
            text!(language, "method-clock"),
            text!(language, "method-intervals"),
            text!(language, "method-control"),
        ],
    };
    method.extend(summary.maintenance.is_some().then(|| text!(language, "maintenance-method")));
    method
}

/// A verdict on a time, in one word or a few.
pub fn verdict_of_time(verdict: Verdict, language: Language) -> String {
    match verdict {
        Verdict::Larger => text!(language, "verdict-slower"),
        Verdict::Smaller => text!(language, "verdict-faster"),
        Verdict::NoMeasurableDifference => text!(language, "verdict-none"),
        Verdict::TooFewRounds => text!(language, "verdict-too-few"),
    }
}

/// What the longest phases of each runtime's start-up are; empty where phases are not known.
pub fn longest_phases(summary: &Summary, language: Language) -> Vec<String> {
    let longest = |waterfall: &Waterfall| {
        let end = waterfall.timeline.first_output_ns?;
        let before_output = waterfall.timeline.phases.iter().filter(|phase| phase.start_ns < end);
        let phase = before_output.max_by_key(|phase| phase.end_ns.saturating_sub(phase.start_ns))?;
        let takes = phase.end_ns.saturating_sub(phase.start_ns) as f64;
        Some(text!(
            language,
            "longest-phase",
            runtime = summary.label(&waterfall.runtime),
            phase = &phase.name,
            duration = duration(takes),
            percent = count((takes / end.max(1) as f64 * 100.0).round())
        ))
    };
    summary.waterfalls.iter().filter(|one| one.timeline.phases.len() > 1).filter_map(longest).collect()
}

fn others(summary: &Summary) -> impl Iterator<Item = &Headline> {
    summary.headline.iter().filter(|row| row.runtime != BASELINE)
}

/// How long each runtime takes to start, and how sure that is.
pub fn start_up(summary: &Summary, language: Language) -> String {
    let of = |measured: &Option<Measured>| measured.as_ref().map(|one| one.estimate.median);
    let baseline =
        summary.headline.iter().find(|row| row.runtime == BASELINE).and_then(|row| of(&row.start_up));
    let clauses: Vec<String> = others(summary)
        .filter_map(|row| {
            let measured = row.start_up.as_ref()?;
            let time = duration(measured.estimate.median);
            let runtime = summary.label(&row.runtime);
            Some(match &measured.relative {
                Some(relative) if relative.verdict == Verdict::NoMeasurableDifference => {
                    text!(language, "start-up-clause-alike", runtime = runtime, time = time)
                }
                Some(relative) => {
                    let ratio = ratio(relative.ratio);
                    text!(language, "start-up-clause-ratio", runtime = runtime, time = time, ratio = ratio)
                }
                None => text!(language, "start-up-clause", runtime = runtime, time = time),
            })
        })
        .collect();
    let others = join(&clauses, language);
    let said = match (baseline.map(duration), clauses.is_empty()) {
        (None, true) => return text!(language, "start-up-missing"),
        (Some(process), true) => text!(language, "start-up-only-process", process = process),
        (None, false) => text!(language, "start-up-without-process", others = others),
        (Some(process), false) => text!(language, "start-up-said", process = process, others = others),
    };
    format!("{said} {}", sureness(summary, language))
}

/// How far the start-up medians can be trusted, in words.
fn sureness(summary: &Summary, language: Language) -> String {
    let estimates = || summary.headline.iter().filter_map(|row| Some(&row.start_up.as_ref()?.estimate));
    let half_width = |estimate: &super::cell::Estimate| {
        let interval = estimate.interval?;
        Some((interval.high - interval.low) / 2.0 / estimate.median)
    };
    let widest: Option<f64> =
        estimates().map(half_width).try_fold(0.0, |widest, width| Some(f64::max(widest, width?)));
    match widest.filter(|width| width.is_finite()) {
        None => text!(language, "sureness-none"),
        Some(width) if width > 0.25 => text!(language, "sureness-rough"),
        Some(width) => text!(language, "sureness-within", percent = count((width * 100.0).ceil().max(1.0))),
    }
}

/// What computing inside costs.
pub fn computing(summary: &Summary, language: Language) -> String {
    let (mut differing, mut alike, mut unsure) = (Vec::new(), Vec::new(), Vec::new());
    for row in others(summary) {
        let (runtime, Some(relative)) = (summary.label(&row.runtime), &row.computing) else { continue };
        match relative.verdict {
            Verdict::NoMeasurableDifference => alike.push(runtime),
            Verdict::TooFewRounds => unsure.push(runtime),
            Verdict::Larger | Verdict::Smaller => {
                let percent = (relative.ratio - 1.0).abs() * 100.0;
                let percent = if percent < 10.0 { format!("{percent:.1}") } else { count(percent.round()) };
                differing.push(if relative.ratio > 1.0 {
                    text!(language, "computing-clause-more", runtime = runtime, percent = percent)
                } else {
                    text!(language, "computing-clause-less", runtime = runtime, percent = percent)
                });
            }
        }
    }
    if !alike.is_empty() {
        differing.push(text!(language, "computing-clause-alike", runtimes = join(&alike, language)));
    }
    if !unsure.is_empty() {
        differing.push(text!(language, "computing-clause-unsure", runtimes = join(&unsure, language)));
    }
    match differing.as_slice() {
        [] => text!(language, "computing-missing"),
        clauses => text!(language, "computing-said", clauses = join(clauses, language)),
    }
}

/// What memory isolation costs.
pub fn memory(summary: &Summary, language: Language) -> String {
    let (mut differing, mut alike) = (Vec::new(), Vec::new());
    for row in others(summary) {
        let (runtime, Some(overhead)) = (summary.label(&row.runtime), &row.memory) else { continue };
        let more = overhead.estimate.median;
        let size = bytes(more.abs());
        if overhead.verdict == Verdict::NoMeasurableDifference {
            alike.push(runtime);
        } else if more < 0.0 {
            differing.push(text!(language, "memory-clause-less", runtime = runtime, size = size));
        } else {
            differing.push(text!(language, "memory-clause-more", runtime = runtime, size = size));
        }
    }
    let (clauses, alike_names) = (join(&differing, language), join(&alike, language));
    match (differing.is_empty(), alike.is_empty()) {
        (true, true) => text!(language, "memory-missing"),
        (true, false) => text!(language, "memory-all-alike", runtimes = alike_names),
        (false, true) => text!(language, "memory-said", clauses = clauses),
        (false, false) => text!(language, "memory-said-and-alike", clauses = clauses, runtimes = alike_names),
    }
}

/// `a, b and c`.
pub(super) fn join(clauses: &[String], language: Language) -> String {
    match clauses {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => text!(language, "list-and", first = first.join(", "), last = last),
    }
}

/// What a workload does. A built-in one is told in the reader's language, any other as it was recorded.
pub fn workload_description(workload: &PlannedWorkload, language: Language) -> String {
    let is_own = workload.kind == WorkloadKind::Own;
    (!is_own && language != Language::English)
        .then(|| optional(language, &format!("workload-{}", workload.name), None, &[]))
        .flatten()
        .unwrap_or_else(|| workload.description.clone())
}
