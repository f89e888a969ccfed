//! `sha256`: hashes SIZE bytes, a megabyte of generated data over and over, with the crate `sha2`.
//!
//! Straight-line integer code, by the SHA instructions where CPUID shows them. As with `float`, a
//! sandbox costs something only if it hides a processor feature: then the fallback runs, several
//! times slower.
#![no_std]
#![no_main]

use guest_workloads::random::SplitMix64;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, memory, program, timed};
use sha2::{Digest, Sha256};

program!("sha256", 67_108_864, run);

const BLOCK: usize = 1 << 20;

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let block = memory::array::<[u8; 8]>(BLOCK / 8)?;
    let mut random = SplitMix64::new(3);
    block.fill_with(|| random.word().to_le_bytes());
    let block = block.as_flattened();

    let (digest, elapsed_ns) = timed(|| {
        let mut hasher = Sha256::new();
        let mut left = size;
        while left > 0 {
            let piece = block.get(..left.min(BLOCK as u64) as usize).unwrap_or_default();
            hasher.update(piece);
            left -= piece.len() as u64;
        }
        hasher.finalize()
    });
    process.report(size, Outcome { checksum: digest.as_slice(), elapsed_ns, work: size, unit: "byte" })
}
