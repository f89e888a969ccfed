//! Runtime `microvm-clone`: VMs that go on from a snapshot instead of booting.
//!
//! The snapshot is taken when the guest kernel is ready and the program is loaded, before the program's first
//! instruction. Each clone gets standard streams, random bytes and clocks of its own, and, from a saved
//! snapshot, arguments and environment too.

use std::ffi::CString;
use std::path::Path;
use std::rc::Rc;

use kvm_bindings::CpuId;
use serde::{Deserialize, Serialize};

use super::initial_stack::{Hardware, InitialStack};
use super::loader::Start;
use super::memory_layout::{Layout, PAGE};
use super::plan::{self, Plan};
use super::vm::{self, Processor};
use super::{GUEST_KERNEL, vmm};
use crate::runtime::RuntimeError;
use crate::runtime::snapshot::origin::{self, Origin};
use crate::runtime::snapshot::vcpu::Time;
use crate::runtime::snapshot::{Header, Snapshot, SnapshotError};
use crate::runtime::spec::{LaunchSpec, set_variable};
use crate::runtime::vmm::guest_memory::windows_of;
use crate::runtime::vmm::{capture, confine, host};

/// The runtime that a snapshot of ours is of.
const RUNTIME: &str = "microvm";

/// Longer than any guest kernel needs to get ready.
const BOOT_MS: u16 = 10_000;

/// What a snapshot of a microVM tells beyond processor and memory.
#[derive(Debug, Serialize, Deserialize)]
struct Machine {
    layout: Layout,
    page_table: u64,
    random: u64,
    frame: u64,
    stack_bytes: u64,
    path: CString,
    start: Start,
    hardware: Hardware,
    argv: Vec<CString>,
    env: Vec<CString>,
    notes: Vec<String>,
}

/// Takes a snapshot of `spec`'s VM, or reads the one that the spec names, and makes ready to clone it.
pub fn prepare(spec: &LaunchSpec) -> Result<Plan, RuntimeError> {
    let Some(path) = &spec.snapshot else {
        return restore(&take(spec)?, None).map_err(|error| refused("that was just taken", &error));
    };
    open(path, spec).map_err(|error| refused(&path.display().to_string(), &error))
}

fn refused(which: &str, error: &SnapshotError) -> RuntimeError {
    RuntimeError::BadSpec(format!("the snapshot {which} {error}"))
}

fn open(path: &Path, spec: &LaunchSpec) -> Result<Plan, SnapshotError> {
    restore(&Snapshot::open(path)?, Some(spec))
}

/// Boots the VM of `spec` and takes a snapshot of it. The calling process must have one thread.
///
/// # Errors
/// As [`super::prepare`]; [`RuntimeError::Failed`] when the VM does not get ready.
pub fn take(spec: &LaunchSpec) -> Result<Snapshot, RuntimeError> {
    let step = "taking the snapshot";
    let mut prepared = plan::prepare(spec)?;
    prepared.plan.vcpu.regs.rip = prepared.boot;
    prepared.plan.filter = plan::filter(&confine::SNAPSHOT);
    let plan = &prepared.plan;
    let machine = Machine {
        layout: plan.layout,
        page_table: plan.page_table,
        random: plan.random,
        frame: plan.frame,
        stack_bytes: plan.stack_bytes,
        path: prepared.path,
        start: prepared.start,
        hardware: prepared.hardware,
        argv: spec.argv.clone(),
        env: spec.env.clone(),
        notes: plan.notes.clone(),
    };
    let header = Header {
        runtime: RUNTIME.to_owned(),
        program: prepared.name,
        taken: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        origin: Origin::here(GUEST_KERNEL, &plan.cpuid),
        cpuid: plan.cpuid.as_slice().to_vec(),
        vcpus: Vec::new(),
        memory_bytes: plan.layout.end,
        extents: Vec::new(),
        machine: serde_json::to_value(machine).map_err(RuntimeError::step(step))?,
    };
    capture::run(BOOT_MS, |launch| vmm::snapshot(plan, header, launch).map(|()| 0))
}

/// Whether a header is one of ours, as far as can be told without a host to go on at.
///
/// # Errors
/// [`SnapshotError`].
pub fn inspect(header: &Header) -> Result<(), SnapshotError> {
    machine(header).map(drop)
}

const NOT_ONE_PROCESSOR: SnapshotError = SnapshotError::Damaged("it has not one processor");

fn machine(header: &Header) -> Result<Machine, SnapshotError> {
    if header.runtime != RUNTIME {
        let reason = format!("it is one of runtime {:.40?}, not of {RUNTIME}", header.runtime);
        return Err(SnapshotError::Foreign(reason));
    }
    let machine = Machine::deserialize(&header.machine)
        .map_err(|_| SnapshotError::Damaged("its machine is none of ours"))?;
    let layout = machine.layout;
    let inside = |offset: u64, bytes: u64| offset.checked_add(bytes).is_some_and(|end| end <= layout.end);
    if !layout.is_sound()
        || layout.end != header.memory_bytes
        || !inside(machine.random, 16)
        || !inside(machine.frame, PAGE)
    {
        return Err(SnapshotError::Damaged("its layout of memory is none of ours"));
    }
    if header.vcpus.len() != 1 { Err(NOT_ONE_PROCESSOR) } else { Ok(machine) }
}

/// A plan for clones of a snapshot. With `spec`, they get its arguments, where it has any, and its
/// environment.
fn restore(snapshot: &Snapshot, spec: Option<&LaunchSpec>) -> Result<Plan, SnapshotError> {
    let header = &snapshot.header;
    let machine = machine(header)?;
    let layout = machine.layout;
    let kvm_failed = |error: kvm_ioctls::Error| SnapshotError::Foreign(format!("KVM refuses it ({error})"));
    let kvm = host::open().map_err(|missing| SnapshotError::Foreign(missing.to_string()))?;
    let offered = Processor::query(&kvm).map_err(kvm_failed)?.cpuid;
    header.origin.admit(&Origin::here(GUEST_KERNEL, &offered))?;
    origin::admit_features(&header.cpuid, &offered, &header.origin.processor)?;
    let cpuid = CpuId::from_entries(&header.cpuid)
        .map_err(|_| SnapshotError::Damaged("its processor has too many features"))?;

    plan::check_memory(layout.memory_bytes()).map_err(|error| SnapshotError::Foreign(error.to_string()))?;
    let [state] = header.vcpus.as_slice() else { return Err(NOT_ONE_PROCESSOR) };
    let (fresh, _) = vm::fresh_state(&kvm, &cpuid).map_err(kvm_failed)?;
    let stack = spec.map_or(Ok(None), |spec| other_stack(&machine, spec))?;
    Ok(Plan {
        kvm,
        windows: windows_of(snapshot.parts(), || Rc::clone(snapshot.file())),
        layout,
        cpuid,
        vcpu: state.changes(&fresh, Time::BeginsAnew),
        page_table: machine.page_table,
        random: machine.random,
        frame: machine.frame,
        stack_bytes: machine.stack_bytes,
        stack,
        filter: plan::filter(&[]),
        notes: machine.notes,
    })
}

/// The initial stack for other arguments and another environment; `None` where they are those of the
/// snapshot.
fn other_stack(machine: &Machine, spec: &LaunchSpec) -> Result<Option<InitialStack>, SnapshotError> {
    let name = machine.argv.iter().take(1);
    let argv =
        if spec.argv.is_empty() { machine.argv.clone() } else { name.chain(&spec.argv).cloned().collect() };
    let mut env = machine.env.clone();
    for variable in &spec.env {
        set_variable(&mut env, variable.clone());
    }
    if argv == machine.argv && env == machine.env {
        return Ok(None);
    }
    let stack = InitialStack::new(&machine.start, &machine.path, &argv, &env, machine.hardware)
        .map_err(SnapshotError::Foreign)?;
    if stack.bytes.len() as u64 > machine.stack_bytes {
        let most = machine.stack_bytes >> 10;
        let reason = format!("arguments and environment take more than its {most} KiB of stack");
        return Err(SnapshotError::Foreign(reason));
    }
    Ok(Some(stack))
}
