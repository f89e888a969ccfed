//! What a user decides about a comparison beforehand: its plan, its precision, its CPU.

mod common;

use std::fs;

use common::{Snapshot, isobench, need};
use isobench::report::file;
use tempfile::TempDir;

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("report");
    let run = isobench()
        .args([
            "compare",
            "--dry-run",
            "--runtimes",
            "process",
            "--workloads",
            "noop,int",
            "--seed",
            "7",
            "--output",
        ])
        .arg(&output)
        .assert()
        .success();
    let text = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    for words in ["process, process-again", "seed 7", "noop", "int", "Expected duration: about"] {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
    assert!(!output.exists());
    before.assert_same();
}

#[test]
fn a_modest_precision_ends_a_long_run_early_and_is_recorded() {
    let folder = TempDir::new().unwrap();
    isobench()
        .args([
            "compare",
            "--thorough",
            "--runtimes",
            "process",
            "--workloads",
            "noop",
            "--precision",
            "1000%",
            "--output",
        ])
        .arg(folder.path())
        .assert()
        .success();
    let results = file::read(&folder.path().join("results.json")).unwrap();
    assert_eq!(results.plan.precision, Some(10.0));
    let rounds =
        results.trials.iter().filter(|trial| trial.is_timing()).map(|trial| trial.round).max().unwrap() + 1;
    assert!(rounds >= 6, "an interval needs six rounds, and there were {rounds}");
    assert!(rounds < results.plan.workloads[0].rounds, "{rounds} rounds, all that were planned");
    assert!(!results.interrupted);
}

#[test]
fn pinned_sandboxes_stay_on_their_cpu_and_the_results_say_so() {
    let folder = TempDir::new().unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let cpu = list.rsplit(['-', ',']).next().unwrap();
    isobench()
        .args([
            "compare",
            "--quick",
            "--runtimes",
            "process",
            "--workloads",
            "noop",
            "--pin",
            cpu,
            "--output",
        ])
        .arg(folder.path())
        .assert()
        .success();
    let results = file::read(&folder.path().join("results.json")).unwrap();
    assert_eq!(results.plan.pinned_cpu, cpu.parse().ok());
    if need("busybox") {
        let line = format!("Cpus_allowed_list:\t{cpu}");
        isobench()
            .args(["compare", "--quick", "--runtimes", "container", "--pin", cpu, "--output"])
            .arg(folder.path())
            .args(["--", "busybox", "grep", "-x", &line, "/proc/self/status"])
            .assert()
            .success();
    }
    let refused = isobench().args(["compare", "--pin", "100000"]).assert().code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("choose one of"));
    isobench().args(["compare", "--precision", "0%"]).assert().code(2);
}
