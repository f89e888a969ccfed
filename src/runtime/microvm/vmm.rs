//! The VMM: the process in which one VM lives. It is a child of the launcher, made by fork, so it starts
//! with everything prepared; it ends with its guest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::mem::{ManuallyDrop, offset_of};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use guest_abi::ClockPage;

use super::address_space::AddressSpace;
use super::confine::confine;
use super::death;
use super::guest_memory::GuestMemory;
use super::initial_stack::InitialStack;
use super::memory_layout::{CLOCK_PAGE, PAGE, physical};
use super::plan::Plan;
use super::resident::Resident;
use super::run_loop::{Ending, Guest};
use super::stats;
use super::vm::{self, TimeBase};
use crate::runtime::board::{Board, VmReport};
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::snapshot::vcpu::{self, VcpuState};
use crate::runtime::snapshot::{Header, extents, format};
use crate::runtime::trial::{Death, GuestMemory as MemoryReport};

/// A step that failed, with the system's error number.
struct Failed(&'static str, i32);

impl Failed {
    fn at<E: Into<std::io::Error>>(step: &'static str) -> impl FnOnce(E) -> Failed {
        move |error| Failed(step, error.into().raw_os_error().unwrap_or(0))
    }
}

fn kvm(step: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> Failed {
    move |error| Failed(step, error.errno())
}

/// Runs one VM and returns the status for `_exit`. This is the whole life of the child.
pub fn main(plan: &Plan, launch: &Launch<'_>, parent: libc::pid_t) -> i32 {
    launch.board.spawned();
    match run(plan, launch, parent) {
        Ok(status) => status,
        Err(Failed(step, errno)) => {
            launch.board.launch_failed(step, errno);
            125
        }
    }
}

fn run(plan: &Plan, launch: &Launch<'_>, parent: libc::pid_t) -> Result<i32, Failed> {
    let board = launch.board;
    let (machine, mut guest) = build(plan, launch, parent)?;
    let base = TimeBase::read(&guest.vcpu).map_err(kvm("reading the guest's time stamp counter"))?;
    personalise(&guest, plan, base).map_err(Failed::at("setting the guest's clock"))?;
    board.phase("clock");
    let mut resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    board.phase("confine");

    let [first, later] = guest.memory.slots();
    let ending = guest.run(&mut || vm::add_memory(&machine, first.len() as u32, &later));
    board.exited();
    board.phase("run");
    let status = match ending {
        Ending::Code(code) => {
            board.end_with_code(code);
            code
        }
        Ending::Signal(signal) => {
            board.end_with_signal(signal);
            128 + signal
        }
        Ending::Death(death) => end_badly(board, &death),
        Ending::Booted => end_badly(board, &death::by_unexpected_exit("hypercall booted", None)),
    };
    board.publish(&report(plan, &machine, &guest, &mut resident));
    board.phase("report");
    Ok(status)
}

fn end_badly(board: &Board, death: &Death) -> i32 {
    board.end_with_death(death.cause, death.address, &death.message);
    125
}

/// Makes the VM, up to what differs from one VM to the next.
fn build<'a>(
    plan: &Plan,
    launch: &Launch<'a>,
    parent: libc::pid_t,
) -> Result<(kvm_ioctls::VmFd, Guest<'a>), Failed> {
    let board = launch.board;
    become_sandbox(launch, parent)?;
    board.phase("standard streams");
    let memory = GuestMemory::new(plan.layout, &plan.windows).map_err(Failed::at("mapping guest memory"))?;
    close_other_files(plan.kvm.as_raw_fd())?;
    board.phase("map memory");

    let machine = plan.kvm.create_vm().map_err(kvm("KVM_CREATE_VM"))?;
    board.phase("create_vm");
    let [slots, _] = memory.slots();
    vm::add_memory(&machine, 0, &slots).map_err(kvm("KVM_SET_USER_MEMORY_REGION"))?;
    board.phase("memory slot");
    let vcpu = machine.create_vcpu(0).map_err(kvm("KVM_CREATE_VCPU"))?;
    board.phase("create_vcpu");
    vcpu.set_cpuid2(&plan.cpuid).map_err(kvm("KVM_SET_CPUID2"))?;
    board.phase("cpuid");
    plan.vcpu.apply(&vcpu).map_err(kvm("setting the vCPU's registers"))?;
    board.phase("registers");
    let space = AddressSpace::new(plan.page_table);
    let guest = Guest::new(vcpu, memory, space, plan.layout.memory_bytes(), board);
    Ok((machine, guest))
}

/// Runs one VM until it has booted, and writes its snapshot to standard output. This is the whole life of the
/// child, and `header` lacks what only it can know.
pub fn snapshot(plan: &Plan, mut header: Header, launch: &Launch<'_>, parent: libc::pid_t) {
    match take_snapshot(plan, &mut header, launch, parent) {
        Ok(()) => launch.board.end_with_code(0),
        Err(Failed(step, errno)) => launch.board.launch_failed(step, errno),
    }
}

fn take_snapshot(
    plan: &Plan,
    header: &mut Header,
    launch: &Launch<'_>,
    parent: libc::pid_t,
) -> Result<(), Failed> {
    let (_machine, mut guest) = build(plan, launch, parent)?;
    let msrs = vcpu::listed_msrs(&plan.kvm).map_err(kvm("KVM_GET_MSR_INDEX_LIST"))?;
    let resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    match guest.run(&mut || Err(kvm_ioctls::Error::new(libc::ENOMEM))) {
        Ending::Booted => {}
        Ending::Death(death) => {
            end_badly(launch.board, &death);
            return Err(Failed("booting the guest kernel", 0));
        }
        Ending::Code(_) | Ending::Signal(_) => return Err(Failed("booting the guest kernel", 0)),
    }
    vcpu::complete(&mut guest.vcpu).map_err(kvm("completing the last instruction"))?;
    let state = VcpuState::read(&guest.vcpu, &msrs).map_err(kvm("reading the vCPU's state"))?;
    header.vcpus.push(state);
    let pages =
        filled_pages(&guest.memory, plan, &resident).map_err(Failed::at("looking at guest memory"))?;
    header.extents = extents::of_pages(pages);
    write(header, &guest.memory).map_err(Failed::at("writing the snapshot"))
}

/// Offsets of the pages that are not all zero, in order.
fn filled_pages(
    memory: &GuestMemory,
    plan: &Plan,
    resident: &Resident,
) -> std::io::Result<std::collections::BTreeSet<u64>> {
    // A page of a file need not be resident yet.
    let files = plan.windows.iter().map(|window| (window.offset, window.offset + window.bytes));
    let (base, bytes) = memory.host_range();
    let touched = resident.stretches(base, bytes)?.into_iter().map(|(from, to)| (from - base, to - base));
    let mut filled = std::collections::BTreeSet::new();
    let mut content = [0; PAGE as usize];
    for (from, to) in files.chain(touched) {
        for page in (from..to).step_by(PAGE as usize) {
            memory.read(physical(page), &mut content)?;
            if content != [0; PAGE as usize] {
                filled.insert(page);
            }
        }
    }
    Ok(filled)
}

fn write(header: &Header, memory: &GuestMemory) -> std::io::Result<()> {
    // SAFETY: the descriptor is ours, and is never closed by this.
    let output = ManuallyDrop::new(unsafe { File::from_raw_fd(1) });
    let mut writer = format::Writer::begin(BufWriter::with_capacity(1 << 18, &*output), header)?;
    let mut content = [0; PAGE as usize];
    for extent in &header.extents {
        for page in (extent.offset..extent.offset + extent.bytes).step_by(PAGE as usize) {
            memory.read(physical(page), &mut content)?;
            writer.pages(&content)?;
        }
    }
    writer.finish()
}

/// Takes the standard streams, and dies with the launcher.
fn become_sandbox(launch: &Launch<'_>, parent: libc::pid_t) -> Result<(), Failed> {
    let stdio = [&launch.stdio.stdin, &launch.stdio.stdout, &launch.stdio.stderr];
    // SAFETY: plain system calls on our own process and descriptors.
    unsafe {
        libc::setpgid(0, 0);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // The launcher may have died before that call.
        if libc::getppid() != parent {
            libc::_exit(125);
        }
        crate::runtime::clone::reset_signals();
        // A closed pipe is the guest's affair: it gets EPIPE.
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        for (number, fd) in stdio.iter().enumerate() {
            if libc::dup2(fd.as_raw_fd(), number as i32) < 0 {
                return Err(Failed::at("taking the standard streams")(std::io::Error::last_os_error()));
            }
        }
    }
    Ok(())
}

/// Drops what the launcher has open but for one file: above all the other ends of pipes, which would keep them
/// from ending. What is mapped stays mapped.
fn close_other_files(kept: RawFd) -> Result<(), Failed> {
    let kept = kept.unsigned_abs();
    for (first, last) in [(3, kept - 1), (kept + 1, u32::MAX)] {
        // SAFETY: nothing in this process uses any of these descriptors from here on; their owners are never
        // dropped, since the process ends by _exit.
        if first <= last && unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) } != 0 {
            return Err(Failed::at("closing inherited files")(std::io::Error::last_os_error()));
        }
    }
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

fn report(plan: &Plan, machine: &kvm_ioctls::VmFd, guest: &Guest<'_>, resident: &mut Resident) -> VmReport {
    let mut notes = plan.notes.clone();
    let mut kvm_stats = BTreeMap::new();
    let read = stats::read(machine, "vm.", &mut kvm_stats)
        .and_then(|()| stats::read(&guest.vcpu, "vcpu.", &mut kvm_stats));
    if let Err(error) = read {
        notes.push(format!("KVM's own counters could not be read ({error})"));
    }
    let (start, bytes) = guest.memory.host_range();
    let touched_bytes = resident.bytes(start, bytes).unwrap_or_else(|error| {
        notes.push(format!("touched guest memory could not be read ({error})"));
        0
    });
    VmReport {
        vm_exits: guest.exits.report(),
        kvm_stats,
        guest_syscalls: guest.syscalls(),
        missing_calls: guest.missing_calls(),
        memory: MemoryReport { configured_bytes: plan.layout.memory_bytes(), touched_bytes },
        guest_ns: guest.guest_ns,
        notes,
    }
}
