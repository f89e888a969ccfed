//! The VMM of a microVM, in a process of its own (`vmm/process.rs`).

use std::mem::offset_of;
use std::os::fd::AsRawFd;

use guest_abi::ClockPage;
use kvm_ioctls::VmFd;

use super::initial_stack::InitialStack;
use super::memory_layout::{CLOCK_PAGE, physical};
use super::plan::Plan;
use super::run_loop::Guest;
use super::vm::TimeBase;
use crate::runtime::board::VmReport;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::snapshot::Header;
use crate::runtime::snapshot::vcpu::{self, VcpuState};
use crate::runtime::vmm::address_space::AddressSpace;
use crate::runtime::vmm::capture;
use crate::runtime::vmm::confine::confine;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::host::add_memory;
use crate::runtime::vmm::process::{Failed, close_other_files};
use crate::runtime::vmm::report::{self, Ending};
use crate::runtime::vmm::resident::Resident;

/// Runs one VM: the whole life of the VMM's process after its standard streams are in place.
///
/// # Errors
/// The step that failed.
pub fn run(plan: &Plan, launch: &Launch<'_>) -> Result<i32, Failed> {
    let board = launch.board;
    let (machine, mut guest) = build(plan, launch)?;
    let base = TimeBase::read(&guest.vcpu).map_err(Failed::kvm("reading the guest's time stamp counter"))?;
    personalise(&guest, plan, base).map_err(Failed::at("setting the guest's clock and stack"))?;
    board.phase("clock");
    // Only trials that are about memory pay for looking at it.
    let resident = launch.measure.footprint.then(Resident::open).transpose();
    let mut resident = resident.map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    board.phase("confine");

    let (first, later) = slots(plan, &guest.memory);
    let ending = guest.run(&mut || add_memory(&machine, first.len() as u32, &later));
    board.exited();
    board.phase("run");
    let status = ending.tell(board);
    board.publish(&report(plan, &machine, &guest, base, resident.as_mut()));
    board.phase("report");
    Ok(status)
}

/// Makes the VM, up to what differs from one VM to the next.
fn build<'a>(plan: &Plan, launch: &Launch<'a>) -> Result<(VmFd, Guest<'a>), Failed> {
    let board = launch.board;
    let layout = &plan.layout;
    let memory = GuestMemory::new(layout.end, layout.memory, &plan.windows)
        .map_err(Failed::at("mapping guest memory"))?;
    close_other_files([plan.kvm.as_raw_fd()])?;
    board.phase("map memory");

    let machine = plan.kvm.create_vm().map_err(Failed::kvm("KVM_CREATE_VM"))?;
    board.phase("create_vm");
    let (first, _) = slots(plan, &memory);
    add_memory(&machine, 0, &first).map_err(Failed::kvm("KVM_SET_USER_MEMORY_REGION"))?;
    board.phase("memory slot");
    let vcpu = machine.create_vcpu(0).map_err(Failed::kvm("KVM_CREATE_VCPU"))?;
    board.phase("create_vcpu");
    vcpu.set_cpuid2(&plan.cpuid).map_err(Failed::kvm("KVM_SET_CPUID2"))?;
    board.phase("cpuid");
    plan.vcpu.apply(&vcpu).map_err(Failed::kvm("setting the vCPU's registers"))?;
    board.phase("registers");
    let space = AddressSpace::new(plan.page_table);
    Ok((machine, Guest::new(vcpu, memory, space, layout.memory_bytes(), board)))
}

/// The slots of memory that a VM has from the start, and those for later.
#[expect(clippy::type_complexity, reason = "two lists of slots as KVM wants them")]
fn slots(plan: &Plan, memory: &GuestMemory) -> (Vec<(u64, u64, u64)>, Vec<(u64, u64, u64)>) {
    let layout = &plan.layout;
    (memory.slots(0, layout.ready), memory.slots(layout.ready, layout.end))
}

/// Runs one VM until it has booted, and writes its snapshot to standard output: the whole life of such a VMM.
/// `header` lacks what only it can know.
///
/// # Errors
/// The step that failed.
pub fn snapshot(plan: &Plan, mut header: Header, launch: &Launch<'_>) -> Result<(), Failed> {
    let (_machine, mut guest) = build(plan, launch)?;
    let msrs = vcpu::listed_msrs(&plan.kvm).map_err(Failed::kvm("KVM_GET_MSR_INDEX_LIST"))?;
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    match guest.run(&mut || Err(kvm_ioctls::Error::new(libc::ENOMEM))) {
        Ending::Booted => {}
        other => {
            other.tell(launch.board);
            return Ok(());
        }
    }
    vcpu::complete(&mut guest.vcpu).map_err(Failed::kvm("completing the last instruction"))?;
    let state = VcpuState::read(&guest.vcpu, &msrs).map_err(Failed::kvm("reading the vCPU's state"))?;
    header.vcpus.push(state);
    let mapped = plan.windows.iter().map(|window| window.offset..window.offset + window.bytes);
    capture::write(header, &guest.memory, mapped, &resident).map_err(Failed::at("writing the snapshot"))?;
    launch.board.end_with_code(0);
    Ok(())
}

/// Writes what differs from VM to VM.
fn personalise(guest: &Guest<'_>, plan: &Plan, base: TimeBase) -> std::io::Result<()> {
    let memory = &guest.memory;
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
    match &plan.stack {
        None => memory.write(physical(plan.random), &random)?,
        Some(stack) => replace_stack(guest, plan, stack, &random)?,
    }
    Ok(())
}

/// Gives the program another initial stack than the one that is in memory.
fn replace_stack(
    guest: &Guest<'_>,
    plan: &Plan,
    stack: &InitialStack,
    random: &[u8; 16],
) -> std::io::Result<()> {
    let mut bytes = stack.bytes.clone();
    let at = (stack.random - stack.pointer) as usize;
    bytes[at..at + random.len()].copy_from_slice(random);
    let mut done = 0;
    while done < bytes.len() {
        let address = stack.pointer + done as u64;
        // Fails where the snapshot has not mapped that much stack.
        for segment in guest.space.user_segments(&guest.memory, address, (bytes.len() - done) as u64)? {
            let end = done + segment.bytes as usize;
            guest.memory.write(segment.physical, &bytes[done..end])?;
            done = end;
        }
    }
    // The stack pointer is the fourth word of what `iretq` pops.
    Ok(guest.memory.write_u64(physical(plan.frame) + 3 * 8, stack.pointer)?)
}

fn report(
    plan: &Plan,
    machine: &VmFd,
    guest: &Guest<'_>,
    base: TimeBase,
    resident: Option<&mut Resident>,
) -> VmReport {
    let mut notes = plan.notes.clone();
    let guest_clock = base.elapsed(&guest.vcpu);
    if let Err(error) = &guest_clock {
        notes.push(format!("the guest's clock could not be checked ({error})"));
    }
    let configured_bytes = plan.layout.memory_bytes();
    VmReport {
        vm_exits: guest.exits.report(),
        kvm_stats: report::kvm_stats(machine, &[guest.vcpu.as_raw_fd()], &mut notes),
        guest_syscalls: Some(guest.syscalls()),
        missing_calls: guest.missing_calls(),
        memory: resident
            .map(|resident| report::memory(&guest.memory, configured_bytes, resident, &mut notes)),
        guest_ns: guest.guest_ns,
        guest_clock: guest_clock.ok(),
        notes,
    }
}
