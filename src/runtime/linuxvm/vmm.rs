//! The VMM of a Linux guest, in a process of its own (`vmm/process.rs`).

use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};

use kvm_ioctls::Kvm;

use super::devices::{Choice, Devices};
use super::layout::SEED;
use super::processor::Processor;
use super::run_loop::Guest;
use super::threads::Vm;
use super::{boot, machine};
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::seccomp::Filter;
use crate::runtime::vmm::guest_memory::{GuestMemory, Window};
use crate::runtime::vmm::process::{Failed, close_other_files};
use crate::runtime::vmm::resident::Resident;
use crate::runtime::vmm::stats::Counters;

/// Everything that was prepared for the VMs of one spec.
#[derive(Debug)]
pub struct Plan {
    /// `/dev/kvm`, opened once.
    pub kvm: Kvm,
    /// What is mapped into guest memory.
    pub windows: Vec<Window>,
    /// What is read into it.
    pub loaded: Vec<Window>,
    /// Guest physical address of the kernel's first instruction.
    pub entry: u64,
    /// Where the kernel proper begins when it has unpacked itself.
    pub unpacked_entry: Option<u64>,
    /// What is written to it: guest physical address, content.
    pub written: Vec<(u64, Vec<u8>)>,
    /// Configured memory.
    pub memory_bytes: u64,
    /// vCPUs.
    pub cpus: u8,
    /// What they can do.
    pub processor: Processor,
    /// Its devices.
    pub devices: Choice,
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
    board.phase("map memory");
    load(&memory, plan).map_err(Failed::at("loading the kernel into guest memory"))?;
    let kept = std::iter::once(plan.kvm.as_raw_fd()).chain(plan.devices.file());
    close_other_files(kept)?;
    board.phase("load kernel");
    let (vm, vcpus) = machine::build(plan, &memory, board)?;
    if let Some(first) = vcpus.first().filter(|_| plan.unpacked_entry.is_some()) {
        machine::stop_at(first, plan.unpacked_entry).map_err(Failed::kvm("KVM_SET_GUEST_DEBUG"))?;
    }
    let vm = Arc::new(vm);
    let devices = Devices::new(&plan.devices, &vm, memory.regions())
        .map_err(Failed::at("making the guest's devices"))?;
    if !plan.devices.places().is_empty() {
        board.phase("devices");
    }
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    let log = plan.log || launch.measure.footprint || launch.measure.boot_log;
    let vm = Vm {
        filter: &plan.filter,
        notes: &plan.notes,
        memory_bytes: plan.memory_bytes,
        counters: Counters::open(&vm, &vcpus),
        guest: Guest::new(&memory, &devices, board, log),
        resident: Mutex::new(resident),
    };
    vm.run(vcpus, &devices)
}

/// Puts into memory what is not mapped, and what differs from VM to VM.
///
/// # Errors
/// As [`GuestMemory::load`] and [`GuestMemory::write`].
pub fn load(memory: &GuestMemory, plan: &Plan) -> std::io::Result<()> {
    memory.use_large_pages();
    for part in &plan.loaded {
        memory.load(part)?;
    }
    for (at, bytes) in &plan.written {
        memory.write(*at, bytes)?;
    }
    let mut random = [0; 32];
    // SAFETY: the buffer is as long as we say. A short or failed read leaves zeros, as early in boot.
    unsafe { libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0) };
    Ok(memory.write(SEED, &boot::seed(random))?)
}
