//! What programs expect to find: `/proc`, `/sys`, `/dev`, `/tmp`.

use core::ffi::CStr;

use crate::start::Start;
use crate::sys;

/// Major and minor numbers of the devices that every program may expect (Linux `admin-guide/devices.txt`).
const DEVICES: [(&CStr, usize, usize); 6] = [
    (c"/dev/null", 1, 3),
    (c"/dev/zero", 1, 5),
    (c"/dev/full", 1, 7),
    (c"/dev/random", 1, 8),
    (c"/dev/urandom", 1, 9),
    (c"/dev/tty", 5, 0),
];

const LINKS: [(&CStr, &CStr); 4] = [
    (c"/dev/fd", c"/proc/self/fd"),
    (c"/dev/stdin", c"/proc/self/fd/0"),
    (c"/dev/stdout", c"/proc/self/fd/1"),
    (c"/dev/stderr", c"/proc/self/fd/2"),
];

/// Mounts the devices. What the guest's kernel lacks is left out, here and below: the workload will tell.
pub fn mount_devices() {
    let _ = sys::make_folder(c"/dev", 0o755);
    if sys::mount(c"devtmpfs", c"/dev", c"mode=755").is_err() {
        let _ = sys::mount(c"tmpfs", c"/dev", c"mode=755");
        for (path, major, minor) in DEVICES {
            sys::device(path, major, minor);
        }
    }
}

/// Mounts and makes all the rest.
pub fn mount_others() {
    for (path, mode) in [(c"/proc", 0o555), (c"/sys", 0o555), (c"/tmp", 0o1777)] {
        let _ = sys::make_folder(path, mode);
    }
    let _ = sys::mount(c"proc", c"/proc", c"");
    let _ = sys::mount(c"sysfs", c"/sys", c"");
    for (path, to) in LINKS {
        sys::link(path, to);
    }
    if sys::make_folder(c"/dev/pts", 0o755).is_ok() {
        let _ = sys::mount(c"devpts", c"/dev/pts", c"ptmxmode=666");
    }
    if sys::make_folder(c"/dev/shm", 0o1777).is_ok() {
        let _ = sys::mount(c"tmpfs", c"/dev/shm", c"mode=1777");
    }
    sys::set_host_name(b"isobench");
}

/// Removes our own files: the workload's root is what the user gave. Init itself goes on from memory.
pub fn remove_own(start: &Start) {
    for module in start.modules() {
        sys::remove(module);
    }
    for path in [c"/.isobench/init", c"/.isobench/start"] {
        sys::remove(path);
    }
    sys::remove_folder(c"/.isobench");
}

/// Makes the disk, whose file system is of this kind, the root. The initramfs stays below it, out of sight.
pub fn enter_disk(kind: &CStr, read_only: bool) -> Result<(), i32> {
    sys::make_folder(c"/.isobench/disk", 0o755)?;
    sys::mount_device(c"/dev/vda", c"/.isobench/disk", kind, read_only)?;
    sys::change_folder(c"/.isobench/disk")?;
    sys::become_root()
}
