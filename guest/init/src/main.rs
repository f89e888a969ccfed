//! What a container's first process becomes once the workload runs: it reaps orphans, and tells the
//! launcher how and when the workload ended. A page or two of memory, no heap, no descriptor but one.
//!
//! Contract with `src/runtime/container/init.rs`:
//! - `argv[1]`: the workload's process id, in decimal; the workload is our child.
//! - descriptor 0: a pipe, to which we write two native `u64` when it has ended: its status, as
//!   wait4(2) tells, and `CLOCK_MONOTONIC` in nanoseconds.
//! - exit status 0 then, 1 when there is no such child.
#![no_std]
#![no_main]

use core::arch::{asm, naked_asm};

// Numbers of the x86-64 system calls in use (arch/x86/entry/syscalls/syscall_64.tbl).
const WRITE: usize = 1;
const WAIT4: usize = 61;
const PRCTL: usize = 157;
const CLOCK_GETTIME: usize = 228;
const EXIT_GROUP: usize = 231;

const CLOCK_MONOTONIC: usize = 1;
const PR_SET_NAME: usize = 15;
/// Children of every kind (wait4(2)).
const WALL: usize = 0x4000_0000;
const EINTR: isize = -4;

/// # Safety
/// The arguments must be valid for the call.
unsafe fn call(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result;
    // SAFETY: the caller's promise; the registers that the kernel overwrites are declared.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// Linux enters here with the argument count at the stack pointer, and no caller to return to.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "mov rdi, rsp", "call {main}", "ud2", main = sym main)
}

unsafe extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: at process entry the stack holds the argument count and as many pointers to
    // zero-terminated strings; the calls get pointers into this frame and plain numbers.
    unsafe {
        call(PRCTL, PR_SET_NAME, c"isobench-init".as_ptr() as usize, 0, 0);
        let workload = if *stack > 1 { number(*stack.add(2) as *const u8) } else { 0 };
        loop {
            let mut status: u32 = 0;
            let pid = call(WAIT4, usize::MAX, &raw mut status as usize, WALL, 0);
            if pid == workload {
                let mut now = [0u64; 2];
                call(CLOCK_GETTIME, CLOCK_MONOTONIC, &raw mut now as usize, 0, 0);
                let ending = [u64::from(status), now[0] * 1_000_000_000 + now[1]];
                call(WRITE, 0, &raw const ending as usize, size_of_val(&ending), 0);
                exit(0)
            }
            if pid < 0 && pid != EINTR {
                exit(1)
            }
        }
    }
}

/// # Safety
/// `text` must point to a zero-terminated string.
unsafe fn number(mut text: *const u8) -> isize {
    let mut value = 0;
    // SAFETY: stops at the terminating zero at the latest.
    unsafe {
        while (*text).is_ascii_digit() {
            value = value * 10 + isize::from(*text - b'0');
            text = text.add(1);
        }
    }
    value
}

fn exit(status: usize) -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { call(EXIT_GROUP, status, 0, 0, 0) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}
