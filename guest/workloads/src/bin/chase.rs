//! `chase`: memory latency; follows a chain of pointers in random order through SIZE cache lines.
//!
//! Each load's address is the result of the load before it, so nothing overlaps and nothing can be
//! fetched ahead. SIZE is a power of two lines of 64 bytes: 4096 lines lie in the second-level cache,
//! 1 million (64 MiB) beyond most last-level caches. Nearly every step also misses the translation
//! buffer, and with nested paging that miss walks up to 24 table entries instead of 4: this is where
//! a VM's computing is dearest. A container walks the host's own tables and pays nothing.
//!
//! The chain is a linear congruential sequence, next = (M · line + C) mod SIZE, which visits every
//! line exactly once when C is odd and M mod 4 is 1 (Hull, Dobell 1962); it is laid out by one pass in
//! order, without a second array.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, memory, program, timed};

program!("chase", 1_048_576, run);

const MULTIPLIER: u64 = 0x5851_f42d_4c95_7f2d;
const INCREMENT: u64 = 0x1405_7b7e_f767_814f;
/// A quarter of the chain is followed, but at least this many steps.
const FEWEST_STEPS: u64 = 65_536;

/// One cache line: the number of the next, which is on the chain what a pointer would be.
type Line = [u64; 8];

fn follow(lines: &[Line], steps: u64) -> Option<u64> {
    let mut at = 0;
    let mut sum = 0u64;
    for _ in 0..steps {
        at = lines.get(at as usize)?[0];
        sum = sum.wrapping_add(at);
    }
    Some(sum)
}

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    if !size.is_power_of_two() || size < 4 {
        return Err(Failure::Usage("SIZE must be a power of two, from 4"));
    }
    let lines = memory::array::<Line>(size as usize)?;
    for (number, line) in lines.iter_mut().enumerate() {
        line[0] = (number as u64).wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & (size - 1);
    }

    let steps = FEWEST_STEPS.max(size / 4);
    let (sum, elapsed_ns) = timed(|| follow(lines, steps));

    let mut checksum = Checksum::new();
    checksum.add(sum.ok_or(Failure::Failed("the chain left the array"))?);
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: steps, unit: "step" })
}
