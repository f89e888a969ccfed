//! The VMM of a Linux guest, in a process of its own (`vmm/process.rs`).

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Barrier, Mutex, PoisonError};

use kvm_ioctls::{Kvm, VcpuFd, VmFd};

use super::devices::{Choice, Devices};
use super::layout::SEED;
use super::processor::Processor;
use super::run_loop::Guest;
use super::{boot, machine};
use crate::runtime::board::VmReport;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::seccomp::Filter;
use crate::runtime::virtio::bus::BrokenDevice;
use crate::runtime::virtio::input::Attended;
use crate::runtime::virtio::transport::Registers;
use crate::runtime::vmm::confine::confine;
use crate::runtime::vmm::guest_memory::{GuestMemory, Window};
use crate::runtime::vmm::process::{Failed, close_other_files, leave};
use crate::runtime::vmm::report::{self, Ending};
use crate::runtime::vmm::resident::Resident;

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
    let counted: Vec<RawFd> = vcpus.iter().map(VcpuFd::as_raw_fd).collect();
    let mut others = vcpus.into_iter();
    let Some(mut first) = others.next() else { return Err(Failed("a VM without a vCPU", 0)) };
    if plan.unpacked_entry.is_some() {
        machine::stop_at(&first, plan.unpacked_entry).map_err(Failed::kvm("KVM_SET_GUEST_DEBUG"))?;
    }
    let vm = Arc::new(vm);
    let devices = Devices::new(&plan.devices, &vm, memory.regions())
        .map_err(Failed::at("making the guest's devices"))?;
    if !plan.devices.places().is_empty() {
        board.phase("devices");
    }
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;

    let log = plan.log || launch.measure.footprint || launch.measure.boot_log;
    let guest = Guest::new(&memory, &devices, board, log);
    let life = Life {
        guest: &guest,
        vm: &vm,
        vcpus: counted,
        memory_bytes: plan.memory_bytes,
        notes: plan.notes.clone(),
        resident: Mutex::new(Some(resident)),
    };
    let others = others.map(|mut vcpu| -> Work<'_> { Box::new(move || life.guest.run(&mut vcpu)) });
    let input = devices.console.iter().map(|console| -> Work<'_> { Box::new(|| wait_for_input(console)) });
    let works: Vec<Work<'_>> = others.chain(input).collect();
    let start = Start { filter: &plan.filter, all: Barrier::new(works.len() + 1) };
    std::thread::scope(|scope| -> Result<i32, Failed> {
        for work in works {
            let (start, life) = (&start, &life);
            let thread = std::thread::Builder::new().spawn_scoped(scope, move || {
                start.wait().unwrap_or_else(|failed| leave(board, Err(failed)));
                life.end(work())
            });
            // The threads before it wait for all: there is no other way out than to end them all.
            thread.map_err(Failed::at("making a thread")).unwrap_or_else(|failed| leave(board, Err(failed)));
        }
        start.wait().unwrap_or_else(|failed| leave(board, Err(failed)));
        board.phase("confine");
        life.end(guest.run(&mut first))
    })
}

/// What a thread does until the guest ends.
type Work<'a> = Box<dyn FnOnce() -> Ending + Send + 'a>;

/// Passes standard input on; that ends the guest only when it breaks the console's rules.
fn wait_for_input(console: &Attended) -> Ending {
    match console.attend() {
        Err(broken) => Ending::Death(BrokenDevice { device: console.lock().name(), broken }.into()),
        Ok(()) => for_ever(),
    }
}

fn for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

/// Lets the threads of a VMM begin together, when each has confined itself.
struct Start<'a> {
    filter: &'a Filter,
    all: Barrier,
}

impl Start<'_> {
    fn wait(&self) -> Result<(), Failed> {
        confine(self.filter).map_err(Failed::at("confining the VMM"))?;
        self.all.wait();
        Ok(())
    }
}

/// What is told about a VM at its end, whichever thread comes to it.
struct Life<'a> {
    guest: &'a Guest<'a>,
    vm: &'a VmFd,
    /// The vCPUs, whose counters KVM keeps.
    vcpus: Vec<RawFd>,
    memory_bytes: u64,
    notes: Vec<String>,
    /// Taken by the first that comes.
    resident: Mutex<Option<Resident>>,
}

impl Life<'_> {
    /// Tells how the guest ended, and ends the process: with it the other vCPUs, wherever they are.
    fn end(&self, ending: Ending) -> ! {
        let resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut resident) = resident else { for_ever() };
        let board = self.guest.board;
        let [.., exited] = board.milestones();
        if exited.is_none() {
            board.exited();
        }
        board.phase("run");
        let status = ending.tell(board);
        board.publish(&self.report(&mut resident));
        board.phase("report");
        leave(board, Ok(status))
    }

    fn report(&self, resident: &mut Resident) -> VmReport {
        let mut notes = self.notes.clone();
        let shared = self.guest.shared();
        if shared.progress.oom_kills > 0 {
            notes.push(
                "the guest's Linux ran out of memory and killed a process; give more with --memory".into(),
            );
        }
        VmReport {
            vm_exits: shared.exits.report(),
            kvm_stats: report::kvm_stats(self.vm, &self.vcpus, &mut notes),
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
fn load(memory: &GuestMemory, plan: &Plan) -> std::io::Result<()> {
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
