//! Takes from the VMM everything that it does not need while its guest runs, so that a guest that takes
//! over its VMM has gained little: no capabilities, no new privileges, and only the system calls of the
//! run loop. It can open no file and no socket, start no process, and signal nobody.

use std::collections::BTreeMap;
use std::io::{Error, Result};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::{resident, stats};

/// `KVM_RUN`.
pub const KVM_RUN: u64 = 0xae80;
/// `KVM_GET_REGS`.
pub const KVM_GET_REGS: u64 = 0x8090_ae81;
/// `KVM_SET_USER_MEMORY_REGION`.
pub const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;

/// Compiles the filter; in the launcher, once for a spec. `requests` are the `ioctl` requests of the run loop.
///
/// # Errors
/// When the compiler refuses it: a bug.
pub fn filter(requests: &[u64]) -> Result<BpfProgram> {
    compile(requests).map_err(Error::other)
}

fn compile(requests: &[u64]) -> std::result::Result<BpfProgram, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = [
        // The guest's streams, sleep, randomness and released memory.
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_poll,
        libc::SYS_ppoll,
        libc::SYS_nanosleep,
        libc::SYS_clock_nanosleep,
        libc::SYS_getrandom,
        libc::SYS_madvise,
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
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect();
    let report = [stats::KVM_GET_STATS_FD, resident::PAGEMAP_SCAN];
    let requests = requests.iter().chain(&report).map(|request| {
        let is = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *request)?;
        SeccompRule::new(vec![is])
    });
    rules.insert(libc::SYS_ioctl, requests.collect::<std::result::Result<_, _>>()?);
    // Memory for the heap, never executable.
    let executable = libc::PROT_EXEC as u64;
    let not_executable =
        SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(executable), 0)?;
    // A thread's heap grows by mprotect.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![SeccompRule::new(vec![not_executable.clone()])?]);
    }
    // Anything else fails, which the VMM survives: it may be some C library's optional call.
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let program = SeccompFilter::new(rules, refuse, SeccompAction::Allow, TargetArch::x86_64)?;
    Ok(program.try_into()?)
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
pub fn confine(filter: &BpfProgram) -> Result<()> {
    let header = CapabilityHeader { version: CAPABILITY_VERSION, process: 0 };
    let none = [0u32; 6];
    // SAFETY: the structures are those of version 3: a header, and two times three sets.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) } != 0 {
        return Err(Error::last_os_error());
    }
    // Also sets no_new_privs.
    seccompiler::apply_filter(filter).map_err(|_| Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a child, since there is no way back.
    fn confined(check: fn() -> bool) -> bool {
        let filter = filter(&[KVM_RUN]).unwrap();
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
