//! Runtime `process`: the baseline. The same launcher, the same program bytes, no isolation.
//!
//! It sees the host's files and starts in the caller's folder; `--file` and `--root` only say where
//! the program comes from.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::board::Board;
use super::clone::{Cloned, Stack, clone3, clone3_sharing_memory, reset_signals};
use super::launcher::recipe::{Launch, Recipe, Started};
use super::pointers::Pointers;
use super::spec::LaunchSpec;
use super::{RuntimeError, open_files, syscall_count};
use crate::workload::program::{ProgramFile, open_program};

/// Opens the program.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when it cannot be run.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    let program = open_program(&spec.program, spec.root.as_deref())?;
    Ok(Box::new(ProcessRecipe {
        program,
        argv: Pointers::new(spec.argv.clone()),
        env: Pointers::new(spec.env.clone()),
        stack: Stack::new(STACK).map_err(RuntimeError::step("mapping a stack"))?,
    }))
}

struct ProcessRecipe {
    program: ProgramFile,
    argv: Pointers,
    env: Pointers,
    stack: Stack,
}

/// Room for the calls between clone and exec.
const STACK: NonZeroUsize = NonZeroUsize::new(32 << 10).unwrap();

/// All that the new process needs; it only reads it.
struct Workload<'a> {
    program: BorrowedFd<'a>,
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
    stdio: [RawFd; 3],
    board: &'a Board,
    traced: bool,
}

impl Recipe for ProcessRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        let workload = Workload {
            program: self.program.file.as_fd(),
            argv: self.argv.as_ptr(),
            env: self.env.as_ptr(),
            stdio: [&launch.stdio.stdin, &launch.stdio.stdout, &launch.stdio.stderr].map(AsRawFd::as_raw_fd),
            board: launch.board,
            traced: launch.measure.syscalls,
        };
        let cloned = if workload.traced {
            // SAFETY: the child does system calls and plain stores, and leaves by `_exit`.
            match unsafe { clone3(0, None) } {
                Ok(Cloned::Child) => trace(&workload),
                Ok(Cloned::Parent { pid, pidfd }) => Ok((pid, pidfd)),
                Err(errno) => Err(errno),
            }
        } else {
            // The kernel lets us go on when the child has executed its program: the moment of `entered`.
            // SAFETY: this process has one thread; the child writes to nothing of ours but the board,
            // and leaves by execveat or _exit.
            let cloned = unsafe {
                clone3_sharing_memory(0, None, &mut self.stack, enter, (&raw const workload).cast())
            };
            if launch.board.exit().is_none() {
                launch.board.phase("exec");
                launch.board.entered();
            }
            cloned
        };
        let (pid, pidfd) = cloned.map_err(RuntimeError::step("clone3 of the workload's process"))?;
        Ok(Started { pid, pidfd, cgroup: None, ending: None })
    }
}

/// # Safety
/// `workload` must point to a [`Workload`] that nobody changes until this process executes it or ends.
unsafe extern "C" fn enter(workload: *const c_void) -> ! {
    // SAFETY: the caller's promise.
    let workload = unsafe { &*workload.cast::<Workload<'_>>() };
    lead_group(workload.board);
    execute(workload)
}

/// In the launcher's child: a group of its own, for the launcher to kill.
fn lead_group(board: &Board) {
    board.spawned();
    board.phase("clone");
    // SAFETY: plain numbers.
    unsafe {
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
}

fn execute(workload: &Workload<'_>) -> ! {
    reset_signals();
    open_files::restore();
    // SAFETY: descriptors and plain numbers, then an execveat with null-terminated arrays that outlive it.
    unsafe {
        for (number, fd) in (0..).zip(workload.stdio) {
            libc::dup2(fd, number);
        }
        workload.board.phase("standard streams");
        if workload.traced {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            syscall_count::trace_me();
        }
        let (argv, env) = (workload.argv.cast(), workload.env.cast());
        libc::execveat(workload.program.as_raw_fd(), c"".as_ptr(), argv, env, libc::AT_EMPTY_PATH);
        workload.board.launch_failed("executing the program", *libc::__errno_location());
        libc::_exit(125)
    }
}

/// Starts the workload as a child, and counts its system calls.
fn trace(workload: &Workload<'_>) -> ! {
    let board = workload.board;
    lead_group(board);
    // SAFETY: the child leaves by execveat or _exit.
    match unsafe { clone3(libc::CLONE_VFORK as u64, None) } {
        Ok(Cloned::Child) => execute(workload),
        Ok(Cloned::Parent { pid, .. }) if board.exit().is_none() => {
            board.phase("exec");
            board.entered();
            // The workload alone holds its standard streams.
            // SAFETY: nothing below uses a descriptor.
            unsafe { libc::syscall(libc::SYS_close_range, 0, libc::c_int::MAX, 0) };
            match syscall_count::follow(pid) {
                Ok(traced) => traced.note_on(board),
                Err(error) => {
                    board.launch_failed("waiting for the traced workload", error.raw_os_error().unwrap_or(0))
                }
            }
        }
        Ok(Cloned::Parent { .. }) => {}
        Err(errno) => board.launch_failed("clone3 of the traced workload", errno as i32),
    }
    // SAFETY: ends this process; exit handlers belong to the launcher it was cloned from.
    unsafe { libc::_exit(0) }
}
