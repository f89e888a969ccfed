//! The VMM: the process in which one VM lives. It is a child of the launcher, made by fork, so it starts
//! with everything prepared; it ends with its guest.

use std::collections::BTreeMap;
use std::fs::File;
use std::mem::offset_of;
use std::os::fd::AsRawFd;

use guest_abi::ClockPage;
use kvm_ioctls::Kvm;
use seccompiler::BpfProgram;

use super::address_space::AddressSpace;
use super::boot::BootImage;
use super::confine::confine;
use super::file_tree::FileTree;
use super::guest_memory::GuestMemory;
use super::memory_layout::{CLOCK_PAGE, Layout, physical};
use super::resident::Resident;
use super::run_loop::{Ending, Guest};
use super::stats;
use super::vm::{self, Processor, TimeBase};
use crate::runtime::board::VmReport;
use crate::runtime::launcher::recipe::Launch;
use crate::runtime::trial::GuestMemory as MemoryReport;

/// Everything that was prepared for the VMs of one spec.
#[derive(Debug)]
pub struct Plan {
    /// The boot image.
    pub image: BootImage,
    /// The program's file, and its size.
    pub program: (File, u64),
    /// The initial file tree.
    pub files: FileTree,
    /// Where what is in guest memory.
    pub layout: Layout,
    /// What the guest's processor can do.
    pub processor: Processor,
    /// What the VMM may still do once its guest runs.
    pub filter: BpfProgram,
    /// What the user should know about every trial.
    pub notes: Vec<String>,
}

impl Plan {
    /// The files that are mapped into guest memory: offset, file, bytes.
    fn windows(&self) -> impl Iterator<Item = (u64, &File, u64)> {
        let Plan { image, program, files, layout, .. } = self;
        let large = files.large.iter().map(|(offset, file, bytes)| (layout.files + offset, file, *bytes));
        [
            (0, &image.file, image.bytes),
            (layout.program, &program.0, program.1),
            (layout.files, &files.window, files.bytes()),
        ]
        .into_iter()
        .chain(large)
    }
}

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
    become_sandbox(launch, parent)?;
    board.phase("standard streams");

    let memory = GuestMemory::new(plan.layout, plan.windows()).map_err(Failed::at("mapping guest memory"))?;
    close_other_files()?;
    board.phase("map memory");

    let host = Kvm::new().map_err(kvm("opening /dev/kvm"))?;
    board.phase("open /dev/kvm");
    let machine = host.create_vm().map_err(kvm("KVM_CREATE_VM"))?;
    board.phase("create_vm");
    let [slots, later_slots] = memory.slots();
    vm::add_memory(&machine, 0, &slots).map_err(kvm("KVM_SET_USER_MEMORY_REGION"))?;
    board.phase("memory slot");
    let vcpu = machine.create_vcpu(0).map_err(kvm("KVM_CREATE_VCPU"))?;
    board.phase("create_vcpu");
    vcpu.set_cpuid2(&plan.processor.cpuid).map_err(kvm("KVM_SET_CPUID2"))?;
    board.phase("cpuid");
    vm::set_registers(&vcpu, &plan.image, &plan.processor).map_err(kvm("setting the vCPU's registers"))?;
    board.phase("registers");
    let base = TimeBase::read(&vcpu).map_err(kvm("reading the guest's time stamp counter"))?;
    personalise(&memory, plan, base).map_err(Failed::at("setting the guest's clock"))?;
    board.phase("clock");

    let mut resident = Resident::open().map_err(Failed::at("opening /proc/self/pagemap"))?;
    confine(&plan.filter).map_err(Failed::at("confining the VMM"))?;
    board.phase("confine");

    let mut guest =
        Guest::new(vcpu, memory, AddressSpace::new(plan.image.page_table), plan.layout.memory_bytes(), board);
    let ending = guest.run(&mut || vm::add_memory(&machine, slots.len() as u32, &later_slots));
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
        Ending::Death(death) => {
            board.end_with_death(death.cause, death.address, &death.message);
            125
        }
    };
    board.publish(&report(plan, &machine, &guest, &mut resident));
    board.phase("report");
    Ok(status)
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

/// Drops what the launcher has open: above all the other ends of pipes, which would keep them from ending.
/// What is mapped stays mapped.
fn close_other_files() -> Result<(), Failed> {
    // SAFETY: nothing in this process uses any other descriptor from here on; the owners of the closed
    // ones are never dropped, since the process ends by _exit.
    match unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) } {
        0 => Ok(()),
        _ => Err(Failed::at("closing inherited files")(std::io::Error::last_os_error())),
    }
}

/// Writes what differs from VM to VM.
fn personalise(memory: &GuestMemory, plan: &Plan, base: TimeBase) -> std::io::Result<()> {
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
    memory.write(physical(plan.image.random), &random)?;
    Ok(())
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
