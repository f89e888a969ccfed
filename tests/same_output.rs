//! The same program says the same in every sandbox: busybox applets and bash built-ins, byte for byte.

mod common;

use std::fs;
use std::path::Path;

use common::{bash_static, busybox, isobench, need};
use tempfile::TempDir;

/// What a program printed, and its exit status.
fn run(runtime: &str, folder: &Path, command: &[&str]) -> (String, Option<i32>) {
    let mapping = format!("{}:/data/words", folder.join("words").display());
    let output = isobench()
        .args(["run", "--runtime", runtime, "--file", &mapping, "--"])
        .args(command)
        .write_stdin("pear\napple\nfig\napple\n")
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

fn words() -> TempDir {
    let folder = TempDir::new().unwrap();
    let text: String = (0..5000).map(|number| format!("word {}\n", number * 7919 % 5000)).collect();
    fs::write(folder.path().join("words"), text).unwrap();
    folder
}

#[test]
fn busybox_applets_and_bash_say_the_same_in_container_and_microvm() {
    if !need("kvm") || !need("busybox") || !need("bash-static") {
        return;
    }
    let folder = words();
    let (busybox, bash) = (busybox(), bash_static());
    let (busybox, bash) = (busybox.to_str().unwrap(), bash.to_str().unwrap());
    let commands: &[&[&str]] = &[
        &[busybox, "echo", "one", "two  words"],
        &[busybox, "cat"],
        &[busybox, "cat", "/data/words"],
        &[busybox, "sha256sum", "/data/words"],
        &[busybox, "sort"],
        &[busybox, "sort", "-k2", "-n", "/data/words"],
        &[busybox, "wc", "/data/words"],
        &[busybox, "awk", "{ sum += $2 } END { print NR, sum }", "/data/words"],
        &[busybox, "gzip", "-c", "/data/words"],
        &[busybox, "sh", "-c", "echo '2^64 / 3' > /tmp/sum; exec < /tmp/sum; read -r line; echo \"$line\""],
        &[busybox, "sh", "-c", "cd /data && for f in *; do echo $f; done; test -f words; exit 9"],
        &[busybox, "ls", "-l", "/data"],
        &[busybox, "cat", "/no/such/file"],
        &[
            bash,
            "-c",
            "shopt -s nullglob; a=(/data/*); echo ${#a[@]} ${a[0]}; printf '%x\\n' $((6 * 7)); exit 3",
        ],
        &[bash, "-c", "while read -r line; do echo \"[$line]\"; done"],
    ];
    for command in commands {
        let container = run("container", folder.path(), command);
        let microvm = run("microvm", folder.path(), command);
        assert_eq!(container, microvm, "{command:?}");
    }
    let bc = |runtime| {
        let output = isobench()
            .args(["run", "--runtime", runtime, "--", busybox, "bc"])
            .write_stdin("2^200\nscale=20; 1/7\n")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(bc("container"), bc("microvm"));
    assert!(bc("microvm").contains("1606938044258990275541962092341162602522202993782792835301376"));
}

/// Of the root only `/proc` (whose link count is the host's number of processes) and `/dev` (which has one
/// folder more in a container) are listed otherwise.
#[test]
fn the_root_is_listed_alike() {
    if !need("kvm") || !need("busybox") {
        return;
    }
    let folder = words();
    let busybox = busybox();
    let list = |runtime| {
        let (text, status) = run(runtime, folder.path(), &[busybox.to_str().unwrap(), "ls", "-l", "/"]);
        assert_eq!(status, Some(0), "{text}");
        // Without the times: a sandbox's folders are as old as the sandbox.
        text.lines()
            .filter(|line| !line.ends_with(" proc") && !line.ends_with(" dev"))
            .map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                if line.starts_with('d') {
                    [&fields[..5], &fields[8..]].concat().join(" ")
                } else {
                    line.to_owned()
                }
            })
            .collect::<Vec<_>>()
    };
    let container = list("container");
    assert!(container.iter().any(|line| line.ends_with(" data")), "{container:?}");
    assert_eq!(container, list("microvm"));
}
