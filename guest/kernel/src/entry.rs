//! First instruction, `syscall` entry and exception entries.
//!
//! Every trap from ring 3 ends up with a [`ReturnFrame`] on the kernel stack, pushed by the processor
//! for an exception and by us for `syscall`. The vector registers are the program's and nothing here
//! touches them; of the others, only those that a Rust function may change are saved, unless the
//! handler raises [`FULL_FRAME`] because a signal needs them all.
//!
//! Some software KVM backends deliver `syscall` without the change of privilege: the program arrives at
//! LSTAR while still in ring 3, which faults at once, since that page is the kernel's. The page fault
//! entry sees a fault *at* the syscall entry and serves it as the call: RCX and R11 hold what `syscall`
//! put there. On a processor that does as the manual says, a program gets there only by jumping to that
//! address itself, which is then nothing but another way to make a system call.

use core::arch::global_asm;
use core::sync::atomic::AtomicU32;

use guest_abi::{DOORBELL, Hypercall, KernelHeader, layout};

/// What the processor pushes at an exception (Intel SDM volume 3, 6.14.2), and what `iretq` pops.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ReturnFrame {
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// What the `syscall` entry leaves on the stack.
#[repr(C)]
#[derive(Debug)]
pub struct SyscallFrame {
    pub number: u64,
    pub args: [u64; 6],
    pub ret: ReturnFrame,
}

/// What an exception entry leaves on the stack: the registers that a Rust function may change, the
/// vector and the error code (0 where the processor gives none).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ExceptionFrame {
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rax: u64,
    pub vector: u64,
    pub error: u64,
    pub ret: ReturnFrame,
}

/// Every register of the program, for delivering a signal and returning from it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FullFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rest: ExceptionFrame,
}

const _: () = {
    assert!(size_of::<SyscallFrame>() == 12 * 8);
    assert!(size_of::<ExceptionFrame>() == 16 * 8);
    assert!(size_of::<FullFrame>() == 22 * 8);
};

/// Set by a handler that wants `signal::with_full_frame` to run before the program goes on.
#[unsafe(no_mangle)]
pub static FULL_FRAME: AtomicU32 = AtomicU32::new(0);

global_asm!(
    ".pushsection .header, \"a\"",
    ".quad {magic}",
    ".quad _start",
    ".quad _boot",
    ".quad syscall_entry",
    ".irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    ".quad exception_\\vector",
    ".endr",
    ".popsection",

    ".pushsection .text.entry, \"ax\"",

    // The VMM has put Hypercall::Enter in EAX, the port in DX and a ReturnFrame on the stack.
    ".global _start",
    "_start:",
    "out dx, eax",
    "xor eax, eax",
    "xor edx, edx",
    "iretq",

    // The same stack. The program must find every register zero.
    ".global _boot",
    "_boot:",
    "call boot",
    ".irp register, rcx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15",
    "xor \\register, \\register",
    ".endr",
    "mov edx, {doorbell}",
    "mov eax, {booted}",
    "out dx, eax",
    "mov eax, {enter}",
    "jmp _start",

    ".balign 16",
    ".global syscall_entry",
    "syscall_entry:",
    "mov [rip + user_rsp], rsp",
    "mov rsp, {stack}",
    "push {user_data}",
    "push [rip + user_rsp]",
    "push r11",
    "push {user_code}",
    "push rcx",
    "push r9",
    "push r8",
    "push r10",
    "push rdx",
    "push rsi",
    "push rdi",
    "push rax",
    "mov rdi, rsp",
    "call syscall_handler",
    "cmp dword ptr [rip + FULL_FRAME], 0",
    "jne syscall_full_frame",
    "add rsp, 8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop r10",
    "pop r8",
    "pop r9",
    "pop rcx",
    "add rsp, 8",
    "pop r11",
    "pop rsp",
    "sysretq",

    // Turns a SyscallFrame into an ExceptionFrame.
    "syscall_full_frame:",
    "add rsp, 8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop r10",
    "pop r8",
    "pop r9",
    "push 0",
    "push {no_vector}",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "jmp full_frame",

    ".balign 16",
    "exception_14:",
    "cmp qword ptr [rsp + 8], offset syscall_entry",
    "jne page_fault",
    // A `syscall` that kept ring 3. The error code's place becomes the last argument's.
    "mov [rsp], r9",
    "mov [rsp + 8], rcx",
    "mov [rsp + 24], r11",
    "cld",
    "push r8",
    "push r10",
    "push rdx",
    "push rsi",
    "push rdi",
    "push rax",
    "mov rdi, rsp",
    "call syscall_handler",
    "cmp dword ptr [rip + FULL_FRAME], 0",
    "jne syscall_full_frame",
    "add rsp, 8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop r10",
    "pop r8",
    "pop r9",
    "iretq",

    "page_fault:",
    "push 14",
    "exception:",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "cld",
    "mov rdi, rsp",
    "call exception_handler",
    "cmp dword ptr [rip + FULL_FRAME], 0",
    "jne full_frame",
    "exception_return:",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "add rsp, 16",
    "iretq",

    "full_frame:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov rdi, rsp",
    "call full_frame_handler",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "jmp exception_return",

    // The exceptions for which the processor pushes an error code, and those for which it does not
    // (Intel SDM volume 3, table 6-1).
    ".irp vector, 8,10,11,12,13,17,21,29,30",
    "exception_\\vector:",
    "push \\vector",
    "jmp exception",
    ".endr",
    ".irp vector, 0,1,2,3,4,5,6,7,9,15,16,18,19,20,22,23,24,25,26,27,28,31",
    "exception_\\vector:",
    "push 0",
    "push \\vector",
    "jmp exception",
    ".endr",
    ".popsection",

    ".pushsection .bss",
    ".balign 8",
    "user_rsp: .quad 0",
    ".popsection",

    magic = const KernelHeader::MAGIC,
    stack = const layout::KERNEL_BASE.wrapping_add(layout::KERNEL_STACK_TOP) as i64,
    user_data = const layout::USER_DATA,
    user_code = const layout::USER_CODE,
    no_vector = const -1,
    doorbell = const DOORBELL,
    booted = const Hypercall::Booted as u32,
    enter = const Hypercall::Enter as u32,
);
