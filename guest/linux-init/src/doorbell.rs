//! Calls to the VMM.

use core::arch::asm;

use guest_abi::DOORBELL;
use guest_abi::linux::{CallBlock, InitCall};

use crate::sys;

/// Lets this process use the doorbell's port.
pub fn open() {
    sys::port_rights(DOORBELL, 4, true);
}

/// Takes that right away, from the process that is about to become the workload.
pub fn close() {
    sys::port_rights(DOORBELL, 4, false);
}

/// Calls the VMM and gives its result.
pub fn ring(call: InitCall, args: [u64; 3]) -> i64 {
    let mut block = CallBlock { args, result: 0 };
    // SAFETY: the VMM reads and writes the block, which lies on our stack and so in memory, and what its
    // arguments name; the compiler is told that memory may change.
    unsafe {
        asm!("out dx, eax", in("dx") DOORBELL, in("eax") call as u32, in("rdi") &raw mut block,
             options(nostack, preserves_flags));
    }
    block.result
}
