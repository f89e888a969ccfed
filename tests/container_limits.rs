//! Limits hold, and a user learns that they struck.

mod common;
use common::{Snapshot, busybox, isobench, need};

fn run(arguments: &[&str], script: &str) -> std::process::Output {
    let mut command = isobench();
    command.args(["run", "--runtime", "container"]).args(arguments).arg("--").arg(busybox());
    command.args(["sh", "-c", script]).output().expect("isobench starts")
}

#[test]
fn memory_beyond_the_limit_kills_and_is_explained() {
    if !need("busybox") || !need("cgroup") {
        return;
    }
    let before = Snapshot::take();
    // Both in anonymous memory and in files of the container's root.
    for script in ["head -c 100000000 /dev/zero | tail -c 90000000 > /dev/null", "cat /dev/zero > /tmp/full"]
    {
        let script = format!("{script}; exit $?");
        let output = run(&["--memory", "16M", "--timeout", "20s"], &script);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), Some(0), "{script}");
        assert_ne!(output.status.code(), Some(124), "{script} was not stopped by the limit");
        assert!(message.contains("memory limit"), "{script} says {message}");
    }
    before.assert_same();
}

#[test]
fn memory_within_the_limit_is_given() {
    if !need("busybox") {
        return;
    }
    let output = run(&["--memory", "256M"], "head -c 40000000 /dev/zero | tail -c 30000000 | wc -c");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "30000000\n");
    assert!(output.status.success());
}

#[test]
fn a_fork_bomb_is_contained() {
    if !need("busybox") || !need("cgroup") {
        return;
    }
    let before = Snapshot::take();
    let output =
        run(&["--timeout", "10s"], "i=0; while [ $i -lt 2000 ]; do sleep 30 & i=$((i+1)); done; exit 0");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("fork"), "more than 512 processes were had: {message}");
    before.assert_same();
}
