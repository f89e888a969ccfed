//! Long copies and fills. Where ring 0 is interpreted, each 8 bytes of a `rep movsq` take longer than the
//! processor takes for a page, and an exit to the VMM is worth it. Where it runs natively it is not. Which
//! of the two it is, a few instructions against the time stamp counter tell.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::{hypercall, registers};

/// From here on a copy is long: what an exit costs, in bytes copied by an interpreter.
pub const BYTES: usize = 512;

const UNKNOWN: u32 = 0;
const NATIVE: u32 = 1;
const INTERPRETED: u32 = 2;
static RING0: AtomicU32 = AtomicU32::new(UNKNOWN);

/// Ticks that 16 idle instructions take at most on any processor, and at least in any interpreter: the
/// former is some ten ticks and the reading of the counter, the latter some ten thousand.
const THRESHOLD: u64 = 6000;

unsafe extern "C" {
    fn copy_forwards(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    fn fill_forwards(to: *mut u8, byte: i32, bytes: usize) -> *mut u8;
}

fn is_interpreted() -> bool {
    match RING0.load(Ordering::Relaxed) {
        UNKNOWN => {
            let start = registers::time_stamp();
            // SAFETY: does nothing.
            unsafe { asm!(".rept 16", "nop", ".endr", options(nomem, nostack, preserves_flags)) };
            let interpreted = registers::time_stamp() - start > THRESHOLD;
            RING0.store(if interpreted { INTERPRETED } else { NATIVE }, Ordering::Relaxed);
            interpreted
        }
        known => known == INTERPRETED,
    }
}

/// `memcpy` of much.
#[unsafe(no_mangle)]
unsafe extern "C" fn bulk_copy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    if is_interpreted() && hypercall::copy(to as u64, from as u64, bytes as u64) {
        return to;
    }
    // SAFETY: as our caller promises.
    unsafe { copy_forwards(to, from, bytes) }
}

/// `memset` of much.
#[unsafe(no_mangle)]
unsafe extern "C" fn bulk_fill(to: *mut u8, byte: i32, bytes: usize) -> *mut u8 {
    if is_interpreted() && hypercall::fill(to as u64, byte as u8, bytes as u64) {
        return to;
    }
    // SAFETY: as our caller promises.
    unsafe { fill_forwards(to, byte, bytes) }
}
