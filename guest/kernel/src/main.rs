//! The guest kernel: runs one unmodified static Linux program in ring 3 of a virtual machine, and
//! serves its system calls, page faults and exceptions.
//!
//! The VMM has prepared everything that can be prepared natively: page tables, descriptor tables, the
//! program's image and its initial stack. So booting is two instructions (`entry.rs`), and all that is
//! left here is to answer traps. There are no interrupts and one processor: a trap never nests, since
//! the kernel validates and maps user memory before it touches it.
//!
//! On a software KVM, ring 0 is interpreted at about half a microsecond an instruction. Hence short
//! paths, `rep movs` for copies, large pages, and no `core::fmt`.
#![no_std]
#![no_main]

extern crate alloc;

mod bulk;
mod console;
mod entry;
mod exception;
mod files;
mod heap;
mod hypercall;
mod intrinsics;
mod kernel;
mod memory;
mod process;
mod registers;
mod signal;
mod syscall;
mod time;

use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let line = info.location().map_or(0, |location| location.line());
    let file = info.location().map_or("", |location| location.file());
    hypercall::panic(line.into(), u64::MAX, 0, file)
}
