//! The VMM of a microVM, in a process of its own (`vmm/process.rs`).

use std::fs::File;
use std::mem::offset_of;

use guest_abi::ClockPage;
use kvm_ioctls::Kvm;
use seccompiler::BpfProgram;

use super::boot::BootImage;
use super::file_tree::FileTree;
use super::memory_layout::{CLOCK_PAGE, Layout, physical};
use super::run_loop::Guest;
use super::vm::{self, Processor, TimeBase};
use crate::runtime::board::VmReport;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::vmm::address_space::AddressSpace;
use crate::runtime::vmm::confine::confine;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::host::add_memory;
use crate::runtime::vmm::process::{Failed, close_other_files};
use crate::runtime::vmm::report;
use crate::runtime::vmm::resident::Resident;

/// Everything that was prepared for the VMs of one spec.
#[derive(Debug)]
pub struct Plan {
    /// The boot image.
    pub image: BootImage,
    /// The program's file, and its size.
    pub program: (File, u64),
    /// The initial file tree.
    pub files: FileTree,
    /// Where what is in guest memory.
    pub layout: Layout,
    /// What the guest's processor can do.
    pub processor: Processor,
    /// What the VMM may still do once its guest runs.
    pub filter: BpfProgram,
    /// What the user should know about every trial.
    pub notes: Vec<String>,
}

impl Plan {
    /// The files that are mapped into guest memory: offset, file, bytes.
    pub(super) fn windows(&self) -> impl Iterator<Item = (u64, &File, u64)> {
        let Plan { image, program, files, layout, .. } = self;
        let large = files.large.iter().map(|(offset, file, bytes)| (layout.files + offset, file, *bytes));
        [
            (0, &image.file, image.bytes),
            (layout.program, &program.0, program.1),
            (layout.files, &files.window, files.bytes()),
        ]
        .into_iter()
        .chain(large)
    }
}

/// Runs one VM: the whole life of the VMM's process after its standard streams are in place.
///
/// # Errors
/// The step that failed.
pub fn run(plan: &Plan, launch: &Launch<'_>) -> Result<i32, Failed> {
    let board = launch.board;
    let layout = &plan.layout;
    let memory = GuestMemory::new(layout.end, layout.memory, plan.windows())
        .map_err(Failed::at("mapping guest memory"))?;
    close_other_files()?;
    board.phase("map memory");

    let host = Kvm::new().map_err(Failed::kvm("opening /dev/kvm"))?;
    board.phase("open /dev/kvm");
    let machine = host.create_vm().map_err(Failed::kvm("KVM_CREATE_VM"))?;
    board.phase("create_vm");
    let slots = memory.slots(0, layout.ready);
    let later_slots = memory.slots(layout.ready, layout.end);
    add_memory(&machine, 0, &slots).map_err(Failed::kvm("KVM_SET_USER_MEMORY_REGION"))?;
    board.phase("memory slot");
    let vcpu = machine.create_vcpu(0).map_err(Failed::kvm("KVM_CREATE_VCPU"))?;
    board.phase("create_vcpu");
    vcpu.set_cpuid2(&plan.processor.cpuid).map_err(Failed::kvm("KVM_SET_CPUID2"))?;
    board.phase("cpuid");
    vm::set_registers(&vcpu, &plan.image, &plan.processor)
        .map_err(Failed::kvm("setting the vCPU's registers"))?;
    board.phase("registers");
    let base = TimeBase::read(&vcpu).map_err(Failed::kvm("reading the guest's time stamp counter"))?;
    personalise(&memory, plan, base).map_err(Failed::at("setting the guest's clock"))?;
    board.phase("clock");

    let mut resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    board.phase("confine");

    let mut guest =
        Guest::new(vcpu, memory, AddressSpace::new(plan.image.page_table), plan.layout.memory_bytes(), board);
    let ending = guest.run(&mut || add_memory(&machine, slots.len() as u32, &later_slots));
    board.exited();
    board.phase("run");
    let status = ending.tell(board);
    board.publish(&report(plan, &machine, &guest, &mut resident));
    board.phase("report");
    Ok(status)
}

/// Writes what differs from VM to VM.
fn personalise(memory: &GuestMemory, plan: &Plan, base: TimeBase) -> std::io::Result<()> {
    for (field, value) in [
        (offset_of!(ClockPage, tsc_base), base.tsc),
        (offset_of!(ClockPage, tsc_scale), base.scale),
        (offset_of!(ClockPage, monotonic_ns), base.monotonic_ns),
        (offset_of!(ClockPage, realtime_ns), base.realtime_ns),
    ] {
        memory.write_u64(CLOCK_PAGE + field as u64, value)?;
    }
    let mut random = [0; 16];
    // SAFETY: the buffer is as long as we say. A short or failed read leaves zeros, as early in boot.
    unsafe { libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0) };
    memory.write(physical(plan.image.random), &random)?;
    Ok(())
}

fn report(plan: &Plan, machine: &kvm_ioctls::VmFd, guest: &Guest<'_>, resident: &mut Resident) -> VmReport {
    let mut notes = plan.notes.clone();
    VmReport {
        vm_exits: guest.exits.report(),
        kvm_stats: report::kvm_stats(machine, &guest.vcpu, &mut notes),
        guest_syscalls: guest.syscalls(),
        missing_calls: guest.missing_calls(),
        memory: report::memory(&guest.memory, plan.layout.memory_bytes(), resident, &mut notes),
        guest_ns: guest.guest_ns,
        notes,
    }
}
