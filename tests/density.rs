//! Density: sandboxes kept alive, how many fit, how fast they are made, and that all are gone afterwards.

mod common;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Snapshot, busybox, isobench, need};
use isobench::measure::processes::children;
use isobench::report::density::read;
use isobench::results::density::{DensityResults, Ended, Resource};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

fn runtimes() -> &'static str {
    if need("kvm") { "process,container,microvm" } else { "process,container" }
}

fn results(folder: &Path) -> DensityResults {
    read(&folder.join("density.json")).unwrap()
}

/// Runs `isobench density` and reads what it wrote.
fn density(arguments: &[&str]) -> DensityResults {
    let folder = TempDir::new().unwrap();
    isobench().arg("density").arg("--output").arg(folder.path()).args(arguments).assert().success();
    results(folder.path())
}

#[test]
fn every_runtime_keeps_sandboxes_alive_and_all_are_gone_afterwards() {
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    isobench()
        .args(["density", "--max", "12", "--starters", "1,2", "--window", "300ms"])
        .args(["--runtime", runtimes(), "--output"])
        .arg(folder.path())
        .assert()
        .success();
    let results = results(folder.path());
    assert_eq!(results.runtimes.len(), runtimes().split(',').count());
    for one in &results.runtimes {
        let alive = one.alive.as_ref().unwrap();
        assert_eq!((alive.starts.len(), &alive.ended), (12, &Ended::Planned), "{}", one.runtime);
        assert!(alive.starts.iter().all(|start| start.exit.is_success() && start.first_output_ns.is_some()));
        let counts: Vec<u32> = alive.samples.iter().map(|sample| sample.count).collect();
        assert_eq!(counts, [1, 2, 5, 10, 12]);
        assert!(alive.samples.iter().all(|sample| sample.pss_bytes > 0 && sample.looked_at > 0));
        assert_eq!(one.rates.len(), 2);
        for rate in &one.rates {
            assert!(rate.failed == 0 && !rate.created.is_empty(), "{}: {:?}", one.runtime, rate.failure);
            assert!(rate.created.iter().all(|one| one.torn_down_ns > one.requested_ns));
        }
    }
    for name in ["index.html", "report.md"] {
        assert!(fs::read_to_string(folder.path().join(name)).unwrap().contains("container"));
    }
    assert_fits_schema(&folder.path().join("density.json"));

    let again = folder.path().join("again");
    isobench()
        .arg("report")
        .arg(folder.path().join("density.json"))
        .arg("--output")
        .arg(&again)
        .assert()
        .success();
    let (first, second) = (folder.path().join("index.html"), again.join("index.html"));
    assert_eq!(fs::read(first).unwrap(), fs::read(second).unwrap());
    before.assert_same();
}

fn assert_fits_schema(path: &Path) {
    let read = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let (own, common) = (read(&docs.join("density.schema.json")), read(&docs.join("results.schema.json")));
    let base = "https://isobench.invalid/";
    let registry = jsonschema::Registry::new()
        .add(format!("{base}results.schema.json"), &common)
        .unwrap()
        .prepare()
        .unwrap();
    let schema = jsonschema::options().with_base_uri(base).with_registry(&registry).build(&own).unwrap();
    let errors: Vec<String> = schema
        .iter_errors(&read(path))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .take(5)
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn a_program_of_ones_own_waits_for_the_end_of_its_input() {
    if !need("busybox") {
        return;
    }
    let before = Snapshot::take();
    let busybox = busybox();
    let cat =
        ["--runtime", "container", "--max", "3", "--starters", "0", "--", busybox.to_str().unwrap(), "cat"];
    let results = density(&cat);
    let alive = results.runtimes[0].alive.as_ref().unwrap();
    assert_eq!((alive.starts.len(), &alive.ended), (3, &Ended::Planned));
    // It prints nothing; when it began to run is known all the same.
    assert!(alive.starts.iter().all(|start| start.first_output_ns.is_none() && start.entered_ns.is_some()));
    before.assert_same();
}

#[test]
fn a_program_that_does_not_wait_is_told_so() {
    if !need("busybox") {
        return;
    }
    let busybox = busybox();
    for (runtime, command) in [("process", "true"), ("container", "true"), ("container", "false")] {
        let results = density(&[
            "--runtime",
            runtime,
            "--max",
            "5",
            "--starters",
            "0",
            "--",
            busybox.to_str().unwrap(),
            command,
        ]);
        let alive = results.runtimes[0].alive.as_ref().unwrap();
        assert!(alive.starts.is_empty());
        let Ended::SandboxEnded(why) = &alive.ended else { panic!("{:?}", alive.ended) };
        assert!(why.contains("waits until its standard input ends"), "{why}");
    }
}

#[test]
fn it_stops_before_memory_runs_out() {
    let results = density(&["--runtime", "process", "--max", "5", "--starters", "0", "--reserve", "1000T"]);
    let alive = results.runtimes[0].alive.as_ref().unwrap();
    let Ended::Limit(limit) = &alive.ended else { panic!("{:?}", alive.ended) };
    assert_eq!((alive.starts.len(), limit.resource), (0, Resource::Memory));
}

#[test]
fn it_stops_before_files_run_out() {
    let before = Snapshot::take();
    for runtime in runtimes().split(',') {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobench"));
        command.args(["density", "--runtime", runtime, "--max", "500", "--starters", "0", "--output"]);
        command.arg(folder.path()).stdout(Stdio::null());
        // SAFETY: one system call with plain numbers, between fork and exec.
        unsafe {
            command.pre_exec(|| {
                nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 64, 100)
                    .map_err(Into::into)
            })
        };
        assert!(command.status().unwrap().success());
        let results = results(folder.path());
        let alive = results.runtimes[0].alive.as_ref().unwrap();
        let Ended::Limit(limit) = &alive.ended else { panic!("{runtime}: {:?}", alive.ended) };
        assert_eq!(limit.resource, Resource::Files, "{runtime}");
        // More than the soft limit would have let be.
        assert!((10..100).contains(&alive.starts.len()), "{runtime}: {}", alive.starts.len());
        assert!(alive.starts.iter().all(|start| start.exit.is_success()));
    }
    before.assert_same();
}

#[test]
fn a_workload_gets_the_limit_of_open_files_that_isobench_was_given() {
    if !need("busybox") {
        return;
    }
    let busybox = busybox();
    let script = "test $(ulimit -n) = 64 || exit 1; echo; cat";
    for runtime in ["process", "container"] {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobench"));
        command.args(["density", "--runtime", runtime, "--max", "2", "--starters", "0", "--output"]);
        command.arg(folder.path()).arg("--").arg(&busybox).args(["sh", "-c", script]).stdout(Stdio::null());
        // SAFETY: as above.
        unsafe {
            command.pre_exec(|| {
                nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 64, 200)
                    .map_err(Into::into)
            })
        };
        assert!(command.status().unwrap().success());
        let results = results(folder.path());
        assert_eq!(results.runtimes[0].alive.as_ref().unwrap().ended, Ended::Planned, "{runtime}");
    }
}

/// Waits until so many sandboxes of a run are there at once. (One process alone may be a rehearsal.)
fn wait_for_sandboxes(harness: &Child, least: usize) {
    let sandboxes = || -> usize {
        children(harness.id() as i32).into_iter().map(|launcher| children(launcher).len()).sum()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while sandboxes() < least {
        if Instant::now() > deadline {
            // Nobody else would end it.
            let _ = kill(Pid::from_raw(harness.id() as i32), Signal::SIGTERM);
            panic!("only {} sandboxes were there at once, not {least}", sandboxes());
        }
        sleep(Duration::from_millis(2));
    }
    sleep(Duration::from_millis(500));
}

#[test]
fn ctrl_c_keeps_what_there_is_and_leaves_nothing_behind() {
    let before = Snapshot::take();
    for (starters, signal) in [("0", Signal::SIGINT), ("0", Signal::SIGTERM), ("2", Signal::SIGINT)] {
        let folder = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_isobench"))
            .args(["density", "--runtime", "container", "--max", "3000", "--window", "60s"])
            .args(["--starters", starters, "--output"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_sandboxes(&child, if starters == "0" { 3 } else { 2 });
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let begin = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal as i32));
        assert!(begin.elapsed() < Duration::from_secs(30));
        let results = results(folder.path());
        assert!(results.interrupted);
        let one = &results.runtimes[0];
        match starters {
            "0" => {
                let alive = one.alive.as_ref().unwrap();
                assert!(alive.ended == Ended::Interrupted && !alive.starts.is_empty());
            }
            _ => assert!(!one.rates[0].created.is_empty()),
        }
    }
    before.assert_same();
}

#[test]
fn a_kill_of_the_harness_takes_all_sandboxes_along() {
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_isobench"))
        .args(["density", "--runtime", runtimes(), "--max", "5000", "--starters", "4", "--window", "500ms"])
        .arg("--output")
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_sandboxes(&child, 2);
    child.kill().unwrap();
    child.wait().unwrap();
    before.assert_same();
}

#[test]
fn nonsense_is_refused() {
    for (arguments, said) in [
        (&["--max", "100001"][..], "100001"),
        (&["--starters", "65"], "65"),
        (&["--runtime", "contaner"], "container"),
        (&["--workload", "nop"], "noop"),
        (&["--window", "soon"], "--window"),
        (&["--", "/no/such/program"], "/no/such/program"),
    ] {
        let output = isobench().arg("density").args(arguments).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn an_ordinary_user_can_measure_it_too() {
    if !need("userns") || !need("setpriv") || !nix::unistd::geteuid().is_root() {
        return;
    }
    let before = Snapshot::take();
    let folder = TempDir::new().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode;
    fs::set_permissions(folder.path(), open(0o777)).unwrap();
    let program = folder.path().join("isobench");
    fs::copy(env!("CARGO_BIN_EXE_isobench"), &program).unwrap();
    let status = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .args(["density", "--runtime", "process,container", "--max", "12", "--starters", "1,2"])
        .args(["--window", "200ms", "--output"])
        .arg(folder.path().join("report"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let results = results(&folder.path().join("report"));
    for one in &results.runtimes {
        let alive = one.alive.as_ref().unwrap();
        assert_eq!((alive.starts.len(), &alive.ended), (12, &Ended::Planned), "{}", one.runtime);
        assert!(one.rates.iter().all(|rate| rate.failed == 0 && !rate.created.is_empty()));
    }
    before.assert_same();
}
