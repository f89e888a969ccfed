//! The seccomp filter: a deny-list, compiled once per spec into a binary decision tree.
//!
//! Denied are the calls that change or bypass what the container is made of (mounts, namespaces,
//! keys, kernel modules, BPF, io_uring, clocks, reboot, …), after Docker's default profile without
//! any capability. They fail with `EPERM`, which programs expect of an unprivileged user. `clone3`,
//! whose flags a filter cannot see, and calls newer than this table fail with `ENOSYS`, so that a C
//! library falls back to an older call. Everything else is allowed.

use crate::runtime::seccomp::{Filter, Test, Verdict};

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

const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u32;

fn verdict(number: u32) -> Verdict<'static> {
    let call = libc::c_long::from(number);
    if call == libc::SYS_clone {
        Verdict::FailIf(libc::EPERM, 0, Test::AnyBit(NAMESPACES))
    } else if call == libc::SYS_socket {
        // No network namespace isolates these from the hypervisor.
        Verdict::FailIf(libc::EPERM, 0, Test::OneOf(&[libc::AF_VSOCK as u32]))
    } else if call == libc::SYS_clone3 || number > LAST_KNOWN {
        Verdict::Fail(libc::ENOSYS)
    } else if DENIED.contains(&call) {
        Verdict::Fail(libc::EPERM)
    } else {
        Verdict::Allow
    }
}

/// Compiles the deny-list above.
pub(super) fn filter() -> Filter {
    Filter::compile(LAST_KNOWN, verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::seccomp::outcome;

    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    #[test]
    fn every_call_gets_the_verdict_of_the_list() {
        let filter = filter();
        for number in 0..600 {
            let expected = match verdict(number) {
                Verdict::Fail(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
                _ => libc::SECCOMP_RET_ALLOW,
            };
            assert_eq!(outcome(&filter, number, 0), expected, "call {number}");
        }
    }

    #[test]
    fn what_a_container_must_not_do_is_denied_by_name() {
        let filter = filter();
        for call in [libc::SYS_mount, libc::SYS_unshare, libc::SYS_keyctl, libc::SYS_bpf, libc::SYS_reboot] {
            assert_eq!(outcome(&filter, call as u32, 0), EPERM, "call {call}");
        }
        for call in [libc::SYS_read, libc::SYS_write, libc::SYS_execve, libc::SYS_futex, libc::SYS_mmap] {
            assert_eq!(outcome(&filter, call as u32, 0), libc::SECCOMP_RET_ALLOW, "call {call}");
        }
    }

    #[test]
    fn clone_may_make_threads_and_processes_but_no_namespaces() {
        let filter = filter();
        let clone = libc::SYS_clone as u32;
        assert_eq!(outcome(&filter, clone, libc::SIGCHLD as u32), libc::SECCOMP_RET_ALLOW);
        assert_eq!(outcome(&filter, clone, libc::CLONE_NEWUSER as u32), EPERM);
        assert_eq!(outcome(&filter, libc::SYS_clone3 as u32, 0), ENOSYS);
    }

    #[test]
    fn no_other_abi_slips_past() {
        let filter = filter();
        // Calls of the x32 ABI carry this bit.
        const X32: u32 = 0x4000_0000;
        assert_eq!(outcome(&filter, X32 | libc::SYS_mount as u32, 0), ENOSYS);
    }

    #[test]
    fn vsock_is_denied_and_other_sockets_are_not() {
        let filter = filter();
        let socket = libc::SYS_socket as u32;
        assert_eq!(outcome(&filter, socket, libc::AF_VSOCK as u32), EPERM);
        assert_eq!(outcome(&filter, socket, libc::AF_UNIX as u32), libc::SECCOMP_RET_ALLOW);
    }
}
