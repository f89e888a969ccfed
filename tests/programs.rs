//! The same program says the same, byte for byte, in every runtime: `tests/programs/cases.json` lists
//! the programs. `scripts/rig-tests` runs the same list on another KVM, cgroup v2, and without root.
//!
//! A case names a C `program` of tests/programs or a static shell, or a built-in `workload`; its
//! `arguments`; `options` of `isobench run`; whether it reads an `input`. What it does natively is
//! what it must do everywhere, but for what a runtime is expected to do `instead`. An `endless` one
//! is not run natively, and only where something is expected. A clone does what its original does; the
//! script runs in clones what says so (`clone`), here all do.
#![allow(missing_docs, reason = "an integration test has no interface")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;

use common::{Snapshot, need};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    program: Option<String>,
    workload: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    input: bool,
    #[serde(default)]
    endless: bool,
    /// For scripts/rig-tests.
    #[serde(default, rename = "clone")]
    _clone: bool,
    #[serde(default)]
    instead: BTreeMap<String, Expected>,
}

#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// `None`: any.
    stdout: Option<String>,
    status: i32,
}

/// As a shell tells it.
fn number(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).expect("it ended")
}

impl Case {
    fn executable(&self) -> PathBuf {
        match self.program.as_deref() {
            Some("busybox") => common::busybox(),
            Some("bash-static") => common::bash_static(),
            Some(name) => common::program(name),
            None => self.workload.as_ref().expect("a case has a program or a workload").into(),
        }
    }

    /// Many bytes, of every value.
    fn input(&self) -> Vec<u8> {
        if self.input {
            (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect()
        } else {
            Vec::new()
        }
    }

    fn isobench(&self, runtime: &str) -> (Vec<u8>, i32, String) {
        let output = common::isobench()
            .args(["run", "--runtime", runtime])
            .args(&self.options)
            .arg("--")
            .arg(self.executable())
            .args(&self.arguments)
            .write_stdin(self.input())
            .output()
            .expect("isobench starts");
        (output.stdout, number(output.status), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What it must print, if that matters, and its exit status; `None` if it is not for this runtime.
    fn expected(&self, runtime: &str) -> Option<(Option<Vec<u8>>, i32)> {
        if let Some(expected) = self.instead.get(runtime.trim_end_matches("-clone")) {
            return Some((expected.stdout.as_ref().map(|text| text.clone().into_bytes()), expected.status));
        }
        if self.endless {
            return None;
        }
        if self.workload.is_some() {
            let (stdout, status, stderr) = self.isobench("process");
            assert_eq!(status, 0, "{stderr}");
            return Some((Some(stdout), status));
        }
        let mut native = assert_cmd::Command::from_std(Command::new(self.executable()));
        let output = native.args(&self.arguments).env_clear().write_stdin(self.input()).output();
        let output = output.expect("the program starts");
        Some((Some(output.stdout), number(output.status)))
    }
}

/// A sandbox that lives long in one test looks left behind to another.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn all_agree(runtime: &str) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !["cc", "busybox", "bash-static"].iter().all(|name| need(name)) {
        return;
    }
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/cases.json");
    let cases: Vec<Case> =
        serde_json::from_slice(&fs::read(list).expect("the list is there")).expect("the list is well-formed");
    let snapshot = Snapshot::take();
    let mut wrong = Vec::new();
    for case in &cases {
        let Some((stdout, status)) = case.expected(runtime) else { continue };
        let (found, found_status, stderr) = case.isobench(runtime);
        let name = format!("{} {}", case.executable().display(), case.arguments.join(" "));
        if found_status != status {
            wrong.push(format!("{name}: exit status {found_status} instead of {status}; it said: {stderr}"));
        }
        if let Some(stdout) = stdout.filter(|stdout| *stdout != found) {
            let [stdout, found] = [stdout, found].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let first = stdout.lines().zip(found.lines()).find(|(wanted, line)| wanted != line);
            let sizes = (stdout.len(), found.len());
            wrong.push(format!(
                "{name}: stdout: first different line {first:?}, sizes {sizes:?}; it said: {stderr}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    snapshot.assert_same();
}

#[test]
fn programs_in_a_process() {
    all_agree("process");
}

#[test]
fn programs_in_a_container() {
    if (nix::unistd::geteuid().is_root() || need("userns")) && need("cgroup") {
        all_agree("container");
    }
}

#[test]
fn programs_in_a_microvm() {
    if need("kvm") {
        all_agree("microvm");
    }
}

#[test]
fn programs_in_a_clone_of_a_microvm() {
    if need("kvm") {
        all_agree("microvm-clone");
    }
}
