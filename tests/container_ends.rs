//! However a container ends, it is told rightly and nothing of it is left on the host.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

mod common;
use common::{Snapshot, busybox, isobench, need};

/// Whether containers can be made here.
fn ready() -> bool {
    need("busybox") && (nix::unistd::geteuid().is_root() || need("userns"))
}

/// A container with a process tree that would never end; returns once it runs.
fn endless(arguments: &[&str]) -> Child {
    let script = "sleep 1000 & (setsid sleep 1000 &) ; echo running; wait";
    let mut child = Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["run", "--runtime", "container"])
        .args(arguments)
        .arg("--")
        .arg(busybox())
        .args(["sh", "-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("isobench starts");
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("readable");
    assert_eq!(line, "running\n");
    child
}

/// The launcher: the one child of the harness.
fn launcher_of(harness: &Child) -> Pid {
    let path = format!("/proc/{0}/task/{0}/children", harness.id());
    let children = fs::read_to_string(path).expect("the kernel tells children");
    Pid::from_raw(children.split_whitespace().next().expect("a child").parse().expect("a number"))
}

#[test]
fn normal_and_failed_ends_leave_nothing() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    for script in ["exit 0", "exit 9", "kill -KILL $$", "sleep 1000 & exit 0"] {
        let mut command = isobench();
        command.args(["run", "--runtime", "container", "--"]).arg(busybox()).args(["sh", "-c", script]);
        let _ = command.assert();
    }
    before.assert_same();
}

#[test]
fn a_timeout_leaves_nothing() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    for without in [&[][..], &["--without", "pid"], &["--without", "limits"]] {
        let mut command = isobench();
        command.args(["run", "--runtime", "container", "--timeout", "300ms"]).args(without).arg("--");
        command.arg(busybox()).args(["sh", "-c", "sleep 1000 & sleep 1000"]).assert().code(124);
    }
    before.assert_same();
}

#[test]
fn an_interrupted_harness_leaves_nothing() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut harness = endless(&[]);
        kill(Pid::from_raw(harness.id() as i32), signal).expect("it runs");
        assert!(!harness.wait().expect("a child").success());
        before.assert_same();
    }
}

#[test]
fn a_killed_harness_leaves_nothing() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    for without in [&[][..], &["--without", "pid"], &["--without", "pid,limits"]] {
        let mut harness = endless(without);
        kill(Pid::from_raw(harness.id() as i32), Signal::SIGKILL).expect("it runs");
        harness.wait().expect("a child");
        before.assert_same();
    }
}

#[test]
fn after_a_killed_launcher_the_next_start_sweeps() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    let mut harness = endless(&[]);
    kill(launcher_of(&harness), Signal::SIGKILL).expect("it runs");
    assert!(!harness.wait().expect("a child").success(), "a run without its launcher has failed");
    // Its processes die with it; its cgroup is removed by the next start.
    std::thread::sleep(Duration::from_millis(100));
    let mut command = isobench();
    command.args(["run", "--runtime", "container", "--"]).arg(busybox()).arg("true").assert().success();
    before.assert_same();
}

#[test]
fn a_launch_that_fails_leaves_nothing_and_says_why() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    let root = tempfile::tempdir().expect("a temporary folder");
    // A file where the container needs the folder /proc.
    fs::copy(busybox(), root.path().join("busybox")).expect("writable");
    fs::write(root.path().join("proc"), "").expect("writable");
    let mut command = isobench();
    command
        .args(["run", "--runtime", "container", "--root"])
        .arg(root.path())
        .args(["--", "/busybox", "true"]);
    let assert = command.assert().code(125);
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("mounting proc on /proc"), "{message}");
    before.assert_same();
}
