//! Takes from the VMM everything that it does not need while its guest runs, so that a guest that takes
//! over its VMM has gained little: no capabilities, no new privileges, and only the system calls of the
//! run loop. It can open no file and no socket, start no process, and signal nobody.

use std::io::{Error, Result};

use super::{resident, stats};
use crate::runtime::seccomp::{Filter, Test, Verdict};

/// `KVM_RUN`.
pub const KVM_RUN: u64 = 0xae80;
/// `KVM_GET_REGS`.
pub const KVM_GET_REGS: u64 = 0x8090_ae81;
/// `KVM_SET_USER_MEMORY_REGION`.
pub const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;

/// The requests that tell the rest of a vCPU's state, for a snapshot.
pub const SNAPSHOT: [u64; 8] = [
    0x8138_ae83, // KVM_GET_SREGS
    0xc008_ae88, // KVM_GET_MSRS
    0x8400_ae8e, // KVM_GET_LAPIC
    0x8004_ae98, // KVM_GET_MP_STATE
    0x8040_ae9f, // KVM_GET_VCPU_EVENTS
    0x8080_aea1, // KVM_GET_DEBUGREGS
    0x9000_aea4, // KVM_GET_XSAVE
    0x8188_aea6, // KVM_GET_XCRS
];

/// Calls that are allowed whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    // The guest's streams, sleep, randomness and released memory.
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_madvise,
    // A disk's image.
    libc::SYS_preadv,
    // The report, from files that are open already.
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    // The heap, time, the end; and a message should the VMM panic.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_clock_gettime,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_futex,
    libc::SYS_write,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The highest number of them.
const LAST: u32 = libc::SYS_getrandom as u32;

/// Compiles the filter; in the launcher, once for a spec. `requests` are the `ioctl` requests of the run loop.
pub fn filter(requests: &[u64]) -> Filter {
    let report = [stats::KVM_GET_STATS_FD, resident::PAGEMAP_SCAN];
    // The kernel looks at the low half alone (`unsigned int`).
    let requests: Vec<u32> = requests.iter().chain(&report).map(|request| *request as u32).collect();
    Filter::compile(LAST, |number| {
        let call = libc::c_long::from(number);
        if call == libc::SYS_ioctl {
            Verdict::FailUnless(libc::EPERM, 1, Test::OneOf(&requests))
        } else if call == libc::SYS_mmap || call == libc::SYS_mprotect {
            // Memory for the heap, which in a thread grows by mprotect; never executable.
            Verdict::FailIf(libc::EPERM, 2, Test::AnyBit(libc::PROT_EXEC as u32))
        } else if ALLOWED.contains(&call) {
            Verdict::Allow
        } else {
            // It fails, which the VMM survives: it may be some C library's optional call.
            Verdict::Fail(libc::EPERM)
        }
    })
}

/// `struct __user_cap_header_struct` and the data behind it (capset(2)).
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    process: i32,
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Confines this process from here on.
///
/// # Errors
/// The system's reason; `EINVAL` from a kernel without seccomp.
pub fn confine(filter: &Filter) -> Result<()> {
    let header = CapabilityHeader { version: CAPABILITY_VERSION, process: 0 };
    let none = [0u32; 6];
    // SAFETY: the structures are those of version 3: a header, and two times three sets. The other call
    // takes plain numbers.
    unsafe {
        if libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) != 0
            || libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        {
            return Err(Error::last_os_error());
        }
    }
    filter.install().map_err(Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a child, since there is no way back.
    fn confined(check: fn() -> bool) -> bool {
        let filter = filter(&[KVM_RUN]);
        // SAFETY: the child calls only system calls, and leaves by _exit.
        match unsafe { libc::fork() } {
            0 => {
                let good = confine(&filter).is_ok() && check();
                // SAFETY: ends the child.
                unsafe { libc::_exit(i32::from(!good)) }
            }
            child => {
                let mut status = -1;
                // SAFETY: waits for our own child.
                unsafe { libc::waitpid(child, &mut status, 0) };
                status == 0
            }
        }
    }

    #[test]
    fn no_file_can_be_opened_and_no_process_made_or_signalled() {
        assert!(confined(|| {
            // SAFETY: plain system calls, which must fail.
            unsafe {
                libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY) == -1
                    && libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) == -1
                    && libc::kill(libc::getppid(), 0) == -1
                    && libc::syscall(libc::SYS_fork) == -1
                    && libc::mprotect(std::ptr::null_mut(), 0, libc::PROT_EXEC) == -1
            }
        }));
    }

    #[test]
    fn random_bytes_can_still_be_had() {
        assert!(confined(|| {
            let mut byte = 0u8;
            // SAFETY: one byte to write to.
            unsafe { libc::getrandom((&raw mut byte).cast(), 1, 0) == 1 }
        }));
    }
}
