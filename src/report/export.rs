//! Raw trials for other tools: CSV with one row a trial, or JSON with one line a trial.

use std::io::{self, Write};

use serde::Serialize;

use super::failures::failure_reason;
use super::trials::is_disturbed;
use crate::runtime::trial::Trial;

/// One row; the names are the columns. What is not known is empty, never 0.
#[derive(Serialize)]
struct Row<'a> {
    runtime: &'a str,
    workload: &'a str,
    round: u32,
    /// Its figures count.
    valid: bool,
    /// Nothing slowed it down for the sake of another figure: its times count.
    timing: bool,
    /// Why it does not count.
    failure: Option<String>,
    exit_status: i32,
    spawned_ns: Option<u64>,
    entered_ns: Option<u64>,
    first_output_ns: Option<u64>,
    exited_ns: Option<u64>,
    torn_down_ns: Option<u64>,
    user_ns: u64,
    system_ns: u64,
    guest_ns: Option<u64>,
    pss_peak_bytes: Option<u64>,
    pss_steady_bytes: Option<u64>,
    cgroup_peak_bytes: Option<u64>,
    cgroup_kernel_bytes: Option<u64>,
    guest_configured_bytes: Option<u64>,
    guest_touched_bytes: Option<u64>,
    vmm_pss_bytes: Option<u64>,
    vm_exits: Option<u64>,
    vm_exits_handled_ns: Option<u64>,
    host_syscalls: Option<u64>,
    guest_syscalls: Option<u64>,
    elapsed_ns: Option<u64>,
    work: Option<u64>,
    unit: Option<&'a str>,
    guest_clock_guest_ns: Option<u64>,
    guest_clock_host_ns: Option<u64>,
    /// With a cold page cache; only in a comparison of cold with warm.
    cold: Option<bool>,
    preparation_ns: Option<u64>,
    harness_ns: Option<u64>,
}

impl<'a> Row<'a> {
    fn new(trial: &'a Trial) -> Row<'a> {
        let Trial { timeline, cpu, crossings, .. } = trial;
        let footprint = trial.footprint.clone().unwrap_or_default();
        let exits = &crossings.vm_exits;
        let sum = |value: fn(&crate::runtime::trial::ExitCount) -> u64| {
            (!exits.is_empty()).then(|| exits.iter().map(value).fold(0, u64::saturating_add))
        };
        let report = trial.self_report.as_ref();
        let failure = failure_reason(trial);
        Row {
            runtime: &trial.runtime,
            workload: &trial.workload,
            round: trial.round,
            valid: failure.is_none(),
            timing: !is_disturbed(trial),
            failure,
            exit_status: trial.exit.status(),
            spawned_ns: timeline.spawned_ns,
            entered_ns: timeline.entered_ns,
            first_output_ns: timeline.first_output_ns,
            exited_ns: timeline.exited_ns,
            torn_down_ns: timeline.torn_down_ns,
            user_ns: cpu.user_ns,
            system_ns: cpu.system_ns,
            guest_ns: cpu.guest_ns,
            pss_peak_bytes: footprint.pss_peak_bytes,
            pss_steady_bytes: footprint.pss_steady_bytes,
            cgroup_peak_bytes: footprint.cgroup_peak_bytes,
            cgroup_kernel_bytes: footprint.cgroup_kernel_bytes,
            guest_configured_bytes: footprint.guest_memory.map(|memory| memory.configured_bytes),
            guest_touched_bytes: footprint.guest_memory.map(|memory| memory.touched_bytes),
            vmm_pss_bytes: footprint.vmm_pss_bytes,
            vm_exits: sum(|exit| exit.count),
            vm_exits_handled_ns: sum(|exit| exit.handled_ns),
            host_syscalls: crossings.host_syscalls,
            guest_syscalls: crossings.guest_syscalls,
            elapsed_ns: report.map(|report| report.elapsed_ns),
            work: report.map(|report| report.work),
            unit: report.map(|report| report.unit.as_str()),
            guest_clock_guest_ns: trial.guest_clock.map(|clock| clock.guest_ns),
            guest_clock_host_ns: trial.guest_clock.map(|clock| clock.host_ns),
            cold: trial.page_cache.map(|cache| cache.cold),
            preparation_ns: trial.page_cache.map(|cache| cache.preparation_ns),
            harness_ns: trial.harness_ns,
        }
    }
}

/// Writes a heading and one row a trial (RFC 4180). Phases and the names of VM exits do not fit into rows of
/// one length: [`jsonl`] has them.
///
/// # Errors
/// When `out` cannot be written.
pub fn csv(trials: &[Trial], out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    };
    trials.iter().try_for_each(|trial| writer.serialize(Row::new(trial))).map_err(failed)?;
    writer.flush()
}

/// Writes every trial as in the results file, one a line (jsonlines.org).
///
/// # Errors
/// When `out` cannot be written.
pub fn jsonl(trials: &[Trial], out: &mut dyn Write) -> io::Result<()> {
    for trial in trials {
        serde_json::to_writer(&mut *out, trial)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Synthetic;
    use super::*;

    #[test]
    fn every_trial_is_read_back_from_csv_whatever_its_names_are() {
        for hostile in [false, true] {
            let trials = Synthetic { rounds: 8, hostile, ..Synthetic::default() }.results().trials;
            let mut bytes = Vec::new();
            csv(&trials, &mut bytes).unwrap();
            let mut reader = csv::Reader::from_reader(bytes.as_slice());
            let headings = reader.headers().unwrap().clone();
            let column = |name: &str| headings.iter().position(|heading| heading == name).unwrap();
            let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            assert_eq!(rows.len(), trials.len());
            for (row, trial) in rows.iter().zip(&trials) {
                assert_eq!(&row[column("runtime")], trial.runtime);
                assert_eq!(row[column("first_output_ns")].parse().ok(), trial.timeline.first_output_ns);
                assert_eq!(row[column("entered_ns")].parse().ok(), trial.timeline.entered_ns);
                let unit = trial.self_report.as_ref().map_or("", |report| &report.unit);
                assert_eq!(&row[column("unit")], unit);
                assert_eq!(row[column("valid")] == *"true", row[column("failure")].is_empty());
            }
        }
    }

    #[test]
    fn json_lines_are_the_trials() {
        let trials = Synthetic { rounds: 3, hostile: true, ..Synthetic::default() }.results().trials;
        let mut bytes = Vec::new();
        jsonl(&trials, &mut bytes).unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let back: Vec<Trial> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        assert_eq!(back, trials);
    }
}
