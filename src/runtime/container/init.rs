//! The container's first process: it builds the container around itself and starts the workload as
//! its child. Then it becomes a tiny program (`guest/init`) that reaps every orphan and tells when the
//! workload has ended. Its end, as the first process of a pid namespace, is the end of all others.
//!
//! Until then it shares the launcher's memory, so that nothing is copied; the launcher waits. A
//! workload must not look into that memory: hence it is not dumpable, which closes `/proc/1/mem`,
//! `ptrace` and their like. No set-up step allocates memory.

use std::ffi::{c_char, c_int, c_void};
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;

use super::plan::{Action, Command, Plan};
use crate::runtime::board::Board;
use crate::runtime::clone::reset_signals;
use crate::runtime::pointers::Pointers;
use crate::runtime::seccomp::Filter;
use crate::runtime::{open_files, syscall_count};

/// All that the new process needs; it only reads it.
pub(super) struct Setup<'a> {
    pub plan: &'a Plan,
    pub filter: &'a Filter,
    pub board: &'a Board,
    /// A pidfd of the launcher.
    pub launcher: BorrowedFd<'a>,
    /// Files to write `0` to in order to join the cgroup.
    pub join: &'a [RawFd],
    /// Become standard input, output and error; none of them is below 3.
    pub stdio: [RawFd; 3],
    pub workload: &'a Workload,
    /// The top of a stack for the workload's process until it executes its program.
    pub workload_stack: *mut c_void,
    pub afterwards: Afterwards,
}

/// What the first process does once the workload runs.
#[derive(Clone, Copy)]
pub(super) enum Afterwards {
    /// Executes this init, which writes how the workload ended to a pipe.
    BecomeInit { program: RawFd, ending: RawFd },
    /// Stays, counts the workload's system calls, and reports on the board. It must then have a
    /// memory of its own.
    CountSyscalls,
}

/// What to execute, with arrays as `execve` wants them.
pub(super) struct Workload {
    pub opened: Option<OwnedFd>,
    pub argv: Pointers,
    pub env: Pointers,
}

const FAILED: c_int = 125;

/// [`run`], as the entry of a process that shares memory.
///
/// # Safety
/// `setup` must point to a [`Setup`] that nobody changes until this process executes a program or ends.
pub(super) unsafe extern "C" fn enter(setup: *const c_void) -> ! {
    // SAFETY: the caller's promise.
    run(unsafe { &*setup.cast::<Setup<'_>>() })
}

/// Runs in the freshly cloned child and ends it.
pub(super) fn run(setup: &Setup<'_>) -> ! {
    setup.board.spawned();
    setup.board.phase("clone");
    tie_to_launcher(setup);
    build(setup);
    if setup.plan.changes_user {
        stay_tied_to_launcher(setup);
    }
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    let workload = match start_workload(setup) {
        Ok(pid) => pid,
        Err((step, errno)) => fail(setup.board, step, errno),
    };
    setup.board.entered();
    setup.board.phase("exec");
    match setup.afterwards {
        Afterwards::BecomeInit { program, ending } => become_init(setup.board, workload, program, ending),
        Afterwards::CountSyscalls => count_syscalls(setup.board, workload),
    }
}

/// Keeps nothing but the pipe, so that the workload alone holds its standard streams.
fn become_init(board: &Board, workload: libc::pid_t, program: RawFd, ending: RawFd) -> ! {
    // Longer than any process id, and zero-terminated.
    let mut number = [0u8; 16];
    let mut rest = &mut number[..15];
    // Formats into the array; it is long enough, so that this cannot fail.
    let _ = write!(rest, "{workload}");
    let argv = [c"isobench-init".as_ptr(), number.as_ptr().cast(), ptr::null()];
    let env: [*const c_char; 1] = [ptr::null()];
    // SAFETY: descriptors and plain numbers, then an execveat with null-terminated arrays of this frame.
    unsafe {
        libc::dup2(ending, 0);
        libc::syscall(libc::SYS_close_range, 1, c_int::MAX, libc::CLOSE_RANGE_CLOEXEC);
        let (argv, env) = (argv.as_ptr().cast(), env.as_ptr().cast());
        libc::execveat(program, c"".as_ptr(), argv, env, libc::AT_EMPTY_PATH);
    }
    fail(board, "executing the container's init", Errno::last_raw())
}

fn count_syscalls(board: &Board, workload: libc::pid_t) -> ! {
    // SAFETY: nothing below uses a descriptor.
    unsafe { libc::syscall(libc::SYS_close_range, 0, c_int::MAX, 0) };
    match syscall_count::follow(workload) {
        Ok(traced) => traced.note_on(board),
        Err(error) => fail(board, "waiting for the traced workload", error.raw_os_error().unwrap_or(0)),
    }
    exit(0)
}

/// In the launcher, once all is over: copies what `guest/init` wrote to the pipe onto the board.
pub(super) fn read_ending(pipe: &OwnedFd, board: &Board) {
    let mut ending = [0u64; 2];
    // SAFETY: reads at most the size of the array into it.
    let got = unsafe { libc::read(pipe.as_raw_fd(), ending.as_mut_ptr().cast(), size_of_val(&ending)) };
    if got == size_of_val(&ending) as isize {
        let [status, exited_ns] = ending;
        board.exited_at(exited_ns);
        syscall_count::note_end(board, status as c_int);
    }
}

/// Builds the container as far as it can be without a workload, and ends the process with 0: a
/// rehearsal, which shows whether it works here.
pub(super) fn rehearse(setup: &Setup<'_>) -> ! {
    build(setup);
    exit(0)
}

fn build(setup: &Setup<'_>) {
    for step in &setup.plan.steps {
        match &step.action {
            Action::Operations(operations) => {
                for operation in operations {
                    if let Err(errno) = operation.perform() {
                        // Allocates, but only on the way out of a process with one thread.
                        fail(setup.board, &operation.to_string(), errno);
                    }
                }
            }
            Action::JoinCgroup => {
                for file in setup.join {
                    // SAFETY: writes one byte from a constant.
                    if unsafe { libc::write(*file, c"0".as_ptr().cast(), 1) } < 0 {
                        fail(setup.board, "joining the cgroup", Errno::last_raw());
                    }
                }
            }
            Action::InstallFilter => {
                if let Err(errno) = setup.filter.install() {
                    fail(setup.board, "installing the seccomp filter", errno);
                }
            }
        }
        setup.board.phase(step.phase);
    }
}

/// Dies with the launcher, and leads a session of its own: a workload with a terminal as its input
/// must neither be stopped for reading it nor push characters into it.
fn tie_to_launcher(setup: &Setup<'_>) {
    // SAFETY: plain numbers.
    unsafe {
        libc::setsid();
        // The modes of what we make are meant as they are.
        libc::umask(0);
    }
    stay_tied_to_launcher(setup);
    setup.board.phase("session");
}

/// A process that becomes another user is tied no longer (prctl(2), `PR_SET_PDEATHSIG`).
fn stay_tied_to_launcher(setup: &Setup<'_>) {
    // SAFETY: plain numbers, and a poll of one descriptor in this frame.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        // It may have died just before. Its pidfd is readable then.
        let mut launcher = libc::pollfd { fd: setup.launcher.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        if libc::poll(&mut launcher, 1, 0) != 0 {
            exit(FAILED);
        }
    }
}

/// What the workload's process needs until it executes its program; it shares our memory.
struct Child<'a> {
    setup: &'a Setup<'a>,
    errno: AtomicI32,
}

/// Starts the workload in a process that shares our memory until it executes its program
/// (`CLONE_VFORK` makes us wait for that), so that no page table is copied.
fn start_workload(setup: &Setup<'_>) -> Result<libc::pid_t, (&'static str, c_int)> {
    let child = Child { setup, errno: AtomicI32::new(0) };
    // SAFETY: the child runs on a stack of its own, which, like `child`, outlives it: we wait until
    // it has executed its program or ended.
    let pid = unsafe {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(become_workload, setup.workload_stack, flags, (&raw const child).cast_mut().cast())
    };
    if pid < 0 {
        return Err(("starting the workload's process", Errno::last_raw()));
    }
    match child.errno.load(Ordering::Acquire) {
        0 => Ok(pid),
        errno => Err(("executing the program", errno)),
    }
}

extern "C" fn become_workload(child: *mut c_void) -> c_int {
    // SAFETY: `start_workload` passed a Child that outlives this process's use of it.
    let child = unsafe { &*child.cast::<Child<'_>>() };
    let setup = child.setup;
    reset_signals();
    open_files::restore();
    // SAFETY: descriptors and plain numbers, then an execve with null-terminated arrays that outlive it.
    unsafe {
        libc::umask(0o022);
        if setup.plan.namespaces & libc::CLONE_NEWPID as u64 == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        }
        for (number, fd) in (0..).zip(setup.stdio) {
            libc::dup2(fd, number);
        }
        libc::syscall(libc::SYS_close_range, 3, c_int::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if matches!(setup.afterwards, Afterwards::CountSyscalls) {
            syscall_count::trace_me();
        }
        let Workload { opened, argv, env } = setup.workload;
        match (&setup.plan.command, opened) {
            (Command::Path(path), _) => {
                libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr());
            }
            (Command::Opened, Some(file)) => {
                let (argv, env) = (argv.as_ptr().cast(), env.as_ptr().cast());
                libc::execveat(file.as_raw_fd(), c"".as_ptr(), argv, env, libc::AT_EMPTY_PATH);
            }
            (Command::Opened, None) => Errno::ENOENT.set(),
        }
    }
    child.errno.store(Errno::last_raw(), Ordering::Release);
    exit(FAILED)
}

fn fail(board: &Board, step: &str, errno: i32) -> ! {
    board.launch_failed(step, errno);
    exit(FAILED)
}

fn exit(status: c_int) -> ! {
    // SAFETY: ends this process; exit handlers belong to the launcher it was cloned from.
    unsafe { libc::_exit(status) }
}
