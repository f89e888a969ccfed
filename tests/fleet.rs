//! The scripts for fleets, as a machine without any engine can run them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use isobench::report::file;
use tempfile::TempDir;

fn fleet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fleet")
}

fn script(name: &str) -> Command {
    let mut command = Command::new(fleet().join(name));
    command.env("ISOBENCH", env!("CARGO_BIN_EXE_isobench"));
    command
}

/// One task of a Slurm array, as Slurm starts it: a copy of the script, elsewhere.
fn slurm_task(folder: &Path, index: &str, options: &[&str]) -> Output {
    let spooled = folder.join("slurm_script");
    fs::copy(fleet().join("slurm-array.sh"), &spooled).unwrap();
    Command::new("sh")
        .arg(spooled)
        .args(options)
        .env("ISOBENCH", env!("CARGO_BIN_EXE_isobench"))
        .env("SLURM_SUBMIT_DIR", env!("CARGO_MANIFEST_DIR"))
        .env("SLURM_ARRAY_TASK_ID", index)
        .env("RESULTS", folder.join("results"))
        .output()
        .unwrap()
}

const SHORT: [&str; 5] = ["--quick", "--workloads", "noop", "--runtimes", "process"];

#[test]
fn two_tasks_of_an_array_become_one_report() {
    let folder = TempDir::new().unwrap();
    for index in ["0", "1"] {
        let output = slurm_task(folder.path(), index, &SHORT);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let results = folder.path().join("results");
    let mut tasks: Vec<PathBuf> =
        fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().path()).collect();
    tasks.sort();
    assert_eq!(tasks.len(), 2, "{tasks:?}");
    for (index, task) in tasks.iter().enumerate() {
        assert!(task.file_name().unwrap().to_str().unwrap().starts_with(&format!("{index}-")));
        assert!(!file::read(&task.join("results.json")).unwrap().trials.is_empty());
    }
    let report = folder.path().join("report");
    let output = script("collect").args([&results, &report]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(report.join("report.md")).unwrap();
    for task in &tasks {
        assert!(text.contains(task.file_name().unwrap().to_str().unwrap()), "{text}");
    }
    assert!(report.join("host-2/index.html").exists());
}

#[test]
fn a_pod_is_named_after_its_node_and_its_index() {
    let folder = TempDir::new().unwrap();
    let run = || {
        script("task")
            .arg(folder.path())
            .args(SHORT)
            .env("JOB_COMPLETION_INDEX", "7")
            .env("NODE_NAME", "node one")
            .output()
            .unwrap()
    };
    // A pod that is started again replaces what the first one wrote.
    for _ in 0..2 {
        let output = run();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["7-node_one"]);
    }
}

#[test]
fn a_task_that_fails_leaves_nothing_to_collect_and_says_so() {
    let folder = TempDir::new().unwrap();
    let results = folder.path().join("results");
    let output = slurm_task(folder.path(), "0", &["--workloads", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no results"));
    assert_eq!(fs::read_dir(&results).unwrap().count(), 0);
    let output = script("collect").args([&results, &folder.path().join("report")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no task has written results yet"));
    for index in ["x", "-1"] {
        let output = slurm_task(folder.path(), index, &SHORT);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("is no number"));
    }
}
