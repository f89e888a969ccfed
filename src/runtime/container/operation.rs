//! One system call of building a container, with all that it needs computed beforehand: performing
//! it allocates nothing, so it may be done in a freshly cloned child.
//!
//! Since a plan is a list of these, what a container does, and in which order, can be read, printed
//! and tested without doing it.

use std::ffi::{CStr, CString};
use std::fmt;
use std::ptr;

use nix::errno::Errno;

/// One step of the kernel's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Writes the whole of a small file of `/proc`.
    Write {
        path: CString,
        text: String,
    },
    /// Leaves the namespaces named by these flags for new ones.
    Unshare(libc::c_int),
    SetHostname(&'static str),
    /// No mount made from here on reaches the host, nor the other way round.
    MakeMountsPrivate,
    Mount {
        kind: &'static CStr,
        target: CString,
        flags: libc::c_ulong,
        options: CString,
    },
    /// Shows `source` (relative to the working directory: the old root) at `target` too.
    Bind {
        source: CString,
        target: CString,
    },
    /// Makes the mount at this path, and what is mounted below it, read-only, and powerless as far as set-user-id bits
    /// and device nodes go.
    Harden(CString),
    /// A folder; one that exists is as good.
    Directory {
        path: CString,
        mode: libc::mode_t,
    },
    /// An empty file to mount something on; one that exists is as good.
    MountPoint(CString),
    Symlink {
        path: CString,
        to: CString,
    },
    CharacterDevice {
        path: CString,
        major: u32,
        minor: u32,
    },
    /// Makes the mount at this path the root; the old root stays reachable as the working directory.
    PivotRoot(CString),
    /// Lets go of the old root, which must be the working directory, and enters the new one.
    DetachOldRoot,
    /// Makes this folder the working directory.
    Enter(CString),
    ClearGroups,
    /// No program gives a capability back from here on, but for those in the set `kept`.
    DropBoundingSet {
        last: u32,
        kept: u64,
    },
    BecomeUser {
        uid: u32,
        gid: u32,
        groups: Vec<u32>,
    },
    /// Gives up every capability that is not in this set.
    DropCapabilities(u64),
    /// A new file with the content of another.
    CopyFile {
        from: CString,
        to: CString,
    },
    /// Owner, mode (none for a link, which has none) and time, of the path itself.
    Attributes {
        path: CString,
        owner: (u32, u32),
        mode: Option<libc::mode_t>,
        modified: (i64, i64),
    },
    Fifo(CString),
    NoNewPrivileges,
}

impl Operation {
    /// Does it. The error is an error number.
    pub(super) fn perform(&self) -> Result<(), i32> {
        match self {
            Operation::Write { path, text } => write_file(path, text.as_bytes()),
            Operation::Unshare(flags) => {
                // SAFETY: here and in the following calls, every pointer is to a zero-terminated string
                // or a structure owned by `self` or this frame, which the kernel only reads.
                check(unsafe { libc::unshare(*flags) })
            }
            Operation::SetHostname(name) => {
                // SAFETY: as above.
                check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
            }
            Operation::MakeMountsPrivate => mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None),
            Operation::Mount { kind, target, flags, options } => {
                mount(Some(kind), target, Some(kind), *flags, Some(options))
            }
            Operation::Bind { source, target } => {
                mount(Some(source), target, None, libc::MS_BIND | libc::MS_REC, None)
            }
            Operation::Harden(path) => harden(path),
            Operation::Directory { path, mode } => {
                // SAFETY: as above.
                exists_is_fine(unsafe { libc::mkdir(path.as_ptr(), *mode) })
            }
            Operation::MountPoint(path) => {
                let flags = libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
                // SAFETY: as above.
                let fd = unsafe { libc::open(path.as_ptr(), flags, 0o444) };
                check(fd)?;
                // SAFETY: the descriptor was opened just now and is not used again.
                check(unsafe { libc::close(fd) })
            }
            Operation::Symlink { path, to } => {
                // SAFETY: as above.
                exists_is_fine(unsafe { libc::symlink(to.as_ptr(), path.as_ptr()) })
            }
            Operation::CharacterDevice { path, major, minor } => {
                let device = libc::makedev(*major, *minor);
                // SAFETY: as above.
                exists_is_fine(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, device) })
            }
            Operation::PivotRoot(path) => pivot_root(path),
            Operation::DetachOldRoot => {
                // SAFETY: as above.
                check(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) })?;
                // SAFETY: as above.
                check(unsafe { libc::chdir(c"/".as_ptr()) })
            }
            Operation::Enter(path) => {
                // SAFETY: as above.
                check(unsafe { libc::chdir(path.as_ptr()) })
            }
            Operation::ClearGroups => {
                // SAFETY: as above; a count of 0 reads no list.
                check(unsafe { libc::setgroups(0, ptr::null()) })
            }
            Operation::DropBoundingSet { last, kept } => drop_bounding_set(*last, *kept),
            Operation::BecomeUser { uid, gid, groups } => become_user(*uid, *gid, groups),
            Operation::DropCapabilities(kept) => drop_capabilities(*kept),
            Operation::CopyFile { from, to } => copy_file(from, to),
            Operation::Attributes { path, owner, mode, modified } => {
                attributes(path, *owner, *mode, *modified)
            }
            Operation::Fifo(path) => {
                // SAFETY: as above.
                exists_is_fine(unsafe { libc::mkfifo(path.as_ptr(), 0o600) })
            }
            Operation::NoNewPrivileges => {
                // SAFETY: as above; this prctl takes plain numbers.
                check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
            }
        }
    }
}

/// Says what is being done, to what, for an error message and for `--explain`.
impl fmt::Display for Operation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &CStr| text.to_string_lossy().into_owned();
        match self {
            Operation::Write { path, text: value } => {
                write!(to, "writing {:?} to {}", value.trim(), text(path))
            }
            Operation::Unshare(libc::CLONE_NEWCGROUP) => write!(to, "making a cgroup namespace"),
            Operation::Unshare(flags) => write!(to, "making namespaces {flags:#x}"),
            Operation::SetHostname(name) => write!(to, "setting the host name to {name}"),
            Operation::MakeMountsPrivate => write!(to, "making all mounts private"),
            Operation::Mount { kind, target, .. } => {
                write!(to, "mounting {} on {}", kind.to_string_lossy(), text(target))
            }
            Operation::Bind { source, target } => {
                write!(to, "showing the host's /{} at {}", text(source), text(target))
            }
            Operation::Harden(path) => write!(to, "making {} read-only", text(path)),
            Operation::Directory { path, .. } => write!(to, "making the folder {}", text(path)),
            Operation::MountPoint(path) => write!(to, "making the mount point {}", text(path)),
            Operation::Symlink { path, to: target } => {
                write!(to, "linking {} to {}", text(path), text(target))
            }
            Operation::CharacterDevice { path, .. } => write!(to, "making the device {}", text(path)),
            Operation::PivotRoot(path) => write!(to, "making {} the root", text(path)),
            Operation::DetachOldRoot => write!(to, "letting go of the old root"),
            Operation::Enter(path) => write!(to, "entering {}", path.to_string_lossy()),
            Operation::ClearGroups => write!(to, "leaving all supplementary groups"),
            Operation::DropBoundingSet { .. } => write!(to, "giving up capabilities for good"),
            Operation::BecomeUser { uid, gid, .. } => write!(to, "becoming user {uid} of group {gid}"),
            Operation::DropCapabilities(_) => write!(to, "dropping all capabilities"),
            Operation::CopyFile { from, .. } => write!(to, "copying {}", text(from)),
            Operation::Attributes { path, .. } => write!(to, "giving {} its owner and mode", text(path)),
            Operation::Fifo(path) => write!(to, "making the FIFO {}", text(path)),
            Operation::NoNewPrivileges => write!(to, "setting no_new_privs"),
        }
    }
}

fn check(result: libc::c_int) -> Result<(), i32> {
    if result < 0 { Err(Errno::last_raw()) } else { Ok(()) }
}

fn exists_is_fine(result: libc::c_int) -> Result<(), i32> {
    match check(result) {
        Err(libc::EEXIST) => Ok(()),
        other => other,
    }
}

fn write_file(path: &CStr, bytes: &[u8]) -> Result<(), i32> {
    // SAFETY: the string and the buffer are valid for the length given and only read.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(fd)?;
        let written = libc::write(fd, bytes.as_ptr().cast(), bytes.len());
        let result = if written < 0 { Err(Errno::last_raw()) } else { Ok(()) };
        libc::close(fd);
        result
    }
}

fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> Result<(), i32> {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: each pointer is null or to a zero-terminated string that outlives the call.
    check(unsafe {
        libc::mount(pointer(source), target.as_ptr(), pointer(kind), flags, pointer(options).cast())
    })
}

/// `mount_setattr` (Linux 5.12) only adds flags: a user namespace may not take away those that came
/// with a mount of the host, and this way need not know them.
fn harden(path: &CStr) -> Result<(), i32> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is zero-terminated and `attributes` has the size that is passed; both are only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(result as libc::c_int)
}

/// With both arguments `.`, the old root is stacked on the new one, and no folder for it is needed
/// (pivot_root(2)). The old root then becomes the working directory.
fn pivot_root(path: &CStr) -> Result<(), i32> {
    // SAFETY: all strings are zero-terminated and only read; the descriptor is this function's own.
    unsafe {
        let old = libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC);
        check(old)?;
        check(libc::chdir(path.as_ptr()))?;
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) as libc::c_int)?;
        check(libc::fchdir(old))?;
        check(libc::close(old))
    }
}

/// What a program may ever get is nothing more.
fn drop_bounding_set(last: u32, kept: u64) -> Result<(), i32> {
    for capability in (0..=last).filter(|capability| kept & (1 << capability) == 0) {
        // SAFETY: this prctl takes plain numbers.
        check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) })?;
    }
    Ok(())
}

/// Empties the ambient set, and the thread's own ones but for `kept`.
fn drop_capabilities(kept: u64) -> Result<(), i32> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    /// `_LINUX_CAPABILITY_VERSION_3` (linux/capability.h): sets of 64 bits, as pairs of three words.
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let (low, high) = (kept as u32, (kept >> 32) as u32);
    // Effective, permitted, inheritable.
    let sets = [low, low, 0, high, high, 0];
    // SAFETY: the prctl takes plain numbers; capset reads a header and two data records, as declared above.
    unsafe {
        check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))?;
        check(libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) as libc::c_int)
    }
}

/// The calls themselves: those of the C library would signal threads that this process, which shares memory
/// with its parent, seems to have.
fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), i32> {
    // SAFETY: plain numbers, and a list of the length given, which the kernel only reads.
    unsafe {
        check(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) as libc::c_int)?;
        check(libc::syscall(libc::SYS_setresgid, gid, gid, gid) as libc::c_int)?;
        check(libc::syscall(libc::SYS_setresuid, uid, uid, uid) as libc::c_int)
    }
}

fn copy_file(from: &CStr, to: &CStr) -> Result<(), i32> {
    /// As much as one call moves at most (sendfile(2)).
    const MOST: usize = 0x7fff_f000;
    // SAFETY: zero-terminated strings that are only read; the descriptors are this function's own.
    unsafe {
        let source = libc::open(from.as_ptr(), libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_CLOEXEC);
        check(source)?;
        let target =
            libc::open(to.as_ptr(), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC, 0o600);
        let mut result = check(target);
        while result.is_ok() {
            match libc::sendfile(target, source, ptr::null_mut(), MOST) {
                0 => break,
                -1 => result = Err(Errno::last_raw()),
                _ => {}
            }
        }
        libc::close(target);
        libc::close(source);
        result
    }
}

fn attributes(
    path: &CStr,
    (uid, gid): (u32, u32),
    mode: Option<libc::mode_t>,
    (seconds, nanoseconds): (i64, i64),
) -> Result<(), i32> {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = [time, time];
    // SAFETY: a zero-terminated string and two times, which the kernel only reads.
    unsafe {
        // In a user namespace of one user, everybody else's files have no owner that could be set.
        let _ = libc::lchown(path.as_ptr(), uid, gid);
        if let Some(mode) = mode {
            check(libc::chmod(path.as_ptr(), mode))?;
        }
        check(libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW))
    }
}
