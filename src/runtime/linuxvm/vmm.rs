//! The VMM of a Linux guest, in a process of its own (`vmm/process.rs`).

use kvm_ioctls::{Kvm, VcpuFd, VmFd};

use super::layout::SEED;
use super::processor::Processor;
use super::run_loop::Guest;
use super::{boot, machine};
use crate::runtime::board::VmReport;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::seccomp::Filter;
use crate::runtime::vmm::confine::confine;
use crate::runtime::vmm::guest_memory::{GuestMemory, Window};
use crate::runtime::vmm::process::{Failed, close_other_files};
use crate::runtime::vmm::report;
use crate::runtime::vmm::resident::Resident;

/// Everything that was prepared for the VMs of one spec.
#[derive(Debug)]
pub struct Plan {
    /// `/dev/kvm`, opened once.
    pub kvm: Kvm,
    /// The files of guest memory: kernel and root.
    pub windows: Vec<Window>,
    /// Guest physical address of the kernel's first instruction.
    pub entry: u64,
    /// Where the kernel proper begins when it has unpacked itself.
    pub unpacked_entry: Option<u64>,
    /// What is not mapped: guest physical address, content.
    pub written: Vec<(u64, Vec<u8>)>,
    /// Configured memory.
    pub memory_bytes: u64,
    /// vCPUs.
    pub cpus: u8,
    /// What they can do.
    pub processor: Processor,
    /// What the VMM may still do once its guest runs.
    pub filter: Filter,
    /// Linux' log is wanted at the end.
    pub log: bool,
    /// What the user should know about every trial.
    pub notes: Vec<String>,
}

/// Runs one VM: the whole life of the VMM's process after its standard streams are in place.
///
/// # Errors
/// The step that failed.
pub fn run(plan: &Plan, launch: &Launch<'_>) -> Result<i32, Failed> {
    let board = launch.board;
    let memory =
        GuestMemory::new(plan.memory_bytes, 0, &plan.windows).map_err(Failed::at("mapping guest memory"))?;
    close_other_files(&plan.kvm)?;
    write(&memory, plan).map_err(Failed::at("writing to guest memory"))?;
    board.phase("map memory");
    let (vm, mut vcpus) = machine::build(plan, &memory, board)?;
    let Some(first) = vcpus.first_mut() else { return Err(Failed("a VM without a vCPU", 0)) };
    if plan.unpacked_entry.is_some() {
        machine::stop_at(first, plan.unpacked_entry).map_err(Failed::kvm("KVM_SET_GUEST_DEBUG"))?;
    }
    let mut resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    board.phase("confine");

    let log = plan.log || launch.measure.footprint || launch.measure.boot_log;
    let guest = Guest::new(&memory, board, log);
    let ending = guest.run(first);
    board.phase("run");
    let status = ending.tell(board);
    board.publish(&report(plan, &vm, first, &guest, &mut resident));
    board.phase("report");
    Ok(status)
}

/// What is not mapped, and what differs from VM to VM.
fn write(memory: &GuestMemory, plan: &Plan) -> std::io::Result<()> {
    for (at, bytes) in &plan.written {
        memory.write(*at, bytes)?;
    }
    let mut random = [0; 32];
    // SAFETY: the buffer is as long as we say. A short or failed read leaves zeros, as early in boot.
    unsafe { libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0) };
    Ok(memory.write(SEED, &boot::seed(random))?)
}

fn report(plan: &Plan, vm: &VmFd, vcpu: &VcpuFd, guest: &Guest<'_>, resident: &mut Resident) -> VmReport {
    let mut notes = plan.notes.clone();
    let shared = guest.shared();
    if shared.progress.oom_kills > 0 {
        notes
            .push("the guest's Linux ran out of memory and killed a process; give more with --memory".into());
    }
    VmReport {
        vm_exits: shared.exits.report(),
        kvm_stats: report::kvm_stats(vm, vcpu, &mut notes),
        guest_syscalls: None,
        missing_calls: Vec::new(),
        memory: report::memory(guest.memory, plan.memory_bytes, resident, &mut notes),
        guest_ns: shared.guest_ns,
        guest_clock: None,
        notes,
    }
}
