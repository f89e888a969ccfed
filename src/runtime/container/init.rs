//! The container's first process: it builds the container around itself, starts the workload as its
//! child, reaps every orphan, reports the workload's end and leaves. Its end, as the first process
//! of a pid namespace, is the end of all others there.
//!
//! It is a copy of the launcher's memory, which a workload must not read: hence not dumpable, which
//! closes `/proc/1/mem`, `ptrace` and their like to it. No set-up step allocates memory.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;

use super::plan::{Action, Command, Plan};
use super::seccomp::Filter;
use crate::runtime::board::Board;
use crate::runtime::clone::reset_signals;
use crate::runtime::syscall_count;

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
    /// Other processes of this user may read our memory, as accounting asks for.
    pub dumpable: bool,
    pub count_syscalls: bool,
}

/// What to execute, with arrays as `execve` wants them.
pub(super) struct Workload {
    pub opened: Option<OwnedFd>,
    pub argv: Pointers,
    pub env: Pointers,
}

/// Strings, and a null-terminated array of pointers to them.
pub(super) struct Pointers {
    array: Vec<*const c_char>,
    _strings: Vec<std::ffi::CString>,
}

impl Pointers {
    pub(super) fn new(strings: Vec<std::ffi::CString>) -> Pointers {
        // A CString's bytes are on the heap, and stay where they are when it moves.
        let array = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Pointers { array, _strings: strings }
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.array.as_ptr()
    }
}

const FAILED: c_int = 125;

/// Runs in the freshly cloned child and ends it.
pub(super) fn run(setup: &Setup<'_>) -> ! {
    setup.board.spawned();
    tie_to_launcher(setup);
    build(setup);
    if !setup.dumpable {
        // SAFETY: plain numbers.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    }
    let workload = match start_workload(setup) {
        Ok(pid) => pid,
        Err((step, errno)) => fail(setup.board, step, errno),
    };
    setup.board.entered();
    setup.board.phase("exec");
    // The workload alone holds its standard streams from here on, and we hold nothing.
    // SAFETY: nothing below uses a descriptor.
    unsafe { libc::syscall(libc::SYS_close_range, 0, c_int::MAX, 0) };
    let status =
        if setup.count_syscalls { count(workload, setup.board) } else { reap_until_end_of(workload) };
    setup.board.exited();
    match status {
        Some(status) if libc::WIFSIGNALED(status) => setup.board.end_with_signal(libc::WTERMSIG(status)),
        Some(status) => setup.board.end_with_code(libc::WEXITSTATUS(status)),
        None => setup.board.launch_failed("waiting for the workload", Errno::last_raw()),
    }
    exit(0)
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
    // SAFETY: plain numbers, and a poll of one descriptor in this frame.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        // The modes of what we make are meant as they are.
        libc::umask(0);
        // It may have died just before. Its pidfd is readable then.
        let mut launcher = libc::pollfd { fd: setup.launcher.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        if libc::poll(&mut launcher, 1, 0) != 0 {
            exit(FAILED);
        }
    }
    setup.board.phase("session");
}

/// What the workload's process needs until it executes its program; it shares our memory.
struct Child<'a> {
    setup: &'a Setup<'a>,
    errno: AtomicI32,
}

/// Room for the few calls between clone and exec.
const STACK: usize = 32 << 10;

#[repr(align(16))]
struct Stack(MaybeUninit<[u8; STACK]>);

/// Starts the workload in a process that shares our memory until it executes its program
/// (`CLONE_VFORK` makes us wait for that), so that no page table is copied a second time.
fn start_workload(setup: &Setup<'_>) -> Result<libc::pid_t, (&'static str, c_int)> {
    let mut stack = Stack(MaybeUninit::uninit());
    let child = Child { setup, errno: AtomicI32::new(0) };
    // SAFETY: the child runs on `stack`, which, like `child`, outlives it: we wait until it has
    // executed its program or ended. The stack grows down from its 16-byte aligned end.
    let pid = unsafe {
        let top = stack.0.as_mut_ptr().cast::<u8>().add(STACK);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(become_workload, top.cast(), flags, (&raw const child).cast_mut().cast())
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
        if setup.count_syscalls {
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

/// Waits for children until it is the workload that ended; the others are orphans, which the kernel
/// gave to us.
fn reap_until_end_of(workload: libc::pid_t) -> Option<c_int> {
    loop {
        let mut status = 0;
        // SAFETY: writes one integer of this frame.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
        if pid == workload {
            return Some(status);
        }
        if pid < 0 && Errno::last() != Errno::EINTR {
            return None;
        }
    }
}

fn count(workload: libc::pid_t, board: &Board) -> Option<c_int> {
    let traced = syscall_count::follow(workload).ok()?;
    board.count_host_syscalls(traced.calls);
    Some(traced.status)
}

fn fail(board: &Board, step: &str, errno: i32) -> ! {
    board.launch_failed(step, errno);
    exit(FAILED)
}

fn exit(status: c_int) -> ! {
    // SAFETY: ends this process; exit handlers belong to the launcher it was cloned from.
    unsafe { libc::_exit(status) }
}
