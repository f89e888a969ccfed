//! What killed a workload or the guest kernel, in words. What kills any VM is in `vmm/death.rs`.

use super::memory_layout::{STACK_BYTES, USER_END};
use crate::runtime::trial::{Death, DeathCause};

/// Bits of a page fault's error code (Intel SDM volume 3, 5.12).
const WRITE: u64 = 1 << 1;
const FETCH: u64 = 1 << 4;

/// An exception that the program raised.
pub fn by_exception(vector: u64, error: u64, address: u64, rip: u64) -> Death {
    let (cause, at, what) = match vector {
        0 => (DeathCause::DivisionError, rip, "division error".to_owned()),
        6 => (DeathCause::InvalidInstruction, rip, "invalid instruction".to_owned()),
        13 => (DeathCause::GeneralProtection, rip, "general protection fault".to_owned()),
        14 => (DeathCause::PageFault, address, page_fault(error, address)),
        _ => (DeathCause::OtherException, rip, format!("exception {vector} ({})", exception_name(vector))),
    };
    Death { cause, address: Some(at), message: format!("{what} at rip {rip:#x}") }
}

fn page_fault(error: u64, address: u64) -> String {
    let access = if error & FETCH != 0 {
        "jump to"
    } else if error & WRITE != 0 {
        "write to"
    } else {
        "read from"
    };
    let stack = USER_END - STACK_BYTES;
    // A frame is rarely larger than this.
    let hint = if (stack - (1 << 20)..stack).contains(&address) { " (the stack overflowed)" } else { "" };
    format!("page fault: {access} {address:#x}{hint}")
}

fn exception_name(vector: u64) -> &'static str {
    match vector {
        1 => "debug",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack fault",
        16 => "x87 floating point",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating point",
        21 => "control protection",
        _ => "reserved",
    }
}

/// The program needed memory and none was left.
pub fn by_exhaustion(address: u64, rip: u64, configured_bytes: u64) -> Death {
    Death {
        cause: DeathCause::OutOfMemory,
        address: Some(address),
        message: format!(
            "out of memory: all {} MiB of the microVM are used (address {address:#x}, rip {rip:#x}); \
             give more with --memory",
            configured_bytes >> 20
        ),
    }
}

/// The guest kernel found a fault of its own.
pub fn by_panic(place: u64, vector: u64, address: u64, text: &str) -> Death {
    let message = if vector == u64::MAX {
        format!("guest kernel panic at {text}:{place}")
    } else {
        let name = if vector == 14 { "page fault" } else { exception_name(vector) };
        format!("guest kernel fault: exception {vector} ({name}), address {address:#x}, rip {place:#x}")
    };
    Death { cause: DeathCause::GuestKernelPanic, address: Some(place), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fault_tells_what_was_done_to_which_address() {
        let death = by_exception(14, 0x6, 0, 0x40_1234);
        assert_eq!((death.cause, death.address), (DeathCause::PageFault, Some(0)));
        assert_eq!(death.message, "page fault: write to 0x0 at rip 0x401234");
    }

    #[test]
    fn a_stack_overflow_is_called_one() {
        let death = by_exception(14, 0x6, USER_END - STACK_BYTES - 8, 0x40_1234);
        assert!(death.message.contains("the stack overflowed"), "{}", death.message);
    }
}
