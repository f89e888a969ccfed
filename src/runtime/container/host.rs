//! What this host lets the current user do, as far as a plan depends on it; and what is missing.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use crate::runtime::Unavailable;

/// Facts about the host and the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// May make namespaces and device nodes without a user namespace (root in the host's own).
    pub privileged: bool,
    pub euid: libc::uid_t,
    pub egid: libc::gid_t,
    /// The number of the last capability that the kernel knows.
    pub last_capability: u32,
    /// Overlayfs can be mounted; not looked for where no root is to be laid over a folder.
    pub overlay: bool,
    /// An existing folder to build the root over.
    pub staging: &'static CStr,
}

/// `CAP_SYS_ADMIN` and `CAP_MKNOD` (linux/capability.h).
const NEEDED: [u32; 2] = [21, 27];

impl Host {
    /// Looks, and changes nothing. `over_folder`: for a container whose root lies over a folder of the host.
    pub(super) fn look(over_folder: bool) -> Host {
        let effective = effective_capabilities();
        let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok();
        // SAFETY: these calls only return numbers and cannot fail.
        let (euid, egid) = unsafe { (libc::geteuid(), libc::getegid()) };
        Host {
            // In a user namespace, root can neither make device nodes nor overlay without `userxattr`.
            privileged: NEEDED.iter().all(|number| effective & (1 << number) != 0)
                && in_first_user_namespace(),
            euid,
            egid,
            // 40 is CAP_CHECKPOINT_RESTORE, the last one since Linux 5.9.
            last_capability: last.and_then(|text| text.trim().parse().ok()).unwrap_or(40),
            overlay: over_folder && overlay_can_be_mounted(),
            staging: if Path::new("/sys").is_dir() { c"/sys" } else { c"/proc" },
        }
    }
}

/// Effective capabilities of this process, one bit each (capget(2)); none where it fails, which it does for no valid
/// request.
fn effective_capabilities() -> u64 {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    // `_LINUX_CAPABILITY_VERSION_3` of <linux/capability.h>: two sets of 32 bits.
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: the kernel reads and writes one header and two sets, as this version says.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) } != 0 {
        return 0;
    }
    u64::from(sets[0].effective) | u64::from(sets[1].effective) << 32
}

/// The first one maps every id to itself.
fn in_first_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn overlay_can_be_mounted() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.split_whitespace().last() == Some("overlay")) || overlay_module_exists()
}

/// The kernel loads it at the first mount.
fn overlay_module_exists() -> bool {
    let mut release = libc::utsname {
        sysname: [0; 65],
        nodename: [0; 65],
        release: [0; 65],
        version: [0; 65],
        machine: [0; 65],
        domainname: [0; 65],
    };
    // SAFETY: the kernel fills the structure; every field ends with a zero byte.
    let release = unsafe {
        if libc::uname(&mut release) != 0 {
            return false;
        }
        CStr::from_ptr(release.release.as_ptr())
    };
    let folder = format!("/lib/modules/{}/kernel/fs/overlayfs", release.to_string_lossy());
    Path::new(&folder).is_dir()
}

/// Why a user namespace was refused, with the command that allows it: the settings that
/// distributions are known to use.
pub(super) fn why_no_user_namespace(errno: i32) -> Unavailable {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is = |path: &str, value: &str| setting(path).as_deref() == Some(value);
    let (reason, fix) = if is("/proc/sys/user/max_user_namespaces", "0") {
        (
            "user namespaces are switched off",
            "allow them with `sudo sysctl user.max_user_namespaces=15000`, or run as root",
        )
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        (
            "user namespaces are for root only",
            "allow them with `sudo sysctl kernel.unprivileged_userns_clone=1`, or run as root",
        )
    } else if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        (
            "AppArmor forbids user namespaces to ordinary users",
            "allow them with `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run as root",
        )
    } else {
        let error = nix::errno::Errno::from_raw(errno);
        return Unavailable {
            reason: format!("no container can be made by this user: {}", error.desc()),
            fix: "run as root; inside another container, allow it user namespaces (Docker: `--privileged`)"
                .into(),
        };
    };
    Unavailable { reason: reason.into(), fix: fix.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_capabilities_are_read() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let told = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        assert_eq!(effective_capabilities(), u64::from_str_radix(told.trim(), 16).unwrap());
    }
}
