//! Tests with a guest that has taken over the guest kernel: it uses every port, memory that is not there, and
//! calls the VMM with whatever arguments. The VMM, confined as always, must say what was wrong and live on.

use std::arch::global_asm;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kvm_ioctls::Kvm;

use super::memory_layout::{
    BOOT_INFO, DIRECT_MAP, HOLE_END, HOLE_START, HYPERCALL_PAGE, KERNEL_BASE, physical,
};
use super::plan::{self, Plan};
use super::run_loop;
use crate::runtime::board::Board;
use crate::runtime::spec::{LaunchSpec, Program};
use crate::runtime::trial::{Death, DeathCause};
use crate::runtime::vmm::address_space::AddressSpace;
use crate::runtime::vmm::confine::confine;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::host::add_memory;
use crate::runtime::vmm::report::Ending;

// Code for ring 0, wherever it is put. Each attack ends by the hypercall "exit" with status 0, whose arguments
// are the first words of the page for hypercalls.
global_asm!(
    ".pushsection .rodata.hostile",
    // What all attacks end with. RBX: the page.
    ".macro hostile_exit",
    "mov rbx, {page}",
    "mov qword ptr [rbx + {args}], 0",
    "mov edx, {doorbell}",
    "mov eax, {exit}",
    "out dx, eax",
    ".endm",
    // Every port, written and read, in every width in turn.
    ".globl hostile_ports, hostile_ports_end",
    "hostile_ports:",
    "xor ebp, ebp",
    "2: mov edx, ebp",
    "mov eax, ebp",
    "cmp edx, {doorbell}",
    "je 4f",
    "test ebp, 1",
    "jne 3f",
    "out dx, al",
    "in ax, dx",
    "jmp 4f",
    "3: out dx, eax",
    "in al, dx",
    "4: inc ebp",
    "cmp ebp, 0x10000",
    "jne 2b",
    "hostile_exit",
    "hostile_ports_end:",
    // Every large page of one gigabyte of addresses, written and read.
    ".globl hostile_memory, hostile_memory_end",
    "hostile_memory:",
    "mov rsi, {window}",
    "mov ebp, 512",
    "2: mov dword ptr [rsi + 0x1230], ebp",
    "mov al, byte ptr [rsi + 0x1234]",
    "add rsi, 0x200000",
    "dec ebp",
    "jne 2b",
    "hostile_exit",
    "hostile_memory_end:",
    // Calls with random numbers of every magnitude for all arguments and segments.
    ".globl hostile_calls, hostile_calls_end",
    "hostile_calls:",
    "mov rax, 88172645463325252",
    "mov r8, 6364136223846793005",
    "mov ebp, 3000",
    "2: mov rbx, {page}",
    "mov esi, 24",
    "3: imul rax, r8",
    "inc rax",
    "mov rcx, rax",
    "shr rcx, 57",
    "mov rdx, rax",
    "shr rdx, cl",
    "mov qword ptr [rbx + rsi * 8], rdx",
    "dec esi",
    "jns 3b",
    "mov rdi, rax",
    "shr rdi, 60",
    // One of 16 calls, out of the table in BootInfo's place.
    "mov r9, {table}",
    "mov rsi, rax",
    "mov eax, dword ptr [r9 + rdi * 4]",
    "mov edx, {doorbell}",
    "out dx, eax",
    "mov rax, rsi",
    "dec ebp",
    "jne 2b",
    "hostile_exit",
    "hostile_calls_end:",
    ".purgem hostile_exit",
    ".popsection",
    page = const DIRECT_MAP + HYPERCALL_PAGE,
    table = const DIRECT_MAP + BOOT_INFO,
    window = const WINDOW,
    args = const std::mem::offset_of!(guest_abi::HypercallPage, args),
    doorbell = const guest_abi::DOORBELL,
    exit = const guest_abi::Hypercall::Exit as u32,
);

/// A gigabyte of addresses that the guest kernel does not use.
const WINDOW: u64 = 0xffff_a000_0000_0000;
/// Where its page tables are put: at the end of guest memory, which nothing uses yet.
const TABLES_BELOW_END: u64 = 16 << 20;

unsafe extern "C" {
    static hostile_ports: u8;
    static hostile_ports_end: u8;
    static hostile_memory: u8;
    static hostile_memory_end: u8;
    static hostile_calls: u8;
    static hostile_calls_end: u8;
}

fn code(start: *const u8, end: *const u8) -> &'static [u8] {
    // SAFETY: both are labels in the assembly above, the second behind the first.
    unsafe { std::slice::from_raw_parts(start, end.offset_from(start) as usize) }
}

/// Runs `attack` in place of the guest kernel, in a process that is confined as a VMM is, and hands every death to
/// `survived`, after which the guest goes on. True when the guest came to its own end after so many deaths.
fn attack(
    attack: &[u8],
    deaths: u64,
    memory: impl Fn(&GuestMemory, &Plan),
    survived: impl Fn(&Death),
) -> bool {
    let spec = LaunchSpec::new(Program::Builtin("noop".into()));
    let plan = plan::prepare(&spec).unwrap().plan;
    let board = Board::new().unwrap();
    // SAFETY: the child is one thread of this test, and leaves by _exit.
    match unsafe { libc::fork() } {
        0 => {
            let ended = catch_unwind(AssertUnwindSafe(|| run(&plan, &board, attack, memory, survived)));
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!matches!(ended, Ok(number) if number == deaths))) }
        }
        child => {
            let mut status = -1;
            // SAFETY: waits for our own child.
            unsafe { libc::waitpid(child, &mut status, 0) };
            status == 0
        }
    }
}

/// Returns how many deaths the guest survived.
fn run(
    plan: &Plan,
    board: &Board,
    attack: &[u8],
    prepare: impl Fn(&GuestMemory, &Plan),
    survived: impl Fn(&Death),
) -> u64 {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    for stream in 0..2 {
        // SAFETY: the child's own descriptors. Messages of a failed test still go to the third.
        unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), stream) };
    }
    let layout = plan.layout;
    let memory = GuestMemory::new(layout.end, layout.memory, &plan.windows).unwrap();
    prepare(&memory, plan);
    let machine = plan.kvm.create_vm().unwrap();
    let slots = memory.slots(0, layout.end);
    add_memory(&machine, 0, &slots).unwrap();
    let vcpu = machine.create_vcpu(0).unwrap();
    vcpu.set_cpuid2(&plan.cpuid).unwrap();
    plan.vcpu.apply(&vcpu).unwrap();
    memory.write(vcpu.get_regs().unwrap().rip - KERNEL_BASE, attack).unwrap();
    confine(&plan.filter).unwrap();
    let space = AddressSpace::new(plan.page_table);
    let mut guest = run_loop::Guest::new(vcpu, memory, space, layout.memory_bytes(), board);
    for deaths in 0.. {
        match guest.run(&mut || Ok(())) {
            Ending::Death(death) => survived(&death),
            Ending::Code(0) => return deaths,
            other => panic!("{other:?}"),
        }
    }
    unreachable!("a guest cannot die for ever");
}

fn has_kvm() -> bool {
    let has = Kvm::new().is_ok();
    if !has {
        eprintln!("SKIPPED: there is no /dev/kvm");
    }
    has
}

/// A guest that was told that nothing is there.
fn one_clear_line(death: &Death) {
    assert_eq!(death.cause, DeathCause::UnexpectedExit, "{death:?}");
    let line = death.message.strip_prefix("unexpected VM exit ").unwrap_or_else(|| panic!("{death:?}"));
    assert!(line.len() < 100 && !line.contains('\n'), "{line}");
}

#[test]
fn every_port_is_answered_with_one_clear_line() {
    let code = code(&raw const hostile_ports, &raw const hostile_ports_end);
    assert!(!has_kvm() || attack(code, 2 * 0xffff, |_, _| {}, one_clear_line));
}

#[test]
fn memory_that_is_not_there_is_answered_with_one_clear_line() {
    let map = |memory: &GuestMemory, plan: &Plan| {
        let [third, second] = [0x1000, 0x2000].map(|at| physical(plan.layout.end - TABLES_BELOW_END + at));
        memory.write_u64(plan.page_table + (WINDOW >> 39 & 511) * 8, third | 3).unwrap();
        memory.write_u64(third, second | 3).unwrap();
        let end = plan.cpuid.as_slice().iter().find(|entry| entry.function == 0x8000_0008);
        let bits = end.map_or(36, |entry| u64::from(entry.eax & 0xff)).min(51);
        for index in 0..512 {
            // The hole, then around every power of two that an address can be, then far away.
            let address = match index {
                0..256 => HOLE_START + index * (HOLE_END - HOLE_START) / 256,
                256.. => {
                    let power = 1u64 << (33 + index % (bits - 33));
                    power + (index / 64) * (2 << 20)
                }
            };
            memory.write_u64(second + index * 8, address | 0x83).unwrap();
        }
    };
    let code = code(&raw const hostile_memory, &raw const hostile_memory_end);
    assert!(!has_kvm() || attack(code, 2 * 512, map, one_clear_line));
}

#[test]
fn wild_arguments_of_hypercalls_do_no_harm() {
    use guest_abi::Hypercall::*;

    // All calls that return, but the one that would wait.
    let calls = [
        Enter,
        ConsoleWrite,
        ConsoleRead,
        ConsolePoll,
        MissingCall,
        Random,
        Release,
        Copy,
        Fill,
        MoreMemory,
        UserWrite,
    ];
    let table = |memory: &GuestMemory, _: &Plan| {
        for (index, call) in calls.iter().cycle().take(16).enumerate() {
            memory.write(BOOT_INFO + 4 * index as u64, &(*call as u32).to_le_bytes()).unwrap();
        }
    };
    let code = code(&raw const hostile_calls, &raw const hostile_calls_end);
    assert!(!has_kvm() || attack(code, 0, table, |death| panic!("{death:?}")));
}
