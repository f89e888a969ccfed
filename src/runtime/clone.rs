//! `clone3` (clone(2)) as every runtime of ours uses it.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// `CLONE_INTO_CGROUP` of `<linux/sched.h>`: libc's constant of this name is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// Which side of the clone this is.
#[derive(Debug)]
pub enum Cloned {
    /// The new process.
    Child,
    /// The caller, with the new process's number and pidfd (close-on-exec).
    Parent {
        /// Its number in our pid namespace.
        pid: libc::pid_t,
        /// Readable when it has ended.
        pidfd: OwnedFd,
    },
}

/// Makes a process with a copy of our memory; `flags` are `CLONE_*` (`CLONE_NEW…`, `CLONE_VFORK`),
/// to which `CLONE_PIDFD`, and `CLONE_INTO_CGROUP` where `cgroup` (a cgroup v2 folder) is given, are added.
///
/// # Safety
/// As for fork(2): the caller has one thread, or the child calls only async-signal-safe functions.
/// `flags` must not hold `CLONE_VM`, since the child would share our stack.
///
/// # Errors
/// Those of clone(2).
pub unsafe fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> nix::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let mut args = libc::clone_args {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` is a valid clone_args and `pidfd` a valid place for the descriptor; the rest is
    // the caller's promise.
    match unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>()) } {
        -1 => Err(Errno::last()),
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok(Cloned::Parent { pid: pid as libc::pid_t, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// Gives every signal its default action and unblocks all: a program must not inherit the
/// launcher's ignored ones. Async-signal-safe.
pub fn reset_signals() {
    // SAFETY: an all-zero sigaction is SIG_DFL with no flags and an empty mask; setting a default
    // action runs no code of ours. Refusals (SIGKILL, SIGSTOP, libc's own) are expected.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGPIPE, libc::SIGTTOU] {
            libc::sigaction(number, &default, std::ptr::null_mut());
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}
