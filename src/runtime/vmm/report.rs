//! How a guest ended, and what is told about its VM at the end.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};

use super::death::by_unexpected_exit;
use super::guest_memory::GuestMemory;
use super::resident::Resident;
use super::stats;
use crate::runtime::board::Board;
use crate::runtime::trial::{Death, GuestMemory as MemoryReport};

/// How a guest ended.
#[derive(Debug)]
pub enum Ending {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Badly.
    Death(Death),
    /// As the board says already.
    Told,
    /// Not at all: it was started for a snapshot, and is ready for it.
    Booted,
}

impl Ending {
    /// Writes it to the board, and gives the status of the VMM's process.
    pub fn tell(&self, board: &Board) -> i32 {
        match self {
            Ending::Code(code) => {
                board.end_with_code(*code);
                *code
            }
            Ending::Signal(signal) => {
                board.end_with_signal(*signal);
                128 + signal
            }
            Ending::Death(death) => {
                board.end_with_death(death.cause, death.address, &death.message);
                125
            }
            Ending::Told => 125,
            Ending::Booted => Ending::Death(by_unexpected_exit("hypercall booted", None)).tell(board),
        }
    }
}

/// KVM's own counters of a VM, and of its vCPUs together; a note where they cannot be had.
pub fn kvm_stats(vm: &impl AsRawFd, vcpus: &[RawFd], notes: &mut Vec<String>) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    let read = stats::read(vm, "vm.", &mut counters)
        .and_then(|()| vcpus.iter().try_for_each(|vcpu| stats::read(vcpu, "vcpu.", &mut counters)));
    if let Err(error) = read {
        notes.push(format!("KVM's own counters could not be read ({error})"));
    }
    counters
}

/// How much of guest memory is resident; a note where that cannot be told.
pub fn memory(
    memory: &GuestMemory,
    configured_bytes: u64,
    resident: &mut Resident,
    notes: &mut Vec<String>,
) -> MemoryReport {
    let (start, bytes) = memory.host_range();
    let touched_bytes = resident.bytes(start, bytes).unwrap_or_else(|error| {
        notes.push(format!("touched guest memory could not be read ({error})"));
        0
    });
    MemoryReport { configured_bytes, touched_bytes }
}
