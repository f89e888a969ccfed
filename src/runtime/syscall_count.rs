//! Counts the system calls that a workload makes, by tracing it (ptrace(2)), which slows each of
//! them down: for trials of their own, outside of every clock.

use std::ffi::c_int;
use std::io;
use std::ptr;

use nix::errno::Errno;

use super::board::Board;

/// What a traced workload did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// How it ended, as `waitpid` tells.
    pub status: c_int,
    /// System calls that it, its threads and its children made after its `execve`.
    pub calls: u64,
}

impl Traced {
    /// Tells the board: the workload has just ended, how, and how many calls it made.
    pub fn note_on(&self, board: &Board) {
        board.exited();
        board.count_host_syscalls(self.calls);
        note_end(board, self.status);
    }
}

/// Tells the board how a process ended, by its status from `waitpid`.
pub fn note_end(board: &Board, status: c_int) {
    if libc::WIFSIGNALED(status) {
        board.end_with_signal(libc::WTERMSIG(status));
    } else {
        board.end_with_code(libc::WEXITSTATUS(status));
    }
}

/// Called by the workload's process just before it executes its program: its parent traces it.
/// Async-signal-safe. A refusal is noticed by [`follow`], which then counts nothing.
pub fn trace_me() {
    // SAFETY: this request reads no memory.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, ptr::null_mut::<u8>(), ptr::null_mut::<u8>()) };
}

/// Follows a child that called [`trace_me`] until it ends, and all that it starts meanwhile. Reaps
/// every child of this process. Allocates nothing.
///
/// # Errors
/// When there is no such child.
pub fn follow(workload: libc::pid_t) -> io::Result<Traced> {
    let mut calls = 0;
    let mut configured = false;
    loop {
        let mut status = 0;
        // SAFETY: writes one integer of this frame.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
        if pid < 0 {
            match Errno::last() {
                Errno::EINTR => continue,
                errno => return Err(errno.into()),
            }
        }
        if !libc::WIFSTOPPED(status) {
            if pid == workload {
                return Ok(Traced { status, calls });
            }
            continue;
        }
        if pid == workload && !configured {
            // The stop after its execve. Tracees that it starts inherit these options.
            let options = libc::PTRACE_O_TRACESYSGOOD
                | libc::PTRACE_O_TRACEFORK
                | libc::PTRACE_O_TRACEVFORK
                | libc::PTRACE_O_TRACECLONE
                | libc::PTRACE_O_TRACEEXEC
                | libc::PTRACE_O_EXITKILL;
            configured = true;
            request(libc::PTRACE_SETOPTIONS, pid, options as usize);
            request(libc::PTRACE_SYSCALL, pid, 0);
            continue;
        }
        let mut pass_on = 0;
        match libc::WSTOPSIG(status) {
            stop if stop == libc::SIGTRAP | 0x80 => calls += u64::from(is_entry(pid)),
            // An event, or the first stop of a new tracee. A workload that stops itself goes on.
            libc::SIGTRAP if status >> 16 != 0 => {}
            libc::SIGSTOP => {}
            signal => pass_on = signal as usize,
        }
        request(libc::PTRACE_SYSCALL, pid, pass_on);
    }
}

/// A tracee may be killed at any moment, so that a request may find it gone: then `waitpid` tells.
fn request(request: libc::c_uint, pid: libc::pid_t, data: usize) {
    // SAFETY: these requests take a number as data and touch no memory of ours.
    unsafe { libc::ptrace(request, pid, ptr::null_mut::<u8>(), data) };
}

/// Whether a tracee stopped by a system call is on its way in (else: on its way out).
fn is_entry(pid: libc::pid_t) -> bool {
    // SAFETY: all-zero is a valid value of this plain structure, and the kernel writes at most its size.
    unsafe {
        let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        let got = libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size, &raw mut info);
        got > 0 && info.op == libc::PTRACE_SYSCALL_INFO_ENTRY
    }
}
