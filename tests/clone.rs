//! Clones of a snapshot: what their original does, they do; its randomness and its clock they do not repeat;
//! and a snapshot that cannot go on here is refused in one line.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Snapshot, busybox, isobench, need, program};
use isobench::runtime::snapshot::format::{self, Header};
use serde_json::Value;
use tempfile::TempDir;

/// Saves a snapshot and returns its path.
fn save(folder: &Path, options: &[&str], command: &[&str]) -> PathBuf {
    let file = folder.join("saved.snapshot");
    isobench().args(["snapshot", "save"]).args(options).arg(&file).arg("--").args(command).assert().success();
    file
}

/// Clones a saved snapshot: what it printed, what isobench said, and the status.
fn clone(file: &Path, options: &[&str], arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = isobench()
        .arg("run")
        .args(options)
        .arg("--from-snapshot")
        .arg(file)
        .arg("--")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// Without a look at KVM or a kernel.
#[test]
fn what_no_snapshot_of_linux_holds_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("saved.snapshot");
    for (options, reason) in [
        (&["--cpus", "2"][..], "more than one vCPU"),
        (&["--virtio-console"], "a virtio console"),
        (&["--disk", "/dev/null"], "a disk"),
    ] {
        let output = isobench()
            .args(["snapshot", "save", "--runtime", "linuxvm"])
            .args(options)
            .arg(&file)
            .args(["--", "noop"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(reason) && said.lines().count() == 1, "{said}");
        assert!(!output.status.success() && !file.exists());
    }
}

#[test]
fn a_clone_does_what_the_microvm_does() {
    if !need("kvm") || !need("busybox") || !need("cc") {
        return;
    }
    let before = Snapshot::take();
    let (busybox, crash) = (busybox(), program("crash"));
    let (busybox, crash) = (busybox.to_str().unwrap(), crash.to_str().unwrap());
    let commands: &[&[&str]] = &[
        &["noop"],
        &["files", "50"],
        &[busybox, "cat"],
        &[
            busybox,
            "sh",
            "-c",
            "echo $PATH $0 $1; echo x > /tmp/x; read -r y < /tmp/x; echo $y; exit 9",
            "zero",
            "one",
        ],
        &[busybox, "ls", "/"],
        &[crash, "null-write"],
        &[crash, "raise", "15"],
        &[crash, "exit", "255"],
    ];
    for command in commands {
        let run = |runtime: &str| {
            let output = isobench()
                .args(["run", "--runtime", runtime, "--"])
                .args(*command)
                .write_stdin("some\ninput\n")
                .output()
                .unwrap();
            (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
        };
        assert_eq!(run("microvm-clone"), run("microvm"), "{command:?}");
    }
    before.assert_same();
}

#[test]
fn a_clone_crosses_as_often_as_the_microvm() {
    if !need("kvm") {
        return;
    }
    let exits = |runtime: &str| -> Vec<(String, u64)> {
        let output = isobench().args(["run", "--runtime", runtime, "--json", "--", "noop"]).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let crossings = &document["trial"]["crossings"];
        assert_eq!(crossings["guest_syscalls"], 2);
        let exits = crossings["vm_exits"].as_array().unwrap();
        let mut exits: Vec<_> = exits
            .iter()
            .map(|exit| (exit["reason"].as_str().unwrap().to_owned(), exit["count"].as_u64().unwrap()))
            .collect();
        exits.sort_unstable();
        exits
    };
    assert_eq!(exits("microvm-clone"), exits("microvm"));
}

#[test]
fn clones_of_one_snapshot_have_random_bytes_of_their_own() {
    if !need("kvm") || !need("cc") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = save(folder.path(), &[], &[program("random").to_str().unwrap()]);
    let mut seen = Vec::new();
    for arguments in [&[][..], &[], &["one argument"], &["one argument"]] {
        let (output, said, status) = clone(&file, &[], arguments);
        assert_eq!(status, Some(0), "{said}");
        seen.extend(output.lines().map(str::to_owned));
    }
    assert_eq!(seen.len(), 12);
    assert!(seen.iter().all(|line| line.chars().any(|digit| digit != '0')), "{seen:?}");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[test]
fn the_clock_of_a_clone_is_the_hosts() {
    if !need("kvm") || !need("cc") {
        return;
    }
    let program = program("moment");
    let folder = TempDir::new().unwrap();
    let file = save(folder.path(), &[], &[program.to_str().unwrap()]);
    let host = || numbers(&String::from_utf8_lossy(&Command::new(&program).output().unwrap().stdout));
    for _ in 0..2 {
        let before = host();
        let (output, said, status) = clone(&file, &[], &[]);
        assert_eq!(status, Some(0), "{said}");
        let inside = numbers(&output);
        let after = host();
        assert!(before[0] < inside[0] && inside[1] < after[0], "{before:?} {inside:?} {after:?}");
        assert!(before[2] < inside[2] && inside[2] < after[2], "{before:?} {inside:?} {after:?}");
    }
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

#[test]
fn a_clone_gets_arguments_environment_and_input_of_its_own() {
    if !need("kvm") || !need("busybox") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let busybox = busybox();
    let script = "echo $NAME $OTHER $1; cat";
    let command = [busybox.to_str().unwrap(), "sh", "-c", script, "sh", "first"];
    let file = save(folder.path(), &["-e", "NAME=theirs", "-e", "OTHER=kept"], &command);
    let with_input = |options: &[&str], arguments: &[&str]| {
        let output = isobench()
            .args(["run", "--from-snapshot"])
            .arg(&file)
            .args(options)
            .arg("--")
            .args(arguments)
            .write_stdin("typed\n")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(with_input(&[], &[]).lines().next(), Some("theirs kept first"));
    assert_eq!(with_input(&["-e", "NAME=ours"], &[]).lines().next(), Some("ours kept first"));
    let echo = with_input(
        &["-e", "NAME=ours"],
        &["sh", "-c", "echo \"$NAME $OTHER ${#1}\"", "sh", &"x".repeat(30_000)],
    );
    assert_eq!(echo, "ours kept 30000\n");
    assert_eq!(with_input(&[], &["cat"]), "typed\n");
    // More than the snapshot has mapped of the stack.
    let (_, said, status) = clone(&file, &[], &["echo", &"\u{1}".repeat(90_000)]);
    assert!(status == Some(126) && said.contains("KiB of stack") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_snapshot_is_told_about_and_keeps_no_blank_memory() {
    if !need("kvm") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = save(folder.path(), &["--memory", "2G"], &["noop"]);
    assert!(fs::metadata(&file).unwrap().len() < 4 << 20);
    let output = isobench().args(["snapshot", "inspect"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.starts_with("Snapshot of microvm with noop") && said.contains("the rest is blank"),
        "{said}"
    );
    assert_eq!(clone(&file, &[], &[]).0, "noop\n");
}

/// Writes the snapshot again with another header; its checksum is right.
fn forge(file: &Path, change: impl FnOnce(&mut Header)) -> PathBuf {
    let mut copy = Vec::new();
    let (mut header, pages_at) = format::read(&fs::read(file).unwrap()[..], &mut copy).unwrap();
    let pages = copy[pages_at as usize..copy.len() - 32].to_vec();
    change(&mut header);
    let forged = file.with_extension("forged");
    let mut writer = format::Writer::begin(fs::File::create(&forged).unwrap(), &header).unwrap();
    writer.pages(&pages).unwrap();
    writer.finish().unwrap();
    forged
}

#[test]
fn a_snapshot_that_cannot_go_on_here_is_refused_with_the_reason() {
    if !need("kvm") {
        return;
    }
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    let file = save(folder.path(), &[], &["noop"]);
    let refused = |file: &Path, why: &str| {
        let (output, said, status) = clone(file, &[], &[]);
        assert!(said.contains(why) && said.lines().count() == 1, "{why}: {said}");
        assert!(output.is_empty() && matches!(status, Some(125 | 126)), "{status:?}");
    };
    let whole = fs::read(&file).unwrap();
    let other = folder.path().join("other");
    let written = |bytes: &[u8]| {
        fs::write(&other, bytes).unwrap();
        other.as_path()
    };
    refused(written(&whole[..whole.len() / 2]), "cut short");
    refused(written(b"not a snapshot"), "is no isobench snapshot");
    let mut altered = whole.clone();
    let last_page = altered.len() - 100;
    altered[last_page] ^= 1;
    refused(written(&altered), "checksum");
    let mut newer = whole.clone();
    newer[8] = 99;
    refused(written(&newer), "format version 99");
    refused(&folder.path().join("missing"), "No such file");
    refused(folder.path(), "is no isobench snapshot");

    refused(&forge(&file, |header| header.origin.architecture = "riscv64".into()), "architecture riscv64");
    refused(&forge(&file, |header| header.origin.backend = "kvm_other".into()), "KVM backend kvm_other");
    refused(&forge(&file, |header| header.origin.kernel = "0123".into()), "another guest kernel");
    refused(&forge(&file, |header| header.cpuid[3].ecx ^= 1 << 5), "other features");
    refused(&forge(&file, |header| header.runtime = "spaceship".into()), "not known here");
    refused(&forge(&file, |header| header.machine = Value::Null), "none of ours");
    refused(&forge(&file, |header| header.machine["layout"]["end"] = 1.into()), "layout of memory");
    refused(&forge(&file, |header| header.machine["random"] = u64::MAX.into()), "layout of memory");
    refused(&forge(&file, |header| header.vcpus.clear()), "processor");
    // What KVM itself refuses: a stack pointer of the kernel and a reserved bit of CR0 that is set.
    refused(&forge(&file, |header| header.vcpus[0].sregs.cr0 |= 1 << 40), "registers");
    assert_eq!(clone(&file, &[], &[]).0, "noop\n");
    before.assert_same();
}

#[test]
fn a_forged_guest_harms_nobody_but_itself() {
    if !need("kvm") {
        return;
    }
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    let file = save(folder.path(), &[], &["noop"]);
    // Whatever the guest does from there, it ends, and in a way that can be told.
    for rip in [0, 0xffff_ffff_8001_7000, 0xffff_8000_0000_0000, 0x40_0000] {
        let forged = forge(&file, |header| header.vcpus[0].regs.rip = rip);
        let (_, said, status) = clone(&forged, &["--timeout", "2s"], &[]);
        assert!(status != Some(0) && said.lines().count() <= 2, "{rip:#x}: {status:?} {said}");
    }
    let forged = forge(&file, |header| header.machine["page_table"] = u64::MAX.into());
    clone(&forged, &["--timeout", "2s"], &[]);
    before.assert_same();
}

#[test]
fn what_belongs_to_the_snapshot_cannot_be_given_again() {
    for option in [["--memory", "64M"], ["--runtime", "container"], ["--root", "/"]] {
        isobench().args(["run", "--from-snapshot", "x"]).args(option).assert().failure().code(2);
    }
}
