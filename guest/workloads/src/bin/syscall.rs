//! `syscall`: the null system call, `getppid`, SIZE times.
//!
//! It measures the way into a kernel and back. A container enters the *host's* kernel, through its
//! seccomp filter; in a VM the call ends in the guest's kernel and the host never sees it, so with
//! hardware virtualisation it is as fast as without a VM. A software KVM must switch by itself, and
//! shows it here.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, program, sys, timed};

program!("syscall", 5_000, run);

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    // The parent's id differs between runtimes; what counts is that every call gave one.
    let (answered, elapsed_ns) = timed(|| (0..size).filter(|_| sys::getppid() >= 0).count() as u64);
    if answered != size {
        return Err(Failure::Failed("getppid failed"));
    }
    let mut checksum = Checksum::new();
    checksum.add(answered);
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: size, unit: "call" })
}
