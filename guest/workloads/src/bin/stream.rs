//! `stream`: memory bandwidth, by the four loops of STREAM (McCalpin 1995) over three arrays of SIZE
//! doubles: copy, scale, add, triad.
//!
//! The arrays should be larger together than the last-level cache; 2 million elements are 48 MiB.
//! Every page is touched before the clock starts. Streams run through pages in order, so address
//! translation is rarely missed and a VM should reach the host's bandwidth. Page size matters more:
//! an allocation that gets huge pages on one side and small ones on the other differs.
//!
//! As in STREAM, a copy counts 16 bytes an element, a scale 16, an add and a triad 24 each.
#![no_std]
#![no_main]

use core::hint::black_box;

use guest_workloads::checksum::Checksum;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, memory, program, timed};

program!("stream", 2_097_152, run);

/// How often the four loops run.
const PASSES: u64 = 6;
/// A power of two: with it and whole numbers all sums are exact.
const SCALAR: f64 = 0.5;

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let length = size as usize;
    let a = memory::array::<f64>(length)?;
    let b = memory::array::<f64>(length)?;
    let c = memory::array::<f64>(length)?;
    for (index, ((a, b), c)) in a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut()).enumerate() {
        (*a, *b, *c) = ((index % 1000) as f64, 2.0, 0.0);
    }

    let ((), elapsed_ns) = timed(|| {
        for _ in 0..PASSES {
            c.iter_mut().zip(&*a).for_each(|(c, a)| *c = *a);
            black_box(&mut *c);
            b.iter_mut().zip(&*c).for_each(|(b, c)| *b = SCALAR * c);
            black_box(&mut *b);
            c.iter_mut().zip(&*a).zip(&*b).for_each(|((c, a), b)| *c = a + b);
            black_box(&mut *c);
            a.iter_mut().zip(&*b).zip(&*c).for_each(|((a, b), c)| *a = b + SCALAR * c);
            black_box(&mut *a);
        }
    });

    let mut checksum = Checksum::new();
    for element in a.iter().chain(&*b).chain(&*c) {
        checksum.add(element.to_bits());
    }
    let work = size * PASSES * (16 + 16 + 24 + 24);
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work, unit: "byte" })
}
