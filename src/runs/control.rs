//! The supervisor of a run, as others see it: found, signalled, waited for.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{LOCK, is_locked, readable};

/// What a supervisor takes for the order to kill its sandbox: it cannot take SIGKILL.
pub(super) const KILL: Signal = Signal::SIGPWR;

/// A living supervisor.
pub(super) struct Supervisor {
    pidfd: OwnedFd,
}

impl Supervisor {
    /// The supervisor of the run in `folder`, if it lives.
    ///
    /// The process id is only believed because the lock is still held *after* the pidfd was opened: its holder
    /// wrote the id, was alive all the time, and so the pidfd is that of the holder.
    pub(super) fn of(folder: &Path) -> Option<Supervisor> {
        let pid: libc::pid_t = fs::read_to_string(folder.join(LOCK)).ok()?.trim().parse().ok()?;
        // SAFETY: the kernel makes a new descriptor, which is nobody else's.
        let pidfd = unsafe {
            match libc::syscall(libc::SYS_pidfd_open, pid, 0) {
                -1 => return None,
                fd => OwnedFd::from_raw_fd(fd as RawFd),
            }
        };
        is_locked(folder).then_some(Supervisor { pidfd })
    }

    /// Has the signal handed on to the program; one that is gone needs none.
    pub(super) fn send(&self, signal: Signal) -> io::Result<()> {
        let signal = if signal == Signal::SIGKILL { KILL } else { signal };
        let nothing = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a descriptor, plain numbers, and no structure.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.pidfd.as_raw_fd(),
                signal as libc::c_int,
                nothing,
                0,
            )
        };
        match io::Error::last_os_error() {
            error if sent == -1 && error.raw_os_error() != Some(libc::ESRCH) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for its end; false after the time.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        readable(&self.pidfd, patience)
    }
}
