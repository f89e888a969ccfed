//! `noop`: prints one line and exits.
//!
//! It measures start-up, teardown and footprint, so it must cost nothing itself: two system calls,
//! one page of code, no page of data, and of the stack only what the kernel has written already.
//! Everything else that a trial with it shows is the runtime's.
#![no_std]
#![no_main]

use guest_workloads as _;

/// The whole program. It looks at the first byte of each environment string and compares the rest
/// only where that can be `ISOBENCH_HOLD=1`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        // write(1, line, length): the first thing it does.
        "mov eax, 1",
        "mov edi, eax",
        "lea rsi, [rip + 7f]",
        "mov edx, 5",
        "syscall",
        // The environment begins after the argument count, the arguments and a null pointer.
        "mov rax, [rsp]",
        "lea rbx, [rsp + 8*rax + 16]",
        "2: mov rdi, [rbx]",
        "add rbx, 8",
        "test rdi, rdi",
        "jz 4f",
        "cmp byte ptr [rdi], 'I'",
        "jne 2b",
        "lea rsi, [rip + 8f]",
        "mov ecx, 16",
        "repe cmpsb",
        "jne 2b",
        // Held: read(0, below the stack, 64) until end of file or an error.
        "3: xor eax, eax",
        "xor edi, edi",
        "lea rsi, [rsp - 64]",
        "mov edx, 64",
        "syscall",
        "test rax, rax",
        "jg 3b",
        // exit_group(0)
        "4: mov eax, 231",
        "xor edi, edi",
        "syscall",
        "ud2",
        "7: .ascii \"noop\\n\"",
        "8: .asciz \"ISOBENCH_HOLD=1\"",
    )
}
