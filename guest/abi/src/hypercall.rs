//! Hypercalls: the guest kernel fills in the [`HypercallPage`], writes the call's number to the
//! [`DOORBELL`] port, and finds the result in the page when the instruction has completed.

use core::mem::{offset_of, size_of};

/// The I/O port of the doorbell, written with 4 bytes. Any number outside the ranges of real
/// devices would do; nothing else of the guest uses ports.
pub const DOORBELL: u16 = 0x0510;

/// What the guest kernel asks of the VMM. Arguments are in [`HypercallPage::args`]; a result below 0
/// is a Linux error number, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Hypercall {
    /// The next instruction is the program's first.
    Enter = 1,
    /// Write the segments to stream `args[0]` (1 or 2). Result: bytes written.
    ConsoleWrite = 2,
    /// Read from standard input into the segments. Result: bytes read, 0 at the end.
    ConsoleRead = 3,
    /// Wait up to `args[0]` nanoseconds (`u64::MAX`: for ever) for standard input to be readable.
    /// Result: 1 readable, 0 not.
    ConsolePoll = 4,
    /// The program ended with status `args[0]`. Does not return.
    Exit = 5,
    /// The signal `args[0]` ended the program. Does not return.
    ExitBySignal = 6,
    /// An exception ended the program: [`Hypercall::Death`]'s arguments are vector, error code, the
    /// address (page fault), the instruction pointer. Does not return.
    Death = 7,
    /// The program needed memory at address `args[0]`, instruction `args[1]`, and none is left. Does
    /// not return.
    OutOfMemory = 8,
    /// The guest kernel found a fault of its own: instruction pointer or line `args[0]`, vector
    /// `args[1]` (`u64::MAX`: a panic), address `args[2]`, text in the first segment. Does not return.
    Panic = 9,
    /// The program made the system call `args[0]`, which the guest kernel lacks.
    MissingCall = 10,
    /// Sleep for `args[0]` nanoseconds.
    Sleep = 11,
    /// Fill the segments with random bytes. Result: bytes written.
    Random = 12,
    /// The guest memory in the segments is free: its content may go, and it reads as zero again.
    Release = 13,
    /// Copy `args[2]` bytes of guest memory from virtual address `args[1]` to `args[0]`, which do not
    /// overlap. For a ring 0 that is interpreted: the VMM copies a page in the time of a few instructions.
    Copy = 14,
    /// Fill `args[2]` bytes of guest memory from virtual address `args[0]` on with the byte `args[1]`.
    Fill = 15,
    /// Give the VM all of its configured memory: at the start it has only the first part, since KVM takes
    /// time for every page of memory that a VM might use.
    MoreMemory = 16,
    /// Write `args[2]` bytes of the program's memory at virtual address `args[1]` to stream `args[0]`. The
    /// VMM walks the page tables, so that the most frequent call of small programs is a few instructions
    /// for ring 0. Result: bytes written; `-EFAULT` when the first page is not mapped for the program.
    UserWrite = 17,
    /// The guest kernel was started at [`crate::KernelHeader::boot`] and is ready: the next instruction rings
    /// [`Hypercall::Enter`]. Here a snapshot is taken.
    Booted = 18,
}

impl Hypercall {
    /// Every hypercall.
    pub const ALL: [Hypercall; 18] = [
        Hypercall::Enter,
        Hypercall::ConsoleWrite,
        Hypercall::ConsoleRead,
        Hypercall::ConsolePoll,
        Hypercall::Exit,
        Hypercall::ExitBySignal,
        Hypercall::Death,
        Hypercall::OutOfMemory,
        Hypercall::Panic,
        Hypercall::MissingCall,
        Hypercall::Sleep,
        Hypercall::Random,
        Hypercall::Release,
        Hypercall::Copy,
        Hypercall::Fill,
        Hypercall::MoreMemory,
        Hypercall::UserWrite,
        Hypercall::Booted,
    ];

    /// The hypercall with this number.
    pub fn from_number(number: u32) -> Option<Hypercall> {
        Hypercall::ALL.into_iter().find(|call| *call as u32 == number)
    }

    /// Its name in every report.
    pub fn name(self) -> &'static str {
        match self {
            Hypercall::Enter => "enter",
            Hypercall::ConsoleWrite | Hypercall::UserWrite => "console write",
            Hypercall::ConsoleRead => "console read",
            Hypercall::ConsolePoll => "console poll",
            Hypercall::Exit => "exit",
            Hypercall::ExitBySignal => "exit by signal",
            Hypercall::Death => "death",
            Hypercall::OutOfMemory => "out of memory",
            Hypercall::Panic => "panic",
            Hypercall::MissingCall => "missing call",
            Hypercall::Sleep => "sleep",
            Hypercall::Random => "random",
            Hypercall::Release => "release memory",
            Hypercall::Copy => "copy",
            Hypercall::Fill => "fill",
            Hypercall::MoreMemory => "more memory",
            Hypercall::Booted => "booted",
        }
    }
}

/// One stretch of guest memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Guest physical address.
    pub physical: u64,
    /// Length in bytes.
    pub bytes: u64,
}

/// How many segments one hypercall can carry.
pub const MAX_SEGMENTS: usize = 128;

/// The page through which the two sides talk.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HypercallPage {
    /// Arguments.
    pub args: [u64; 4],
    /// Result.
    pub result: i64,
    /// How many of `segments` count.
    pub segment_count: u64,
    /// System calls that the guest kernel has served so far.
    pub syscalls: u64,
    /// Always 0.
    pub reserved: u64,
    /// Guest memory that the call is about.
    pub segments: [Segment; MAX_SEGMENTS],
}

const _: () = {
    assert!(size_of::<Segment>() == 16);
    assert!(offset_of!(HypercallPage, result) == 32);
    assert!(offset_of!(HypercallPage, segment_count) == 40);
    assert!(offset_of!(HypercallPage, syscalls) == 48);
    assert!(offset_of!(HypercallPage, segments) == 64);
    assert!(size_of::<HypercallPage>() as u64 <= crate::layout::PAGE);
};
