//! A guest that attacks its VMM (`tests/guests/hostile.c`) gets nowhere: the VM goes on, or ends with one clear line,
//! and nothing is left behind. `scripts/rig-devices` runs the same guest on another KVM.
#![allow(missing_docs, reason = "an integration test has no interface")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use common::{Snapshot, isobench, need};

/// Bytes that a disk's first look takes for a file system.
const SQUASHFS: &[u8] = b"hsqs";

/// The guest, compiled once.
fn hostile() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile(Path::new(env!("CARGO_TARGET_TMPDIR"))))
}

fn compile(folder: &Path) -> PathBuf {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
    let flags = std::fs::read_to_string(guests.join("flags")).expect("the flags are there");
    let program = folder.join("hostile");
    let compiled = Command::new("cc")
        .args(flags.lines())
        .arg("-o")
        .args([&program, &guests.join("hostile.c")])
        .status()
        .expect("cc starts; tests ask need(\"cc\") first");
    assert!(compiled.success());
    program
}

/// Boots the hostile guest with these options and this attack; what isobench says about its end.
fn end_of(attack: &str, options: &[&str]) -> String {
    // One VM at a time: what another leaves behind would be taken for this one's.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::write(&disk, [SQUASHFS, &[0; 1 << 16]].concat()).unwrap();
    let before = Snapshot::take();
    let mut command = isobench();
    command
        .args(["run", "--runtime", "linuxvm", "--boot-anyway", "--timeout", "300s", "--kernel"])
        .arg(hostile());
    for option in options {
        command.arg(option);
        if *option == "--disk" {
            command.arg(&disk);
        }
    }
    let output = command.args(["--", "noop", &format!("attack={attack}")]).output().unwrap();
    before.assert_same();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{attack}: {said}");
    assert_eq!(output.stdout, b"", "{attack}");
    let line = said.strip_prefix("isobench: ").and_then(|said| said.strip_suffix('\n'));
    let line = line.unwrap_or_else(|| panic!("{attack}: {said:?}"));
    assert!(!line.contains('\n'), "{attack}: {line}");
    line.to_owned()
}

/// It has done all that it can, and restarts.
const SURVIVED: &str = "the guest restarted before the workload had ended";

#[test]
#[ignore = "minutes where ring 0 is emulated; scripts/rig-devices runs the same guest: cargo test --test hostile_guest -- --ignored"]
fn ports_memory_and_calls_are_answered_and_the_guest_goes_on() {
    if !need("kvm") || !need("cc") {
        return;
    }
    for attack in ["ports", "serial", "memory", "calls"] {
        assert_eq!(end_of(attack, &[]), SURVIVED, "{attack}");
    }
}

/// The second processor is never started, and its thread never comes back: that must not keep the VMM.
#[test]
fn a_vcpu_that_still_waits_does_not_keep_the_vmm() {
    if !need("kvm") || !need("cc") {
        return;
    }
    let end = end_of("block", &["--cpus", "2"]);
    assert!(end.starts_with("the guest's init asked for something impossible"), "{end}");
}

#[test]
fn a_call_that_cannot_be_ends_the_guest() {
    if !need("kvm") || !need("cc") {
        return;
    }
    for attack in ["block", "unknown-call"] {
        let end = end_of(attack, &[]);
        assert!(end.starts_with("the guest's init asked for something impossible"), "{attack}: {end}");
    }
}

#[test]
fn a_broken_queue_ends_the_guest_and_says_which_rule() {
    if !need("kvm") || !need("cc") {
        return;
    }
    for (option, device) in [("--virtio-console", "virtio console"), ("--disk", "virtio disk")] {
        for (attack, rule) in [
            ("circle", "a chain of descriptors that has no end"),
            ("nowhere", "a chain of descriptors that has no end"),
            ("outside", "a buffer at 0x200000000000, 16 bytes, that is not in guest memory"),
            ("around", "a buffer at 0xffffffffffffffff, 16 bytes, that is not in guest memory"),
            ("huge", "a chain of more than 16777216 bytes"),
            ("table", "a chain of more than 1024 descriptors"),
            ("index", "an available index that jumped further than the queue is long"),
            ("queue-outside", "a queue that is not in guest memory"),
            (
                "queue-size",
                "a queue of 3 entries (it must be a power of two, and no more than the device offers)",
            ),
        ] {
            let expected = format!("the guest broke the rules of its {device}: {rule}");
            assert_eq!(end_of(attack, &[option]), expected, "{attack}");
        }
    }
}

#[test]
#[ignore = "minutes where ring 0 is emulated; scripts/rig-devices runs the same guest: cargo test --test hostile_guest -- --ignored"]
fn random_use_of_a_device_does_no_harm() {
    if !need("kvm") || !need("cc") {
        return;
    }
    for option in ["--virtio-console", "--disk"] {
        let end = end_of("chaos", &[option]);
        assert!(end == SURVIVED || end.starts_with("the guest broke the rules of its virtio"), "{end}");
    }
}
