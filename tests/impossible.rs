//! A figure that cannot be is shown as failed with the reason, and never as a number.

mod common;

use std::fs;

use common::isobench;
use isobench::measure::host::SOFTWARE_EMULATION;
use isobench::report::file;
use isobench::report::synthetic::Synthetic;
use isobench::runtime::trial::{Crossings, GuestClock, Trial};
use tempfile::TempDir;

#[test]
fn a_guest_whose_clock_runs_too_fast_gets_no_figure() {
    let folder = TempDir::new().unwrap();
    let mut results = Synthetic::default().results();
    for trial in
        results.trials.iter_mut().filter(|trial| trial.runtime == "microvm" && trial.workload == "sha256")
    {
        if let Some(report) = &mut trial.self_report {
            report.elapsed_ns *= 5;
        }
    }
    let path = folder.path().join("results.json");
    file::write(&path, &results).unwrap();
    let output = folder.path().join("report");
    let run = isobench().arg("report").arg(&path).arg("--output").arg(&output).assert().success();
    let terminal = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    let markdown = fs::read_to_string(output.join("report.md")).unwrap();
    for edition in [&terminal, &markdown] {
        assert!(edition.contains("impossible: by its own clock it worked for"), "{edition}");
    }
    let summary = isobench::report::Summary::new(&results);
    let cell = summary.cell("microvm", "sha256").unwrap();
    assert_eq!((cell.failed, cell.work_time.is_none()), (cell.trials, true));
    assert!(summary.cell("microvm", "int").unwrap().work_time.is_some());
}

/// A change to one trial after which none of its cell can be trusted, and what is said then.
type Flaw = (fn(&mut Trial), &'static str);

const FLAWS: &[Flaw] = &[
    (|trial| trial.wrong_output = Some("expected \"1\", got \"2\"".to_owned()), "wrong output"),
    (|trial| trial.self_report.as_mut().unwrap().elapsed_ns = 30, "less than a clock can measure"),
    (|trial| trial.self_report.as_mut().unwrap().work = u64::MAX, "more than any CPU does"),
    (|trial| trial.timeline.exited_ns = Some(1), "a clock stepped back"),
    (
        |trial| trial.guest_clock = Some(GuestClock { guest_ns: 9_000_000, host_ns: 6_000_000 }),
        "different rates",
    ),
    (
        |trial| trial.guest_clock = Some(GuestClock { guest_ns: 6_000_000, host_ns: 9_000_000 }),
        "different rates",
    ),
    (
        |trial| {
            trial.cpu.guest_ns = None;
            trial.crossings = Crossings::default();
        },
        "software emulation",
    ),
];

#[test]
fn one_impossible_or_wrong_trial_makes_its_cell_invalid_in_every_edition() {
    for (spoil, words) in FLAWS {
        let folder = TempDir::new().unwrap();
        let mut results = Synthetic::default().results();
        let is_victim = |trial: &&mut Trial| {
            trial.runtime == "microvm" && trial.workload == "sha256" && trial.is_timing()
        };
        spoil(results.trials.iter_mut().find(is_victim).unwrap());
        let path = folder.path().join("results.json");
        file::write(&path, &results).unwrap();
        let output = folder.path().join("report");
        let run = isobench().arg("report").arg(&path).arg("--output").arg(&output).assert().success();
        let terminal = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
        let edition = |name| fs::read_to_string(output.join(name)).unwrap();
        for text in [terminal, edition("report.md"), edition("index.html")] {
            assert!(text.contains(words) && text.contains("invalid"), "{words}:\n{text}");
        }
        let row = edition("report.md");
        let row = row.lines().find(|line| line.starts_with("| sha256")).unwrap();
        assert_eq!(row.matches("invalid").count(), 1, "{row}");
    }
}

#[test]
fn neither_a_comparison_of_two_runs_nor_one_of_hosts_shows_a_number_of_an_invalid_cell() {
    let folder = TempDir::new().unwrap();
    let (clean, spoilt) = (folder.path().join("clean.json"), folder.path().join("spoilt.json"));
    file::write(&clean, &Synthetic { seed: 2, ..Synthetic::default() }.results()).unwrap();
    let mut results = Synthetic::default().results();
    let is_victim = |trial: &&mut Trial| trial.runtime == "microvm" && trial.workload == "sha256";
    results.trials.iter_mut().find(is_victim).unwrap().wrong_output = Some("got 2".to_owned());
    file::write(&spoilt, &results).unwrap();
    let diff = isobench().arg("diff").args([&clean, &spoilt]).output().unwrap();
    let diff = String::from_utf8_lossy(&diff.stdout).into_owned();
    assert!(diff.contains("invalid in the run after: wrong output: got 2"), "{diff}");
    let merged = folder.path().join("merged");
    isobench().arg("merge").args([&clean, &spoilt]).arg("--output").arg(&merged).assert().success();
    let merged = fs::read_to_string(merged.join("report.md")).unwrap();
    assert!(merged.contains("microvm sha256 is invalid: wrong output: got 2"), "{merged}");
}

#[test]
fn a_virtual_machine_on_an_emulated_cpu_gets_no_figure() {
    let folder = TempDir::new().unwrap();
    let mut results = Synthetic::default().results();
    results.host.hypervisor = Some(SOFTWARE_EMULATION.to_owned());
    let path = folder.path().join("results.json");
    file::write(&path, &results).unwrap();
    let run = isobench().arg("report").arg(&path).arg("--output").arg(folder.path()).assert().success();
    let terminal = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(terminal.contains("KVM here is software emulation"), "{terminal}");
    let row = terminal.lines().find(|line| line.starts_with("microvm")).unwrap();
    assert!(row.contains("invalid") && !row.contains("ms"), "{row}");
}
