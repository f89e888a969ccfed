//! Runtime `linuxvm-clone`: Linux guests that go on from a snapshot instead of booting.
//!
//! The snapshot is taken when Linux is up and our init is about to make the workload's process. A clone hands
//! init fresh random bytes for Linux' generator and the time of day, and, from a saved snapshot, other arguments and
//! another environment.

use std::ffi::CString;
use std::path::PathBuf;
use std::rc::Rc;

use guest_abi::linux::{RENEWAL_BYTES, Renewal};
use kvm_bindings::{CpuId, kvm_clock_data, kvm_cpuid_entry2};
use kvm_ioctls::Kvm;
use serde::{Deserialize, Serialize};

use super::calls::Ready;
use super::processor::Processor;
use super::{KVM_GET_CLOCK, LEAST_MEMORY, REQUESTS, machine, root, vmm};
use crate::runtime::RuntimeError;
use crate::runtime::snapshot::origin::{self, Origin};
use crate::runtime::snapshot::vcpu::{self, Time, VcpuChanges, VcpuState};
use crate::runtime::snapshot::{Header, Snapshot, SnapshotError};
use crate::runtime::spec::{LaunchSpec, set_variable};
use crate::runtime::vmm::guest_memory::{GuestMemory, Window, windows_of};
use crate::runtime::vmm::{capture, confine, host};

/// The runtime that a snapshot of ours is of.
const RUNTIME: &str = "linuxvm";

/// Longer than any Linux needs to come up, even in a VM inside an emulator.
const BOOT_MS: u16 = 60_000;

/// What a snapshot of a Linux guest tells beyond processor and memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    path: PathBuf,
    folder: PathBuf,
    argv: Vec<CString>,
    env: Vec<CString>,
    notes: Vec<String>,
    /// Linux' log is wanted at the end.
    log: bool,
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
    pub filter: crate::runtime::seccomp::Filter,
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
    let Some(path) = &spec.snapshot else {
        return restore(&take(spec)?, None).map_err(refused("that was just taken".into()));
    };
    let which = path.display().to_string();
    Snapshot::open(path).and_then(|snapshot| restore(&snapshot, Some(spec))).map_err(refused(which))
}

/// Boots the VM of `spec` and takes a snapshot of it. The calling process must have one thread.
///
/// # Errors
/// As [`super::prepare`]; [`RuntimeError::Failed`] when the guest does not come up.
pub fn take(spec: &LaunchSpec) -> Result<Snapshot, RuntimeError> {
    if spec.limits.cpus != 1 {
        return Err(RuntimeError::BadSpec("a snapshot is of one vCPU; leave out --cpus".into()));
    }
    let (mut plan, name, path) = super::plan(spec)?;
    let more = [&REQUESTS[..], &confine::SNAPSHOT, &[KVM_GET_CLOCK]].concat();
    plan.filter = confine::filter(&more);
    plan.unpacked_entry = None;
    let cpuid = plan.processor.cpuid(0, 1);
    let machine = Machine {
        path,
        folder: root::working_folder(spec),
        argv: spec.argv.clone(),
        env: spec.env.clone(),
        notes: plan.notes.clone(),
        log: plan.log,
        clock_ns: 0,
        ready: Ready::default(),
    };
    let header = Header {
        runtime: RUNTIME.to_owned(),
        program: name,
        taken: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        origin: Origin::here(root::INIT, &cpuid),
        cpuid: cpuid.as_slice().to_vec(),
        vcpus: Vec::new(),
        memory_bytes: plan.memory_bytes,
        extents: Vec::new(),
        machine: serde_json::Value::Null,
    };
    let plan = &plan;
    capture::run(BOOT_MS, |launch| vmm::snapshot(plan, header, machine, launch))
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
        // QEMU's emulation of one lets ring 3 use no port with a task state that was loaded as busy.
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
        log: machine.log,
        notes: machine.notes,
        ready: machine.ready,
        start,
    })
}

/// Type of a task state segment (Intel SDM volume 3, 3.5).
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
    let name = machine.argv.iter().take(1);
    let argv: Vec<CString> =
        if spec.argv.is_empty() { machine.argv.clone() } else { name.chain(&spec.argv).cloned().collect() };
    let mut env = machine.env.clone();
    for variable in &spec.env {
        set_variable(&mut env, variable.clone());
    }
    if argv == machine.argv && env == machine.env {
        return Ok(Vec::new());
    }
    let start = root::start_file(&machine.path, &machine.folder, &argv, &env, &[], machine.log);
    if start.len() + size_of::<Renewal>() > RENEWAL_BYTES {
        let most = RENEWAL_BYTES >> 10;
        return Err(SnapshotError::Foreign(format!("arguments and environment take more than {most} KiB")));
    }
    Ok(start)
}

impl Plan {
    /// Answers init's call in the memory of a clone, with what clones must not share.
    ///
    /// # Errors
    /// When the snapshot has no room for it.
    pub fn renew(&self, memory: &GuestMemory) -> std::io::Result<()> {
        let mut seed = [0; 64];
        // SAFETY: the buffer is as long as we say. A short or failed read leaves zeros, as early in boot.
        unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
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
