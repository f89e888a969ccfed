//! Outside tools as runtimes: they run the same program, a broken one is named and left out, and nothing stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

mod common;
use common::{busybox, isobench, need};

/// Tools that need no daemon.
const TOOLS: [&str; 2] = ["bwrap", "runc"];

#[test]
fn streams_and_exit_status_pass_through_an_outside_tool() {
    for tool in TOOLS.into_iter().filter(|tool| need(tool)) {
        if !need("busybox") {
            return;
        }
        isobench()
            .args(["run", "--runtime", tool, "--env", "GREETING=hello", "--"])
            .arg(busybox())
            .args(["sh", "-c", "cat; echo $GREETING; echo error >&2; exit 7"])
            .write_stdin("typed\n")
            .assert()
            .code(7)
            .stdout("typed\nhello\n")
            .stderr("error\n");
    }
}

#[test]
fn an_outside_tool_shows_files_and_the_users_root() {
    if !need("bwrap") || !need("busybox") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes");
    fs::write(&notes, "seen\n").unwrap();
    isobench()
        .args(["run", "--runtime", "bwrap", "--file"])
        .arg(format!("{}:/data/notes", notes.display()))
        .arg("--")
        .arg(busybox())
        .args(["cat", "/data/notes"])
        .assert()
        .success()
        .stdout("seen\n");
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    for name in ["proc", "dev"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::copy(busybox(), root.join("busybox")).unwrap();
    isobench()
        .args(["run", "--runtime", "bwrap", "--root"])
        .arg(&root)
        .args(["--", "/busybox", "sh", "-c", "echo x >/written && echo wrote"])
        .assert()
        .failure()
        .stdout("");
    assert!(!root.join("written").exists(), "the user's root is never written to");
}

#[test]
fn a_comparison_runs_outside_tools_beside_ours() {
    if !need("bwrap") {
        return;
    }
    let reports = tempfile::tempdir().unwrap();
    isobench()
        .args(["compare", "--quick", "--workloads", "noop", "--runtimes", "bwrap", "--output"])
        .arg(reports.path())
        .assert()
        .success();
    let text = fs::read_to_string(reports.path().join("results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    let trials = results["trials"].as_array().unwrap();
    let of = |runtime: &str| trials.iter().filter(|trial| trial["runtime"] == runtime).count();
    assert!(of("bwrap") > 0 && of("process") > 0 && of("process-again") > 0);
    assert_eq!(results["external"][0]["runtime"], "bwrap");
    assert!(results["external"][0]["version"].as_str().unwrap().contains("bubblewrap"));
    assert!(!results["external"][0]["differences"].as_array().unwrap().is_empty());
    let first = trials.iter().find(|trial| trial["runtime"] == "bwrap").unwrap();
    assert!(
        first["timeline"]["entered_ns"].is_null(),
        "the workload's first instruction cannot be seen from outside"
    );
}

/// Compares with a `bwrap` that is this script.
fn compare_with(script: &str) -> assert_cmd::assert::Assert {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("bwrap");
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    isobench()
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .args(["compare", "--quick", "--workloads", "noop", "--runtimes", "bwrap,process", "--output"])
        .arg(folder.path().join("report"))
        .assert()
}

#[test]
fn a_broken_tool_is_named_with_its_own_words_and_the_comparison_goes_on() {
    for (script, words) in [
        ("#!/bin/sh\necho 'the frobnicator is down' >&2\nexit 1\n", "the frobnicator is down"),
        (
            "#!/bin/sh\n[ \"$1\" = --version ] && echo fake 1.0 && exit\necho 'no right to do that' >&2\nexit 1\n",
            "no right to do that",
        ),
        ("#!/bin/sh\necho garbage\n", "garbage"),
        ("#!/bin/sh\nexit 0\n", "it said nothing"),
    ] {
        let done = compare_with(script).success();
        let stderr = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        let line = stderr.lines().find(|line| line.contains("bwrap takes no part")).unwrap_or_default();
        assert!(line.contains(words), "for {script:?} it says {stderr:?}");
    }
}

#[test]
fn a_tool_that_hangs_is_left_out() {
    let done =
        compare_with("#!/bin/sh\n[ \"$1\" = --version ] && echo fake 1.0 && exit\nsleep 1000\n").success();
    let stderr = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(stderr.contains("bwrap takes no part: it hung"), "{stderr}");
}

#[test]
fn what_a_killed_run_left_is_removed_at_the_next_start_and_nothing_else() {
    if !need("runc") || !need("busybox") || !need("cgroup") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let foreign = place.path().join("isobench-data");
    fs::create_dir(&foreign).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_isobench"));
    command.env("TMPDIR", place.path()).args(["run", "--runtime", "runc", "--"]);
    command.arg(busybox()).args(["sleep", "1000"]).stdout(std::process::Stdio::null());
    let mut run = command.spawn().unwrap();
    wait_for("the container is listed", || !containers(place.path()).is_empty());
    run.kill().unwrap();
    run.wait().unwrap();
    wait_for("doctor removes it", || {
        isobench().env("TMPDIR", place.path()).arg("doctor").output().unwrap();
        left(place.path()).is_empty()
    });
    assert!(foreign.is_dir(), "what has no mark of ours is not touched");
}

/// Folders of jobs in this place.
fn left(place: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(place).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().contains("-runc-")).collect()
}

/// Running containers of jobs in this place.
fn containers(place: &Path) -> Vec<String> {
    let list = |folder: std::path::PathBuf| {
        let output = std::process::Command::new("runc")
            .arg("--root")
            .arg(folder.join("state"))
            .args(["list", "-q"])
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    left(place).into_iter().flat_map(list).collect()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
