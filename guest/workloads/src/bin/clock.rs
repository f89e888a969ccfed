//! `clock`: reads `CLOCK_MONOTONIC` SIZE times, as a libc does: through the vDSO where there is one,
//! else by system call.
//!
//! The vDSO reads the clock in user mode, if the kernel's clock source allows it (TSC, kvm-clock).
//! A container shares the host's vDSO and pays nothing. A VM depends on its guest kernel: without a
//! vDSO each reading is a system call. The unit says which it was: `vdso_call` or `system_call`.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::start::Process;
use guest_workloads::sys::Timespec;
use guest_workloads::{Failure, Outcome, program, sys, timed, vdso};

program!("clock", 20_000, run);

const CLOCK_MONOTONIC: i32 = 1;

/// Reads the clock `times` times; counts the readings that did not go backwards.
#[inline(always)]
fn read_often(times: u64, read: impl Fn(&mut Timespec) -> bool) -> u64 {
    let (mut last, mut forward) = (0, 0);
    for _ in 0..times {
        let mut now = Timespec::default();
        if read(&mut now) && now.as_ns() >= last {
            forward += 1;
        }
        last = now.as_ns();
    }
    forward
}

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    // SAFETY: the address comes from this process's auxiliary vector.
    let found =
        process.auxiliary(vdso::AT_SYSINFO_EHDR).and_then(|base| unsafe { vdso::clock_gettime(base) });
    let ((forward, unit), elapsed_ns) = timed(|| match found {
        // SAFETY: the vDSO's own function, with a time to write to.
        Some(read) => (read_often(size, |now| unsafe { read(CLOCK_MONOTONIC, now) } == 0), "vdso_call"),
        None => (read_often(size, sys::clock_gettime), "system_call"),
    });
    if forward != size {
        return Err(Failure::Failed("the clock cannot be read, or went backwards"));
    }
    let mut checksum = Checksum::new();
    checksum.add(forward);
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: size, unit })
}
