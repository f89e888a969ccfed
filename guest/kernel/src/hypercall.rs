//! Calling the VMM.

use core::arch::asm;

use guest_abi::{DOORBELL, Hypercall, HypercallPage, Segment, layout};

use crate::syscall::Errno;

/// The page that we share with the VMM.
fn page() -> *mut HypercallPage {
    (layout::KERNEL_BASE + layout::HYPERCALL_PAGE) as *mut HypercallPage
}

fn ring(call: Hypercall) {
    // SAFETY: an `out` to the doorbell makes the VMM read and write the hypercall page and the memory
    // that its segments name; the compiler assumes that this assembly may touch any memory.
    unsafe {
        asm!("out dx, eax", in("dx") DOORBELL, in("eax") call as u32, options(nostack, preserves_flags))
    };
}

/// Makes a call about a list of segments that was filled in by [`Segments`].
fn call(call: Hypercall, args: [u64; 4]) -> Result<u64, Errno> {
    // SAFETY: the page is mapped for ever, and nothing else in the kernel holds a reference into it.
    unsafe { (*page()).args = args };
    ring(call);
    // SAFETY: as above. The VMM has written the result.
    let result = unsafe { (&raw const (*page()).result).read_volatile() };
    if result < 0 { Err(Errno(-result as i32)) } else { Ok(result as u64) }
}

fn never_returns(call_number: Hypercall, args: [u64; 4]) -> ! {
    loop {
        let _ = call(call_number, args);
    }
}

/// The segments of the next call. They live in the shared page.
pub struct Segments {
    count: usize,
}

impl Segments {
    /// An empty list.
    pub fn new() -> Segments {
        Segments { count: 0 }
    }

    /// How many there are.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a stretch of guest memory, joined to the last one where it follows it. False: the list is full.
    pub fn push(&mut self, physical: u64, bytes: u64) -> bool {
        // SAFETY: as in `call`; `count` never exceeds the array.
        let segments = unsafe { &mut (*page()).segments };
        if let Some(last) = self.count.checked_sub(1).and_then(|last| segments.get_mut(last))
            && last.physical + last.bytes == physical
        {
            last.bytes += bytes;
            return true;
        }
        let Some(next) = segments.get_mut(self.count) else { return false };
        *next = Segment { physical, bytes };
        self.count += 1;
        true
    }

    fn call(self, number: Hypercall, args: [u64; 4]) -> Result<u64, Errno> {
        // SAFETY: as in `call`.
        unsafe { (*page()).segment_count = self.count as u64 };
        call(number, args)
    }

    /// Writes them to stream 1 or 2.
    pub fn write(self, stream: u64) -> Result<u64, Errno> {
        self.call(Hypercall::ConsoleWrite, [stream, 0, 0, 0])
    }

    /// Fills them from standard input.
    pub fn read(self) -> Result<u64, Errno> {
        self.call(Hypercall::ConsoleRead, [0; 4])
    }

    /// Fills them with random bytes.
    pub fn random(self) -> Result<u64, Errno> {
        self.call(Hypercall::Random, [0; 4])
    }

    /// Gives them back: they read as zero from now on.
    pub fn release(self) {
        if self.count > 0 {
            let _ = self.call(Hypercall::Release, [0; 4]);
        }
    }
}

/// Waits for standard input; true when it is readable.
pub fn poll_console(timeout_ns: u64) -> Result<bool, Errno> {
    call(Hypercall::ConsolePoll, [timeout_ns, 0, 0, 0]).map(|ready| ready != 0)
}

/// Sleeps.
pub fn sleep(ns: u64) {
    let _ = call(Hypercall::Sleep, [ns, 0, 0, 0]);
}

/// Names a system call that we lack.
pub fn missing_call(number: u64) {
    let _ = call(Hypercall::MissingCall, [number, 0, 0, 0]);
}

/// Copies between mapped addresses that do not overlap. False: it did not work.
pub fn copy(to: u64, from: u64, bytes: u64) -> bool {
    call(Hypercall::Copy, [to, from, bytes, 0]).is_ok()
}

/// Fills mapped addresses. False: it did not work.
pub fn fill(to: u64, byte: u8, bytes: u64) -> bool {
    call(Hypercall::Fill, [to, byte.into(), bytes, 0]).is_ok()
}

/// Asks for the rest of memory. False: there is none.
pub fn more_memory() -> bool {
    call(Hypercall::MoreMemory, [0; 4]).is_ok()
}

/// Writes the program's memory to stream 1 or 2, and returns what a system call does.
pub fn user_write(stream: u64, address: u64, bytes: u64) -> i64 {
    // SAFETY: as in `call`.
    unsafe {
        (*page()).args[0] = stream;
        (*page()).args[1] = address;
        (*page()).args[2] = bytes;
    }
    ring(Hypercall::UserWrite);
    // SAFETY: as in `call`.
    unsafe { (&raw const (*page()).result).read_volatile() }
}

/// The program has ended.
pub fn exit(status: u64) -> ! {
    never_returns(Hypercall::Exit, [status, 0, 0, 0])
}

/// A signal ends the program.
pub fn exit_by_signal(signal: u64) -> ! {
    never_returns(Hypercall::ExitBySignal, [signal, 0, 0, 0])
}

/// An exception ends the program.
pub fn death(vector: u64, error: u64, address: u64, rip: u64) -> ! {
    never_returns(Hypercall::Death, [vector, error, address, rip])
}

/// No memory is left for the program.
pub fn out_of_memory(address: u64, rip: u64) -> ! {
    never_returns(Hypercall::OutOfMemory, [address, rip, 0, 0])
}

/// The kernel itself has failed.
pub fn panic(place: u64, vector: u64, address: u64, text: &str) -> ! {
    // SAFETY: as in `call`. The text is in the kernel's image, whose mapping is linear.
    unsafe {
        (*page()).segments[0] =
            Segment { physical: text.as_ptr() as u64 - layout::KERNEL_BASE, bytes: text.len() as u64 };
        (*page()).segment_count = 1;
    }
    never_returns(Hypercall::Panic, [place, vector, address, 0])
}

/// Counts a system call, for the VMM's report.
pub fn count_syscall() {
    // SAFETY: as in `call`.
    unsafe { (*page()).syscalls += 1 };
}
