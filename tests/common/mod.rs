//! What the integration tests share: the isobench program, C test programs, what the host offers,
//! and a check that nothing is left behind.
//!
//! A test that needs something of the host begins with `if !need("kvm") { return; }`. What is
//! skipped is said on standard error and counted in `target/tmp/skipped.txt`; where the variable
//! `ISOBENCH_REQUIRE` lists the name (`kvm,cgroup,…`), its absence is a failure instead.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::fcntl::{Flock, FlockArg};

/// How long what a sandbox leaves may still be on its way out, other tests' sandboxes included.
const SETTLING: Duration = Duration::from_secs(30);

/// The `isobench` program under test.
pub fn isobench() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_isobench"));
    // In English, whatever this machine speaks.
    command.env("LC_ALL", "C");
    command
}

// ---- programs ------------------------------------------------------------------------------------

/// `tests/programs/NAME.c`, compiled statically, once for all test binaries.
pub fn program(name: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let source = sources.join(format!("{name}.c"));
    let folder = scratch().join("programs");
    fs::create_dir_all(&folder).expect("target/tmp is writable");
    let lock = File::create(folder.join(format!("{name}.lock"))).expect("target/tmp is writable");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).expect("flock");
    let built = folder.join(name);
    let newest = modified(&source).max(modified(&sources.join("check.h")));
    if modified(&built) <= newest {
        let new = folder.join(format!("{name}.new"));
        let output = Command::new("cc")
            .args(["-static", "-O2", "-Wall", "-o"])
            .args([&new, &source])
            .args(["-lm", "-lpthread"])
            .output()
            .expect("cc starts; tests ask need(\"cc\") first");
        assert!(output.status.success(), "compiling {name}.c: {}", String::from_utf8_lossy(&output.stderr));
        fs::rename(&new, &built).expect("target/tmp is writable");
    }
    built
}

/// The host's static busybox.
pub fn busybox() -> PathBuf {
    on_path("busybox").expect("busybox is on PATH; tests ask need(\"busybox\") first")
}

/// The host's static bash.
pub fn bash_static() -> PathBuf {
    on_path("bash-static").expect("bash-static is on PATH; tests ask need(\"bash-static\") first")
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|facts| facts.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

// ---- what the host offers ------------------------------------------------------------------------

/// Whether the host offers `facility`: `kvm`, `userns` (rootless user namespaces), `cgroup` (one that
/// we may create), `cc` (a C compiler that links statically), `busybox` (a static one), `root` (to be it), or else the
/// program of that name on PATH.
///
/// # Panics
/// If it is missing although `ISOBENCH_REQUIRE` lists it.
pub fn need(facility: &str) -> bool {
    let found = match facility {
        "kvm" => kvm(),
        "userns" => user_namespaces(),
        "cgroup" => cgroup(),
        "cc" => static_compiler(),
        "busybox" => static_busybox(),
        "root" if nix::unistd::geteuid().is_root() => Ok(()),
        "root" => Err("we are not root".into()),
        program => on_path(program).map(drop).ok_or(format!("{program} is not on PATH")),
    };
    let Err(reason) = found else { return true };
    let required = std::env::var("ISOBENCH_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == facility),
        "ISOBENCH_REQUIRE lists {facility}, but {reason}"
    );
    let thread = thread::current();
    let line = format!("SKIPPED {}: {reason}", thread.name().unwrap_or("?"));
    eprintln!("{line}");
    let counter = OpenOptions::new().create(true).append(true).open(scratch().join("skipped.txt"));
    writeln!(counter.expect("target/tmp is writable"), "{line}").expect("target/tmp is writable");
    false
}

fn kvm() -> Result<(), String> {
    let opened = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    opened.map(drop).map_err(|error| format!("/dev/kvm: {error}"))
}

fn user_namespaces() -> Result<(), String> {
    runs("unshare --user", Command::new("unshare").args(["--user", "--map-root-user", "true"]))
}

/// Tries to create a cgroup below our own, in the hierarchy that counts memory.
fn cgroup() -> Result<(), String> {
    let ours = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
    let mut reason = String::from("no cgroup hierarchy counts memory");
    for line in ours.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let root = match controllers {
            "" => PathBuf::from("/sys/fs/cgroup"),
            names if names.split(',').any(|name| name == "memory") => PathBuf::from("/sys/fs/cgroup/memory"),
            _ => continue,
        };
        let folder = root.join(path.trim_start_matches('/'));
        let listed = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        if controllers.is_empty() && !listed.split_whitespace().any(|name| name == "memory") {
            continue;
        }
        // Not named as isobench's own are: a leak check may be looking.
        let probe = folder.join(format!("need-{}-{:?}", std::process::id(), thread::current().id()));
        match fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)) {
            Ok(()) => return Ok(()),
            Err(error) => reason = format!("{}: {error}", folder.display()),
        }
    }
    Err(reason)
}

fn static_compiler() -> Result<(), String> {
    let source = scratch().join(format!("need-{}-{:?}.c", std::process::id(), thread::current().id()));
    fs::write(&source, "int main(void) { return 0; }\n").map_err(|error| error.to_string())?;
    let result = runs("cc -static", Command::new("cc").args(["-static", "-o", "/dev/null"]).arg(&source));
    fs::remove_file(&source).map_err(|error| error.to_string())?;
    result
}

/// A static program names no loader, so the loader of the host refuses it.
fn static_busybox() -> Result<(), String> {
    let busybox = on_path("busybox").ok_or("busybox is not on PATH")?;
    let listing = Command::new("ldd").arg(busybox).output().map_err(|error| format!("ldd: {error}"))?;
    if listing.status.success() {
        return Err("busybox is not a static program".into());
    }
    Ok(())
}

fn runs(what: &str, command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

// ---- nothing is left behind ----------------------------------------------------------------------

/// What a sandbox could leave on the host: processes, mounts, cgroups, files.
pub struct Snapshot {
    before: BTreeSet<String>,
}

impl Snapshot {
    /// Notes what is there now. From here on, this process becomes the parent of its orphaned
    /// descendants, so that none of them can be lost from sight.
    pub fn take() -> Snapshot {
        nix::sys::prctl::set_child_subreaper(true).expect("Linux has subreapers");
        Snapshot { before: present() }
    }

    /// Waits for everything that was not there before to go.
    ///
    /// # Panics
    /// With the list of what has stayed. What concurrent tests make does not disturb, since it goes.
    pub fn assert_same(&self) {
        let deadline = Instant::now() + SETTLING;
        let mut left: BTreeSet<String> = present().difference(&self.before).cloned().collect();
        while !left.is_empty() {
            assert!(Instant::now() < deadline, "left behind:\n{}", Vec::from_iter(left).join("\n"));
            thread::sleep(Duration::from_millis(20));
            left = present().intersection(&left).cloned().collect();
        }
    }
}

/// One line for every thing of interest; a line names the same thing as long as that exists.
fn present() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    descendants(&mut lines);
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    lines.extend(mounts.lines().map(|line| format!("mount {line}")));
    cgroups(Path::new("/sys/fs/cgroup"), &mut lines);
    for folder in [std::env::temp_dir(), "/dev/shm".into(), "/run".into()] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("isobench"));
        lines.extend(ours.map(|entry| format!("file {}", entry.path().display())));
    }
    lines
}

/// The living processes below this one. (Zombies whose parent died are for the real init to reap.)
fn descendants(lines: &mut BTreeSet<String>) {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        // The name may hold spaces and parentheses: the fields start after the last of them.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((head, fields)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        if let [state, parent, ..] = fields[..]
            && let (Some(start), Some((pid, name))) = (fields.get(19), head.split_once(" ("))
        {
            let line = format!("process {pid} {name} started at {start}");
            processes.push((pid.to_owned(), parent.to_owned(), state != "Z", line));
        }
    }
    let mut ours = BTreeSet::from([std::process::id().to_string()]);
    loop {
        let known = ours.len();
        let below = processes.iter().filter(|(_, parent, ..)| ours.contains(parent));
        let below: Vec<String> = below.map(|(pid, ..)| pid.clone()).collect();
        ours.extend(below);
        if ours.len() == known {
            break;
        }
    }
    ours.remove(&std::process::id().to_string());
    let alive = processes.into_iter().filter(|(pid, _, alive, _)| *alive && ours.contains(pid));
    lines.extend(alive.map(|(.., line)| line));
}

fn cgroups(folder: &Path, lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().starts_with("isobench-") {
            lines.insert(format!("cgroup {}", entry.path().display()));
        }
        cgroups(&entry.path(), lines);
    }
}
