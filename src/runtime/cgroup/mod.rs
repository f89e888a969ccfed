//! Control groups of one sandbox: limits, accounts, and a sure kill. Version 2, version 1 and hybrid
//! hosts alike, as root and where a user was given a subtree.
//!
//! A group is made below the launcher's own group, or, where version 2 forbids that (a group with
//! processes may not hand controllers down), below the nearest ancestor that already does. Nothing
//! of the host's is changed: no process of others is moved, and no controller is switched on, save by an
//! ordinary user in a subtree that was handed over to them.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::runtime::spec::Limits;
use crate::runtime::trial::CpuTime;

mod place;

pub use place::Place;
use place::{Branch, Version};

/// What a group's name begins with; the launcher's process id and a counter follow.
const PREFIX: &str = "isobench-";

/// The groups of one sandbox: one on version 2, one for each controller's hierarchy on version 1.
/// Dropping it tries to remove them.
#[derive(Debug)]
pub struct Cgroup {
    name: String,
    members: Vec<Member>,
}

/// A group in one hierarchy.
#[derive(Debug)]
struct Member {
    version: Version,
    path: PathBuf,
    /// What a child writes `0` to in order to join (version 1: `tasks`).
    /// On version 2 it is the group's folder, for `CLONE_INTO_CGROUP`.
    /// Gone once the child is in.
    entry: Option<OwnedFd>,
}

impl Place {
    /// Makes a group. Limits at their type's maximum are no limits.
    pub fn create(&self, name: &str, limits: &Limits) -> io::Result<Cgroup> {
        let mut group = Cgroup { name: name.to_owned(), members: Vec::new() };
        for branch in self.branches() {
            // On an error, the drop of `group` removes what was made so far.
            group.members.push(Member::create(branch, name, limits)?);
        }
        Ok(group)
    }

    /// Makes a group with the next free name of this process.
    pub fn create_next(&self, limits: &Limits) -> io::Result<Cgroup> {
        self.create(&next_name(), limits)
    }
}

/// A name that no other group of a living launcher has.
pub fn next_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Member {
    fn create(branch: &Branch, name: &str, limits: &Limits) -> io::Result<Member> {
        let path = branch.path.join(name);
        fs::create_dir(&path).map_err(|error| at(&path, error))?;
        let entry = match branch.version {
            Version::One => open_for_writing(&path.join("tasks")),
            Version::Two => fs::File::open(&path).map(OwnedFd::from),
        };
        let entry = entry.inspect_err(|_| {
            // The error that is being returned says more than a failure to undo would.
            let _ = fs::remove_dir(&path);
        })?;
        let member = Member { version: branch.version, path, entry: Some(entry) };
        for (file, value) in branch.settings(limits) {
            if let Err(error) = write(&member.path.join(file), &value) {
                let _ = fs::remove_dir(&member.path);
                return Err(error);
            }
        }
        Ok(member)
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }

    fn number(&self, file: &str) -> Option<u64> {
        self.read(file)?.trim().parse().ok()
    }

    /// The value after `key` in a file of `key value` lines.
    fn keyed(&self, file: &str, key: &str) -> Option<u64> {
        keyed(&self.read(file)?, key)
    }
}

fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

impl Cgroup {
    /// Finds a place for a group and makes one there.
    pub fn create(limits: &Limits) -> io::Result<Cgroup> {
        Place::discover().map_err(io::Error::other)?.create_next(limits)
    }

    /// Its name, the same in every hierarchy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// On version 2: the folder for `CLONE_INTO_CGROUP`.
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        let member = self.members.iter().find(|member| member.version == Version::Two)?;
        member.entry.as_ref().map(AsFd::as_fd)
    }

    /// On version 1: the files to which the child writes `0` to join. Moving itself, alone, is what
    /// spares the child the grace period (milliseconds) that a write of another's id waits for.
    pub fn join_files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let on_version_1 = self.members.iter().filter(|member| member.version == Version::One);
        on_version_1.filter_map(|member| member.entry.as_ref().map(AsFd::as_fd))
    }

    /// Closes the ways in, once the child has joined: a thousand living sandboxes are as many
    /// descriptors fewer.
    pub fn close_entries(&mut self) {
        for member in &mut self.members {
            member.entry = None;
        }
    }

    /// Moves a process here. Waits for a grace period, so not for use inside a clock.
    pub fn add(&self, pid: libc::pid_t) -> io::Result<()> {
        self.members.iter().try_for_each(|member| write(&member.path.join("cgroup.procs"), &pid.to_string()))
    }

    /// Its processes' ids.
    pub fn processes(&self) -> Vec<libc::pid_t> {
        let Some(list) = self.members.first().and_then(|member| member.read("cgroup.procs")) else {
            return Vec::new();
        };
        list.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// CPU time charged to it, where the kernel accounts it.
    pub fn cpu_time(&self) -> Option<CpuTime> {
        self.members.iter().find_map(|member| match member.version {
            Version::Two => {
                let text = member.read("cpu.stat")?;
                let (user, system) = (keyed(&text, "user_usec")?, keyed(&text, "system_usec")?);
                Some(CpuTime { user_ns: user * 1000, system_ns: system * 1000, guest_ns: None })
            }
            Version::One => Some(CpuTime {
                user_ns: member.number("cpuacct.usage_user")?,
                system_ns: member.number("cpuacct.usage_sys")?,
                guest_ns: None,
            }),
        })
    }

    /// Most memory that was charged to it at once, in bytes (version 2: since Linux 5.19).
    pub fn memory_peak(&self) -> Option<u64> {
        self.members.iter().find_map(|member| match member.version {
            Version::Two => member.number("memory.peak"),
            Version::One => member.number("memory.max_usage_in_bytes"),
        })
    }

    /// Kernel memory charged to it now, in bytes.
    pub fn memory_kernel(&self) -> Option<u64> {
        self.members.iter().find_map(|member| match member.version {
            Version::Two => member.keyed("memory.stat", "kernel"),
            Version::One => member.number("memory.kmem.usage_in_bytes"),
        })
    }

    /// Whether the memory limit killed one of its processes.
    pub fn was_oom_killed(&self) -> bool {
        self.members.iter().any(|member| {
            let kills = match member.version {
                Version::Two => member.keyed("memory.events", "oom_kill"),
                Version::One => member.keyed("memory.oom_control", "oom_kill"),
            };
            kills.is_some_and(|kills| kills > 0)
        })
    }

    /// Kills every process in it.
    pub fn kill(&self) {
        let whole = self.members.iter().any(|member| {
            member.version == Version::Two && write(&member.path.join("cgroup.kill"), "1").is_ok()
        });
        if whole {
            return;
        }
        // A fork may escape one round, but not many: each round kills all that there were.
        for _ in 0..100 {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for pid in processes {
                // SAFETY: sends a signal, touches no memory. A process that has just ended is no matter.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Removes it. Its processes must have ended; their last accounting may take a moment more, so
    /// a busy group is tried again for up to a second.
    pub fn remove(mut self) -> io::Result<()> {
        for member in self.members.drain(..) {
            remove_folder(&member.path, Duration::from_secs(1))?;
        }
        Ok(())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for member in self.members.drain(..) {
            // Left over at worst; the next start sweeps it.
            let _ = remove_folder(&member.path, Duration::from_millis(20));
        }
    }
}

fn remove_folder(path: &Path, patience: Duration) -> io::Result<()> {
    let mut pause = Duration::from_micros(50);
    let mut waited = Duration::ZERO;
    loop {
        match fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && waited < patience => {
                std::thread::sleep(pause);
                waited += pause;
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Err(error) => return Err(at(path, error)),
        }
    }
}

/// Removes the groups that launchers which are no more have left behind (a launcher killed with
/// `SIGKILL` takes its sandboxes along, but cannot remove folders). Returns how many it removed.
pub fn sweep_stale() -> usize {
    let Ok(place) = Place::discover() else { return 0 };
    // A launcher can have a thousand groups: it is looked for once.
    let mut gone = HashMap::from([(std::process::id() as libc::pid_t, false)]);
    let mut removed = 0;
    for branch in place.branches() {
        let Ok(entries) = fs::read_dir(&branch.path) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(owner) = name.to_str().and_then(owner_of) else { continue };
            // A group that still has processes refuses to be removed, and is left alone.
            if *gone.entry(owner).or_insert_with(|| is_gone(owner)) && fs::remove_dir(entry.path()).is_ok() {
                removed += 1;
            }
        }
    }
    removed
}

/// The launcher's process id in a group's name.
fn owner_of(name: &str) -> Option<libc::pid_t> {
    let (pid, counter) = name.strip_prefix(PREFIX)?.split_once('-')?;
    counter.parse::<u32>().ok()?;
    pid.parse().ok().filter(|pid| *pid > 0)
}

/// True when no such process runs; one that nobody has reaped yet runs no more.
fn is_gone(pid: libc::pid_t) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The name may hold anything: the state follows the last parenthesis.
    let state = stat.rsplit_once(')').and_then(|(_, fields)| fields.trim_start().chars().next());
    matches!(state, Some('Z' | 'X'))
}

fn open_for_writing(path: &Path) -> io::Result<OwnedFd> {
    fs::OpenOptions::new().write(true).open(path).map(OwnedFd::from).map_err(|error| at(path, error))
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| at(path, error))
}

/// The same error, saying where.
fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_owner() {
        assert_eq!(owner_of(&next_name()), Some(std::process::id() as i32));
        assert_eq!(owner_of("isobench-12-x"), None);
        assert_eq!(owner_of("isobench--1-3"), None);
        assert_eq!(owner_of("user.slice"), None);
    }

    #[test]
    fn a_process_is_gone_once_it_has_ended_even_if_nobody_waited() {
        assert!(!is_gone(std::process::id() as i32));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!is_gone(child.id() as i32));
        child.kill().unwrap();
        while !is_gone(child.id() as i32) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.wait().unwrap();
    }

    #[test]
    fn keyed_files_are_read_by_whole_keys() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(keyed(text, "oom_kill"), Some(3));
        assert_eq!(keyed(text, "absent"), None);
    }
}
