//! Runtime `microvm`: one program in a virtual machine of its own, under a tiny guest kernel.
//!
//! [`prepare`] builds, once for a spec, a [`plan`] with a boot image: guest kernel, page tables, the
//! program's initial stack. A launch forks the launcher; the child ([`vmm`]) maps the image, the program's file and blank
//! memory, makes a VM of it and runs it until the guest ends. The program's pages come from the host's
//! page cache, so VMs share what they do not write.

use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::LaunchSpec;
use super::vmm::{host, process};
use super::{RuntimeError, Unavailable};
pub use boot::KERNEL as GUEST_KERNEL;
pub use clone::{inspect, take};
use plan::Plan;

mod boot;
mod clone;
mod death;
mod descriptors;
mod file_tree;
#[cfg(test)]
mod hostile;
mod image;
mod initial_stack;
mod loader;
pub mod memory_layout;
mod page_tables;
mod plan;
mod run_loop;
mod vdso;
mod vm;
mod vmm;

/// Whether this host can run microVMs.
///
/// # Errors
/// What is missing, and how to get it.
pub fn check() -> Result<Vec<String>, Unavailable> {
    host::check().map(|_| Vec::new())
}

/// Builds the boot image for `spec`.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when the program or a limit is not usable here; [`RuntimeError::Unavailable`]
/// when there is no KVM.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    Ok(recipe(plan::prepare(spec)?.plan, spec))
}

/// As [`prepare`], for runtime `microvm-clone`: the VMs are clones of a snapshot, which is taken here or
/// comes from a file.
///
/// # Errors
/// As [`prepare`]; [`RuntimeError::BadSpec`] for a snapshot that cannot go on here.
pub fn prepare_clone(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    Ok(recipe(clone::prepare(spec)?, spec))
}

fn recipe(plan: Plan, spec: &LaunchSpec) -> Box<dyn Recipe> {
    if !spec.once {
        host::stand_by(&plan.kvm);
    }
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
        process::start(&launch, |launch| vmm::run(&self.plan, launch))
    }
}
