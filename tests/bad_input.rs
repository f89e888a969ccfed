//! What a user sees after a mistake: one clear line, the right exit status, nothing half-written.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use common::{isobench, need};
use tempfile::TempDir;

fn run(arguments: &[&str]) -> Output {
    isobench().args(arguments).output().expect("isobench starts")
}

/// The message is one line (clap's own usage errors may have more), names `words`, and the status is right.
fn refused(arguments: &[&str], status: i32, words: &[&str]) {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?} should say {word:?}: {stderr}");
    }
    if stderr.starts_with("isobench:") {
        assert_eq!(stderr.trim_end().lines().count(), 1, "more than one line: {stderr}");
    }
}

fn file(folder: &TempDir, name: &str, content: &[u8], mode: u32) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The first bytes of a 64-bit ELF header for `machine`, then zeros.
fn elf(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..16].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes[16..18].copy_from_slice(&2u16.to_le_bytes());
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[20..24].copy_from_slice(&1u32.to_le_bytes());
    bytes[52..54].copy_from_slice(&64u16.to_le_bytes());
    bytes
}

#[test]
fn a_program_that_does_not_exist() {
    for runtime in ["process", "container", "microvm"] {
        refused(&["run", "--runtime", runtime, "--", "./no-such-program"], 127, &["no-such-program"]);
        refused(&["run", "--runtime", runtime, "--", "no-such-program-on-path"], 127, &["no such program"]);
    }
}

#[test]
fn a_program_that_cannot_run() {
    let folder = TempDir::new().unwrap();
    let text = file(&folder, "text", b"just text\n", 0o755);
    let script = file(&folder, "script", b"#!/bin/sh\necho hi\n", 0o755);
    let plain = file(&folder, "plain", &fs::read("/proc/self/exe").unwrap(), 0o644);
    let arm = file(&folder, "arm", &elf(183), 0o755);
    let short = file(&folder, "short", &elf(62)[..30], 0o755);
    for runtime in ["container", "microvm"] {
        if runtime == "microvm" && !need("kvm") {
            continue;
        }
        let refused =
            |program: &str, words| refused(&["run", "--runtime", runtime, "--", program], 126, words);
        refused(&text, &["ELF"]);
        refused(&script, &["/bin/sh"]);
        refused(&plain, &["chmod +x"]);
        refused(&arm, &["aarch64"]);
        refused(&short, &["truncated"]);
        refused(folder.path().to_str().unwrap(), &["directory"]);
    }
}

#[test]
fn a_dynamic_program_names_its_interpreter_and_the_way_out() {
    let own = std::env::current_exe().unwrap();
    for runtime in ["container", "microvm"] {
        if runtime == "microvm" && !need("kvm") {
            continue;
        }
        let program = own.to_str().unwrap();
        refused(&["run", "--runtime", runtime, "--", program], 126, &["ld-linux-x86-64.so.2", "static"]);
    }
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    refused(&["run", "--runtime", "contaner", "--", "noop"], 2, &["container"]);
    refused(&["compare", "--runtimes", "process,micovm"], 2, &["microvm"]);
    refused(&["compare", "--workloads", "sha265"], 2, &["sha256"]);
    refused(&["run", "--without", "nett", "--", "noop"], 2, &["net"]);
    refused(&["comapre"], 2, &["compare"]);
}

#[test]
fn memory_too_small_or_absurd() {
    refused(&["run", "--memory", "1k", "--", "noop"], 2, &["less than 4M"]);
    refused(&["run", "--memory", "lots", "--", "noop"], 2, &["lots"]);
    if need("kvm") {
        refused(&["run", "--runtime", "microvm", "--memory", "900000T", "--", "noop"], 126, &["memory"]);
        refused(&["run", "--runtime", "microvm", "--memory", "4M", "--", "noop"], 126, &["memory"]);
    }
}

#[test]
fn a_file_or_root_that_is_not_there() {
    refused(&["run", "--file", "/no/such/file", "--", "noop"], 2, &["/no/such/file"]);
    refused(&["run", "--file", "/etc/passwd:relative", "--", "noop"], 2, &["begin with /"]);
    refused(&["run", "--root", "/no/such/folder", "--", "/noop"], 2, &["/no/such/folder"]);
    refused(&["run", "--env", "NOVALUE", "--", "noop"], 2, &["NAME=VALUE"]);
}

#[test]
fn a_results_file_that_is_none() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("report");
    let report = |content: &[u8], words: &[&str]| {
        let path = file(&folder, "results.json", content, 0o644);
        refused(&["report", &path, "--output", output.to_str().unwrap()], 1, words);
        assert!(!output.join("index.html").exists(), "a report was written from bad results");
    };
    report(b"this is not JSON", &["JSON"]);
    report(b"{\"version\": 1, \"tool\":", &["cut off"]);
    report(b"{\"version\": 999}", &["newer", "999"]);
    report(b"", &["cut off"]);
    refused(&["report", "/no/such/results.json"], 1, &["/no/such/results.json"]);
}

#[test]
fn a_report_folder_that_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let blocked = file(&folder, "blocked", b"a file, not a folder", 0o644);
    let inside = format!("{blocked}/report");
    refused(&["compare", "--quick", "--workloads", "noop", "--output", &inside], 1, &["blocked"]);
    assert_eq!(fs::read(&blocked).unwrap(), b"a file, not a folder");
}

/// A full disk: a tmpfs of 64 KiB, in a mount namespace of the test's own.
#[test]
fn a_full_disk_leaves_the_old_report_as_it_was() {
    if !need("userns") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let target = folder.path().to_str().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=64k none {target} && echo old > {target}/index.html && \
         {} compare --quick --runtimes process --workloads noop --output {target}; echo status $?; cat {target}/index.html; \
         ls {target}",
        env!("CARGO_BIN_EXE_isobench")
    );
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stdout.contains("status 1"), "{stdout}{stderr}");
    assert!(stderr.contains("disk is full"), "{stdout}{stderr}");
    // What was measured up to there is kept too.
    assert!(stdout.ends_with("old\nindex.html\nresults.jsonl.partial\n"), "{stdout}{stderr}");
    assert!(stderr.contains("what was measured is kept in"), "{stdout}{stderr}");
}

#[test]
fn kvm_that_is_missing_or_not_permitted() {
    if !need("userns") {
        return;
    }
    let without = |mount: &str, user: &[&str]| {
        let script =
            format!("{mount} && exec {} run --runtime microvm -- noop", env!("CARGO_BIN_EXE_isobench"));
        let mut command = std::process::Command::new("unshare");
        command.args(user).args(["--mount", "sh", "-c", &script]);
        command.output().unwrap()
    };
    // An empty folder over /dev hides it; /dev/null in its place is not KVM.
    let missing = without("mount -t tmpfs none /dev", &["--user", "--map-root-user"]);
    let stderr = String::from_utf8_lossy(&missing.stderr);
    assert_eq!(missing.status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("/dev/kvm"), "{stderr}");
}
