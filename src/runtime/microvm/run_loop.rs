//! Runs the vCPU and answers the guest kernel's hypercalls. The guest is hostile: every number it gives
//! is checked, and nothing it does makes the VMM fail.

use std::collections::BTreeMap;
use std::io::Error;
use std::mem::offset_of;

use guest_abi::hypercall::MAX_SEGMENTS;
use guest_abi::{DOORBELL, Hypercall, HypercallPage, Segment};
use kvm_ioctls::{VcpuExit, VcpuFd};

use super::death;
use super::memory_layout::{HYPERCALL_PAGE, offset};
use crate::measure::clock::monotonic_ns;
use crate::runtime::board::Board;
use crate::runtime::trial::{Death, MissingCall};
use crate::runtime::vmm::address_space::AddressSpace;
use crate::runtime::vmm::death::{by_internal_error, by_triple_fault, by_unexpected_exit};
use crate::runtime::vmm::exits::Exits;
use crate::runtime::vmm::guest_memory::{GuestMemory, OutOfBounds};
use crate::runtime::vmm::report::Ending;
use crate::runtime::vmm::streams;

/// Longest text of a guest kernel's panic that is shown.
const MOST_PANIC_TEXT: u64 = 200;
/// Different missing calls that are remembered.
const MOST_MISSING_CALLS: usize = 512;

/// A running guest.
#[derive(Debug)]
pub struct Guest<'a> {
    /// Its processor.
    pub vcpu: VcpuFd,
    /// Its memory.
    pub memory: GuestMemory,
    /// Its virtual addresses.
    pub space: AddressSpace,
    /// Configured memory, for messages.
    pub configured_bytes: u64,
    /// Where its progress is written.
    pub board: &'a Board,
    /// Exits so far.
    pub exits: Exits,
    /// Time inside `KVM_RUN`.
    pub guest_ns: u64,
    missing_calls: BTreeMap<u64, u64>,
}

/// An exit, without the borrow of the vCPU.
enum Exit {
    Doorbell(u32),
    Interrupted,
    Death(Death),
}

impl<'a> Guest<'a> {
    /// A guest that has not run yet.
    pub fn new(
        vcpu: VcpuFd,
        memory: GuestMemory,
        space: AddressSpace,
        configured_bytes: u64,
        board: &'a Board,
    ) -> Guest<'a> {
        Guest {
            vcpu,
            memory,
            space,
            configured_bytes,
            board,
            exits: Exits::default(),
            guest_ns: 0,
            missing_calls: BTreeMap::new(),
        }
    }

    /// Runs it to its end. `more_memory` gives the VM the rest of its memory.
    pub fn run(&mut self, more_memory: &mut dyn FnMut() -> Result<(), kvm_ioctls::Error>) -> Ending {
        loop {
            let entered_ns = monotonic_ns();
            let exit = self.run_once();
            let exited_ns = monotonic_ns();
            self.guest_ns += exited_ns - entered_ns;
            let number = match exit {
                Exit::Doorbell(number) => number,
                Exit::Interrupted => continue,
                Exit::Death(death) => return Ending::Death(death),
            };
            let Some(call) = Hypercall::from_number(number) else {
                return Ending::Death(by_unexpected_exit(&format!("hypercall {number}"), self.rip()));
            };
            let ending = self.answer(call, more_memory);
            self.exits.count(call.name(), monotonic_ns() - exited_ns);
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    fn run_once(&mut self) -> Exit {
        let unexpected = match self.vcpu.run() {
            Ok(VcpuExit::IoOut(DOORBELL, data)) => match <[u8; 4]>::try_from(data) {
                Ok(number) => return Exit::Doorbell(u32::from_le_bytes(number)),
                Err(_) => "KVM_EXIT_IO (doorbell of another width)".to_owned(),
            },
            Ok(VcpuExit::Intr) => return Exit::Interrupted,
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => return Exit::Interrupted,
            Ok(VcpuExit::Shutdown) => return Exit::Death(by_triple_fault(self.rip())),
            Ok(VcpuExit::InternalError) => {
                // SAFETY: for this exit reason KVM has filled in the `internal` member.
                let suberror = unsafe { self.vcpu.get_kvm_run().__bindgen_anon_1.internal.suberror };
                return Exit::Death(by_internal_error(suberror, self.rip()));
            }
            Ok(VcpuExit::FailEntry(reason, _)) => format!("KVM_EXIT_FAIL_ENTRY (reason {reason:#x})"),
            Ok(VcpuExit::IoOut(port, _)) => format!("KVM_EXIT_IO (out to port {port:#x})"),
            Ok(VcpuExit::IoIn(port, _)) => format!("KVM_EXIT_IO (in from port {port:#x})"),
            Ok(VcpuExit::MmioRead(address, _)) => format!("KVM_EXIT_MMIO (read of {address:#x})"),
            Ok(VcpuExit::MmioWrite(address, _)) => format!("KVM_EXIT_MMIO (write to {address:#x})"),
            Ok(VcpuExit::Hlt) => "KVM_EXIT_HLT".to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("KVM_RUN failed ({error})"),
        };
        Exit::Death(by_unexpected_exit(&unexpected, self.rip()))
    }

    fn rip(&self) -> Option<u64> {
        self.vcpu.get_regs().ok().map(|regs| regs.rip)
    }

    fn field(&self, at: usize) -> u64 {
        // The page is part of every guest's memory.
        self.memory.read_u64(HYPERCALL_PAGE + at as u64).unwrap_or(0)
    }

    fn args(&self) -> [u64; 4] {
        std::array::from_fn(|index| self.field(offset_of!(HypercallPage, args) + 8 * index))
    }

    /// System calls that the guest kernel says it has served.
    pub fn syscalls(&self) -> u64 {
        self.field(offset_of!(HypercallPage, syscalls))
    }

    fn segments(&self) -> Result<Vec<Segment>, OutOfBounds> {
        let count = self.field(offset_of!(HypercallPage, segment_count)).min(MAX_SEGMENTS as u64) as usize;
        let at = |index: usize| offset_of!(HypercallPage, segments) + index * size_of::<Segment>();
        (0..count)
            .map(|index| {
                let segment = Segment { physical: self.field(at(index)), bytes: self.field(at(index) + 8) };
                self.memory.slice(segment).map(|_| segment)
            })
            .collect()
    }

    /// Serves a hypercall; some of them end the guest.
    fn answer(
        &mut self,
        call: Hypercall,
        more_memory: &mut dyn FnMut() -> Result<(), kvm_ioctls::Error>,
    ) -> Option<Ending> {
        let args = self.args();
        let result = match call {
            Hypercall::Enter => {
                self.board.entered();
                Ok(0)
            }
            Hypercall::ConsoleWrite => self.console_write(args[0]),
            Hypercall::UserWrite => self.user_write(args[0], args[1], args[2]),
            Hypercall::ConsoleRead => self.over_segments(streams::read),
            Hypercall::ConsolePoll => streams::poll_stdin(args[0]),
            Hypercall::Random => self.over_segments(streams::random),
            Hypercall::Release => self.release(),
            Hypercall::Copy => self.space.copy(&self.memory, args[0], args[1], args[2]),
            Hypercall::Fill => self.space.fill(&self.memory, args[0], args[1] as u8, args[2]),
            Hypercall::MoreMemory => more_memory().map(|()| 0).map_err(Error::from),
            Hypercall::Sleep => {
                streams::sleep(args[0]);
                Ok(0)
            }
            Hypercall::MissingCall => {
                if self.missing_calls.len() < MOST_MISSING_CALLS || self.missing_calls.contains_key(&args[0])
                {
                    *self.missing_calls.entry(args[0]).or_default() += 1;
                }
                Ok(0)
            }
            Hypercall::Booted => return Some(Ending::Booted),
            Hypercall::Exit => return Some(Ending::Code((args[0] & 0xff) as i32)),
            Hypercall::ExitBySignal => return Some(Ending::Signal((args[0] & 0x7f) as i32)),
            Hypercall::Death => {
                return Some(Ending::Death(death::by_exception(args[0], args[1], args[2], args[3])));
            }
            Hypercall::OutOfMemory => {
                return Some(Ending::Death(death::by_exhaustion(args[0], args[1], self.configured_bytes)));
            }
            Hypercall::Panic => {
                let text = self.panic_text();
                return Some(Ending::Death(death::by_panic(args[0], args[1], args[2], &text)));
            }
        };
        let result = match result {
            Ok(value) => value as i64,
            Err(error) => -i64::from(error.raw_os_error().unwrap_or(libc::EIO)),
        };
        let at = HYPERCALL_PAGE + offset_of!(HypercallPage, result) as u64;
        self.memory
            .write_u64(at, result as u64)
            .err()
            .map(|_| Ending::Death(by_unexpected_exit("hypercall without its page", self.rip())))
    }

    fn over_segments(
        &self,
        call: impl FnOnce(&GuestMemory, &[Segment]) -> std::io::Result<u64>,
    ) -> std::io::Result<u64> {
        call(&self.memory, &self.segments()?)
    }

    fn console_write(&self, stream: u64) -> std::io::Result<u64> {
        match stream {
            1 | 2 => self.over_segments(|memory, segments| streams::write(memory, stream as i32, segments)),
            _ => Err(Error::from_raw_os_error(libc::EBADF)),
        }
    }

    fn user_write(&self, stream: u64, address: u64, bytes: u64) -> std::io::Result<u64> {
        match stream {
            1 | 2 => {
                let segments = self.space.user_segments(&self.memory, address, bytes)?;
                streams::write(&self.memory, stream as i32, &segments)
            }
            _ => Err(Error::from_raw_os_error(libc::EBADF)),
        }
    }

    fn release(&self) -> std::io::Result<u64> {
        for segment in self.segments()? {
            self.memory.release(segment)?;
        }
        Ok(0)
    }

    fn panic_text(&self) -> String {
        let segment = self.segments().ok().and_then(|segments| segments.first().copied()).unwrap_or_default();
        let mut text = vec![0; segment.bytes.min(MOST_PANIC_TEXT) as usize];
        match self.memory.read(segment.physical, &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(OutOfBounds) => format!("an unknown place (text at offset {:#x})", offset(segment.physical)),
        }
    }

    /// Calls that the guest kernel lacks and that were made, by name.
    pub fn missing_calls(&self) -> Vec<MissingCall> {
        self.missing_calls
            .iter()
            .map(|(number, count)| MissingCall {
                name: syscalls::Sysno::new(*number as usize)
                    .map_or_else(|| format!("syscall_{number}"), |call| call.name().to_owned()),
                number: *number,
                count: *count,
            })
            .collect()
    }
}
