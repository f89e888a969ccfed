//! Process 1 of a Linux guest: mounts what programs expect, runs the workload as a child, carries its
//! standard streams to and from the VMM, and tells how it ended.
//!
//! The contract with the VMM (`src/runtime/linuxvm/`) is `guest_abi::linux`.
#![no_std]
#![no_main]

use core::arch::naked_asm;

use guest_abi::linux::{InitCall, Step, TAKES_SNAPSHOT};

mod bare;
mod doorbell;
mod files;
mod link;
mod renew;
mod start;
mod streams;
mod sys;
mod workload;

use doorbell::ring;

/// Linux enters here with the argument count at the stack pointer, and no caller to return to.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym main)
}

extern "C" fn main() -> ! {
    doorbell::open();
    let takes_snapshot = ring(InitCall::Started, [0; 3]) == TAKES_SNAPSHOT;
    files::mount_devices();
    let start = start::read().unwrap_or_else(|errno| fail(Step::Start, errno));
    for module in start.modules() {
        sys::load_module(module).unwrap_or_else(|errno| fail(Step::Module, errno));
    }
    let mut program = None;
    if let Some((kind, read_only)) = start.disk() {
        // What does not come from the disk must be open before the disk hides it.
        program = sys::open(c"/.isobench/program", sys::O_RDONLY | sys::O_CLOEXEC).ok();
        files::enter_disk(kind, read_only).unwrap_or_else(|errno| fail(Step::Disk, errno));
        files::mount_devices();
    } else {
        files::remove_own(&start);
    }
    files::mount_others();
    let start = if takes_snapshot { renew::wait().unwrap_or(start) } else { start };
    let (child, mut streams) = workload::start(&start, program);
    let (status, oom_kills) = streams.carry_until_end(child);
    ring(InitCall::Exited, [status.into(), oom_kills, 0]);
    if start.wants_log()
        && let Some((log, bytes)) = sys::kernel_log()
    {
        ring(InitCall::Log, [log, bytes, 0]);
    }
    loop {
        ring(InitCall::PowerOff, [0; 3]);
    }
}

/// Tells the VMM why init cannot go on.
fn fail(step: Step, errno: i32) -> ! {
    loop {
        ring(InitCall::Failed, [step as u64, errno as u64, 0]);
    }
}
