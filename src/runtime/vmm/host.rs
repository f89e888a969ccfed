//! What a virtual machine needs of its host.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VmFd};

use crate::runtime::{RuntimeError, Unavailable};

/// Whether this host makes virtual machines.
///
/// # Errors
/// What is missing, and how to get it.
pub fn check() -> Result<Kvm, Unavailable> {
    let kvm = open()?;
    let version = kvm.get_api_version();
    if version != kvm_bindings::KVM_API_VERSION as i32 {
        return Err(Unavailable {
            reason: format!("KVM has API version {version}, not {}", kvm_bindings::KVM_API_VERSION),
            fix: "use a Linux kernel of this century".into(),
        });
    }
    kvm.create_vm().map_err(|error| Unavailable {
        reason: format!("/dev/kvm makes no virtual machine ({error})"),
        fix: "turn on virtualisation (VT-x or AMD-V) in the firmware, or nested virtualisation in the hypervisor".into(),
    })?;
    Ok(kvm)
}

/// Opens `/dev/kvm`.
///
/// # Errors
/// Why it cannot be opened, and how to mend that.
pub fn open() -> Result<Kvm, Unavailable> {
    Kvm::new().map_err(unavailable)
}

fn unavailable(error: kvm_ioctls::Error) -> Unavailable {
    let (reason, fix) = match error.errno() {
        libc::ENOENT | libc::ENXIO | libc::ENODEV => (
            "there is no /dev/kvm",
            "load the module (modprobe kvm_intel or kvm_amd), and turn on virtualisation in the firmware",
        ),
        libc::EACCES | libc::EPERM => (
            "you may not open /dev/kvm",
            "join the group that may: sudo usermod -aG kvm $USER, then log in again",
        ),
        _ => ("/dev/kvm does not open", "see dmesg for KVM's own messages"),
    };
    Unavailable { reason: format!("{reason} ({error})"), fix: fix.into() }
}

/// A vCPU that never runs, kept so that others are made sooner.
struct Standby {
    _vm: VmFd,
    _vcpu: OwnedFd,
}

/// Keeps a VM with a vCPU until this process ends.
///
/// KVM has code for what only some VMs need (a vCPU without an interrupt controller, `kvm_has_noapic_vcpu` in
/// arch/x86/kvm/lapic.c; any VM at all), and rewrites it when the first of them comes and when the last has gone
/// (Documentation/staging/static-keys.rst). For that it interrupts every CPU of the host, twice a VM. Where VMs come and
/// go one by one, that is some 200 us of each start, and more of each end. A host that runs others never pays it,
/// and neither do we with this one; where only one VM is to be made, there is nothing to gain.
pub fn stand_by(kvm: &Kvm) {
    static STANDBY: OnceLock<Option<Standby>> = OnceLock::new();
    STANDBY.get_or_init(|| {
        /// `_IO(KVMIO, 0x41)`.
        const KVM_CREATE_VCPU: libc::c_ulong = 0xae41;
        let vm = kvm.create_vm().ok()?;
        // Not by the crate, which would map the vCPU's page into this process and all that are cloned from it.
        // SAFETY: the argument is a number; the call makes a descriptor, which is nobody else's.
        let vcpu = unsafe {
            let vcpu = libc::ioctl(vm.as_raw_fd(), KVM_CREATE_VCPU, 0);
            (vcpu >= 0).then(|| OwnedFd::from_raw_fd(vcpu))?
        };
        Some(Standby { _vm: vm, _vcpu: vcpu })
    });
}

/// Refuses a size of memory that is less than `least` or more than the host has.
///
/// # Errors
/// [`RuntimeError::BadSpec`], in which `a_vm` names the virtual machine.
pub fn check_memory(a_vm: &str, bytes: u64, least: u64) -> Result<(), RuntimeError> {
    if bytes < least {
        return Err(RuntimeError::BadSpec(format!(
            "{a_vm} needs at least {} MiB of memory; give it more with --memory",
            least >> 20
        )));
    }
    // SAFETY: plain calls that read constants of the system.
    let host =
        unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) as u64 * libc::sysconf(libc::_SC_PAGESIZE) as u64 };
    if bytes > host {
        return Err(RuntimeError::BadSpec(format!(
            "{} MiB of memory for {a_vm} are more than this host's {} MiB; give it less with --memory",
            bytes >> 20,
            host >> 20
        )));
    }
    Ok(())
}

/// Gives a VM slots of memory, numbered from `first` on: guest physical address, bytes, host address.
///
/// # Errors
/// KVM's reason.
pub fn add_memory(vm: &VmFd, first: u32, slots: &[(u64, u64, u64)]) -> Result<(), kvm_ioctls::Error> {
    for (slot, (guest_phys_addr, memory_size, userspace_addr)) in (first..).zip(slots.iter().copied()) {
        let region =
            kvm_userspace_memory_region { slot, flags: 0, guest_phys_addr, memory_size, userspace_addr };
        // SAFETY: the caller's slots are parts of a `GuestMemory`, which stays mapped until this process
        // ends, and the VM with it; the VMM uses it only by volatile accesses and system calls.
        unsafe { vm.set_user_memory_region(region)? };
    }
    Ok(())
}
