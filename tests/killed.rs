//! A comparison that is killed leaves what it had measured.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{Snapshot, isobench};
use isobench::report::file;
use isobench::results::journal;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::Rng;
use tempfile::TempDir;

/// Starts a long comparison into `folder` and kills it after `moment`, counted from its first trial.
fn killed_after(folder: &Path, moment: Duration) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["compare", "--thorough", "--runtimes", "process", "--workloads", "noop", "--output"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = folder.join(journal::NAME);
    let whole_lines = || fs::read(&path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
    while whole_lines() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "the comparison ended by itself");
        sleep(Duration::from_millis(5));
    }
    sleep(moment);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_at_random_moments_it_loses_at_most_the_trial_it_was_in() {
    let before = Snapshot::take();
    let mut random = rand::rng();
    for _ in 0..6 {
        let folder = TempDir::new().unwrap();
        killed_after(folder.path(), Duration::from_micros(random.random_range(0..600_000)));
        let path = folder.path().join(journal::NAME);
        assert!(!folder.path().join("results.json").exists());
        let bytes = fs::read(&path).unwrap();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let results = file::read(&path).unwrap();
        assert_eq!(results.trials.len(), lines - 1);
        assert!(results.interrupted && results.duration_ns > 0);
        assert!(results.trials.iter().all(|trial| trial.is_valid()));

        let report = folder.path().join("report");
        isobench().arg("report").arg(&path).arg("--output").arg(&report).assert().success();
        assert!(fs::read_to_string(report.join("report.md")).unwrap().contains("**Interrupted"));
    }
    before.assert_same();
}

#[test]
fn the_next_run_keeps_what_the_killed_one_left_and_cleans_up_after_itself() {
    let folder = TempDir::new().unwrap();
    killed_after(folder.path(), Duration::ZERO);
    let left = fs::read(folder.path().join(journal::NAME)).unwrap();
    let next = isobench()
        .args(["compare", "--quick", "--runtimes", "process", "--workloads", "noop", "--output"])
        .arg(folder.path())
        .assert()
        .success();
    let stderr = String::from_utf8_lossy(&next.get_output().stderr).into_owned();
    assert!(stderr.contains("an earlier run here was killed"), "{stderr}");
    assert!(!folder.path().join(journal::NAME).exists());
    assert_eq!(fs::read(folder.path().join(format!("{}.old", journal::NAME))).unwrap(), left);
}

#[test]
fn a_journal_without_a_whole_first_line_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(journal::NAME);
    for content in ["", "{\"version\":1,\"tool\":\"is", "\n"] {
        fs::write(&path, content).unwrap();
        let refused = isobench().arg("report").arg(&path).assert().code(1);
        let stderr = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(stderr.contains(journal::NAME) && stderr.trim_end().lines().count() == 1, "{stderr}");
    }
}
