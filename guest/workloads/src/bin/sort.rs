//! `sort`: sorts SIZE random 64-bit numbers with the standard library's unstable sort.
//!
//! Comparisons, data movement and memory beyond the second-level cache. Its array is touched before
//! the clock starts, so a VM pays only where an address translation misses: nested page tables make
//! such a miss dearer.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::random::SplitMix64;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, memory, program, timed};

program!("sort", 2_000_000, run);

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let numbers = memory::array::<u64>(size as usize)?;
    let mut random = SplitMix64::new(5);
    let mut sum_before = 0u64;
    for number in numbers.iter_mut() {
        *number = random.word();
        sum_before = sum_before.wrapping_add(*number);
    }

    let ((), elapsed_ns) = timed(|| numbers.sort_unstable());

    let mut checksum = Checksum::new();
    let mut sum_after = 0u64;
    for number in numbers.iter() {
        checksum.add(*number);
        sum_after = sum_after.wrapping_add(*number);
    }
    if !numbers.is_sorted() || sum_before != sum_after {
        return Err(Failure::Failed("the numbers are not sorted, or not the same"));
    }
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: size, unit: "element" })
}
