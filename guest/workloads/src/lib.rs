//! What the built-in workloads share: the way in from `_start`, system calls, text, checksums.
//!
//! A workload is one file `src/bin/NAME.rs`, a freestanding static program of a few KB. Linux runs
//! it directly or in a container; the guest kernel runs the very same bytes in a microVM.
//!
//! Contract with the harness:
//! - `NAME [SIZE]`: SIZE is the amount of work, in decimal.
//! - standard output: one line, the same in every runtime: `NAME SIZE checksum HEX`.
//! - standard error: one line, `elapsed_ns=N work=W unit=NAME`, the workload's own time for the part
//!   it measures, after it has made and touched its data.
//! - `ISOBENCH_HOLD=1` in the environment: after printing, wait for end of file on standard input.
//! - exit status 0, 1 when the result is wrong, 2 for a bad argument, 101 for a bug (a Rust panic).
#![cfg_attr(not(test), no_std)]

pub mod bytes;
pub mod checksum;
pub mod heap;
pub mod memory;
pub mod random;
pub mod start;
pub mod sys;
pub mod text;
pub mod vdso;

#[cfg(not(test))]
mod bare;

/// What one run of a workload found out.
pub struct Outcome<'a> {
    /// The result, as bytes, printed as hexadecimal digits in this order.
    pub checksum: &'a [u8],
    /// Time of the measured part, in nanoseconds.
    pub elapsed_ns: u64,
    /// Units of work done in that time.
    pub work: u64,
    /// Name of the unit, singular, without spaces.
    pub unit: &'static str,
}

/// Why a workload gives no result.
pub enum Failure {
    /// The arguments make no sense: exit status 2.
    Usage(&'static str),
    /// The result is wrong, or the system refused something: exit status 1.
    Failed(&'static str),
}

/// Runs `work` and tells how long it took, in nanoseconds of `CLOCK_MONOTONIC`.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let start = sys::monotonic_ns();
    let result = work();
    (result, sys::monotonic_ns().saturating_sub(start))
}

/// Makes a program of a function `fn(size: u64, process: &Process) -> Result<(), Failure>` that
/// ends by calling [`start::Process::report`]. `program!("NAME", DEFAULT_SIZE, function)`.
#[macro_export]
macro_rules! program {
    ($name:literal, $default_size:expr, $run:path) => {
        /// Linux enters here with the argument count at the stack pointer, and no caller to return to.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        unsafe extern "C" fn _start() -> ! {
            core::arch::naked_asm!("xor ebp, ebp", "mov rdi, rsp", "call {main}", "ud2", main = sym main)
        }

        unsafe extern "C" fn main(stack: *const usize) -> ! {
            // SAFETY: `stack` is the stack pointer at process entry, passed on by `_start`.
            let process = unsafe { $crate::start::Process::at_entry($name, stack) };
            process.run($default_size, $run)
        }
    };
}
