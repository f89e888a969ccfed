//! `clone3` (clone(2)) as every runtime of ours uses it.

use std::arch::asm;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

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
    let args = arguments(flags, cgroup, &mut pidfd);
    // SAFETY: `args` is a valid clone_args and `pidfd` a valid place for the descriptor; the rest is
    // the caller's promise.
    match unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>()) } {
        -1 => Err(Errno::last()),
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok(Cloned::Parent { pid: pid as libc::pid_t, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

fn arguments(flags: u64, cgroup: Option<BorrowedFd<'_>>, pidfd: &mut RawFd) -> libc::clone_args {
    let into_cgroup = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    libc::clone_args {
        flags: flags | libc::CLONE_PIDFD as u64 | into_cgroup,
        pidfd: pidfd as *mut RawFd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |cgroup| cgroup.as_raw_fd() as u64),
    }
}

/// Memory for the stack of a process that shares ours. Pages that are never used cost nothing.
#[derive(Debug)]
pub struct Stack {
    lowest: NonNull<c_void>,
    bytes: NonZeroUsize,
}

impl Stack {
    /// So many bytes, in whole pages.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(bytes: NonZeroUsize) -> nix::Result<Stack> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping overlaps nothing.
        let lowest = unsafe { mmap_anonymous(None, bytes, access, MapFlags::MAP_PRIVATE)? };
        Ok(Stack { lowest, bytes })
    }

    /// The lowest address, and the size in bytes; both, and so the top too, are multiples of 16.
    pub fn range(&mut self) -> (*mut c_void, usize) {
        (self.lowest.as_ptr(), self.bytes.get())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; whoever ran on it has executed a program or ended before.
        let _ = unsafe { munmap(self.lowest, self.bytes.get()) };
    }
}

/// Makes a process that shares our memory, on a stack of its own, and waits until it has executed a
/// program or ended (`CLONE_VM` and `CLONE_VFORK` are added to `flags`): no page table is copied.
/// Returns its process id and its pidfd.
///
/// # Safety
/// This process has one thread. `entry` gets `argument`, never returns, and leaves what it shares
/// with us, all of memory, as we may find it.
///
/// # Errors
/// Those of clone(2).
pub unsafe fn clone3_sharing_memory(
    flags: u64,
    cgroup: Option<BorrowedFd<'_>>,
    stack: &mut Stack,
    entry: unsafe extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> nix::Result<(libc::pid_t, OwnedFd)> {
    // SAFETY: the caller's promise; with CLONE_VFORK this process waits, so that the two never run at once.
    unsafe { clone3_on_stack(flags | libc::CLONE_VFORK as u64, cgroup, stack, entry, argument) }
}

/// As [`clone3_sharing_memory`], but returns at once, with both processes running in the same memory.
///
/// # Safety
/// As there; and until the new process has ended or executed a program, this one touches neither the heap, nor `errno`,
/// nor anything else that both might: raw system calls and its own stack only.
///
/// # Errors
/// Those of clone(2).
pub unsafe fn clone3_on_stack(
    flags: u64,
    cgroup: Option<BorrowedFd<'_>>,
    stack: &mut Stack,
    entry: unsafe extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> nix::Result<(libc::pid_t, OwnedFd)> {
    let mut pidfd: RawFd = -1;
    let mut args = arguments(flags | libc::CLONE_VM as u64, cgroup, &mut pidfd);
    let (lowest, size) = stack.range();
    (args.stack, args.stack_size) = (lowest as u64, size as u64);
    let result: isize;
    // SAFETY: the kernel starts the child behind `syscall` with the same registers, zero in rax, and
    // its stack pointer at the top of `stack`, which is aligned as the call wants it. The child never
    // comes back from there. The kernel overwrites rax, rcx and r11, and the child has its own copy of
    // every register; what it does to memory is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r9",
            "call r8",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") &raw const args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r8") entry,
            in("r9") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if result < 0 {
        return Err(Errno::from_raw(-result as i32));
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok((result as libc::pid_t, unsafe { OwnedFd::from_raw_fd(pidfd) }))
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
