//! Where on this host a group can be made, and with which controllers.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::runtime::spec::Limits;

/// Version of a cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A folder in one hierarchy below which groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub version: Version,
    pub path: PathBuf,
    /// Those of [`CONTROLLERS`] that it offers.
    pub controllers: Vec<&'static str>,
    /// Whether swap is counted and must be limited too.
    swap: bool,
}

/// Where groups are made. Found once; valid as long as this process stays in its own group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    branches: Vec<Branch>,
}

/// The controllers that serve limits.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// The length of the period of a CPU quota: the kernel's default.
const PERIOD_US: u64 = 100_000;

impl Place {
    /// Where this process may make groups; the error says in one clause why it may not. It is looked for once, since it
    /// stays the same as long as the process stays in its own group.
    pub fn discover() -> Result<Place, String> {
        static FOUND: OnceLock<Result<Place, String>> = OnceLock::new();
        FOUND.get_or_init(Place::look).clone()
    }

    fn look() -> Result<Place, String> {
        let read = |path| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let swap = fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1);
        find(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?, swap, &mut usable)
    }

    pub(super) fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The limits that cannot be had here.
    pub fn missing(&self) -> Vec<&'static str> {
        let offered = |name: &&str| self.branches.iter().any(|branch| branch.controllers.contains(name));
        CONTROLLERS.into_iter().filter(|name| !offered(name)).collect()
    }

    /// Where it is, for the user.
    pub fn describe(&self) -> String {
        let paths: Vec<_> = self.branches.iter().map(|branch| branch.path.display().to_string()).collect();
        paths.join(", ")
    }
}

impl Branch {
    /// Files to write, and what, for `limits`; a limit at its type's maximum is none.
    pub(super) fn settings(&self, limits: &Limits) -> Vec<(&'static str, String)> {
        let memory = limits.memory_bytes.to_string();
        let quota = u64::from(limits.cpus.max(1)) * PERIOD_US;
        let mut settings = Vec::new();
        for controller in &self.controllers {
            match (self.version, *controller) {
                (_, "memory") if limits.memory_bytes == u64::MAX => {}
                (_, "cpu") if limits.cpus == u32::MAX => {}
                (_, "pids") if limits.pids == u32::MAX => {}
                (Version::Two, "memory") => {
                    settings.push(("memory.max", memory.clone()));
                    if self.swap {
                        settings.push(("memory.swap.max", "0".into()));
                    }
                }
                (Version::One, "memory") => {
                    settings.push(("memory.limit_in_bytes", memory.clone()));
                    if self.swap {
                        settings.push(("memory.memsw.limit_in_bytes", memory.clone()));
                    }
                }
                (Version::Two, "cpu") => settings.push(("cpu.max", format!("{quota} {PERIOD_US}"))),
                (Version::One, "cpu") => settings.push(("cpu.cfs_quota_us", quota.to_string())),
                (_, "pids") => settings.push(("pids.max", limits.pids.to_string())),
                _ => {}
            }
        }
        settings
    }
}

/// What the search asks of the host: whether a group can be made in this folder, and with which
/// controllers.
type Probe<'a> = dyn FnMut(Version, &Path, &[&'static str]) -> Option<Vec<&'static str>> + 'a;

fn find(mountinfo: &str, own: &str, swap: bool, probe: &mut Probe<'_>) -> Result<Place, String> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(parse_mount).collect();
    if mounts.is_empty() {
        return Err("no cgroup hierarchy is mounted".into());
    }
    let mut branches: Vec<Branch> = Vec::new();
    for mount in &mounts {
        let Some(group) = own_group(own, mount) else { continue };
        let Some(below) = inside(&group, &mount.root) else { continue };
        let own_folder: PathBuf = mount.point.join(below).components().collect();
        // Version 1 hands every controller down. On version 2, ancestors are tried as well.
        let folders = match mount.version {
            Version::One => vec![own_folder.as_path()],
            Version::Two => {
                own_folder.ancestors().take_while(|path| path.starts_with(&mount.point)).collect()
            }
        };
        let mut best: Option<Branch> = None;
        for folder in folders {
            let Some(controllers) = probe(mount.version, folder, &mount.controllers) else { continue };
            let more = best.as_ref().is_none_or(|best| controllers.len() > best.controllers.len());
            if more {
                let path = folder.to_owned();
                let swap = swap && controllers.contains(&"memory");
                best = Some(Branch { version: mount.version, path, controllers, swap });
            }
        }
        branches.extend(best);
    }
    // A hybrid host keeps an empty version 2 hierarchy beside the controllers of version 1.
    let any_controller = branches.iter().any(|branch| !branch.controllers.is_empty());
    if any_controller {
        branches.retain(|branch| !branch.controllers.is_empty());
    }
    if branches.is_empty() {
        return Err("this user may not make a group below the one it runs in".into());
    }
    Ok(Place { branches })
}

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// The group that the mount shows as its root.
    root: PathBuf,
    point: PathBuf,
    controllers: Vec<&'static str>,
}

/// Reads a line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)) if it is about cgroups. Of
/// version 1, only the hierarchies that serve limits count.
fn parse_mount(line: &str) -> Option<Mount> {
    let (fixed, rest) = line.split_once(" - ")?;
    let mut fixed = fixed.split(' ').skip(3);
    let (root, point) = (fixed.next()?.into(), fixed.next()?.into());
    let mut rest = rest.split(' ');
    let (kind, options) = (rest.next()?, rest.nth(1)?);
    let offers = |name: &&str| options.split(',').any(|option| option == *name);
    let controllers: Vec<_> = CONTROLLERS.into_iter().filter(offers).collect();
    match kind {
        "cgroup2" => Some(Mount { version: Version::Two, root, point, controllers: Vec::new() }),
        "cgroup" if !controllers.is_empty() => {
            Some(Mount { version: Version::One, root, point, controllers })
        }
        _ => None,
    }
}

/// This process's group in the hierarchy of `mount`, from `/proc/self/cgroup` (cgroups(7)).
fn own_group(own: &str, mount: &Mount) -> Option<PathBuf> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = match mount.version {
            Version::Two => id == "0",
            Version::One => controllers.split(',').any(|name| mount.controllers.contains(&name)),
        };
        matches.then(|| PathBuf::from(path))
    })
}

/// `group` relative to the group that the mount shows as its root.
fn inside(group: &Path, root: &Path) -> Option<PathBuf> {
    // A group outside of this cgroup namespace reads `/../…`, and cannot be reached.
    if group.components().any(|part| part == std::path::Component::ParentDir) {
        return None;
    }
    group.strip_prefix(root).map(Path::to_owned).ok()
}

/// Asks the kernel without making a group: may we write in `folder`, may a process of ours join a
/// group there, and which controllers does it hand down?
fn usable(version: Version, folder: &Path, offered: &[&'static str]) -> Option<Vec<&'static str>> {
    if !writable(folder) {
        return None;
    }
    match version {
        Version::One => Some(offered.to_vec()),
        Version::Two => {
            // Moving from our group to one below `folder` needs this file of the common ancestor.
            if !writable(&folder.join("cgroup.procs")) {
                return None;
            }
            let subtree = folder.join("cgroup.subtree_control");
            if is_ordinary_user() {
                // The folder is a subtree that was handed over to this user, who is the one to switch
                // its controllers on. A group with processes in it refuses.
                for controller in CONTROLLERS {
                    let _ = fs::write(&subtree, format!("+{controller}"));
                }
            }
            let handed_down = fs::read_to_string(subtree).ok()?;
            let has = |name: &&str| handed_down.split_whitespace().any(|controller| controller == *name);
            Some(CONTROLLERS.into_iter().filter(has).collect())
        }
    }
}

fn is_ordinary_user() -> bool {
    // SAFETY: only returns a number.
    unsafe { libc::geteuid() != 0 }
}

fn writable(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: reads a zero-terminated string that outlives the call.
    unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const HYBRID_OWN: &str = "8:pids:/\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n";
    const UNIFIED: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn limits() -> Limits {
        Limits { cpus: 2, memory_bytes: 1 << 20, pids: 9 }
    }

    #[test]
    fn a_hybrid_host_serves_its_version_1_controllers() {
        let mut all = |version, _: &Path, offered: &[&'static str]| {
            Some(if version == Version::Two { Vec::new() } else { offered.to_vec() })
        };
        let place = find(HYBRID, HYBRID_OWN, false, &mut all).unwrap();
        assert!(place.missing().is_empty());
        let paths: Vec<_> = place.branches.iter().map(|branch| branch.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/pids"]);
        let settings: Vec<_> = place
            .branches
            .iter()
            .flat_map(|branch| branch.settings(&limits()))
            .map(|(file, _)| file)
            .collect();
        assert_eq!(settings, ["cpu.cfs_quota_us", "memory.limit_in_bytes", "pids.max"]);
    }

    #[test]
    fn version_2_goes_up_to_the_first_ancestor_that_hands_controllers_down() {
        let mut probe = |_, folder: &Path, _: &[&'static str]| match folder.to_str() {
            Some("/sys/fs/cgroup/user.slice/session.scope") => Some(vec![]),
            Some("/sys/fs/cgroup/user.slice") => Some(vec!["memory", "pids"]),
            Some("/sys/fs/cgroup") => Some(vec!["memory", "pids"]),
            other => panic!("asks for {other:?}"),
        };
        let place = find(UNIFIED, "0::/user.slice/session.scope\n", true, &mut probe).unwrap();
        assert_eq!(place.describe(), "/sys/fs/cgroup/user.slice");
        assert_eq!(place.missing(), ["cpu"]);
        assert_eq!(
            place.branches[0].settings(&limits()),
            [("memory.max", "1048576".into()), ("memory.swap.max", "0".into()), ("pids.max", "9".into())]
        );
    }

    #[test]
    fn where_nothing_may_be_made_the_reason_is_told() {
        let mut never = |_, _: &Path, _: &[&'static str]| None;
        assert!(find(UNIFIED, "0::/x\n", false, &mut never).unwrap_err().contains("may not make"));
        assert!(find("", "0::/x\n", false, &mut never).unwrap_err().contains("mounted"));
        let mut any = |_, _: &Path, _: &[&'static str]| Some(vec!["memory"]);
        assert!(find(UNIFIED, "0::/../elsewhere\n", false, &mut any).is_err());
    }
}
