//! Runtime `microvm`: one program in a virtual machine of its own, under a tiny guest kernel.
//!
//! [`prepare`] builds, once for a spec, a boot image: guest kernel, page tables, the program's initial
//! stack. A launch forks the launcher; the child ([`vmm`]) maps the image, the program's file and blank
//! memory, makes a VM of it and runs it until the guest ends. The program's pages come from the host's
//! page cache, so VMs share what they do not write.

use std::ffi::CString;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;

use kvm_ioctls::Kvm;

use super::clone::{Cloned, clone3};
use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::LaunchSpec;
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

mod address_space;
mod boot;
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
mod resident;
mod run_loop;
mod stats;
pub(crate) mod streams;
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
    let kvm = Kvm::new().map_err(unavailable)?;
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

/// Builds the boot image for `spec`.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when the program or a limit is not usable here; [`RuntimeError::Unavailable`]
/// when there is no KVM.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    let memory_bytes = spec.limits.memory_bytes;
    check_memory(memory_bytes)?;
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

    let processor = Processor::query(&Kvm::new().map_err(unavailable)?)
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
    let filter = confine::filter().map_err(|error| RuntimeError::Failed {
        step: "compiling the VMM's seccomp filter".into(),
        source: std::io::Error::other(error),
    })?;
    let mut notes = std::mem::take(&mut files.notes);
    if spec.limits.cpus > 1 {
        notes.push("the guest kernel runs on one vCPU; --cpus has no effect on it".to_owned());
    }
    // Every VMM begins as a copy of this process: what building the image has left in the heap would be
    // copied, and counted, with each of them.
    drop(content);
    // SAFETY: gives free memory back to the system; no pointer of ours becomes invalid.
    unsafe { libc::malloc_trim(0) };
    Ok(Box::new(MicrovmRecipe {
        plan: Plan { image, program: (source.file, bytes), files, layout, processor, filter, notes },
    }))
}

fn check_memory(bytes: u64) -> Result<(), RuntimeError> {
    if bytes < LEAST_MEMORY {
        return Err(RuntimeError::BadSpec(format!(
            "a microVM needs at least {} MiB of memory; give it more with --memory",
            LEAST_MEMORY >> 20
        )));
    }
    // SAFETY: plain calls that read constants of the system.
    let host =
        unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) as u64 * libc::sysconf(libc::_SC_PAGESIZE) as u64 };
    if bytes > host {
        return Err(RuntimeError::BadSpec(format!(
            "{} MiB of memory for a microVM are more than this host's {} MiB; give it less with --memory",
            bytes >> 20,
            host >> 20
        )));
    }
    Ok(())
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
