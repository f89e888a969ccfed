//! The guest's virtual addresses, walked by the VMM for the guest kernel's long copies.

use std::io::{Error, Result};

use guest_abi::Segment;
use guest_abi::hypercall::MAX_SEGMENTS;
use guest_abi::layout::PAGE;
use guest_abi::layout::entry::{ADDRESS, LARGE, PRESENT, USER};

use super::guest_memory::{GuestMemory, OutOfBounds};

/// More than the guest kernel ever copies at once.
const MOST_BYTES: u64 = 1 << 32;

/// The address space that starts at one top-level page table.
#[derive(Clone, Copy, Debug)]
pub struct AddressSpace {
    root: u64,
    levels: u32,
}

impl AddressSpace {
    /// The one whose top table is at guest physical address `root`.
    pub fn new(root: u64) -> AddressSpace {
        AddressSpace::with_levels(root, 4)
    }

    /// The same with so many levels of tables: 4 or 5. `root` may hold bits besides the address, as CR3 does.
    pub fn with_levels(root: u64, levels: u32) -> AddressSpace {
        AddressSpace { root: root & ADDRESS, levels }
    }

    /// The program's memory at a virtual address: as much of it as is mapped for ring 3, in at most
    /// `MAX_SEGMENTS` pieces.
    pub fn user_segments(&self, memory: &GuestMemory, address: u64, bytes: u64) -> Result<Vec<Segment>> {
        let mut segments = Vec::new();
        let mut done = 0;
        while done < bytes && segments.len() < MAX_SEGMENTS {
            match self.segment(memory, address.wrapping_add(done), bytes - done, PRESENT | USER) {
                Ok(segment) => {
                    memory.slice(segment)?;
                    segments.push(segment);
                    done += segment.bytes;
                }
                Err(error) if segments.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(segments)
    }

    /// The memory at a virtual address, to the end of its page or for `bytes`. Every entry on the way must
    /// have the bits `needed`.
    fn segment(&self, memory: &GuestMemory, address: u64, bytes: u64, needed: u64) -> Result<Segment> {
        let mut table = self.root;
        for level in (1..=self.levels).rev() {
            let span = PAGE << (9 * (level - 1));
            let entry = memory.read_u64(table.wrapping_add(address / span % 512 * 8))?;
            if entry & needed != needed {
                return Err(OutOfBounds.into());
            }
            if level == 1 || level <= 3 && entry & LARGE != 0 {
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
            let source = self.segment(memory, from.wrapping_add(done), bytes - done, PRESENT)?;
            let target = self.segment(memory, to.wrapping_add(done), source.bytes, PRESENT)?;
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
            let target =
                self.segment(memory, to.wrapping_add(done), (bytes - done).min(PIECE as u64), PRESENT)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use guest_abi::layout::{LARGE_PAGE, physical};
    use proptest::prelude::*;

    /// Where memory begins that may be released, and its end.
    const FREE: u64 = LARGE_PAGE;
    const END: u64 = FREE + (8 << 20);

    fn memory() -> GuestMemory {
        GuestMemory::new(END, FREE, &[]).unwrap()
    }

    /// Tables at pages 1 to 4 that map the two pages at virtual 0 to the last page and the first of memory.
    fn two_pages(memory: &GuestMemory) -> AddressSpace {
        for level in 1..4 {
            memory.write_u64(level * PAGE, ((level + 1) * PAGE) | PRESENT).unwrap();
        }
        memory.write_u64(4 * PAGE, physical(END - PAGE) | PRESENT).unwrap();
        memory.write_u64(4 * PAGE + 8, physical(FREE) | PRESENT).unwrap();
        AddressSpace::new(PAGE)
    }

    #[test]
    fn a_copy_follows_the_page_tables() {
        let memory = memory();
        let space = two_pages(&memory);
        space.fill(&memory, 0, 7, 2 * PAGE).unwrap();
        memory.write(physical(END - 4), b"abcd").unwrap();
        memory.write(physical(FREE), b"efgh").unwrap();
        space.copy(&memory, 100, PAGE - 4, 8).unwrap();
        let mut copied = [0; 10];
        memory.read(physical(END - PAGE + 99), &mut copied).unwrap();
        assert_eq!(&copied, b"\x07abcdefgh\x07");
        // Neither page is the program's.
        assert!(space.user_segments(&memory, 0, 8).is_err());
        // Beyond the two pages nothing is mapped.
        assert!(space.fill(&memory, PAGE, 1, PAGE + 1).is_err());
        assert!(space.copy(&memory, 0, 1 << 40, 1).is_err());
    }

    proptest! {
        /// Whatever a guest puts into its tables and its hypercalls, the VMM only says no.
        #[test]
        fn a_hostile_guest_gets_an_error(
            entries in proptest::collection::vec((0u64..5 * 512, any::<u64>()), 0..40),
            root in any::<u64>(), to in any::<u64>(), from in any::<u64>(), bytes in any::<u64>(),
        ) {
            let memory = memory();
            let space = two_pages(&memory);
            for (at, value) in entries {
                memory.write_u64(at * 8, value & 0xffff_ffff).unwrap();
            }
            let _ = space.user_segments(&memory, to, bytes);
            let _ = space.user_segments(&memory, to % (4 * PAGE), bytes);
            for space in [space, AddressSpace::new(root), AddressSpace::new(root % (8 << 20))] {
                let _ = space.copy(&memory, to, from, bytes);
                let _ = space.copy(&memory, to % (4 * PAGE), from % (4 * PAGE), bytes % (4 * PAGE));
                let _ = space.fill(&memory, to % (4 * PAGE), 1, bytes % (4 * PAGE));
            }
            let _ = memory.release(Segment { physical: to, bytes });
            let image = Segment { physical: 0, bytes: PAGE };
            prop_assert!(memory.release(image).is_err());
            let beyond = Segment { physical: to | 1 << 40, bytes };
            prop_assert!(memory.slice(beyond).is_err());
        }
    }
}
