//! The VMM's process: a child of the launcher, made by fork, so it starts with everything prepared. It ends
//! with its guest.

use std::io::Error;
use std::os::fd::{AsRawFd, RawFd};

use crate::runtime::RuntimeError;
use crate::runtime::board::Board;
use crate::runtime::clone::{Cloned, clone3, reset_signals};
use crate::runtime::launcher::recipe::{Launch, Started};

/// A step that failed, with the system's error number (0: none).
#[derive(Debug)]
pub struct Failed(pub &'static str, pub i32);

impl Failed {
    /// For `map_err` on a step.
    pub fn at<E: Into<Error>>(step: &'static str) -> impl FnOnce(E) -> Failed {
        move |error| Failed(step, error.into().raw_os_error().unwrap_or(0))
    }

    /// For `map_err` on a call to KVM.
    pub fn kvm(step: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Failed {
        move |error| Failed(step, error.errno())
    }
}

/// Starts a VMM: `life` is all that its process does; its result is the exit status.
///
/// # Errors
/// When the system makes no process.
pub fn start(
    launch: &Launch<'_>,
    life: impl FnOnce(&Launch<'_>) -> Result<i32, Failed>,
) -> Result<Started, RuntimeError> {
    let parent = std::process::id() as libc::pid_t;
    // SAFETY: the launcher has one thread, and the child leaves by _exit.
    match unsafe { clone3(0, None) }.map_err(RuntimeError::step("clone3 of the VMM"))? {
        Cloned::Parent { pid, pidfd } => Ok(Started { pid, pidfd, cgroup: None, ending: None }),
        Cloned::Child => {
            launch.board.spawned();
            let status = become_sandbox(launch, parent).and_then(|()| life(launch));
            leave(launch.board, status)
        }
    }
}

/// Ends the VMM's process, with all its threads, and says what failed if something did.
pub fn leave(board: &Board, status: Result<i32, Failed>) -> ! {
    let status = status.unwrap_or_else(|Failed(step, errno)| {
        board.launch_failed(step, errno);
        125
    });
    // SAFETY: ends this process without running anything of the launcher's.
    unsafe { libc::_exit(status) }
}

/// Takes the standard streams, and dies with the launcher.
fn become_sandbox(launch: &Launch<'_>, parent: libc::pid_t) -> Result<(), Failed> {
    let stdio = [&launch.stdio.stdin, &launch.stdio.stdout, &launch.stdio.stderr];
    // SAFETY: plain system calls on our own process and descriptors.
    unsafe {
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // The launcher may have died before that call.
        if libc::getppid() != parent {
            libc::_exit(125);
        }
        reset_signals();
        // A closed pipe is the guest's affair: it gets EPIPE.
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        for (number, fd) in stdio.iter().enumerate() {
            if libc::dup2(fd.as_raw_fd(), number as i32) < 0 {
                return Err(Failed::at("taking the standard streams")(Error::last_os_error()));
            }
        }
    }
    launch.board.phase("standard streams");
    Ok(())
}

/// Drops what the launcher has open, but for some files: above all the other ends of pipes, which would keep
/// them from ending. What is mapped stays mapped.
///
/// # Errors
/// The system's reason.
pub fn close_other_files(kept: impl IntoIterator<Item = RawFd>) -> Result<(), Failed> {
    let mut kept: Vec<u32> = kept.into_iter().map(i32::unsigned_abs).collect();
    kept.sort_unstable();
    let mut first = 3;
    for next in kept.into_iter().chain([u32::MAX]) {
        // SAFETY: nothing in this process uses any of these descriptors from here on; their owners are never
        // dropped, since the process ends by _exit.
        if first < next && unsafe { libc::syscall(libc::SYS_close_range, first, next - 1, 0u32) } != 0 {
            return Err(Failed::at("closing inherited files")(Error::last_os_error()));
        }
        first = next.saturating_add(1);
    }
    Ok(())
}
