//! How much room a host has for more sandboxes: memory, open files, processes. Each limit is asked for what is still free
//! of it, so that an experiment can stop before the host suffers.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource as Rlimit, getrlimit};
use serde::{Deserialize, Serialize};

use super::host_memory::HostMemory;

/// What a host can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// In bytes.
    Memory,
    /// Open file descriptors.
    Files,
    /// Processes and threads.
    Processes,
}

/// A limit that was found, and how to ask what is left of it.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Of what.
    pub resource: Resource,
    /// Its name, as one finds it on the host.
    pub name: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// `MemAvailable`.
    Host,
    /// The memory of a cgroup: files of its use and its limit, and of its statistics.
    CgroupMemory { folder: PathBuf, version: Version },
    /// The tasks of a cgroup.
    CgroupTasks(PathBuf),
    /// Tasks of the host, of which there may be so many.
    Tasks(u64),
    /// Tasks of this user: so many more than all the host had when we looked.
    UsersTasks { most: u64 },
    /// Descriptors of a process, which may have so many.
    Files { pid: u32, most: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Limit {
    /// What is free of it now, in bytes, descriptors or tasks; none where it cannot be learned.
    pub fn free(&self) -> Option<u64> {
        match &self.source {
            Source::Host => Some(HostMemory::read().ok()?.available_bytes),
            Source::CgroupMemory { folder, version } => free_memory(folder, *version),
            Source::CgroupTasks(folder) => {
                Some(number(&folder.join("pids.max"))?.saturating_sub(number(&folder.join("pids.current"))?))
            }
            Source::Tasks(most) | Source::UsersTasks { most } => Some(most.saturating_sub(tasks()?)),
            Source::Files { pid, most } => Some(most.saturating_sub(open_files(*pid)?)),
        }
    }
}

/// All that may stop more sandboxes from being started; `processes` are those of ours that keep descriptors
/// for each of them, by what they are called.
pub fn limits(processes: &[(&str, u32)]) -> Vec<Limit> {
    let limit = |resource, name: &str, source| Limit { resource, name: name.to_owned(), source };
    let mut limits = vec![limit(Resource::Memory, "MemAvailable of the host", Source::Host)];
    for name in ["kernel/pid_max", "kernel/threads-max"] {
        if let Some(most) = number(&Path::new("/proc/sys").join(name)) {
            limits.push(limit(Resource::Processes, &name.replace('/', "."), Source::Tasks(most)));
        }
    }
    if let Some(most) = users_tasks() {
        limits.push(limit(Resource::Processes, "RLIMIT_NPROC of this user", Source::UsersTasks { most }));
    }
    if let Ok((most, _)) = getrlimit(Rlimit::RLIMIT_NOFILE) {
        for (what, pid) in processes {
            let name = format!("RLIMIT_NOFILE of the {what}");
            limits.push(limit(Resource::Files, &name, Source::Files { pid: *pid, most }));
        }
    }
    limits.extend(cgroup_limits());
    // What cannot be asked limits nothing that we could tell.
    limits.retain(|limit| limit.free().is_some());
    limits
}

/// The limits of the cgroups that this process is in, outer ones included.
fn cgroup_limits() -> Vec<Limit> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let has = |name| controllers.split(',').any(|controller| controller == name);
        let (root, version) = match controllers {
            "" => ("/sys/fs/cgroup".to_owned(), Version::Two),
            _ if has("memory") || has("pids") => (format!("/sys/fs/cgroup/{controllers}"), Version::One),
            _ => continue,
        };
        let folder = Path::new(&root).join(path.trim_start_matches('/'));
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&root)) {
            let memory = match version {
                Version::One => "memory.limit_in_bytes",
                Version::Two => "memory.max",
            };
            if number(&folder.join(memory)).is_some_and(|most| most < UNLIMITED) {
                let source = Source::CgroupMemory { folder: folder.to_owned(), version };
                let name = format!("{memory} of {}", folder.display());
                limits.push(Limit { resource: Resource::Memory, name, source });
            }
            if number(&folder.join("pids.max")).is_some() {
                let name = format!("pids.max of {}", folder.display());
                let source = Source::CgroupTasks(folder.to_owned());
                limits.push(Limit { resource: Resource::Processes, name, source });
            }
        }
    }
    limits
}

/// Version 1 writes no limit as the greatest multiple of a page.
const UNLIMITED: u64 = i64::MAX as u64 - 0xffff;

/// File pages that nobody has used for a while can be taken back, so they are free.
fn free_memory(folder: &Path, version: Version) -> Option<u64> {
    let (most, used, idle) = match version {
        Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        Version::Two => ("memory.max", "memory.current", "inactive_file"),
    };
    let statistics = fs::read_to_string(folder.join("memory.stat")).ok()?;
    let idle: u64 = statistics
        .lines()
        .find_map(|line| line.strip_prefix(idle)?.strip_prefix(' ')?.trim().parse().ok())
        .unwrap_or(0);
    let used = number(&folder.join(used))?.saturating_sub(idle);
    Some(number(&folder.join(most))?.saturating_sub(used))
}

/// A file that holds one number, and nothing for `max`.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Tasks of the whole host: the number after the slash in `/proc/loadavg` (proc_loadavg(5)).
fn tasks() -> Option<u64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

/// How many tasks the host may have until this user has as many as they may (setrlimit(2)); none for root, who is
/// exempt, and where there is no limit. Others' tasks count too as far as they come later, which errs on
/// the safe side.
fn users_tasks() -> Option<u64> {
    let user = nix::unistd::getuid();
    let (most, _) = getrlimit(Rlimit::RLIMIT_NPROC).ok()?;
    if user.is_root() || most == libc::RLIM_INFINITY {
        return None;
    }
    let own: u64 = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .filter_map(|status| {
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
            let owner: u32 = field("Uid:")?.split_whitespace().next()?.parse().ok()?;
            let threads: u64 = field("Threads:")?.trim().parse().ok()?;
            (owner == user.as_raw()).then_some(threads)
        })
        .sum();
    Some(tasks()?.saturating_add(most.saturating_sub(own)))
}

/// Descriptors of a process. Its folder's size tells since Linux 6.2 (proc_pid_fd(5)).
fn open_files(pid: u32) -> Option<u64> {
    let folder = format!("/proc/{pid}/fd");
    match fs::metadata(&folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_counted() {
        let own = std::process::id();
        let limits = limits(&[("test", own)]);
        let files = limits.iter().find(|limit| limit.resource == Resource::Files).unwrap();
        let before = files.free().unwrap();
        let opened: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        // Other tests in this process open and close files meanwhile.
        let taken = before.saturating_sub(files.free().unwrap());
        assert!((5..200).contains(&taken), "{taken} of {}", opened.len());
    }

    #[test]
    fn this_host_has_memory_and_room_for_tasks() {
        let limits = limits(&[]);
        for resource in [Resource::Memory, Resource::Processes] {
            let first = limits.iter().find(|limit| limit.resource == resource).unwrap();
            assert!(first.free().unwrap() > 0, "{first:?}");
        }
        assert!(limits.iter().all(|limit| limit.resource != Resource::Files));
    }
}
