//! What a user decides about a comparison beforehand: its plan, its precision, its CPU.

mod common;

use std::fs;

use common::{Snapshot, isobench, need};
use isobench::report::file;
use isobench::results::{Cold, NULL};
use isobench::runtime::spec::Isolation;
use isobench::runtime::trial::PageCache;
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

#[test]
fn cold_starts_find_their_program_on_the_disk_and_are_told_apart() {
    let before = Snapshot::take();
    // Beside the build, since a folder for temporary files may be in memory, where nothing is cold.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    isobench()
        .args(["compare", "--quick", "--cold", "--runtimes", "container", "--workloads", "noop", "--output"])
        .arg(folder.path())
        .assert()
        .success();
    let results = file::read(&folder.path().join("results.json")).unwrap();
    assert_eq!(results.plan.cold, Some(Cold::Files));
    let levels: Vec<PageCache> = results.trials.iter().filter_map(|trial| trial.page_cache).collect();
    let (cold, warm): (Vec<PageCache>, Vec<PageCache>) = levels.iter().partition(|cache| cache.cold);
    assert!(cold.len() == warm.len() && cold.len() >= 18, "{} cold, {} warm", cold.len(), warm.len());
    assert!(warm.iter().all(|cache| cache.dropped_bytes == 0 && cache.preparation_ns > 0));
    assert!(cold.iter().all(|cache| cache.dropped_bytes > 0 && cache.kept_bytes == 0), "{cold:?}");
    let report = fs::read_to_string(folder.path().join("report.md")).unwrap();
    for words in ["## Cold starts", "posix_fadvise", "Cold ÷ warm"] {
        assert!(report.contains(words), "{words} is missing");
    }
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");
    let refused = isobench().args(["compare", "--cold=everything"]).assert().code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("files"));
    before.assert_same();
}

#[test]
fn a_pause_between_rounds_is_planned_recorded_and_kept() {
    let folder = TempDir::new().unwrap();
    let arguments =
        ["compare", "--quick", "--runtimes", "process", "--workloads", "noop", "--cool-down", "40ms"];
    let plan = isobench().args(arguments).arg("--dry-run").output().unwrap();
    let text = String::from_utf8_lossy(&plan.stdout).into_owned();
    let expected = text.split("about ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(expected.parse::<f64>().unwrap() >= 14.0 * 0.04, "{text}");
    isobench().args(arguments).arg("--output").arg(folder.path()).assert().success();
    let results = file::read(&folder.path().join("results.json")).unwrap();
    assert_eq!(results.plan.cool_down_ns, 40_000_000);
    assert!(results.duration_ns >= 14 * 40_000_000);
    isobench().args(["compare", "--cool-down", "soon"]).assert().code(2);
}

#[test]
fn what_measuring_costs_and_how_good_the_host_is_are_in_the_results_and_in_every_edition() {
    let folder = TempDir::new().unwrap();
    isobench()
        .args([
            "compare",
            "--quick",
            "--runtimes",
            "process",
            "--workloads",
            "noop,int",
            "--without",
            "net",
            "--output",
        ])
        .arg(folder.path())
        .assert()
        .success();
    let results = file::read(&folder.path().join("results.json")).unwrap();
    let null: Vec<_> = results.trials.iter().filter(|trial| trial.runtime == NULL).collect();
    let rounds =
        results.trials.iter().filter(|trial| trial.is_timing()).map(|trial| trial.round).max().unwrap() + 1;
    assert_eq!(null.len(), rounds as usize, "one in every round");
    assert!(null.iter().all(|trial| trial.timeline.first_output_ns.is_some_and(|ns| ns > 0)));
    assert!(results.trials.iter().all(|trial| trial.harness_ns.is_some_and(|ns| ns > 0)));
    assert_eq!(results.plan.without, [Isolation::Net]);
    let names: Vec<&str> = results.host.checks.iter().map(|check| check.name.as_str()).collect();
    for name in
        ["load", "governor", "turbo", "smt", "swap", "throttling", "power", "virtualised", "steal", "kvm"]
    {
        assert!(names.contains(&name), "{name} is missing: {names:?}");
    }
    assert!(results.during.is_some());
    for edition in ["index.html", "report.md"] {
        let text = fs::read_to_string(folder.path().join(edition)).unwrap();
        for words in
            ["What measuring itself costs", "How good this host is for measuring", "How far each figure"]
        {
            assert!(text.contains(words), "{edition}: {words} is missing");
        }
    }
}

/// Not a matter of speed: CPU time of the harness against the time for which the workload itself computed.
#[test]
fn the_harness_sleeps_while_a_workload_computes() {
    let folder = TempDir::new().unwrap();
    isobench()
        .args(["compare", "--quick", "--runtimes", "process", "--output"])
        .arg(folder.path())
        .args(["--", "int", "20000000"])
        .assert()
        .success();
    let results = file::read(&folder.path().join("results.json")).unwrap();
    let timing: Vec<_> =
        results.trials.iter().filter(|trial| trial.is_timing() && trial.runtime != NULL).collect();
    assert!(timing.len() >= 12);
    for trial in timing {
        let (harness_ns, work_ns) =
            (trial.harness_ns.unwrap(), trial.self_report.as_ref().unwrap().elapsed_ns);
        assert!(harness_ns < work_ns / 10, "{harness_ns} ns of CPU beside {work_ns} ns of work");
    }
}
