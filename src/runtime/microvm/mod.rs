//! Runtime `microvm`: one program in a virtual machine of its own, under a tiny guest kernel.
//!
//! [`prepare`] builds, once for a spec, a boot image: guest kernel, page tables, the program's initial
//! stack. A launch forks the launcher; the child ([`vmm`]) maps the image, the program's file and blank
//! memory, makes a VM of it and runs it until the guest ends. The program's pages come from the host's
//! page cache, so VMs share what they do not write.

use std::ffi::CString;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;

use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::LaunchSpec;
use super::vmm::{confine, host, process};
use super::{RuntimeError, Unavailable};
use crate::workload::program::{open_program, require_static};
use boot::BootImage;
pub use boot::KERNEL as GUEST_KERNEL;
use file_tree::FileTree;
use initial_stack::Hardware;
use loader::Program;
use memory_layout::{LEAST_MEMORY, Layout};
use vm::Processor;
use vmm::Plan;

mod boot;
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
mod run_loop;
mod vdso;
mod vm;
mod vmm;

/// Linux' `AT_HWCAP2` bit for `wrfsbase` and its kin in ring 3.
const HWCAP2_FSGSBASE: u64 = 1 << 1;

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
    Ok(Box::new(MicrovmRecipe { plan: plan(spec)? }))
}

fn plan(spec: &LaunchSpec) -> Result<Plan, RuntimeError> {
    let memory_bytes = spec.limits.memory_bytes;
    host::check_memory("a microVM", memory_bytes, LEAST_MEMORY)?;
    let source = open_program(&spec.program, spec.root.as_deref())?;
    require_static(&source)?;
    let path =
        source.path_in_root.clone().unwrap_or_else(|| file_tree::guest_path(&spec.program, &source.name));
    let bytes = source.file.metadata().map_err(RuntimeError::step("reading the program's size"))?.len();
    let mut content = Vec::new();
    source
        .file
        .try_clone()
        .and_then(|mut file| {
            file.rewind()?;
            file.read_to_end(&mut content)
        })
        .map_err(RuntimeError::step("reading the program"))?;
    let program = Program::parse(&content)
        .map_err(|problem| RuntimeError::BadSpec(format!("the program {} {problem}", source.name)))?;

    let processor = Processor::query(&host::open()?)
        .map_err(RuntimeError::step("asking KVM for its CPUID (KVM_GET_SUPPORTED_CPUID)"))?;
    let hardware = Hardware {
        capabilities: processor.capabilities(),
        capabilities_2: if processor.features.fsgsbase { HWCAP2_FSGSBASE } else { 0 },
        // SAFETY: reads a value that the kernel gave us at our start.
        signal_stack: unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) }.max(2048),
    };
    let mut files = FileTree::pack(spec, &path, &content)?;
    let image_bytes = BootImage::most_bytes(&program, memory_bytes);
    let layout = Layout::new(image_bytes, bytes, files.bytes(), memory_bytes);
    let path = CString::new(path.into_os_string().into_vec())
        .map_err(|_| RuntimeError::BadSpec("the program's path holds a zero byte".into()))?;
    let image = BootImage::build(spec, &program, &path, &layout, &files, hardware)?;
    let requests = [confine::KVM_RUN, confine::KVM_GET_REGS, confine::KVM_SET_USER_MEMORY_REGION];
    let filter =
        confine::filter(&requests).map_err(RuntimeError::step("compiling the VMM's seccomp filter"))?;
    let mut notes = std::mem::take(&mut files.notes);
    if spec.limits.cpus > 1 {
        notes.push("the guest kernel runs on one vCPU; --cpus has no effect on it".to_owned());
    }
    // Every VMM begins as a copy of this process: what building the image has left in the heap would be
    // copied, and counted, with each of them.
    drop(content);
    // SAFETY: gives free memory back to the system; no pointer of ours becomes invalid.
    unsafe { libc::malloc_trim(0) };
    Ok(Plan { image, program: (source.file, bytes), files, layout, processor, filter, notes })
}

struct MicrovmRecipe {
    plan: Plan,
}

impl Recipe for MicrovmRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        process::start(&launch, |launch| vmm::run(&self.plan, launch))
    }
}
