//! Runs in the background, as a user of the command line meets them.

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Snapshot, busybox, isobench, need};

/// A folder for everything of one test.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = isobench();
        let output =
            command.args(arguments).env("XDG_DATA_HOME", self.0.path()).timeout(Duration::from_secs(60));
        let output = output.output().expect("started");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let (status, output, errors) = self.run(arguments);
        assert_eq!(status, 0, "{arguments:?}: {errors}");
        output
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let (status, _, errors) = self.run(arguments);
        assert!(status != 0 && errors.lines().count() == 1, "{arguments:?}: {status} {errors}");
        errors
    }

    /// Starts the script of a shell in the background.
    fn shell(&self, runtime: &str, name: &str, script: &str) -> String {
        let busybox = busybox();
        let words = ["run", "-d", "--runtime", runtime, "--name", name, "--"];
        let id = self.ok(&[&words[..], &[busybox.to_str().expect("text"), "sh", "-c", script]].concat());
        id.trim().to_owned()
    }

    /// Waits until its log holds `text`.
    fn await_log(&self, name: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.ok(&["logs", name]).contains(text) {
            assert!(Instant::now() < deadline, "{name} never said {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn state(&self, name: &str) -> serde_json::Value {
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&self.ok(&["ps", "-a", "--json"])).expect("JSON");
        let found = all.iter().find(|run| run["run"]["name"] == name || run["run"]["id"] == name);
        found.map_or(serde_json::Value::Null, |run| run["state"].clone())
    }

    fn supervisor(&self, id: &str) -> i32 {
        let lock: PathBuf = self.0.path().join("isobench/runs").join(id).join("lock");
        std::fs::read_to_string(lock).expect("there").trim().parse().expect("a number")
    }
}

impl Drop for Place {
    /// A test that fails leaves nothing running, either.
    fn drop(&mut self) {
        let (_, listed, _) = self.run(&["ps", "-a", "--json"]);
        let all: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap_or_default();
        for id in all.iter().filter_map(|run| run["run"]["id"].as_str()) {
            self.run(&["rm", "-f", id]);
        }
    }
}

#[test]
fn a_run_in_the_background_is_listed_read_stopped_and_removed() {
    if !need("busybox") {
        return;
    }
    for runtime in ["process", "container", "microvm"] {
        if runtime == "microvm" && !need("kvm") {
            continue;
        }
        let snapshot = Snapshot::take();
        let place = Place::new();
        // The guest of a microVM has no processes but one: it waits in the shell itself.
        let script = "echo said; echo wrong >&2; while :; do :; done";
        let id = place.shell(runtime, "talker", script);
        assert!(id.len() == 12 && id.chars().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        let listed = place.ok(&["ps"]);
        assert!(listed.contains(&id) && listed.contains("talker") && listed.contains("Up "), "{listed}");
        place.await_log("talker", "said\n");
        let (_, output, errors) = place.run(&["logs", &id[..6]]);
        assert_eq!((output.as_str(), errors.as_str()), ("said\n", "wrong\n"), "{runtime}");
        assert!(place.refused(&["rm", "talker"]).contains("--force"));
        let (status, output, errors) = place.run(&["stop", "-t", "5", "talker"]);
        assert_eq!((status, output.as_str()), (0, "talker\n"), "{errors}");
        assert_eq!(errors.contains("switched off"), runtime == "microvm", "{errors}");
        // SIGTERM, as from a shell.
        assert_eq!(place.state("talker")["exited"]["status"], 128 + 15, "{runtime}");
        assert!(!place.ok(&["ps"]).contains("talker"));
        assert!(place.ok(&["ps", "-a"]).contains("Exited (143)"));
        assert_eq!(place.ok(&["wait", "talker"]), "143\n");
        place.ok(&["rm", "talker"]);
        assert!(place.refused(&["logs", "talker"]).contains("no such run"));
        snapshot.assert_same();
    }
}

#[test]
fn a_program_may_clean_up_before_it_ends_or_is_killed() {
    if !need("busybox") || !need("userns") {
        return;
    }
    let place = Place::new();
    for runtime in ["process", "container"] {
        let polite = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
        place.shell(runtime, "polite", polite);
        place.await_log("polite", "ready");
        place.ok(&["stop", "polite"]);
        assert!(place.ok(&["logs", "polite"]).ends_with("bye\n"));
        assert_eq!(place.ok(&["wait", "polite"]), "7\n");
        let deaf = "trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done";
        place.shell(runtime, "deaf", deaf);
        place.await_log("deaf", "ready");
        let began = Instant::now();
        place.ok(&["stop", "-t", "300ms", "deaf"]);
        assert!(began.elapsed() >= Duration::from_millis(300));
        assert_eq!(place.ok(&["wait", "deaf"]), "137\n");
        let signalled = "trap 'echo one' USR1; echo ready; while :; do sleep 0.05; done";
        place.shell(runtime, "signalled", signalled);
        place.await_log("signalled", "ready");
        place.ok(&["kill", "-s", "usr1", "signalled"]);
        place.await_log("signalled", "one");
        place.ok(&["rm", "-f", "signalled"]);
        assert!(place.refused(&["kill", "deaf"]).contains("not running"));
        place.ok(&["rm", "polite", "deaf"]);
    }
}

#[test]
fn a_log_is_followed_until_the_run_ends() {
    if !need("busybox") || !need("userns") {
        return;
    }
    let place = Place::new();
    place.shell("container", "counter", "for n in 1 2 3 4 5; do echo $n; sleep 0.2; done; exit 3");
    assert_eq!(place.ok(&["logs", "-f", "counter"]), "1\n2\n3\n4\n5\n");
    assert_eq!(place.state("counter")["exited"]["status"], 3);
    // The last thing said is there, however much it is.
    place.shell("container", "long", "yes 0123456789abcde | head -n 100000; printf end");
    let log = place.ok(&["logs", "-f", "long"]);
    assert_eq!(log.len(), 16 * 100_000 + 3);
    // With --rm, nothing stays.
    place.ok(&["run", "-d", "--rm", "--name", "gone", "--", busybox().to_str().expect("text"), "true"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !place.state("gone").is_null() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_supervisor_that_is_killed_takes_its_sandbox_with_it() {
    if !need("busybox") {
        return;
    }
    for runtime in ["process", "container", "microvm"] {
        if runtime == "microvm" && !need("kvm") {
            continue;
        }
        let snapshot = Snapshot::take();
        let place = Place::new();
        let id = place.shell(runtime, "victim", "echo ready; while :; do :; done");
        place.await_log("victim", "ready");
        let supervisor = nix::unistd::Pid::from_raw(place.supervisor(&id));
        nix::sys::signal::kill(supervisor, nix::sys::signal::Signal::SIGKILL).expect("ours");
        // We are the reaper of our descendants here.
        let _ = nix::sys::wait::waitpid(supervisor, None);
        snapshot.assert_same();
        assert_eq!(place.state("victim"), "dead");
        assert!(place.ok(&["ps", "-a"]).contains("Dead"));
        place.ok(&["stop", "victim"]);
        place.ok(&["rm", "victim"]);
    }
}

#[test]
fn names_are_unique_and_failures_are_told_to_the_caller() {
    if !need("busybox") || !need("userns") {
        return;
    }
    let place = Place::new();
    let busybox = busybox();
    let busybox = busybox.to_str().expect("text");
    let start = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isobench"));
        let words = ["run", "-d", "--name", name, "--", busybox, "sleep", "100"];
        command.args(words).env("XDG_DATA_HOME", place.0.path()).stdout(std::process::Stdio::null()).spawn()
    };
    // Of several at once, one gets the name.
    let started: Vec<_> = (0..4).map(|_| start("web").expect("started")).collect();
    let ends = started.into_iter().map(|mut child| child.wait().expect("reaped"));
    assert_eq!(ends.filter(|status| status.success()).count(), 1);
    assert!(place.refused(&["run", "-d", "--name", "web", "--", busybox, "true"]).contains("is taken"));
    place.ok(&["rm", "-f", "web"]);
    for (arguments, status) in [
        (&["run", "-d", "--", "/no/such/program"][..], 127),
        (&["run", "-d", "--image", "none"], 125),
        (&["run", "-d", "--name", "a/b", "--", busybox, "true"], 125),
        (&["run", "-d", "--", "/etc/passwd"], 126),
        (&["run", "--name", "x", "--", busybox, "true"], 2),
    ] {
        let (found, output, errors) = place.run(arguments);
        assert_eq!((found, output.as_str()), (status, ""), "{arguments:?}: {errors}");
    }
    assert_eq!(place.ok(&["ps", "-a"]).lines().count(), 1);
    for verb in ["logs", "stop", "kill", "wait", "rm"] {
        assert!(place.refused(&[verb, "none"]).contains("no such run: none"));
    }
}
