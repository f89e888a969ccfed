//! What only a microVM does: deaths with cause and address, missing calls by name, its own clock, its
//! own memory and files, and exits that can be counted.
#![allow(missing_docs, reason = "an integration test has no interface")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{busybox, isobench, need, program};
use serde_json::Value;

/// Runs a program with `--json` and returns the document.
fn measured(options: &[&str], program: &Path, arguments: &[&str]) -> Value {
    let output = isobench()
        .args(["run", "--runtime", "microvm", "--json"])
        .args(options)
        .arg("--")
        .arg(program)
        .args(arguments)
        .output()
        .expect("isobench starts");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

fn crash(way: &str) -> Value {
    measured(&["--memory", "64M"], &program("crash"), &[way])["trial"]["exit"]["death"].clone()
}

fn ready() -> bool {
    need("kvm") && need("cc")
}

#[test]
fn a_death_names_its_cause_and_its_address() {
    if !ready() {
        return;
    }
    let null = crash("null-write");
    assert_eq!((&null["cause"], &null["address"]), (&"page_fault".into(), &0.into()));
    assert!(null["message"].as_str().unwrap().starts_with("page fault: write to 0x0 at rip 0x4"), "{null}");
    assert_eq!(crash("ud2")["cause"], "invalid_instruction");
    assert_eq!(crash("div0")["cause"], "division_error");
    assert_eq!(crash("privileged")["cause"], "general_protection");
    assert_eq!(crash("trap")["cause"], "other_exception");
    assert_eq!(crash("oom")["cause"], "out_of_memory");
    assert_eq!(crash("kernel-read")["address"], 0xffff_ffff_8100_0000u64);
    let overflow = crash("stack");
    assert!(overflow["message"].as_str().unwrap().contains("the stack overflowed"), "{overflow}");
}

#[test]
fn a_missing_call_is_named_and_the_program_goes_on() {
    if !ready() {
        return;
    }
    let document = measured(&[], &program("crash"), &["fork"]);
    assert_eq!(document["trial"]["exit"]["code"], 3);
    let missing = document["trial"]["crossings"]["missing_calls"].as_array().unwrap();
    assert!(missing.iter().any(|call| call["name"] == "clone" && call["number"] == 56), "{missing:?}");
}

#[test]
fn a_program_that_says_one_word_crosses_three_times() {
    if !need("kvm") {
        return;
    }
    let document = measured(&[], Path::new("noop"), &[]);
    let crossings = &document["trial"]["crossings"];
    let mut exits: Vec<(&str, u64)> = crossings["vm_exits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exit| (exit["reason"].as_str().unwrap(), exit["count"].as_u64().unwrap()))
        .collect();
    exits.sort_unstable();
    assert_eq!(exits, [("console write", 1), ("enter", 1), ("exit", 1)]);
    assert_eq!(crossings["guest_syscalls"], 2);
}

#[test]
fn the_guests_clock_is_the_hosts() {
    if !ready() {
        return;
    }
    let program = program("moment");
    let host = || -> Vec<u64> {
        let output = Command::new(&program).output().expect("the program starts");
        numbers(&output.stdout)
    };
    let before = host();
    let output = isobench().args(["run", "--runtime", "microvm", "--"]).arg(&program).output().unwrap();
    let inside = numbers(&output.stdout);
    let after = host();
    assert_eq!(inside.len(), 3);
    // The library's reading comes before the system call's, and all between the host's own.
    assert!(before[0] < inside[0] && inside[1] < after[0], "{before:?} {inside:?} {after:?}");
    assert!(inside[0] <= inside[1]);
    assert!(before[2] < inside[2] && inside[2] < after[2], "{before:?} {inside:?} {after:?}");
}

fn numbers(text: &[u8]) -> Vec<u64> {
    String::from_utf8_lossy(text).split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

#[test]
fn a_position_independent_program_runs() {
    if !ready() {
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/stdio.c");
    let folder = tempfile::tempdir().unwrap();
    let built = folder.path().join("pie");
    let compiled =
        Command::new("cc").args(["-static-pie", "-O2", "-o"]).args([&built, &source]).arg("-lm").status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this compiler makes no static-pie");
        return;
    }
    let run = |runtime| {
        let output = isobench().args(["run", "--runtime", runtime, "--"]).arg(&built).output().unwrap();
        (output.status.code(), output.stdout)
    };
    let native = run("process");
    assert_eq!(native.0, Some(0));
    assert_eq!(run("microvm"), native);
}

#[test]
fn what_the_guest_writes_stays_in_the_guest() {
    if !need("kvm") || !need("busybox") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("host.txt");
    fs::write(&host, "from the host\n").unwrap();
    // Without `fork` the shell has only its own commands.
    let script = "read line < /data/in.txt; echo \"$line\"; echo changed > /data/in.txt; read line < /data/in.txt; \
                  echo \"$line\"";
    let output = isobench()
        .args(["run", "--runtime", "microvm", "--file"])
        .arg(format!("{}:/data/in.txt", host.display()))
        .arg("--")
        .arg(busybox())
        .args(["sh", "-c", script])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "from the host\nchanged\n");
    assert_eq!(fs::read_to_string(&host).unwrap(), "from the host\n");
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    if !need("kvm") || !need("busybox") {
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["run", "--runtime", "microvm", "--"])
        .arg(busybox())
        .arg("yes")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut two = [0; 4];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut two).unwrap();
    assert_eq!(&two, b"y\ny\n");
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(128 + libc::SIGPIPE));
}

#[test]
fn arguments_and_environment_arrive() {
    if !need("kvm") || !need("busybox") {
        return;
    }
    let long = "x".repeat(50_000);
    let output = isobench()
        .args(["run", "--runtime", "microvm", "-e", "NAME=value with spaces", "--"])
        .arg(busybox())
        .args(["sh", "-c", "echo \"$NAME,$#,$1,${#2}\"", "sh", "", &long])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "value with spaces,2,,50000\n");
}

#[test]
fn memory_beyond_the_first_part_can_be_used() {
    if !ready() {
        return;
    }
    let document = measured(&["--memory", "200M"], &program("memory"), &[]);
    assert_eq!(document["trial"]["exit"]["code"], 0, "{}", document["stderr"]);
    let exits = document["trial"]["crossings"]["vm_exits"].as_array().unwrap();
    let more = exits.iter().find(|exit| exit["reason"] == "more memory").expect("it needs more than 32 MiB");
    assert_eq!(more["count"], 1);
}

#[test]
fn what_cannot_run_is_refused_in_one_line() {
    if !need("kvm") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut");
    let whole = fs::read(env!("CARGO_BIN_EXE_isobench")).unwrap();
    fs::write(&cut, &whole[..100]).unwrap();
    let refused = |options: &[&str], program: &Path, why: &str| {
        let output = isobench()
            .args(["run", "--runtime", "microvm"])
            .args(options)
            .arg("--")
            .arg(program)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why) && said.lines().count() == 1, "{said}");
        assert!(output.stdout.is_empty());
    };
    // This test is linked as every program is by default.
    refused(&[], &std::env::current_exe().unwrap(), "dynamically linked");
    refused(&["--memory", "100T"], Path::new("noop"), "more than this host");
    let output = isobench().args(["run", "--runtime", "microvm", "--"]).arg(&cut).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
}
