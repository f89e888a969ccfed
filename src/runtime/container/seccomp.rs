//! The seccomp filter: a deny-list, compiled once per spec into a binary decision tree.
//!
//! Denied are the calls that change or bypass what the container is made of (mounts, namespaces,
//! keys, kernel modules, BPF, io_uring, clocks, reboot, …), after Docker's default profile without
//! any capability. They fail with `EPERM`, which programs expect of an unprivileged user. `clone3`,
//! whose flags a filter cannot see, and calls newer than this table fail with `ENOSYS`, so that a C
//! library falls back to an older call. Everything else is allowed.
//!
//! A chain of comparisons, as filter libraries emit it, is walked by the kernel once for every system
//! call number when the filter is installed; the tree makes that walk logarithmic.

use libc::{sock_filter, sock_fprog};

/// What happens to one system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    /// Fails with this error number.
    Fail(i32),
    /// `clone`: fails when it asks for a new namespace.
    CloneWithoutNamespaces,
    /// `socket`: fails for `AF_VSOCK`, which no network namespace isolates from the hypervisor.
    SocketExceptVsock,
}

/// Calls that fail with `EPERM`.
const DENIED: &[libc::c_long] = &[
    // Mounts and the root.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
    // Namespaces.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keys are not namespaced; handles reach files outside of the mounts.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Kernel code and wide attack surface.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The machine as a whole.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_nfsservctl,
    libc::SYS__sysctl,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    // Other processes' memory and placement.
    libc::SYS_kcmp,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_fanotify_init,
];

/// `open_tree_attr` (Linux 6.15), which the libc crate does not name yet.
const OPEN_TREE_ATTR: libc::c_long = 467;
/// The newest call that this table was checked against (`file_setattr`, Linux 6.17).
const LAST_KNOWN: u32 = 469;
/// Calls of the x32 ABI carry this bit, and would slip past a list of plain numbers.
const X32: u32 = 0x4000_0000;

const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u32;

// Offsets in `struct seccomp_data` (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENT_0: u32 = 16;
/// `AUDIT_ARCH_X86_64` (linux/audit.h).
const X86_64: u32 = 0xc000_003e;

fn verdict(number: u32) -> Verdict {
    let call = libc::c_long::from(number);
    if call == libc::SYS_clone {
        Verdict::CloneWithoutNamespaces
    } else if call == libc::SYS_socket {
        Verdict::SocketExceptVsock
    } else if call == libc::SYS_clone3 || number > LAST_KNOWN {
        Verdict::Fail(libc::ENOSYS)
    } else if DENIED.contains(&call) {
        Verdict::Fail(libc::EPERM)
    } else {
        Verdict::Allow
    }
}

/// A compiled filter.
#[derive(Debug)]
pub(super) struct Filter(Vec<sock_filter>);

impl Filter {
    /// Compiles the deny-list above.
    pub(super) fn compile() -> Filter {
        // Neighbouring numbers of one verdict make one range, named by its first number.
        let mut ranges: Vec<(u32, Verdict)> = Vec::new();
        for number in 0..=LAST_KNOWN + 1 {
            let verdict = verdict(number);
            if ranges.last().is_none_or(|(_, last)| *last != verdict) {
                ranges.push((number, verdict));
            }
        }
        let mut program = vec![
            load(ARCHITECTURE),
            jump(libc::BPF_JEQ, X86_64, 1, 0),
            done(libc::SECCOMP_RET_KILL_PROCESS),
            load(NUMBER),
            jump(libc::BPF_JGE, X32, 0, 1),
            done(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        ];
        program.extend(tree(&ranges));
        Filter(program)
    }

    /// Installs it for the calling thread and its children. Needs `no_new_privs`, or
    /// `CAP_SYS_ADMIN` in the thread's user namespace.
    pub(super) fn install(&self) -> Result<(), i32> {
        let program = sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: the kernel copies `len` instructions from `filter`, which `self` owns, and writes nothing.
        let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program) };
        if result == 0 { Ok(()) } else { Err(nix::errno::Errno::last_raw()) }
    }
}

/// The decision tree over sorted, gapless ranges.
fn tree(ranges: &[(u32, Verdict)]) -> Vec<sock_filter> {
    match ranges {
        [] => vec![done(libc::SECCOMP_RET_KILL_PROCESS)],
        [(_, verdict)] => leaf(*verdict),
        _ => {
            let (below, above) = ranges.split_at(ranges.len() / 2);
            let below = tree(below);
            let first = above.first().map_or(u32::MAX, |(number, _)| *number);
            // One conditional jump where it can span the lower half, else an unconditional one too.
            let mut code = match u8::try_from(below.len()) {
                Ok(span) => vec![jump(libc::BPF_JGE, first, span, 0)],
                Err(_) => vec![jump(libc::BPF_JGE, first, 0, 1), jump_over(below.len())],
            };
            code.extend(below);
            code.extend(tree(above));
            code
        }
    }
}

fn leaf(verdict: Verdict) -> Vec<sock_filter> {
    let fail = |errno: i32| done(libc::SECCOMP_RET_ERRNO | errno as u32);
    let allow = done(libc::SECCOMP_RET_ALLOW);
    match verdict {
        Verdict::Allow => vec![allow],
        Verdict::Fail(errno) => vec![fail(errno)],
        Verdict::CloneWithoutNamespaces => {
            vec![load(ARGUMENT_0), jump(libc::BPF_JSET, NAMESPACES, 0, 1), fail(libc::EPERM), allow]
        }
        Verdict::SocketExceptVsock => {
            vec![load(ARGUMENT_0), jump(libc::BPF_JEQ, libc::AF_VSOCK as u32, 0, 1), fail(libc::EPERM), allow]
        }
    }
}

fn load(offset: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn jump(test: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | test | libc::BPF_K) as u16, jt, jf, k }
}

fn jump_over(instructions: usize) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JA) as u16, jt: 0, jf: 0, k: instructions as u32 }
}

fn done(action: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel would, for one call.
    fn run(filter: &Filter, architecture: u32, number: u32, argument: u32) -> u32 {
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let instruction = filter.0[at];
            at += 1;
            match u32::from(instruction.code) & 7 {
                libc::BPF_LD => {
                    accumulator = match instruction.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        ARGUMENT_0 => argument,
                        other => panic!("loads from {other}"),
                    }
                }
                libc::BPF_JMP => {
                    let holds = match u32::from(instruction.code) & 0xf0 {
                        libc::BPF_JA => {
                            at += instruction.k as usize;
                            continue;
                        }
                        libc::BPF_JEQ => accumulator == instruction.k,
                        libc::BPF_JGE => accumulator >= instruction.k,
                        libc::BPF_JSET => accumulator & instruction.k != 0,
                        other => panic!("jumps by {other}"),
                    };
                    at += usize::from(if holds { instruction.jt } else { instruction.jf });
                }
                libc::BPF_RET => return instruction.k,
                other => panic!("class {other}"),
            }
        }
    }

    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    #[test]
    fn every_call_gets_the_verdict_of_the_list() {
        let filter = Filter::compile();
        for number in 0..600 {
            let expected = match verdict(number) {
                Verdict::Fail(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
                _ => libc::SECCOMP_RET_ALLOW,
            };
            assert_eq!(run(&filter, X86_64, number, 0), expected, "call {number}");
        }
    }

    #[test]
    fn what_a_container_must_not_do_is_denied_by_name() {
        let filter = Filter::compile();
        for call in [libc::SYS_mount, libc::SYS_unshare, libc::SYS_keyctl, libc::SYS_bpf, libc::SYS_reboot] {
            assert_eq!(run(&filter, X86_64, call as u32, 0), EPERM, "call {call}");
        }
        for call in [libc::SYS_read, libc::SYS_write, libc::SYS_execve, libc::SYS_futex, libc::SYS_mmap] {
            assert_eq!(run(&filter, X86_64, call as u32, 0), libc::SECCOMP_RET_ALLOW, "call {call}");
        }
    }

    #[test]
    fn clone_may_make_threads_and_processes_but_no_namespaces() {
        let filter = Filter::compile();
        let clone = libc::SYS_clone as u32;
        assert_eq!(run(&filter, X86_64, clone, libc::SIGCHLD as u32), libc::SECCOMP_RET_ALLOW);
        assert_eq!(run(&filter, X86_64, clone, libc::CLONE_NEWUSER as u32), EPERM);
        assert_eq!(run(&filter, X86_64, libc::SYS_clone3 as u32, 0), ENOSYS);
    }

    #[test]
    fn no_other_abi_slips_past() {
        let filter = Filter::compile();
        assert_eq!(run(&filter, X86_64, X32 | libc::SYS_mount as u32, 0), ENOSYS);
        let i386 = 0x4000_0003;
        assert_eq!(run(&filter, i386, 21, 0), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn vsock_is_denied_and_other_sockets_are_not() {
        let filter = Filter::compile();
        let socket = libc::SYS_socket as u32;
        assert_eq!(run(&filter, X86_64, socket, libc::AF_VSOCK as u32), EPERM);
        assert_eq!(run(&filter, X86_64, socket, libc::AF_UNIX as u32), libc::SECCOMP_RET_ALLOW);
    }
}
