//! `float`: products of 128 × 128 matrices of doubles; SIMD arithmetic in the second-level cache.
//!
//! It uses AVX2 where the processor *and* the kernel allow it (CPUID, XCR0), else SSE2, as any
//! numeric library does. A sandbox that hides AVX2 shows up here as several times slower; else neither a
//! container nor a VM should cost anything. Both paths do the same operations in the same order and
//! neither fuses multiply and add, so the result is the same on every processor, to the last bit.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::random::SplitMix64;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, memory, program, timed};

program!("float", 400, run);

cpufeatures::new!(avx2, "avx2");

/// Rows and columns.
const N: usize = 128;
/// The part of the product that is kept in registers.
const ROWS: usize = 4;
const COLUMNS: usize = 8;

type Matrix = [[f64; N]; N];

/// `c = a · b`, each element summed in the order of `k`.
#[inline(always)]
fn multiply(a: &Matrix, b: &Matrix, c: &mut Matrix) {
    for (a_rows, c_rows) in a.as_chunks::<ROWS>().0.iter().zip(c.as_chunks_mut::<ROWS>().0) {
        for column in (0..N).step_by(COLUMNS) {
            let mut sums = [[0.0f64; COLUMNS]; ROWS];
            for k in 0..N {
                let b_row: &[f64; COLUMNS] = &b[k].as_chunks().0[column / COLUMNS];
                for row in 0..ROWS {
                    for j in 0..COLUMNS {
                        sums[row][j] += a_rows[row][k] * b_row[j];
                    }
                }
            }
            for row in 0..ROWS {
                c_rows[row].as_chunks_mut().0[column / COLUMNS] = sums[row];
            }
        }
    }
}

#[inline(always)]
fn multiply_often<'a>(mut a: &'a mut Matrix, b: &Matrix, mut c: &'a mut Matrix, times: u64) -> &'a Matrix {
    for _ in 0..times {
        multiply(a, b, c);
        core::mem::swap(&mut a, &mut c);
    }
    a
}

#[target_feature(enable = "avx2")]
fn multiply_often_avx2<'a>(a: &'a mut Matrix, b: &Matrix, c: &'a mut Matrix, times: u64) -> &'a Matrix {
    multiply_often(a, b, c, times)
}

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let [a, b, c] = memory::array::<Matrix>(3)? else { return Err(Failure::Failed("no memory")) };
    let mut random = SplitMix64::new(2);
    let mut fraction = || (random.word() >> 11) as f64 / (1u64 << 53) as f64;
    a.as_flattened_mut().fill_with(&mut fraction);
    c.as_flattened_mut().fill(0.0);
    // The rows of `b` sum to 1, so that the elements of a · b · b · … stay between those of `a`.
    for row in b.iter_mut() {
        row.fill_with(&mut fraction);
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|element| *element /= sum);
    }

    let (product, elapsed_ns) = if avx2::get() {
        // SAFETY: the processor and the kernel have just been found to support AVX2.
        timed(|| unsafe { multiply_often_avx2(a, b, c, size) })
    } else {
        timed(|| multiply_often(a, b, c, size))
    };

    let mut checksum = Checksum::new();
    for element in product.as_flattened() {
        if !(0.0..=1.0).contains(element) {
            return Err(Failure::Failed("an element left the range of its row"));
        }
        checksum.add(element.to_bits());
    }
    let work = size.saturating_mul(2 * (N * N * N) as u64);
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work, unit: "flop" })
}
