//! From what the harness saw of one sandbox to the trial that is kept.

use crate::measure::footprint::Pss;
use crate::runtime::RuntimeError;
use crate::runtime::session::{Observed, Watch};
use crate::runtime::trial::{CpuTime, Crossings, Exit, Footprint, Phase, Timeline, Trial};
use crate::workload::self_report;

/// Puts one trial together; times become nanoseconds after the request. `expected` is the standard
/// output that a right result has, where it is known.
pub fn trial(
    runtime: &str,
    workload: &str,
    round: u32,
    observed: &Observed,
    watch: Watch<'_>,
    expected: Option<&str>,
) -> Trial {
    let report = &observed.report;
    let after = |ns: u64| ns.saturating_sub(observed.requested_ns);
    let timeline = Timeline {
        phases: report
            .phases
            .iter()
            .map(|phase| Phase {
                name: phase.name.clone(),
                start_ns: after(phase.start_ns),
                end_ns: after(phase.end_ns),
            })
            .collect(),
        spawned_ns: report.spawned_ns.map(after),
        entered_ns: report.entered_ns.map(after),
        first_output_ns: observed.first_output_ns.map(after),
        exited_ns: report.exited_ns.map(after),
        torn_down_ns: Some(after(report.torn_down_ns)),
    };
    let mut notes = report.notes.clone();
    if !report.exit.is_success()
        && let Some(said) = last_line(&observed.stderr)
    {
        notes.push(format!("its last words: {said}"));
    }
    if observed.dropped_bytes > 0 {
        notes.push(format!("{} bytes of output beyond 16 MiB were not kept", observed.dropped_bytes));
    }
    Trial {
        runtime: runtime.to_owned(),
        workload: workload.to_owned(),
        round,
        exit: report.exit.clone(),
        timeline,
        cpu: report.cpu,
        footprint: matches!(watch, Watch::SampleMemory | Watch::HoldAndSampleMemory)
            .then(|| footprint(observed)),
        crossings: report.crossings.clone(),
        self_report: self_report::parse(&observed.stderr),
        wrong_output: expected.and_then(|expected| wrong(expected, &observed.stdout)),
        notes,
        boot_log: report.boot_log.clone(),
        guest_clock: report.guest_clock,
        page_cache: None,
        harness_ns: None,
    }
}

/// The trial of a sandbox that could not be launched.
pub fn failed(runtime: &str, workload: &str, round: u32, error: &RuntimeError) -> Trial {
    Trial {
        runtime: runtime.to_owned(),
        workload: workload.to_owned(),
        round,
        exit: Exit::LaunchFailed(error.to_string()),
        timeline: Timeline::default(),
        cpu: CpuTime::default(),
        footprint: None,
        crossings: Crossings::default(),
        self_report: None,
        wrong_output: None,
        notes: Vec::new(),
        boot_log: None,
        guest_clock: None,
        page_cache: None,
        harness_ns: None,
    }
}

/// The VMM's own share is what its process's PSS holds beyond the guest's memory that is resident.
fn footprint(observed: &Observed) -> Footprint {
    let bytes = |pss: Option<Pss>| pss.map(|pss| pss.total_bytes);
    let guest_memory = observed.report.guest_memory;
    Footprint {
        pss_peak_bytes: bytes(observed.pss_peak),
        pss_steady_bytes: bytes(observed.pss_steady),
        cgroup_peak_bytes: observed.report.cgroup_peak_bytes,
        cgroup_kernel_bytes: observed.report.cgroup_kernel_bytes,
        guest_memory,
        vmm_pss_bytes: bytes(observed.pss_steady)
            .zip(guest_memory)
            .map(|(pss, guest)| pss.saturating_sub(guest.touched_bytes)),
    }
}

/// The last line that a failed sandbox wrote to standard error, shortened.
fn last_line(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|one| !one.is_control()).take(300).collect())
}

fn wrong(expected: &str, got: &[u8]) -> Option<String> {
    (got != expected.as_bytes()).then(|| {
        let got = String::from_utf8_lossy(&got[..got.len().min(200)]).into_owned();
        format!("expected {:?}, got {:?}", expected.trim_end(), got.trim_end())
    })
}
