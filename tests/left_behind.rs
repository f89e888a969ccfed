//! Nothing is left behind, however a run ends: no process, mount, cgroup or temporary file.

mod common;

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{Snapshot, isobench, need};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const RUNTIMES: [&str; 4] = ["process", "container", "microvm", "microvm-clone"];

fn available(runtime: &str) -> bool {
    need("busybox") && (!runtime.starts_with("microvm") || need("kvm"))
}

/// A run that would last for minutes.
fn start(runtime: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["run", "--runtime", runtime, "--", "busybox", "sh", "-c", "echo up; while :; do :; done"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = [0; 3];
    let stdout = child.stdout.as_mut().unwrap();
    std::io::Read::read_exact(stdout, &mut line).unwrap();
    assert_eq!(&line, b"up\n", "{runtime} did not come up");
    child
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

#[test]
fn after_a_normal_end() {
    for runtime in RUNTIMES.into_iter().filter(|runtime| available(runtime)) {
        let before = Snapshot::take();
        isobench().args(["run", "--runtime", runtime, "--", "busybox", "true"]).assert().success();
        before.assert_same();
    }
}

#[test]
fn after_a_crash() {
    for runtime in RUNTIMES.into_iter().filter(|runtime| available(runtime)) {
        let before = Snapshot::take();
        isobench()
            .args(["run", "--runtime", runtime, "--", "busybox", "sh", "-c", "kill -SEGV $$"])
            .assert()
            .code(139);
        before.assert_same();
    }
}

#[test]
fn after_a_timeout() {
    for runtime in RUNTIMES.into_iter().filter(|runtime| available(runtime)) {
        let before = Snapshot::take();
        isobench()
            .args(["run", "--runtime", runtime, "--timeout", "500ms", "--"])
            .args(["busybox", "sh", "-c", "while :; do :; done"])
            .assert()
            .code(124);
        before.assert_same();
    }
}

#[test]
fn after_ctrl_c() {
    for runtime in RUNTIMES.into_iter().filter(|runtime| available(runtime)) {
        let before = Snapshot::take();
        let mut child = start(runtime);
        signal(&child, Signal::SIGINT);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{runtime}");
        before.assert_same();
    }
}

#[test]
fn after_the_harness_is_killed() {
    for runtime in RUNTIMES.into_iter().filter(|runtime| available(runtime)) {
        let before = Snapshot::take();
        let mut child = start(runtime);
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        before.assert_same();
    }
}

/// When the launcher is killed too, its sandboxes die with it, and the next start removes their cgroups.
#[test]
fn after_harness_and_launcher_are_killed() {
    for runtime in RUNTIMES.into_iter().filter(|runtime| available(runtime)) {
        let before = Snapshot::take();
        let mut child = start(runtime);
        let launchers = isobench::measure::processes::children(child.id() as i32);
        assert!(!launchers.is_empty());
        signal(&child, Signal::SIGSTOP);
        for launcher in launchers {
            kill(Pid::from_raw(launcher), Signal::SIGKILL).unwrap();
        }
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        sleep(Duration::from_millis(200));
        isobench().args(["run", "--runtime", runtime, "--", "busybox", "true"]).assert().success();
        before.assert_same();
    }
}

/// A workload of runtime `process` has no pid namespace to hold its daemons.
#[test]
fn a_daemon_of_a_plain_process_is_killed_too() {
    if !need("busybox") {
        return;
    }
    let before = Snapshot::take();
    isobench()
        .args(["run", "--runtime", "process", "--"])
        .args(["busybox", "sh", "-c", "busybox setsid busybox sleep 600 >/dev/null 2>&1 & sleep 0.1; true"])
        .assert()
        .success();
    before.assert_same();
}
