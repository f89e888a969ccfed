//! Runtime `linuxvm-clone`: Linux guests that go on from a snapshot instead of booting.
//!
//! The snapshot is taken when Linux is up and our init is about to make the workload's process. A clone hands
//! init fresh random bytes for Linux' generator and the time of day, and, from a saved snapshot, other arguments and
//! another environment.

use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use guest_abi::linux::{RENEWAL_BYTES, Renewal};
use kvm_bindings::{CpuId, kvm_clock_data, kvm_cpuid_entry2};
use kvm_ioctls::Kvm;
use serde::{Deserialize, Serialize};

use super::calls::Ready;
use super::devices::{Choice, Devices};
use super::processor::Processor;
use super::root::{self, Start};
use super::run_loop::Guest;
use super::threads::Vm;
use super::{LEAST_MEMORY, REQUESTS, machine, probe, snapshot};
use crate::runtime::RuntimeError;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::seccomp::Filter;
use crate::runtime::snapshot::origin::{self, Origin};
use crate::runtime::snapshot::vcpu::{self, Time, VcpuChanges, VcpuState};
use crate::runtime::snapshot::{Header, Snapshot, SnapshotError};
use crate::runtime::spec::{LaunchSpec, set_variable};
use crate::runtime::vmm::guest_memory::{GuestMemory, Window, windows_of};
use crate::runtime::vmm::process::{Failed, close_other_files};
use crate::runtime::vmm::resident::Resident;
use crate::runtime::vmm::stats::Counters;
use crate::runtime::vmm::{confine, host};

/// The runtime that a snapshot of ours is of.
pub const RUNTIME: &str = "linuxvm";

/// What a snapshot of a Linux guest tells beyond processor and memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    /// What init is told to run.
    pub start: Start,
    /// What the user should know about every trial.
    pub notes: Vec<String>,
    /// The guest's clock (`KVM_GET_CLOCK`), in nanoseconds.
    pub clock_ns: u64,
    /// Where init waits for an answer.
    pub ready: Ready,
}

/// Everything that was prepared for the clones of one snapshot.
#[derive(Debug)]
pub struct Plan {
    /// `/dev/kvm`, opened once.
    pub kvm: Kvm,
    /// The snapshot's memory.
    pub windows: Vec<Window>,
    /// Configured memory.
    pub memory_bytes: u64,
    /// What the guest was told of its processor.
    pub cpuid: CpuId,
    /// State of its processor.
    pub vcpu: VcpuChanges,
    /// The guest's clock.
    pub clock: kvm_clock_data,
    /// What the VMM may still do once its guest runs.
    pub filter: Filter,
    /// Linux' log is wanted at the end.
    pub log: bool,
    /// What the user should know about every trial.
    pub notes: Vec<String>,
    ready: Ready,
    start: Vec<u8>,
}

/// Takes a snapshot of `spec`'s VM, or reads the one that the spec names, and makes ready to clone it.
pub fn prepare(spec: &LaunchSpec) -> Result<Plan, RuntimeError> {
    let refused = |which: String| {
        move |error: SnapshotError| RuntimeError::BadSpec(format!("the snapshot {which} {error}"))
    };
    if !spec.boot_anyway {
        probe::boots()?;
    }
    let Some(path) = &spec.snapshot else {
        return restore(&snapshot::take(spec)?, None).map_err(refused("that was just taken".into()));
    };
    let which = path.display().to_string();
    Snapshot::open(path).and_then(|snapshot| restore(&snapshot, Some(spec))).map_err(refused(which))
}

/// Whether a header is one of ours, as far as can be told without a host to go on at.
///
/// # Errors
/// [`SnapshotError`].
pub fn inspect(header: &Header) -> Result<(), SnapshotError> {
    parse(header).map(drop)
}

fn parse(header: &Header) -> Result<(Machine, &VcpuState), SnapshotError> {
    if header.runtime != RUNTIME {
        let reason = format!("it is one of runtime {:.40?}, not of {RUNTIME}", header.runtime);
        return Err(SnapshotError::Foreign(reason));
    }
    let machine = Machine::deserialize(&header.machine)
        .map_err(|_| SnapshotError::Damaged("its machine is none of ours"))?;
    match header.vcpus.as_slice() {
        [state] => Ok((machine, state)),
        _ => Err(SnapshotError::Damaged("it has not one processor")),
    }
}

fn restore(snapshot: &Snapshot, spec: Option<&LaunchSpec>) -> Result<Plan, SnapshotError> {
    let header = &snapshot.header;
    let (machine, state) = parse(header)?;
    let kvm_failed = |error: kvm_ioctls::Error| SnapshotError::Foreign(format!("KVM refuses it ({error})"));
    let kvm = host::open().map_err(|missing| SnapshotError::Foreign(missing.to_string()))?;
    let offered = Processor::query(&kvm).map_err(kvm_failed)?.cpuid(0, 1);
    header.origin.admit(&Origin::here(root::INIT, &offered))?;
    origin::admit_features(&header.cpuid, &offered, &header.origin.processor)?;
    let cpuid = CpuId::from_entries(&header.cpuid)
        .map_err(|_| SnapshotError::Damaged("its processor has too many features"))?;
    host::check_memory("a Linux guest", header.memory_bytes, LEAST_MEMORY)
        .map_err(|error| SnapshotError::Foreign(error.to_string()))?;
    let fresh = fresh_state(&kvm, &cpuid).map_err(kvm_failed)?;
    let mut vcpu = state.changes(&fresh, Time::GoesOn);
    if is_amd(&header.cpuid) {
        // KVM tells every task state segment of an AMD processor as busy. Such a processor does not care, but
        // QEMU's emulation of one lets ring 3 use a port only while the type is that of an available one
        // (`helper_check_io`): init would die of its first call.
        vcpu.sregs.tr.type_ = AVAILABLE_TASK_STATE;
    }
    let start = spec.map_or(Ok(Vec::new()), |spec| other_start(&machine, spec))?;
    Ok(Plan {
        kvm,
        windows: windows_of(snapshot.parts(), || Rc::clone(snapshot.file())),
        memory_bytes: header.memory_bytes,
        cpuid,
        vcpu,
        clock: kvm_clock_data { clock: machine.clock_ns, ..kvm_clock_data::default() },
        filter: confine::filter(&REQUESTS),
        log: machine.start.log,
        notes: machine.notes,
        ready: machine.ready,
        start,
    })
}

/// Type of a task state segment (Intel SDM volume 3, 3.5); 11 is a busy one.
const AVAILABLE_TASK_STATE: u8 = 9;

/// `AuthenticAMD` and its kin, whose first leaf has these letters in EBX.
fn is_amd(cpuid: &[kvm_cpuid_entry2]) -> bool {
    let vendor = cpuid.iter().find(|entry| entry.function == 0).map(|entry| entry.ebx.to_le_bytes());
    matches!(vendor.as_ref(), Some(b"Auth" | b"Hygo"))
}

/// The state of a vCPU of a Linux guest that was just made.
fn fresh_state(kvm: &Kvm, cpuid: &CpuId) -> Result<VcpuState, kvm_ioctls::Error> {
    let vm = kvm.create_vm()?;
    machine::add_interrupts(&vm)?;
    let vcpu = vm.create_vcpu(0)?;
    vcpu.set_cpuid2(cpuid)?;
    VcpuState::read(&vcpu, &vcpu::listed_msrs(kvm)?)
}

/// What init reads in place of the root's own file, for other arguments and another environment; empty where
/// they are those of the snapshot.
fn other_start(machine: &Machine, spec: &LaunchSpec) -> Result<Vec<u8>, SnapshotError> {
    let mut start = machine.start.clone();
    if !spec.argv.is_empty() {
        start.argv.truncate(1);
        start.argv.extend(spec.argv.iter().cloned());
    }
    for variable in &spec.env {
        set_variable(&mut start.env, variable.clone());
    }
    if start == machine.start {
        return Ok(Vec::new());
    }
    let start = start.file(&[], None, false);
    if start.len() + size_of::<Renewal>() > RENEWAL_BYTES {
        let most = RENEWAL_BYTES >> 10;
        return Err(SnapshotError::Foreign(format!("arguments and environment take more than {most} KiB")));
    }
    Ok(start)
}

/// Runs one clone: the whole life of its VMM's process after its standard streams are in place.
///
/// # Errors
/// The step that failed.
pub fn run(plan: &Plan, launch: &Launch<'_>) -> Result<i32, Failed> {
    let board = launch.board;
    let memory =
        GuestMemory::new(plan.memory_bytes, 0, &plan.windows).map_err(Failed::at("mapping guest memory"))?;
    close_other_files([plan.kvm.as_raw_fd()])?;
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
    let vm = Arc::new(vm);
    let devices = Devices::new(&Choice::NONE, &vm, memory.regions())
        .map_err(Failed::at("making the guest's devices"))?;
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    let log = plan.log || launch.measure.footprint;
    let vcpus = vec![vcpu];
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

impl Plan {
    /// Answers init's call in the memory of a clone, with what clones must not share.
    ///
    /// # Errors
    /// When the snapshot has no room for it, or the host no random bytes.
    pub fn renew(&self, memory: &GuestMemory) -> std::io::Result<()> {
        let mut seed = [0; 64];
        // SAFETY: the buffer is as long as we say.
        let drawn = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
        // Without them clones would share their randomness: rather no clone.
        if drawn != seed.len() as isize {
            return Err(std::io::Error::last_os_error());
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut bytes = seed.to_vec();
        for word in [now.as_secs(), now.subsec_nanos().into(), self.start.len() as u64] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&self.start);
        let mut rest = bytes.as_slice();
        for (address, room) in &self.ready.room {
            let (now, later) = rest.split_at(rest.len().min(usize::try_from(*room).unwrap_or(0)));
            memory.write(*address, now)?;
            rest = later;
        }
        if !rest.is_empty() {
            return Err(std::io::Error::from_raw_os_error(libc::ENOSPC));
        }
        Ok(memory.write_u64(self.ready.result, bytes.len() as u64)?)
    }
}
