//! A comparison and its report, as the README's first command makes them.

mod common;

use std::fs;
use std::path::Path;

use common::{Snapshot, isobench, need};
use isobench::results::{CONTROL, NULL, Results};
use tempfile::TempDir;

fn results(folder: &Path) -> Results {
    serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap()
}

fn compare(folder: &TempDir, arguments: &[&str]) -> assert_cmd::assert::Assert {
    isobench().arg("compare").arg("--output").arg(folder.path()).args(arguments).assert()
}

#[test]
fn the_built_in_workloads_are_compared_and_reported() {
    if !need("kvm") {
        return;
    }
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    let assert =
        compare(&folder, &["--quick", "--workloads", "noop,sha256,syscall", "--seed", "7"]).success();
    let table = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    for runtime in ["process", "container", "microvm"] {
        assert!(table.contains(runtime), "the table lacks {runtime}:\n{table}");
    }
    let results = results(folder.path());
    assert_eq!(results.seed, 7);
    assert!(!results.interrupted);
    for runtime in ["process", CONTROL, "container", "microvm"] {
        for workload in ["noop", "sha256", "syscall"] {
            let trials: Vec<_> = results
                .trials
                .iter()
                .filter(|trial| trial.runtime == runtime && trial.workload == workload)
                .collect();
            assert!(trials.iter().all(|trial| trial.is_valid()), "{runtime} {workload} failed: {trials:?}");
            let timed = trials.iter().filter(|trial| trial.is_timing());
            assert!(timed.clone().count() >= 3);
            for trial in timed {
                let line = &trial.timeline;
                let moments = [line.spawned_ns, line.entered_ns, line.exited_ns, line.torn_down_ns];
                let known: Vec<u64> =
                    moments.into_iter().map(|moment| moment.expect("a milestone")).collect();
                assert!(known.is_sorted(), "{runtime} {workload}: {line:?}");
                assert!(line.first_output_ns > line.spawned_ns);
                assert!(line.phases.len() > 1);
            }
            let memory = trials.iter().filter_map(|trial| trial.footprint.as_ref());
            assert!(memory.clone().count() >= 1);
            for footprint in memory {
                assert!(footprint.pss_steady_bytes > Some(4096), "{runtime} {workload}: {footprint:?}");
            }
        }
    }
    for name in ["index.html", "report.md", "results.json"] {
        assert!(fs::metadata(folder.path().join(name)).unwrap().len() > 500, "{name}");
    }
    before.assert_same();
}

#[test]
fn a_report_speaks_the_language_that_is_asked_for_and_holds_the_others() {
    let folder = TempDir::new().unwrap();
    compare(&folder, &["--quick", "--runtimes", "process", "--workloads", "noop"]).success();
    let page = |language: &[&str], environment: &str| {
        let made = TempDir::new().unwrap();
        let results = folder.path().join("results.json");
        let assert = isobench()
            .arg("report")
            .arg(results)
            .arg("--output")
            .arg(made.path())
            .args(language)
            .env("LC_ALL", environment)
            .assert()
            .success();
        let said = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        (said, fs::read_to_string(made.path().join("index.html")).unwrap())
    };
    for (language, environment, first, other) in [
        (&["--lang", "ko"][..], "C", "ko", "en"),
        (&[][..], "ko_KR.UTF-8", "ko", "en"),
        (&["--lang", "en"][..], "ko_KR.UTF-8", "en", "ko"),
    ] {
        let (said, page) = page(language, environment);
        assert!(page.contains(&format!("<html lang=\"{first}\">")), "{language:?} {environment}");
        assert!(page.contains(&format!("<template data-language=\"{other}\"")));
        assert_eq!(said.contains("부팅 시간"), first == "ko", "{said}");
        assert!(page.contains("부팅 시간") && page.contains("Boot time"));
    }
}

#[test]
fn a_report_is_made_again_from_its_results() {
    let folder = TempDir::new().unwrap();
    compare(&folder, &["--quick", "--runtimes", "process", "--workloads", "noop"]).success();
    let again = TempDir::new().unwrap();
    isobench()
        .arg("report")
        .arg(folder.path().join("results.json"))
        .arg("--output")
        .arg(again.path())
        .assert()
        .success();
    let text = |folder: &TempDir| fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert_eq!(text(&folder), text(&again));
}

#[test]
fn a_program_of_your_own_is_compared() {
    if !need("busybox") {
        return;
    }
    let folder = TempDir::new().unwrap();
    compare(&folder, &["--quick", "--runtimes", "container", "--", "busybox", "echo", "mine"]).success();
    let results = results(folder.path());
    assert_eq!(results.plan.workloads[0].name, "busybox");
    assert_eq!(results.plan.workloads[0].argv, ["busybox", "echo", "mine"]);
    assert!(results.trials.iter().any(|trial| trial.runtime == "container" && trial.is_valid()));
}

#[test]
fn a_program_that_fails_is_reported_as_failed_and_never_as_a_number() {
    if !need("busybox") {
        return;
    }
    let folder = TempDir::new().unwrap();
    compare(&folder, &["--quick", "--runtimes", "container", "--", "busybox", "false"]).code(1);
    let results = results(folder.path());
    assert!(results.trials.iter().all(|trial| trial.runtime == NULL || !trial.is_valid()));
    let report = fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(report.to_lowercase().contains("fail"), "{report}");
}

#[test]
fn ctrl_c_keeps_what_was_measured() {
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["compare", "--thorough", "--runtimes", "process", "--workloads", "noop", "--output"])
        .arg(folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGINT)
        .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let results = results(folder.path());
    assert!(results.interrupted);
    assert!(!results.trials.is_empty());
    assert!(folder.path().join("index.html").exists());
    before.assert_same();
}

#[test]
fn the_list_of_workloads_names_each() {
    let output = isobench().arg("workloads").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for name in [
        "noop", "int", "float", "sha256", "compress", "sort", "stream", "chase", "touch", "syscall", "clock",
        "files", "probe", "serve",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing:\n{text}");
    }
}

#[test]
fn help_has_examples_on_every_command() {
    for command in [
        &["--help"][..],
        &["run", "--help"],
        &["compare", "--help"],
        &["report", "--help"],
        &["diff", "--help"],
        &["export", "--help"],
        &["merge", "--help"],
        &["doctor", "--help"],
        &["workloads", "--help"],
        &["maintain", "--help"],
    ] {
        let output = isobench().args(command).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Examples:"), "{command:?}:\n{text}");
    }
}
