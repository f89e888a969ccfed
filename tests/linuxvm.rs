//! Runtime `linuxvm` on this host: whether it can be had is found out by trying, what is wrong is said in one line,
//! and where Linux boots a program runs in it. What a Linux guest does is tested in the rig (`scripts/rig-linuxvm`).
#![allow(missing_docs, reason = "an integration test has no interface")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Snapshot, isobench, need};

/// Standard output, exit status, standard error.
fn run(arguments: &[&str], data: &Path) -> (String, i32, String) {
    let output = isobench().args(arguments).env("XDG_DATA_HOME", data).output().expect("isobench starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), output.status.code().expect("it ended"), text(&output.stderr))
}

/// What `doctor` says of linuxvm when it cannot be had.
fn unavailable() -> Option<String> {
    let (stdout, ..) = run(&["doctor"], Path::new("/nonexistent"));
    let line =
        stdout.lines().find(|line| line.trim_start().starts_with("linuxvm")).expect("doctor knows linuxvm");
    line.split_once("cannot run: ").map(|(_, reason)| reason.to_owned())
}

/// A bzImage without a kernel in it.
fn empty_bzimage(folder: &Path) -> PathBuf {
    let mut content = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| content[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x1f1, &[1]);
    put(0x202, b"HdrS");
    put(0x206, &0x020fu16.to_le_bytes());
    put(0x20e, &0x0200u16.to_le_bytes());
    put(0x236, &1u16.to_le_bytes());
    put(0x248, &0x200u32.to_le_bytes());
    put(0x24c, &0x200u32.to_le_bytes());
    put(0x258, &0x100_0000u64.to_le_bytes());
    put(0x400, b"6.99.0-test built today\0");
    let path = folder.join("vmlinuz-test");
    fs::write(&path, content).expect("written");
    path
}

#[test]
fn a_host_that_cannot_boot_linux_says_so_and_goes_on() {
    if !need("kvm") {
        return;
    }
    let Some(reason) = unavailable() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("report");
    let (_, status, stderr) = run(
        &[
            "compare",
            "--quick",
            "--runtimes",
            "process,linuxvm",
            "--workloads",
            "noop",
            "--output",
            &report.to_string_lossy(),
        ],
        folder.path(),
    );
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains(&format!("linuxvm takes no part: {reason}")), "{stderr}");
    let results = fs::read_to_string(report.join("results.json")).expect("written");
    let results: serde_json::Value = serde_json::from_str(&results).expect("JSON");
    assert_eq!(results["skipped"][0]["runtime"], "linuxvm");
    assert!(
        results["trials"]
            .as_array()
            .is_some_and(|trials| trials.iter().any(|trial| trial["runtime"] == "process"))
    );
}

#[test]
fn a_kernel_that_is_none_is_refused_in_one_line() {
    if !need("busybox") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        path
    };
    let mut arm = b"\x7fELF\x02\x01\x01".to_vec();
    arm.resize(64, 0);
    arm[16] = 2;
    arm[18] = 183;
    let empty = empty_bzimage(folder.path());
    for (kernel, words) in [
        (file("text", b"not a kernel"), "not a Linux kernel"),
        (file("arm", &arm), "is for 64-bit ARM"),
        (common::busybox(), "is an ELF program, not a kernel"),
        (folder.path().to_owned(), ""),
        (folder.path().join("missing"), "No such file"),
        (empty, "cannot be unpacked"),
    ] {
        let (_, status, stderr) = run(
            &["run", "--runtime", "linuxvm", "--kernel", &kernel.to_string_lossy(), "--", "noop"],
            folder.path(),
        );
        assert!([125, 126].contains(&status), "{}: {status} {stderr}", kernel.display());
        assert!(stderr.contains(words) && stderr.lines().count() == 1, "{}: {stderr}", kernel.display());
    }
}

#[test]
fn kernels_are_kept_once_and_listed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kernel = empty_bzimage(folder.path());
    let data = folder.path().join("data");
    for _ in 0..2 {
        let (stdout, status, stderr) = run(&["kernel", "add", &kernel.to_string_lossy()], &data);
        assert_eq!(status, 0, "{stderr}");
        assert!(stdout.contains("6.99.0-test"), "{stdout}");
    }
    let (stdout, status, _) = run(&["kernel", "ls"], &data);
    assert_eq!(status, 0);
    assert_eq!(stdout.matches("6.99.0-test").count(), 1, "{stdout}");
    assert!(
        stdout.contains("sha256") && stdout.contains("(default)") && stdout.contains("added from"),
        "{stdout}"
    );
    let kept = fs::read_dir(data.join("isobench/kernels")).expect("the store").count();
    assert_eq!(kept, 1, "something was left behind");
    let text = folder.path().join("text");
    fs::write(&text, "text").expect("written");
    let (_, status, stderr) = run(&["kernel", "add", &text.to_string_lossy()], &data);
    assert_eq!((status, stderr.lines().count()), (1, 1), "{stderr}");
}

#[test]
fn a_program_runs_in_a_linux_guest() {
    if !need("kvm") || !need("busybox") || unavailable().is_some() {
        return;
    }
    let snapshot = Snapshot::take();
    let output = isobench()
        .args([
            "run",
            "--runtime",
            "linuxvm",
            "--",
            &common::busybox().to_string_lossy(),
            "sh",
            "-c",
            "cat; exit 7",
        ])
        .write_stdin("through")
        .output()
        .expect("isobench starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("no Linux kernel is known") {
        eprintln!("SKIPPED: {stderr}");
        return;
    }
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(7), &b"through"[..]), "{stderr}");
    snapshot.assert_same();
}
