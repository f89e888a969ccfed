//! Takes the snapshot of a Linux guest that its clones go on from.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::calls::Ready;
use super::clone::{Machine, RUNTIME};
use super::devices::Devices;
use super::run_loop::Guest;
use super::vmm::{Plan, load};
use super::{REQUESTS, machine, root};
use crate::runtime::RuntimeError;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::snapshot::origin::Origin;
use crate::runtime::snapshot::vcpu::{self, VcpuState};
use crate::runtime::snapshot::{Header, Snapshot};
use crate::runtime::spec::LaunchSpec;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::process::{Failed, close_other_files};
use crate::runtime::vmm::report::Ending;
use crate::runtime::vmm::resident::Resident;
use crate::runtime::vmm::{capture, confine};

/// Longer than any Linux needs to come up, even in a VM inside an emulator.
const BOOT_MS: u16 = 60_000;

const KVM_GET_CLOCK: u64 = 0x8030_ae7c;

/// Boots the VM of `spec` and takes a snapshot of it. The calling process must have one thread.
///
/// # Errors
/// As [`super::prepare`]; [`RuntimeError::BadSpec`] for what no snapshot holds; [`RuntimeError::Failed`] when the
/// guest does not come up.
pub fn take(spec: &LaunchSpec) -> Result<Snapshot, RuntimeError> {
    check(spec)?;
    let (mut plan, start) = super::plan(spec)?;
    plan.filter = confine::filter(&[&REQUESTS[..], &confine::SNAPSHOT, &[KVM_GET_CLOCK]].concat());
    plan.unpacked_entry = None;
    let cpuid = plan.processor.cpuid(0, 1);
    let program = start.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let machine = Machine { start, notes: plan.notes.clone(), clock_ns: 0, ready: Ready::default() };
    let header = Header {
        runtime: RUNTIME.to_owned(),
        program,
        taken: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        origin: Origin::here(root::INIT, &cpuid),
        cpuid: cpuid.as_slice().to_vec(),
        vcpus: Vec::new(),
        memory_bytes: plan.memory_bytes,
        extents: Vec::new(),
        machine: serde_json::Value::Null,
    };
    capture::run(BOOT_MS, |launch| run(&plan, header, machine, launch))
}

/// Refuses what a snapshot does not hold: the state of virtio devices, and that of a second processor.
fn check(spec: &LaunchSpec) -> Result<(), RuntimeError> {
    let refused = [
        (spec.limits.cpus != 1, "more than one vCPU; leave out --cpus"),
        (spec.disk.is_some(), "a disk; leave out --disk"),
        (spec.virtio_console, "a virtio console; leave out --virtio-console"),
    ];
    refused.into_iter().find(|(asked, _)| *asked).map_or(Ok(()), |(_, what)| {
        Err(RuntimeError::BadSpec(format!("a Linux guest cannot be snapshotted and cloned with {what}")))
    })
}

/// Runs one VM until its init is ready, and writes its snapshot to standard output: the whole life of such a VMM.
/// `header` and `machine` lack what only it can know.
fn run(plan: &Plan, mut header: Header, mut machine: Machine, launch: &Launch<'_>) -> Result<i32, Failed> {
    let board = launch.board;
    let memory =
        GuestMemory::new(plan.memory_bytes, 0, &plan.windows).map_err(Failed::at("mapping guest memory"))?;
    load(&memory, plan).map_err(Failed::at("loading the kernel into guest memory"))?;
    close_other_files([plan.kvm.as_raw_fd()])?;
    let (vm, mut vcpus) = machine::build(plan, &memory, board)?;
    let vm = Arc::new(vm);
    let devices = Devices::new(&plan.devices, &vm, memory.regions())
        .map_err(Failed::at("making the guest's devices"))?;
    let Some(vcpu) = vcpus.first_mut() else { return Err(Failed("a VM without a vCPU", 0)) };
    let msrs = vcpu::listed_msrs(&plan.kvm).map_err(Failed::kvm("KVM_GET_MSR_INDEX_LIST"))?;
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine::confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    let guest = Guest::new(&memory, &devices, board, false);
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
