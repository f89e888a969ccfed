//! The VMM of a Linux guest, in a process of its own (`vmm/process.rs`).

use std::sync::{Mutex, PoisonError};

use kvm_ioctls::{Kvm, VcpuFd, VmFd};

use super::layout::SEED;
use super::processor::Processor;
use super::run_loop::Guest;
use super::{boot, clone, machine};
use crate::runtime::board::VmReport;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::seccomp::Filter;
use crate::runtime::snapshot::Header;
use crate::runtime::snapshot::vcpu::{self, VcpuState};
use crate::runtime::vmm::capture;
use crate::runtime::vmm::confine::confine;
use crate::runtime::vmm::guest_memory::{GuestMemory, Window};
use crate::runtime::vmm::process::{Failed, close_other_files};
use crate::runtime::vmm::report::{self, Ending};
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
    let (vm, vcpus) = machine::build(plan, &memory, board)?;
    if let Some(first) = vcpus.first().filter(|_| plan.unpacked_entry.is_some()) {
        machine::stop_at(first, plan.unpacked_entry).map_err(Failed::kvm("KVM_SET_GUEST_DEBUG"))?;
    }
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    let log = plan.log || launch.measure.footprint || launch.measure.boot_log;
    let Plan { filter, notes, memory_bytes, .. } = plan;
    let guest = Guest::new(&memory, board, log);
    let vm = Vm { filter, notes, memory_bytes: *memory_bytes, vm, guest, resident: Mutex::new(resident) };
    run_all(&vm, vcpus)
}

/// Runs one clone of a snapshot: as [`run`].
///
/// # Errors
/// The step that failed.
pub fn run_clone(plan: &clone::Plan, launch: &Launch<'_>) -> Result<i32, Failed> {
    let board = launch.board;
    let memory =
        GuestMemory::new(plan.memory_bytes, 0, &plan.windows).map_err(Failed::at("mapping guest memory"))?;
    close_other_files(&plan.kvm)?;
    board.phase("map memory");
    let vm = machine::make(&plan.kvm, &memory, plan.memory_bytes, board)?;
    let vcpu = vm.create_vcpu(0).map_err(Failed::kvm("KVM_CREATE_VCPU"))?;
    board.phase("create_vcpu");
    vcpu.set_cpuid2(&plan.cpuid).map_err(Failed::kvm("KVM_SET_CPUID2"))?;
    board.phase("cpuid");
    plan.vcpu.apply(&vcpu).map_err(Failed::kvm("setting the vCPU's registers"))?;
    board.phase("registers");
    vm.set_clock(&plan.clock).map_err(Failed::kvm("KVM_SET_CLOCK"))?;
    plan.renew(&memory).map_err(Failed::at("renewing what clones must not share"))?;
    board.phase("clock");
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    let guest = Guest::new(&memory, board, plan.log);
    let clone::Plan { filter, notes, memory_bytes, .. } = plan;
    let vm = Vm { filter, notes, memory_bytes: *memory_bytes, vm, guest, resident: Mutex::new(resident) };
    run_all(&vm, vec![vcpu])
}

/// Runs one VM until its init is ready, and writes its snapshot to standard output: the whole life of such a VMM.
/// `header` and `machine` lack what only it can know.
///
/// # Errors
/// The step that failed.
pub fn snapshot(
    plan: &Plan,
    mut header: Header,
    mut machine: clone::Machine,
    launch: &Launch<'_>,
) -> Result<i32, Failed> {
    let board = launch.board;
    let memory =
        GuestMemory::new(plan.memory_bytes, 0, &plan.windows).map_err(Failed::at("mapping guest memory"))?;
    close_other_files(&plan.kvm)?;
    write(&memory, plan).map_err(Failed::at("writing to guest memory"))?;
    let (vm, mut vcpus) = machine::build(plan, &memory, board)?;
    let Some(vcpu) = vcpus.first_mut() else { return Err(Failed("a VM without a vCPU", 0)) };
    let msrs = vcpu::listed_msrs(&plan.kvm).map_err(Failed::kvm("KVM_GET_MSR_INDEX_LIST"))?;
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    let guest = Guest::new(&memory, board, false);
    guest.shared().progress.takes_snapshot = true;
    match guest.run(vcpu) {
        Ending::Booted => {}
        other => return Ok(other.tell(board)),
    }
    vcpu::complete(vcpu).map_err(Failed::kvm("completing the last instruction"))?;
    header.vcpus.push(VcpuState::read(vcpu, &msrs).map_err(Failed::kvm("reading the vCPU's state"))?);
    machine.clock_ns = vm.get_clock().map_err(Failed::kvm("KVM_GET_CLOCK"))?.clock;
    machine.ready = guest.shared().progress.ready.take().unwrap_or_default();
    header.machine = serde_json::to_value(machine).map_err(Failed::at("writing the snapshot"))?;
    let mapped = plan.windows.iter().map(|window| window.offset..window.offset + window.bytes);
    capture::write(header, &memory, mapped, &resident).map_err(Failed::at("writing the snapshot"))?;
    board.end_with_code(0);
    Ok(0)
}

/// A VM and its guest, as all its vCPUs' threads see it.
struct Vm<'a> {
    filter: &'a Filter,
    notes: &'a [String],
    memory_bytes: u64,
    vm: VmFd,
    guest: Guest<'a>,
    resident: Mutex<Resident>,
}

/// Stack of a vCPU's thread.
const STACK: usize = 128 << 10;

/// Runs every vCPU in a thread of its own, the first in this one, until one of them sees the guest's end.
fn run_all(vm: &Vm<'_>, mut vcpus: Vec<VcpuFd>) -> Result<i32, Failed> {
    let mut others = vcpus.split_off(1.min(vcpus.len()));
    let Some(first) = vcpus.first_mut() else { return Err(Failed("a VM without a vCPU", 0)) };
    std::thread::scope(|scope| {
        for vcpu in &mut others {
            let run = move || match confine(vm.filter) {
                Ok(()) => vm.end(vm.guest.run(vcpu), vcpu),
                Err(error) => vm.fail(Failed::at("confining a vCPU's thread")(error)),
            };
            let started = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
            started.map_err(Failed::at("starting a vCPU's thread"))?;
        }
        confine(vm.filter).map_err(Failed::at("confining the VMM"))?;
        vm.guest.board.phase("confine");
        vm.end(vm.guest.run(first), first)
    })
}

impl Vm<'_> {
    /// The guest has ended: tells everything and ends this process with all its threads. Only the first who
    /// comes does that; the others wait for it.
    fn end(&self, ending: Ending, vcpu: &VcpuFd) -> ! {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        let board = self.guest.board;
        let [.., exited] = board.milestones();
        if exited.is_none() {
            board.exited();
        }
        board.phase("run");
        let status = ending.tell(board);
        board.publish(&self.report(vcpu, &mut resident));
        board.phase("report");
        // SAFETY: ends this process without running anything of the launcher's.
        unsafe { libc::_exit(status) }
    }

    fn fail(&self, Failed(step, errno): Failed) -> ! {
        let _first = self.resident.lock();
        self.guest.board.launch_failed(step, errno);
        // SAFETY: as above.
        unsafe { libc::_exit(125) }
    }

    fn report(&self, vcpu: &VcpuFd, resident: &mut Resident) -> VmReport {
        let mut notes = self.notes.to_vec();
        let shared = self.guest.shared();
        if shared.progress.oom_kills > 0 {
            notes.push(
                "the guest's Linux ran out of memory and killed a process; give more with --memory".into(),
            );
        }
        VmReport {
            vm_exits: shared.exits.report(),
            kvm_stats: report::kvm_stats(&self.vm, vcpu, &mut notes),
            guest_syscalls: None,
            missing_calls: Vec::new(),
            memory: Some(report::memory(self.guest.memory, self.memory_bytes, resident, &mut notes)),
            guest_ns: shared.guest_ns,
            guest_clock: None,
            notes,
        }
    }
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
