//! The guest's virtual addresses, walked by the VMM for the guest kernel's long copies.

use std::io::{Error, Result};

use guest_abi::Segment;

use super::guest_memory::{GuestMemory, OutOfBounds};
use super::memory_layout::PAGE;
use super::memory_layout::entry::{ADDRESS, LARGE, PRESENT};

/// More than the guest kernel ever copies at once.
const MOST_BYTES: u64 = 1 << 32;

/// The address space that starts at one top-level page table.
#[derive(Clone, Copy, Debug)]
pub struct AddressSpace {
    root: u64,
}

impl AddressSpace {
    /// The one whose top table is at guest physical address `root`.
    pub fn new(root: u64) -> AddressSpace {
        AddressSpace { root }
    }

    /// The memory at a virtual address, to the end of its page or for `bytes`.
    fn segment(&self, memory: &GuestMemory, address: u64, bytes: u64) -> Result<Segment> {
        let mut table = self.root;
        for level in (1..=4).rev() {
            let span = PAGE << (9 * (level - 1));
            let entry = memory.read_u64(table + address / span % 512 * 8)?;
            if entry & PRESENT == 0 {
                return Err(OutOfBounds.into());
            }
            if level == 1 || level == 2 && entry & LARGE != 0 {
                let within = address % span;
                return Ok(Segment {
                    physical: (entry & ADDRESS & !(span - 1)) + within,
                    bytes: bytes.min(span - within),
                });
            }
            table = entry & ADDRESS;
        }
        Err(OutOfBounds.into())
    }

    /// Copies between addresses that do not overlap.
    pub fn copy(&self, memory: &GuestMemory, to: u64, from: u64, bytes: u64) -> Result<u64> {
        let mut done = 0;
        while done < check(bytes)? {
            let source = self.segment(memory, from.wrapping_add(done), bytes - done)?;
            let target = self.segment(memory, to.wrapping_add(done), source.bytes)?;
            let source = memory.slice(Segment { bytes: target.bytes, ..source })?;
            source.copy_to_volatile_slice(memory.slice(target)?);
            done += target.bytes;
        }
        Ok(bytes)
    }

    /// Fills with one byte.
    pub fn fill(&self, memory: &GuestMemory, to: u64, byte: u8, bytes: u64) -> Result<u64> {
        const PIECE: usize = 1 << 12;
        let pattern = [byte; PIECE];
        let mut done = 0;
        while done < check(bytes)? {
            let target = self.segment(memory, to.wrapping_add(done), (bytes - done).min(PIECE as u64))?;
            memory.slice(target)?.copy_from(&pattern);
            done += target.bytes;
        }
        Ok(bytes)
    }
}

/// Keeps a hostile length from holding the VMM for long.
fn check(bytes: u64) -> Result<u64> {
    if bytes > MOST_BYTES { Err(Error::from_raw_os_error(libc::EINVAL)) } else { Ok(bytes) }
}
