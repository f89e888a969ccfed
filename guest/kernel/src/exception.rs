//! Exceptions: page faults that the kernel mends, and deaths.

use guest_abi::layout;

use crate::entry::ExceptionFrame;
use crate::memory::Fault;
use crate::{hypercall, kernel, registers};

const PAGE_FAULT: u64 = 14;

/// Called by the exception entry.
#[unsafe(no_mangle)]
extern "C" fn exception_handler(frame: &mut ExceptionFrame) {
    let address = if frame.vector == PAGE_FAULT { registers::fault_address() } else { 0 };
    if frame.ret.cs != u64::from(layout::USER_CODE) {
        hypercall::panic(frame.ret.rip, frame.vector, address, "");
    }
    // SAFETY: this is a trap entry, and traps do not nest.
    let kernel = unsafe { kernel::kernel() };
    if frame.vector == PAGE_FAULT {
        match kernel.memory.fault(address, frame.error) {
            Ok(()) => return,
            Err(Fault::OutOfMemory) => hypercall::out_of_memory(address, frame.ret.rip),
            Err(Fault::Denied) => {}
        }
    }
    if !kernel.signals.raise_for_exception(frame, address) {
        hypercall::death(frame.vector, frame.error, address, frame.ret.rip);
    }
}
