//! Everything that was prepared for the VMs of one spec, whether they boot or are clones of a snapshot.

use std::ffi::CString;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

use kvm_bindings::CpuId;
use kvm_ioctls::Kvm;

use super::boot::BootImage;
use super::file_tree::{self, FileTree};
use super::initial_stack::{Hardware, InitialStack};
use super::loader::{Program, Start};
use super::memory_layout::{LEAST_MEMORY, Layout};
use super::vm::{self, Processor};
use crate::runtime::RuntimeError;
use crate::runtime::seccomp::Filter;
use crate::runtime::snapshot::vcpu::VcpuChanges;
use crate::runtime::spec::LaunchSpec;
use crate::runtime::vmm::guest_memory::Window;
use crate::runtime::vmm::{confine, host};
use crate::workload::program::{open_program, require_static};

/// Linux' `AT_HWCAP2` bit for `wrfsbase` and its kin in ring 3.
const HWCAP2_FSGSBASE: u64 = 1 << 1;

/// What a VMM needs to make its VM.
#[derive(Debug)]
pub struct Plan {
    /// `/dev/kvm`, opened once.
    pub kvm: Kvm,
    /// The files of guest memory.
    pub windows: Vec<Window>,
    /// Where what is in guest memory.
    pub layout: Layout,
    /// What the guest is told of its processor.
    pub cpuid: CpuId,
    /// State of its processor.
    pub vcpu: VcpuChanges,
    /// Guest physical address of the top page table.
    pub page_table: u64,
    /// Offset of 16 bytes that must be random in every VM.
    pub random: u64,
    /// Offset of the frame with which the guest kernel enters the program.
    pub frame: u64,
    /// Bytes of the program's stack that are mapped from the start.
    pub stack_bytes: u64,
    /// An initial stack in place of the one in memory.
    pub stack: Option<InitialStack>,
    /// What the VMM may still do once its guest runs.
    pub filter: Filter,
    /// What the user should know about every trial.
    pub notes: Vec<String>,
}

/// What of a plan is only needed by those who make it, or make a snapshot of its VM.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The program's name.
    pub name: String,
    /// How the program sees its own file.
    pub path: CString,
    /// Where the program starts.
    pub start: Start,
    /// What the program is told of the processor.
    pub hardware: Hardware,
    /// First instruction of a VM that is to become a snapshot.
    pub boot: u64,
}

/// Opens, checks and builds whatever all VMs of `spec` share.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when the program or a limit is not usable here; [`RuntimeError::Unavailable`]
/// when there is no KVM.
pub fn prepare(spec: &LaunchSpec) -> Result<Prepared, RuntimeError> {
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

    let kvm = host::open()?;
    let processor = Processor::query(&kvm)
        .map_err(RuntimeError::step("asking KVM for its CPUID (KVM_GET_SUPPORTED_CPUID)"))?;
    let hardware = Hardware {
        capabilities: processor.capabilities(),
        capabilities_2: if processor.features.fsgsbase { HWCAP2_FSGSBASE } else { 0 },
        // SAFETY: reads a value that the kernel gave us at our start.
        signal_stack: unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) }.max(2048),
    };
    let files = FileTree::pack(spec, &path, &content)?;
    let image_bytes = BootImage::most_bytes(&program, memory_bytes);
    let layout = Layout::new(image_bytes, bytes, files.bytes(), memory_bytes);
    let path = CString::new(path.into_os_string().into_vec())
        .map_err(|_| RuntimeError::BadSpec("the program's path holds a zero byte".into()))?;
    let image = BootImage::build(spec, &program, &path, &layout, &files, hardware)?;
    let mut notes = files.notes.clone();
    if spec.limits.cpus > 1 {
        notes.push("the guest kernel runs on one vCPU; --cpus has no effect on it".to_owned());
    }
    let plan = Plan {
        vcpu: vm::boot_state(&image, image.kernel.start, &processor),
        page_table: image.page_table,
        random: image.random,
        frame: image.frame,
        stack_bytes: image.stack_bytes,
        stack: None,
        filter: filter(&[]),
        cpuid: processor.cpuid,
        kvm,
        layout,
        notes,
        windows: windows(Rc::new(image.file), image.bytes, (source.file, bytes), files, &layout),
    };
    Ok(Prepared { plan, name: source.name, path, start: program.start, hardware, boot: image.kernel.boot })
}

/// The files that are mapped into guest memory.
fn windows(
    image: Rc<std::fs::File>,
    image_bytes: u64,
    program: (std::fs::File, u64),
    files: FileTree,
    layout: &Layout,
) -> Vec<Window> {
    let window = |offset, file, bytes| Window { offset, file, file_offset: 0, bytes };
    let files_bytes = files.bytes();
    let mut windows = vec![
        window(0, image, image_bytes),
        window(layout.program, Rc::new(program.0), program.1),
        window(layout.files, Rc::new(files.window), files_bytes),
    ];
    let large = files.large.into_iter();
    windows.extend(large.map(|(offset, file, bytes)| window(layout.files + offset, Rc::new(file), bytes)));
    windows
}

/// Refuses more memory than the host has, or less than anything needs.
///
/// # Errors
/// [`RuntimeError::BadSpec`].
pub fn check_memory(bytes: u64) -> Result<(), RuntimeError> {
    host::check_memory("a microVM", bytes, LEAST_MEMORY)
}

/// The VMM's seccomp filter, with what it may ask of KVM beyond running its guest.
pub fn filter(more_requests: &[u64]) -> Filter {
    let running =
        [confine::KVM_RUN, confine::KVM_GET_REGS, confine::KVM_SET_USER_MEMORY_REGION, vm::KVM_GET_MSRS];
    confine::filter(&[&running, more_requests].concat())
}
