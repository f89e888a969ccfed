//! Runtime `microvm`: one program in a virtual machine of its own, under a tiny guest kernel.
//!
//! [`prepare`] builds, once for a spec, a [`plan`] with a boot image: guest kernel, page tables, the
//! program's initial stack. A launch forks the launcher; the child ([`vmm`]) maps the image, the program's file and blank
//! memory, makes a VM of it and runs it until the guest ends. The program's pages come from the host's
//! page cache, so VMs share what they do not write.

use kvm_ioctls::Kvm;

use super::clone::{Cloned, clone3};
use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::LaunchSpec;
use super::{RuntimeError, Unavailable};
pub use boot::KERNEL as GUEST_KERNEL;
pub use clone::take;
use plan::Plan;

mod address_space;
mod boot;
mod clone;
mod confine;
mod death;
mod descriptors;
mod exits;
mod file_tree;
mod guest_memory;
mod image;
mod initial_stack;
mod loader;
pub mod memory_layout;
mod page_tables;
mod plan;
mod resident;
mod run_loop;
mod stats;
mod streams;
mod vdso;
mod vm;
mod vmm;

/// Whether this host can run microVMs.
///
/// # Errors
/// What is missing, and how to get it.
pub fn check() -> Result<Vec<String>, Unavailable> {
    let kvm = open_kvm()?;
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
    Ok(Vec::new())
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

/// Opens `/dev/kvm`.
fn open_kvm() -> Result<Kvm, Unavailable> {
    Kvm::new().map_err(unavailable)
}

/// Builds the boot image for `spec`.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when the program or a limit is not usable here; [`RuntimeError::Unavailable`]
/// when there is no KVM.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    Ok(recipe(plan::prepare(spec)?.plan))
}

/// As [`prepare`], for runtime `microvm-clone`: the VMs are clones of a snapshot, which is taken here or
/// comes from a file.
///
/// # Errors
/// As [`prepare`]; [`RuntimeError::BadSpec`] for a snapshot that cannot go on here.
pub fn prepare_clone(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    Ok(recipe(clone::prepare(spec)?))
}

fn recipe(plan: Plan) -> Box<dyn Recipe> {
    // Every VMM begins as a copy of this process: what building the image has left in the heap would be
    // copied, and counted, with each of them.
    // SAFETY: gives free memory back to the system; no pointer of ours becomes invalid.
    unsafe { libc::malloc_trim(0) };
    Box::new(MicrovmRecipe { plan })
}

struct MicrovmRecipe {
    plan: Plan,
}

impl Recipe for MicrovmRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        let parent = std::process::id() as libc::pid_t;
        // SAFETY: the launcher has one thread, and the child leaves by _exit.
        match unsafe { clone3(0, None) }.map_err(RuntimeError::step("clone3 of the VMM"))? {
            Cloned::Parent { pid, pidfd } => Ok(Started { pid, pidfd, cgroup: None, ending: None }),
            Cloned::Child => {
                let status = vmm::main(&self.plan, &launch, parent);
                // SAFETY: ends this process without running anything of the launcher's.
                unsafe { libc::_exit(status) }
            }
        }
    }
}
