//! Images as a user of the command line meets them, with images that other tools have made, too.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{busybox, isobench, need};
use serde_json::json;
use sha2::{Digest, Sha256};

/// A folder for everything of one test, with a store in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn isobench(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = isobench();
        command.args(arguments).env("XDG_DATA_HOME", self.0.path()).timeout(Duration::from_secs(120));
        command
    }

    /// Runs it; what it prints.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.isobench(arguments).output().expect("started");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Loads an image of the static busybox with a folder and a configuration of its own.
    fn load_busybox(&self, name: &str) {
        let folder = self.path(name);
        let layers = [busybox_layer(), change_layer()];
        layout(&folder, &layers);
        self.ok(&["image", "load", folder.to_str().expect("text")]);
    }

    /// Digest, mode and time of every file of the store, but for what only tells how it was used.
    fn store(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut left = vec![self.path("isobench")];
        while let Some(folder) = left.pop() {
            for entry in fs::read_dir(&folder).expect("readable").flatten() {
                let facts = entry.metadata().expect("readable");
                if facts.is_dir() {
                    left.push(entry.path());
                }
                let content = if facts.is_file() {
                    hex(&fs::read(entry.path()).expect("readable"))
                } else {
                    String::new()
                };
                found.insert(
                    entry.path(),
                    format!("{:o} {} {} {content}", facts.mode(), facts.mtime(), facts.mtime_nsec()),
                );
            }
        }
        found
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn entry(kind: tar::EntryType, mode: u32, length: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(length);
    header.set_mtime(1_600_000_000);
    header
}

fn busybox_layer() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let program = fs::read(busybox()).expect("readable");
    let mut header = entry(tar::EntryType::Regular, 0o755, program.len() as u64);
    archive.append_data(&mut header, "bin/busybox", &program[..]).expect("memory");
    for name in ["sh", "cat", "pwd", "env", "ls", "touch"] {
        let mut header = entry(tar::EntryType::Symlink, 0o777, 0);
        archive.append_link(&mut header, format!("bin/{name}"), "/bin/busybox").expect("memory");
    }
    let mut header = entry(tar::EntryType::Regular, 0o644, 3);
    archive.append_data(&mut header, "srv/app/data", &b"one"[..]).expect("memory");
    let mut header = entry(tar::EntryType::Regular, 0o644, 3);
    archive.append_data(&mut header, "srv/app/old", &b"old"[..]).expect("memory");
    archive.into_inner().expect("memory")
}

fn change_layer() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = entry(tar::EntryType::Regular, 0o644, 4);
    archive.append_data(&mut header, "srv/app/data", &b"two\n"[..]).expect("memory");
    let mut header = entry(tar::EntryType::Regular, 0o644, 0);
    archive.append_data(&mut header, "srv/app/.wh.old", &b""[..]).expect("memory");
    archive.into_inner().expect("memory")
}

/// An OCI layout with one image, tagged `latest`.
fn layout(folder: &Path, layers: &[Vec<u8>]) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("made");
    let blob = |kind: &str, bytes: &[u8]| {
        fs::write(blobs.join(hex(bytes)), bytes).expect("written");
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{}", hex(bytes)),
            "size": bytes.len(),
        })
    };
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "Env": ["PATH=/bin", "GREETING=hello"],
            "Entrypoint": ["busybox"],
            "Cmd": ["cat", "data"],
            "WorkingDir": "/srv/app",
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [{ "created_by": "the base" }, { "created_by": "a change" }],
    });
    let config = blob("config.v1+json", config.to_string().as_bytes());
    let layers: Vec<_> = layers.iter().map(|layer| blob("layer.v1.tar", layer)).collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": layers,
    });
    let mut manifest = blob("manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(folder.join("index.json"), index.to_string()).expect("written");
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
}

#[test]
fn an_image_runs_as_its_configuration_says_and_stays_as_it_is() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    place.load_busybox("app");
    // The root filesystem is put together for the first run.
    assert_eq!(place.ok(&["run", "--image", "app"]), "two\n");
    let before = place.store();
    for runtime in ["container", "microvm"] {
        if runtime == "microvm" && !need("kvm") {
            continue;
        }
        let run = |words: &[&str]| {
            place.ok(&[&["run", "--runtime", runtime, "--image", "app:latest"][..], words].concat())
        };
        assert_eq!(run(&[]), "two\n", "{runtime}");
        assert_eq!(run(&["--", "pwd"]), "/srv/app\n", "{runtime}");
        assert_eq!(run(&["--", "ls"]), "data\n", "{runtime}");
        let env = run(&["-e", "GREETING=other", "--", "env"]);
        assert!(env.contains("GREETING=other\n") && env.contains("PATH=/bin\n"), "{env}");
        assert_eq!(env.matches("GREETING").count(), 1, "{env}");
        run(&["--", "touch", "data", "/srv/app/new", "/new"]);
        assert_eq!(run(&["--", "ls"]), "data\n", "{runtime}");
    }
    assert_eq!(place.store(), before);
}

#[test]
fn ten_containers_of_one_image_share_its_pages_and_its_disk() {
    if !need("busybox") || !need("userns") {
        return;
    }
    let place = Place::new();
    place.load_busybox("app");
    assert_eq!(place.ok(&["run", "--image", "app"]), "two\n");
    let disk = |place: &Place| {
        let files = ["blobs", "layers", "roots"].map(|part| place.path("isobench").join(part));
        let mut blocks = BTreeMap::new();
        let mut left = Vec::from(files);
        while let Some(path) = left.pop() {
            let facts = fs::symlink_metadata(&path).expect("readable");
            blocks.insert((facts.dev(), facts.ino()), facts.blocks());
            if facts.is_dir() {
                left.extend(fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.path()));
            }
        }
        blocks.into_values().sum::<u64>()
    };
    let before = (place.store(), disk(&place));
    // Each of them writes, too: that is its own.
    let script = "echo mine > data; echo ready; while :; do :; done";
    let ids: Vec<String> = (0..10)
        .map(|_| place.ok(&["run", "-d", "--image", "app", "--", "sh", "-c", script]).trim().to_owned())
        .collect();
    let mut programs = Vec::new();
    for id in &ids {
        while place.ok(&["logs", id]) != "ready\n" {
            std::thread::sleep(Duration::from_millis(20));
        }
        let lock = fs::read_to_string(place.path("isobench/runs").join(id).join("lock")).expect("there");
        let all = isobench::measure::processes::tree(lock.trim().parse().expect("a number"));
        let is_program = |pid: &i32| {
            fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("bin/busybox"))
        };
        programs.extend(all.into_iter().filter(is_program));
    }
    assert_eq!(programs.len(), 10);
    // A page that ten processes have counts a tenth for each (proc_pid_smaps(5), Pss).
    for pid in &programs {
        let (mut resident, mut share, mut counts) = (0, 0, false);
        for line in fs::read_to_string(format!("/proc/{pid}/smaps")).expect("ours").lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            match fields[..] {
                [range, rights, ..] if range.contains('-') => {
                    counts = line.ends_with("/bin/busybox") && !rights.contains('w');
                }
                ["Rss:", bytes, _] if counts => resident += bytes.parse::<u64>().expect("a number"),
                ["Pss:", bytes, _] if counts => share += bytes.parse::<u64>().expect("a number"),
                _ => {}
            }
        }
        assert!(resident > 100 && share * 5 < resident, "{share} of {resident} KiB");
    }
    let held: Vec<_> =
        before.0.into_iter().filter(|(path, _)| !path.starts_with(place.path("isobench/runs"))).collect();
    let now = place.store();
    assert!(held.iter().all(|(path, facts)| now.get(path) == Some(facts)), "the image has changed");
    assert_eq!(disk(&place), before.1, "512-byte blocks");
    place.ok(&[&["rm", "-f"][..], &ids.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    // Mounting the overlay is a phase of its own, so that its time can be seen.
    let trial: serde_json::Value =
        serde_json::from_str(&place.ok(&["run", "--json", "--image", "app"])).expect("JSON");
    let phases = trial["trial"]["timeline"]["phases"].as_array().expect("a list");
    assert!(phases.iter().any(|phase| phase["name"] == "overlay"), "{phases:?}");
}

#[test]
fn what_cannot_run_is_told_in_one_line() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    place.load_busybox("app");
    let refused = |arguments: &[&str], status: i32, reason: &str| {
        let output = place.isobench(arguments).output().expect("started");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{errors}");
        assert!(errors.contains(reason) && errors.lines().count() == 1, "{errors}");
    };
    refused(&["run", "--image", "none"], 125, "no such image: none");
    refused(&["run", "--image", "app", "--runtime", "process"], 2, "--runtime container");
    refused(&["image", "rm", "none"], 1, "no such image: none");
    refused(&["image", "load", "/none"], 1, "/none");
    refused(&["image", "inspect", "a\nb"], 1, "no such image");
}

#[test]
fn the_store_is_looked_at_and_tidied_up_with_dockers_verbs() {
    if !need("busybox") {
        return;
    }
    let place = Place::new();
    assert_eq!(place.ok(&["image", "ls"]).lines().count(), 1);
    place.load_busybox("app");
    let folder = place.path("app");
    let again = place.ok(&["image", "load", folder.to_str().expect("text"), "--name", "other:1"]);
    assert_eq!(again, "loaded: other:1 (0 layers unpacked, 2 already there)\n");
    let listed = place.ok(&["image", "ls"]);
    assert!(listed.contains("app:latest") && listed.contains("other:1"), "{listed}");
    let inspected: serde_json::Value =
        serde_json::from_str(&place.ok(&["image", "inspect", "app"])).expect("JSON");
    assert_eq!(inspected["config"]["config"]["WorkingDir"], "/srv/app");
    let history = place.ok(&["image", "history", "app"]);
    let steps: Vec<&str> =
        history.lines().skip(1).map(|line| line.split("  ").last().expect("text")).collect();
    assert_eq!(steps, ["a change", "the base"]);
    let waste = place.ok(&["image", "efficiency", "app"]);
    assert!(waste.contains("shipped, then deleted"), "{waste}");
    let base = place.path("base");
    layout(&base, &[busybox_layer()]);
    place.ok(&["image", "load", base.to_str().expect("text")]);
    let changes = place.ok(&["image", "diff", "base", "app"]);
    assert!(
        changes.starts_with("C /srv/app/data\nD /srv/app/old\n0 added, 1 changed, 1 removed\n"),
        "{changes}"
    );
    assert!(changes.contains("1 layers are shared; to ship: 1 layers"), "{changes}");
    assert_eq!(place.ok(&["image", "rm", "other:1"]), "untagged: other:1\n");
    place.ok(&["image", "rm", "app", "base"]);
    assert!(place.ok(&["image", "prune"]).ends_with("freed: 0 B\n"));
    assert_eq!(place.ok(&["image", "ls"]).lines().count(), 1);
}

#[test]
fn killed_at_any_moment_a_load_leaves_a_good_store() {
    let place = Place::new();
    let mut archive = tar::Builder::new(Vec::new());
    for number in 0..2000 {
        let mut header = entry(tar::EntryType::Regular, 0o644, 4000);
        let content = [number as u8; 4000];
        archive.append_data(&mut header, format!("folder/{number}"), &content[..]).expect("memory");
    }
    let layer = archive.into_inner().expect("memory");
    let folder = place.path("big");
    layout(&folder, &[layer]);
    let folder = folder.to_str().expect("text");
    for delay in [0, 2, 5, 10, 20, 40, 80, 160] {
        let mut load = Command::new(env!("CARGO_BIN_EXE_isobench"))
            .args(["image", "load", folder])
            .env("XDG_DATA_HOME", place.path(""))
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(Duration::from_millis(delay));
        load.kill().expect("killed");
        load.wait().expect("reaped");
        // Whether the image is there or not, everything can be used, and nothing half-made is seen.
        let listed = place.ok(&["image", "ls"]);
        if listed.contains("big:latest") {
            place.ok(&["image", "efficiency", "big"]);
            place.ok(&["image", "rm", "big"]);
        }
        place.ok(&["image", "prune"]);
        let left = place.store().into_keys().filter(|path| path.is_file()).count();
        assert_eq!(left, 2, "the lock and the list of images: {:?}", place.store());
    }
    place.ok(&["image", "load", folder]);
    place.ok(&["image", "efficiency", "big"]);
}

fn tool(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
}

#[test]
fn layouts_of_umoci_load_and_ours_unpack_with_it() {
    if !need("umoci") || !need("busybox") {
        return;
    }
    let place = Place::new();
    let at = |name: &str| place.path(name).to_str().expect("text").to_owned();
    let rootless: &[&str] = if nix::unistd::geteuid().is_root() { &[] } else { &["--rootless"] };
    tool("umoci", &["init", "--layout", &at("tree")]);
    let image = format!("{}:1.0", at("tree"));
    tool("umoci", &["new", "--image", &image]);
    // A layer that adds, then one that removes and changes.
    tool("umoci", &[&["unpack", "--image", &image][..], rootless, &[&at("bundle")]].concat());
    let root = place.path("bundle/rootfs");
    fs::create_dir_all(root.join("bin")).expect("made");
    fs::copy(busybox(), root.join("bin/busybox")).expect("copied");
    fs::write(root.join("old"), "old").expect("written");
    std::os::unix::fs::symlink("busybox", root.join("bin/sh")).expect("linked");
    fs::hard_link(root.join("bin/busybox"), root.join("bin/cat")).expect("linked");
    tool("umoci", &["repack", "--refresh-bundle", "--image", &image, &at("bundle")]);
    fs::remove_file(root.join("old")).expect("removed");
    fs::write(root.join("new"), "new\n").expect("written");
    tool("umoci", &["repack", "--image", &image, &at("bundle")]);
    tool(
        "umoci",
        &[
            "config",
            "--image",
            &image,
            "--config.workingdir",
            "/bin",
            "--config.cmd",
            "cat",
            "--config.cmd",
            "/new",
        ],
    );

    let loaded = place.ok(&["image", "load", &at("tree")]);
    assert!(loaded.starts_with("loaded: tree:1.0 (2 layers unpacked"), "{loaded}");
    assert_eq!(place.ok(&["run", "--image", "tree:1.0"]), "new\n");
    let seen = place.ok(&["run", "--image", "tree:1.0", "--", "sh", "-c", "echo /*; pwd"]);
    assert!(!seen.contains("/old") && seen.contains("/new") && seen.ends_with("/bin\n"), "{seen}");

    place.ok(&["image", "save", "tree:1.0", "-o", &at("saved.tar")]);
    fs::create_dir(place.path("saved")).expect("made");
    tool("tar", &["--extract", "--file", &at("saved.tar"), "--directory", &at("saved")]);
    let saved = format!("{}:1.0", at("saved"));
    tool("umoci", &[&["unpack", "--image", &saved][..], rootless, &[&at("again")]].concat());
    let again = place.path("again/rootfs");
    assert_eq!(fs::read(again.join("new")).expect("there"), b"new\n");
    assert!(!again.join("old").exists());
    assert_eq!(fs::read(again.join("bin/cat")).expect("there"), fs::read(busybox()).expect("there"));
}

#[test]
fn skopeo_reads_what_is_saved_and_its_docker_archives_load() {
    if !need("skopeo") || !need("busybox") {
        return;
    }
    let place = Place::new();
    let at = |name: &str| place.path(name).to_str().expect("text").to_owned();
    place.load_busybox("app");
    place.ok(&["image", "save", "app", "-o", &at("saved.tar")]);
    let copy =
        |from: String, to: String| tool("skopeo", &["--insecure-policy", "copy", "--quiet", &from, &to]);
    // Both readings of the one file.
    let readings = [
        ("oci", format!("oci-archive:{}:latest", at("saved.tar"))),
        ("docker", format!("docker-archive:{}", at("saved.tar"))),
    ];
    for (name, from) in readings {
        copy(from, format!("docker-archive:{}:copy:{name}", at(name)));
        let loaded = place.ok(&["image", "load", &at(name)]);
        assert!(loaded.contains("0 layers unpacked, 2 already there"), "{loaded}");
        assert_eq!(place.ok(&["run", "--image", &format!("copy:{name}")]), "two\n");
    }
    copy(format!("docker-archive:{}", at("docker")), format!("oci:{}:gzip", at("layout")));
    place.ok(&["image", "load", &at("layout")]);
    assert_eq!(place.ok(&["run", "--image", "layout:gzip"]), "two\n");
}

/// As an ordinary user: ourselves, or, where we are root, nobody.
#[test]
fn an_ordinary_user_has_a_store_too() {
    if !need("busybox") || !need("userns") || !need("setpriv") {
        return;
    }
    let place = Place::new();
    let open = |path: PathBuf| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    open(place.path(""));
    let program = place.path("program");
    fs::copy(env!("CARGO_BIN_EXE_isobench"), &program).expect("copied");
    let mut archive = tar::Builder::new(Vec::new());
    for (path, kind, mode) in [
        ("closed", tar::EntryType::Directory, 0),
        ("closed/file", tar::EntryType::Regular, 0),
        ("owned", tar::EntryType::Regular, 0o644),
    ] {
        let mut header = entry(kind, mode, 0);
        header.set_uid(5);
        archive.append_data(&mut header, path, &b""[..]).expect("memory");
    }
    layout(&place.path("app"), &[busybox_layer(), archive.into_inner().expect("memory")]);
    let data = place.path("data");
    fs::create_dir(&data).expect("made");
    let root = nix::unistd::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&data, Some(65534), Some(65534)).expect("root may");
    }
    let as_user = |arguments: &[&str]| {
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        command.args(arguments).env("XDG_DATA_HOME", &data).output().expect("started")
    };
    let run = |arguments: &[&str]| {
        let output = as_user(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        (String::from_utf8_lossy(&output.stdout).into_owned(), errors)
    };
    let (_, notes) = run(&["image", "load", place.path("app").to_str().expect("text")]);
    assert!(notes.contains("owners"), "{notes}");
    let (seen, _) = run(&["run", "--image", "app", "--", "sh", "-c", "cat data; echo /closed/*; echo /dev*"]);
    assert_eq!(seen, "one/closed/file\n/dev\n");
    run(&["image", "efficiency", "app"]);
    // A device takes root: refused, and the store is as it was.
    let mut header = entry(tar::EntryType::Char, 0o666, 0);
    header.set_device_major(1).expect("a field for it");
    header.set_device_minor(3).expect("a field for it");
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "null", &b""[..]).expect("memory");
    layout(&place.path("device"), &[busybox_layer(), archive.into_inner().expect("memory")]);
    let before = run(&["image", "ls"]);
    let output = as_user(&["image", "load", place.path("device").to_str().expect("text")]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("null: a device node") && errors.lines().count() == 1, "{errors}");
    assert_eq!((output.status.code(), run(&["image", "ls"])), (Some(1), before));
    run(&["image", "rm", "app"]);
    let (freed, _) = run(&["image", "prune"]);
    assert_eq!(freed, "freed: 0 B\n");
}
