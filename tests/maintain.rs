//! `isobench maintain` as a user meets it: bytes, digests, bad input, and nothing left behind.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Snapshot, isobench, need};
use isobench::report::file;
use isobench::results::Results;
use isobench::results::maintenance::{Cause, Form, Maintenance, MeasuredImage, Strategy};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::Digest;

/// Who looks for what is left behind must be alone: the others' experiments take long.
static AT_WORK: RwLock<()> = RwLock::new(());

enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

/// A folder for everything of one test, what the experiment makes on the way included.
struct Place(tempfile::TempDir, #[allow(dead_code, reason = "held for its drop")] Turn);

impl Place {
    fn new() -> Place {
        Place::with(Turn::Shared { _guard: AT_WORK.read().unwrap_or_else(PoisonError::into_inner) })
    }

    fn alone() -> Place {
        Place::with(Turn::Alone { _guard: AT_WORK.write().unwrap_or_else(PoisonError::into_inner) })
    }

    fn with(turn: Turn) -> Place {
        let place = Place(tempfile::tempdir().expect("a folder"), turn);
        fs::create_dir(place.path("scratch")).expect("made");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn maintain(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = isobench();
        command.args(["maintain", "--quick", "--scratch"]).arg(self.path("scratch")).args(arguments);
        command.env("XDG_DATA_HOME", self.0.path()).timeout(Duration::from_secs(400));
        command
    }

    fn results(&self) -> Results {
        file::read(&self.path("report/results.json")).expect("results were written")
    }

    /// Measures; what it prints, and the results.
    fn measured(&self, arguments: &[&str]) -> (String, Results) {
        let mut command = self.maintain(arguments);
        let output = command.arg("--output").arg(self.path("report")).output().expect("started");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        (String::from_utf8(output.stdout).expect("text"), self.results())
    }

    fn assert_nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.path("scratch")).expect("readable").flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn maintenance(results: &Results) -> &Maintenance {
    results.maintenance.as_deref().expect("it was measured")
}

fn shipped(image: &MeasuredImage, form: Form, cause: Cause) -> u64 {
    let found = image.shipments.iter().find(|one| one.form == form && one.cause == cause);
    found.unwrap_or_else(|| panic!("{form:?} {cause:?} was not shipped")).bytes
}

#[test]
fn a_generated_image_is_measured_in_every_way_and_nothing_is_left() {
    let place = Place::alone();
    let before = Snapshot::take();
    let (table, results) = place.measured(&["--size", "4M", "--instances", "3"]);
    before.assert_same();
    place.assert_nothing_is_left();
    let measured = maintenance(&results);
    let [image] = &measured.images[..] else { panic!("one image") };

    // A change of one file ships less than all layers, and nothing changed builds nothing.
    let (all, one) =
        (shipped(image, Form::Layers, Cause::First), shipped(image, Form::Layers, Cause::AppFile));
    assert!(one < all / 4, "{one} of {all}");
    assert!(shipped(image, Form::Layers, Cause::Base) > one);
    assert!(shipped(image, Form::LayersAndAbove, Cause::Base) > shipped(image, Form::Layers, Cause::Base));
    assert!(shipped(image, Form::LayersDifference, Cause::AppFile) < one);
    let unchanged = image.builds.iter().find(|build| build.cause == Cause::Unchanged).expect("built again");
    assert_eq!(unchanged.built_bytes, 0);

    if need("mke2fs") {
        assert!(shipped(image, Form::Disk, Cause::AppFile) > image.bytes);
        assert!(shipped(image, Form::DiskCompressed, Cause::AppFile) > all / 2);
        // The virtual machine's fair best: the change of one line is no more than some chunks.
        assert!(shipped(image, Form::DiskDifference, Cause::AppFile) < 64 << 10);
        let stored = |form| image.storage.iter().find(|stored| stored.form == form).expect("stored");
        assert!(stored(Form::Disk).instance_bytes > image.bytes);
        for form in [Form::Layers, Form::DiskOverlay, Form::DiskOverlay64K] {
            let each = stored(form).instance_bytes;
            assert!((measured.written_bytes..2 * measured.written_bytes).contains(&each), "{form:?}: {each}");
        }
        assert_eq!(image.roll_backs.len(), 3);
    }

    let runtimes: Vec<&str> = measured.kernels.iter().map(|facts| facts.runtime.as_str()).collect();
    for runtime in ["container", "microvm"] {
        if runtime == "microvm" && !need("kvm") {
            continue;
        }
        assert!(runtimes.contains(&runtime), "{runtimes:?}");
        for strategy in [Strategy::Control, Strategy::StopStart, Strategy::Rolling] {
            let replaced =
                image.replacements.iter().find(|one| one.runtime == runtime && one.strategy == strategy);
            let rounds = &replaced.expect("replaced").rounds;
            assert!(rounds.iter().all(|round| round.requests > 20 && round.outage_ns > 0));
            // The new version answered, where there was one.
            assert!(rounds.iter().all(|round| round.serving_ns.is_some() == (strategy != Strategy::Control)));
            if strategy != Strategy::StopStart {
                assert!(rounds.iter().all(|round| round.failed == 0), "{runtime} {strategy:?}: {rounds:?}");
            }
        }
    }
    let facts = |name: &str| measured.kernels.iter().find(|facts| facts.runtime == name);
    assert_eq!(facts("container").map(|facts| (facts.instances, facts.on_host_kernel)), Some((3, 3)));
    assert!(facts("microvm").is_none_or(|facts| (facts.instances, facts.on_host_kernel) == (3, 0)));

    // The page, and every command that reads results, know what to do with them.
    let page = fs::read_to_string(place.path("report/index.html")).expect("written");
    for id in ["shipping", "storage", "replacing"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "no chart of {id}");
    }
    assert!(table.contains("Shipping a change") && page.contains("변경 배포"));
    readers_accept(&place);
}

fn readers_accept(place: &Place) {
    let file = place.path("report/results.json");
    let ok = |arguments: &[&str]| {
        let output = isobench().args(arguments).output().expect("started");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let (file, other) = (file.to_str().expect("text"), place.path("other"));
    let other = other.to_str().expect("text");
    assert!(ok(&["report", file, "--output", other]).contains("Shipping a change"));
    ok(&["report", file, "--output", other, "--lang", "ko"]);
    ok(&["merge", file, file, "--output", other]);
    ok(&["export", file, "--format", "csv"]);
    ok(&["export", file, "--format", "jsonl"]);
    let output = isobench().args(["diff", file, file]).output().expect("started");
    // There is no trial to compare, and that is said.
    assert!(!output.stderr.is_empty() || output.status.success());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

/// A layer with these files and a link.
fn archive(files: &[(&str, usize)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(*bytes as u64);
        header.set_mode(0o644);
        header.set_mtime(1_600_000_000);
        archive.append_data(&mut header, name, &name.repeat(*bytes).as_bytes()[..*bytes]).expect("memory");
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    archive.append_link(&mut header, "link", "etc/base").expect("memory");
    archive.into_inner().expect("memory")
}

/// Two layers, with links and a removed file, called `mine:1`.
fn load_image(place: &Place) {
    let base = archive(&[("etc/base", 50_000), ("etc/gone", 10), ("lib/one", 200_000), ("lib/two", 0)]);
    load(place, "mine:1", &[base, archive(&[("srv/app", 3_000), ("etc/.wh.gone", 0)])]);
}

fn load(place: &Place, name: &str, layers: &[Vec<u8>]) {
    let sha256 = |bytes: &[u8]| {
        let digest = sha2::Sha256::digest(bytes);
        format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| sha256(layer)).collect::<Vec<_>>() },
    });
    let files: Vec<String> = (0..layers.len()).map(|number| format!("{number}.tar")).collect();
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": [name], "Layers": files }]);
    let mut all = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        all.append_data(&mut header, name, bytes).expect("memory");
    };
    add("config.json", config.to_string().as_bytes());
    add("manifest.json", manifest.to_string().as_bytes());
    files.iter().zip(layers).for_each(|(file, layer)| add(file, layer));
    let file = place.path("image.tar");
    fs::write(&file, all.into_inner().expect("memory")).expect("written");
    let mut command = isobench();
    command.args(["image", "load"]).arg(&file).env("XDG_DATA_HOME", place.0.path());
    command.assert().success();
}

#[test]
fn an_image_of_the_users_is_measured_layer_by_layer() {
    let place = Place::new();
    load_image(&place);
    let (table, results) = place.measured(&["--image", "mine:1", "--instances", "1"]);
    let image = &maintenance(&results).images[0];
    assert_eq!((image.name.as_str(), image.layers.len()), ("mine:1", 2));
    assert!(table.contains("mine:1"));
    assert!(shipped(image, Form::Layers, Cause::AppFile) < shipped(image, Form::Layers, Cause::First));
    assert!(!image.replacements.is_empty(), "{:?}", maintenance(&results).left_out);
    place.assert_nothing_is_left();
}

#[test]
fn the_results_join_those_of_a_comparison() {
    let place = Place::new();
    load_image(&place);
    let report = place.path("report");
    let mut compare = isobench();
    compare.args(["compare", "--quick", "--workloads", "noop", "--runtimes", "container", "--output"]);
    compare.arg(&report).assert().success();
    let trials = place.results().trials.len();
    let file = report.join("results.json");
    place.maintain(&["--image", "mine:1", "--add-to", file.to_str().expect("text")]).assert().success();
    let joined = place.results();
    assert_eq!(joined.trials.len(), trials);
    assert!(joined.maintenance.is_some());
    let page = fs::read_to_string(report.join("index.html")).expect("written");
    assert!(page.contains("id=\"start-up\"") && page.contains("id=\"shipping\""));
}

#[test]
fn without_e2fsprogs_layers_are_measured_alone_and_that_is_said() {
    if !need("userns") {
        return;
    }
    let place = Place::new();
    load_image(&place);
    // Where system programs are looked for there is nothing.
    let script = "for folder in /usr/sbin /usr/local/sbin; do mount -t tmpfs none $folder || exit 99; done; \
                  [ -L /sbin ] || mount -t tmpfs none /sbin; PATH=/usr/bin:/bin exec \"$@\"";
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_isobench"),
        ])
        .args(["maintain", "--quick", "--image", "mine:1", "--scratch"])
        .arg(place.path("scratch"))
        .arg("--output")
        .arg(place.path("report"))
        .env("XDG_DATA_HOME", place.0.path())
        .output()
        .expect("unshare");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.contains("install e2fsprogs"), "{errors}");
    let results = place.results();
    let image = &maintenance(&results).images[0];
    assert!(image.disk.is_none() && shipped(image, Form::Layers, Cause::Base) > 0);
}

#[test]
fn an_image_without_a_file_that_could_change_is_refused() {
    let place = Place::new();
    load(&place, "empty:1", &[archive(&[("etc/empty", 0), ("etc/.wh.gone", 0)])]);
    let output = place.maintain(&["--image", "empty:1"]).output().expect("started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("no file"), "{errors}");
    place.assert_nothing_is_left();
}

#[test]
fn a_store_that_lost_a_layer_is_refused_with_one_line() {
    let place = Place::new();
    load_image(&place);
    for layer in fs::read_dir(place.path("isobench/layers")).expect("readable").flatten() {
        fs::remove_dir_all(layer.path()).expect("removed");
    }
    let output = place.maintain(&["--image", "mine:1"]).output().expect("started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    place.assert_nothing_is_left();
}

#[test]
fn a_dry_run_tells_of_the_disk_and_makes_nothing() {
    let place = Place::new();
    let output = place.maintain(&["--dry-run", "--size", "10M,1G"]).output().expect("started");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && text.contains("needed") && text.contains("1.00 GiB"), "{text}");
    place.assert_nothing_is_left();
}

#[test]
fn bad_input_is_refused_with_one_line() {
    let place = Place::new();
    for (arguments, status, said) in [
        (&["--size", "1k"][..], 2, "less than 4M"),
        (&["--size", "big"], 2, "write a size like"),
        (&["--instances", "0"], 2, "instances"),
        (&["--image", "none"], 1, "no such image"),
        (&["--image", "a", "--size", "4M"], 2, "cannot be used with"),
        (&["--add-to", "/none/results.json"], 1, "/none/results.json"),
        (&["--size", "400G"], 1, "MiB free"),
        (&["--scratch", "/none/such"], 1, "/none/such"),
    ] {
        let mut command = isobench();
        command.args(["maintain", "--quick"]).args(arguments).env("XDG_DATA_HOME", place.0.path());
        let output = command.current_dir(place.0.path()).output().expect("started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
    place.assert_nothing_is_left();
}

#[test]
fn too_little_disk_is_said_and_a_full_one_leaves_nothing() {
    if !need("userns") {
        return;
    }
    let place = Place::new();
    // A file system of its own, with less room than the experiment needs.
    let script = "mount -t tmpfs -o size=40m none \"$2\" && \"$1\" maintain --quick --size 8M --scratch \"$2\"; \
                  status=$?; ls \"$2\"; exit $status";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .args([Path::new(env!("CARGO_BIN_EXE_isobench")), &place.path("scratch")])
        .current_dir(place.0.path())
        .output()
        .expect("unshare");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("MiB free") && errors.contains("--scratch"), "{errors}");
    assert!(output.stdout.is_empty(), "left behind: {}", String::from_utf8_lossy(&output.stdout));
}

/// Starts an experiment and waits until it is at work.
fn started(place: &Place) -> std::process::Child {
    let child = Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["maintain", "--size", "16M", "--scratch"])
        .arg(place.path("scratch"))
        .arg("--output")
        .arg(place.path("report"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let deadline = Instant::now() + Duration::from_secs(60);
    let at_work = || {
        let folders = fs::read_dir(place.path("scratch")).expect("readable").flatten();
        folders.map(|entry| entry.path().join("lab/blobs")).any(|blobs| blobs.exists())
    };
    while !at_work() {
        assert!(Instant::now() < deadline, "it never came to work");
        sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn an_interrupt_keeps_what_was_measured_and_leaves_nothing() {
    let place = Place::alone();
    let before = Snapshot::take();
    let mut child = started(&place);
    sleep(Duration::from_secs(2));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("alive");
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert!(place.results().interrupted);
    place.assert_nothing_is_left();
    before.assert_same();
}

#[test]
fn what_a_killed_one_leaves_the_next_one_removes() {
    let place = Place::alone();
    let before = Snapshot::take();
    let mut child = started(&place);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).expect("alive");
    child.wait().expect("ended");
    assert!(fs::read_dir(place.path("scratch")).expect("readable").count() > 0);
    load_image(&place);
    place.measured(&["--image", "mine:1"]);
    place.assert_nothing_is_left();
    before.assert_same();
}
