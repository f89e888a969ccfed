//! Containers of an ordinary user, without any right beyond user namespaces.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

mod common;
use common::{Snapshot, busybox, need};

/// A user that is nobody on every Linux.
const NOBODY: &str = "65534";

/// isobench where every user can reach it.
fn reachable() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let program = folder.path().join("isobench");
    fs::copy(env!("CARGO_BIN_EXE_isobench"), &program).expect("writable");
    (folder, program)
}

/// As an ordinary user: ourselves, or, where we are root, nobody.
fn run(program: &Path, arguments: &[&str], command: &[&str]) -> Output {
    let mut run = if nix::unistd::geteuid().is_root() {
        let mut run = Command::new("setpriv");
        run.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program);
        run
    } else {
        Command::new(program)
    };
    run.args(["run", "--runtime", "container"]).args(arguments).arg("--").args(command);
    run.output().expect("it starts")
}

fn ready() -> bool {
    need("busybox") && need("userns") && need("setpriv")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_is_root_inside_and_nobody_outside() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    let (_folder, isobench) = reachable();
    let busybox = busybox();
    let busybox = busybox.to_str().expect("text");
    let output =
        run(&isobench, &[], &[busybox, "sh", "-c", "id -u; id -g; cat /proc/self/uid_map; hostname; exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let fields: Vec<&str> = lines.split_whitespace().collect();
    let outside = match nix::unistd::geteuid() {
        root if root.is_root() => NOBODY.to_owned(),
        user => user.to_string(),
    };
    assert_eq!(fields, ["0", "0", "0", &outside, "1", "isobench"]);
    before.assert_same();
}

#[test]
fn its_devices_and_folders_work_and_its_capabilities_are_gone() {
    if !ready() {
        return;
    }
    let (_folder, isobench) = reachable();
    let busybox = busybox();
    let script = "head -c 2 /dev/zero | wc -c; echo x > /dev/null && echo y > /tmp/y && echo /*; \
                  grep -c '^Cap.*0000000000000000' /proc/self/status";
    let output = run(&isobench, &[], &[busybox.to_str().expect("text"), "sh", "-c", script]);
    assert_eq!(text(&output.stdout), "2\n/busybox /dev /proc /tmp\n5\n", "{}", text(&output.stderr));
}

#[test]
fn a_root_is_shown_and_never_written_to() {
    if !ready() {
        return;
    }
    let (folder, isobench) = reachable();
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("writable");
    // Everyone's, so that only the container's own layer can be what takes the writes.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).expect("it is ours");
    fs::copy(busybox(), root.join("busybox")).expect("writable");
    let script = "echo new > /tmp/new; echo new > /new; cat /tmp/new";
    let arguments = ["--root", root.to_str().expect("text")];
    let output = run(&isobench, &arguments, &["/busybox", "sh", "-c", script]);
    assert_eq!(text(&output.stdout), "new\n", "{}", text(&output.stderr));
    let names: Vec<_> =
        fs::read_dir(&root).expect("readable").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["busybox"]);
}

#[test]
fn each_step_can_be_left_out() {
    if !ready() {
        return;
    }
    let (_folder, isobench) = reachable();
    let busybox = busybox();
    let command = [busybox.to_str().expect("text"), "sh", "-c", "echo ran"];
    for step in [
        "pid",
        "mount",
        "uts",
        "ipc",
        "net",
        "cgroup",
        "root",
        "proc",
        "dev",
        "limits",
        "capabilities",
        "no-new-privileges",
        "seccomp",
    ] {
        let output = run(&isobench, &["--without", step], &command);
        assert_eq!(text(&output.stdout), "ran\n", "without {step}: {}", text(&output.stderr));
        assert!(output.status.success(), "without {step}");
    }
    let output = run(&isobench, &["--without", "user"], &command);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("--without user needs root"), "{}", text(&output.stderr));
}
