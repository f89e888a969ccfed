//! What a program sees from inside a container, and what it may not do there.

use std::fs;
use std::path::Path;

mod common;
use common::{Snapshot, busybox, isobench, need};

/// Whether containers can be made here.
fn ready() -> bool {
    need("busybox") && (nix::unistd::geteuid().is_root() || need("userns"))
}

/// Runs a shell script in a container; its output, once it has ended with `status`.
fn inside(arguments: &[&str], script: &str, status: i32) -> String {
    let mut command = isobench();
    command.args(["run", "--runtime", "container"]).args(arguments).arg("--").arg(busybox());
    let assert = command.args(["sh", "-c", script]).assert().code(status);
    String::from_utf8(assert.get_output().stdout.clone()).expect("text")
}

/// The value of a line `Name:\tvalue` of `/proc/self/status`.
fn status_field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}

#[test]
fn it_has_its_own_name_processes_and_network() {
    if !ready() {
        return;
    }
    assert_eq!(inside(&[], "hostname", 0), "isobench\n");
    let processes = inside(&[], "echo $$; ls -d /proc/[0-9]*", 0);
    assert_eq!(processes.lines().next(), Some("2"), "the workload is the init's first child: {processes}");
    assert!(processes.lines().count() <= 4, "only init, sh and ls are there: {processes}");
    let interfaces = inside(&[], "cat /proc/net/dev", 0);
    assert_eq!(interfaces.lines().skip(2).count(), 1, "only the loopback interface: {interfaces}");
    assert!(interfaces.contains("lo:"));
}

#[test]
fn its_root_holds_only_what_was_given() {
    if !ready() {
        return;
    }
    assert_eq!(inside(&[], "echo /*", 0), "/busybox /dev /proc /tmp\n");
    let mounts = inside(&[], "cat /proc/mounts", 0);
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let options: Vec<&str> = fields[3].split(',').collect();
        if ["/proc", "/busybox"].contains(&fields[1]) {
            assert!(options.contains(&"ro"), "{line}");
        }
    }
    inside(&[], "echo x > /busybox", 1);
    inside(&[], "echo core > /proc/sys/kernel/core_pattern", 1);
    assert_eq!(inside(&[], "echo kept > /tmp/a && cat /tmp/a && echo gone > /dev/null", 0), "kept\n");
}

#[test]
fn its_devices_work() {
    if !ready() {
        return;
    }
    let script = "head -c 4 /dev/zero | od -An -tx1 | tr -d ' ' && head -c 9 /dev/urandom | wc -c && echo to > /dev/stdout; \
                  echo x > /dev/full || echo full";
    assert_eq!(inside(&[], script, 0), "00000000\n9\nto\nfull\n");
}

#[test]
fn it_has_no_privileges() {
    if !ready() {
        return;
    }
    let status = inside(&[], "cat /proc/self/status", 0);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_field(&status, set), "0000000000000000", "{set}");
    }
    assert_eq!(status_field(&status, "NoNewPrivs"), "1");
    assert_eq!(status_field(&status, "Seccomp"), "2");
    assert!(["", "0", "65534"].contains(&status_field(&status, "Groups")), "{status}");
}

#[test]
fn what_it_must_not_do_fails() {
    if !ready() {
        return;
    }
    for script in [
        "mount -t tmpfs none /tmp",
        "mount -o remount,rw /proc",
        "unshare -U true",
        "unshare -n true",
        "mknod /tmp/disk b 8 0",
        "chroot / true",
        "hostname other",
        "ip link set lo up",
    ] {
        inside(&[], &format!("{script} || exit 1"), 1);
    }
    assert_eq!(inside(&[], "kill -9 1; sleep 0.1; echo alive", 0), "alive\n");
}

#[test]
fn steps_left_out_are_left_out_and_no_other() {
    if !ready() {
        return;
    }
    let host_name = fs::read_to_string("/proc/sys/kernel/hostname").expect("/proc is mounted");
    assert_eq!(inside(&["--without", "uts"], "hostname", 0), host_name);
    assert_ne!(inside(&["--without", "pid"], "echo $$", 0), "2\n");
    assert_eq!(inside(&["--without", "proc"], "echo /*", 0), "/busybox /dev /tmp\n");
    assert_eq!(inside(&["--without", "dev"], "echo /*", 0), "/busybox /proc /tmp\n");
    assert!(inside(&["--without", "root"], "echo /*", 0).contains("/etc"));
    assert!(inside(&["--without", "mount"], "echo /*", 0).contains("/etc"));
    let net = |without| inside(&["--without", without], "readlink /proc/self/ns/net", 0);
    let host_net = fs::read_link("/proc/self/ns/net").expect("/proc is mounted");
    assert_eq!(net("net").trim(), host_net.to_str().expect("text"));
    assert_ne!(net("ipc").trim(), host_net.to_str().expect("text"));
    let status = |without| inside(&["--without", without], "cat /proc/self/status", 0);
    assert_eq!(status_field(&status("seccomp"), "Seccomp"), "0");
    assert_eq!(status_field(&status("seccomp"), "NoNewPrivs"), "1");
    assert_eq!(status_field(&status("no-new-privileges"), "NoNewPrivs"), "0");
    assert_eq!(status_field(&status("no-new-privileges"), "Seccomp"), "2");
    assert_ne!(status_field(&status("capabilities"), "CapEff"), "0000000000000000");
}

#[test]
fn a_step_left_out_is_no_phase_and_every_other_is() {
    if !ready() {
        return;
    }
    let phases = |without: &[&str]| -> Vec<String> {
        let mut command = isobench();
        command
            .args(["run", "--runtime", "container", "--json"])
            .args(without)
            .arg("--")
            .arg(busybox())
            .arg("true");
        let output = command.assert().success().get_output().stdout.clone();
        let document: serde_json::Value = serde_json::from_slice(&output).expect("JSON");
        let phases = document["trial"]["timeline"]["phases"].as_array().expect("a list").clone();
        phases.iter().map(|phase| phase["name"].as_str().expect("text").to_owned()).collect()
    };
    let all = phases(&[]);
    for (step, phase) in [
        ("uts", "host name"),
        ("proc", "proc"),
        ("dev", "dev"),
        ("seccomp", "seccomp"),
        ("capabilities", "capabilities"),
        ("cgroup", "cgroup namespace"),
    ] {
        assert!(all.iter().any(|name| name == phase), "{phase} in {all:?}");
        let expected: Vec<_> = all.iter().filter(|name| *name != phase).cloned().collect();
        assert_eq!(phases(&["--without", step]), expected);
    }
}

#[test]
fn exit_statuses_and_signals_pass() {
    if !ready() {
        return;
    }
    inside(&[], "exit 0", 0);
    inside(&[], "exit 42", 42);
    inside(&[], "kill -TERM $$", 128 + 15);
    inside(&[], "kill -SEGV $$", 128 + 11);
}

#[test]
fn orphans_are_reaped_and_end_with_the_workload() {
    if !ready() {
        return;
    }
    let before = Snapshot::take();
    // The middle shell ends at once; its child is the init's then, and ends as a zombie if nobody reaps it.
    let script =
        "sh -c 'sleep 0.1 & :'; sleep 0.4; grep -l '^State:.Z' /proc/[0-9]*/status; (sleep 1000 &) ; exit 5";
    assert_eq!(inside(&[], script, 5), "");
    before.assert_same();
    inside(&["--without", "pid"], "(sleep 1000 &) ; exit 6", 6);
    before.assert_same();
}

#[test]
fn standard_streams_pass() {
    if !ready() {
        return;
    }
    let mut command = isobench();
    command.args(["run", "--runtime", "container", "--"]).arg(busybox()).args([
        "sh",
        "-c",
        "tr a-z A-Z; echo bad >&2",
    ]);
    command.write_stdin("through\n").assert().success().stdout("THROUGH\n").stderr("bad\n");
}

#[test]
fn a_root_is_shown_and_never_written_to() {
    if !ready() {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(root.path().join("bin")).expect("writable");
    fs::copy(busybox(), root.path().join("bin/busybox")).expect("writable");
    fs::write(root.path().join("kept"), "old\n").expect("writable");
    let listing = || {
        let mut names: Vec<_> = walk(root.path());
        names.sort();
        names
    };
    let before = listing();
    let mut command = isobench();
    command.args(["run", "--runtime", "container", "--root"]).arg(root.path());
    command.args(["--", "/bin/busybox", "sh", "-c"]);
    command
        .arg("cat /kept; echo new > /kept; echo more > /more; mkdir /d; rm -r /bin; cat /kept; ls -d /more");
    command.assert().success().stdout("old\nnew\n/more\n");
    assert_eq!(listing(), before);
    assert_eq!(fs::read_to_string(root.path().join("kept")).expect("still there"), "old\n");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        names.push(entry.path().display().to_string());
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        }
    }
    names
}

#[test]
fn files_are_shown_where_asked_and_read_only() {
    if !ready() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("notes");
    fs::write(&file, "hello\n").expect("writable");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).expect("writable");
    let mapping = format!("{}:/data/deep/notes.txt", link.display());
    let output = inside(&["--file", &mapping], "cat /data/deep/notes.txt; echo x > /data/deep/notes.txt", 1);
    assert_eq!(output, "hello\n");
    assert_eq!(fs::read_to_string(&file).expect("still there"), "hello\n");
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    if !ready() {
        return;
    }
    let refused = |arguments: &[&str], words: &str| {
        let mut command = isobench();
        command.args(["run", "--runtime", "container"]).args(arguments).arg("--").arg(busybox()).arg("true");
        let assert = command.assert().failure();
        let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(message.contains(words), "{arguments:?} says {message}");
    };
    refused(&["--without", "root", "--file", "/etc/hostname:/x"], "--without root");
    refused(&["--file", "/etc/hostname:/proc/x"], "/proc and /dev");
    refused(&["--file", "/etc/hostname:/a/../b"], "absolute path");
}
