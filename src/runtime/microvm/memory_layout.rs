//! Where everything is in a guest's memory.
//!
//! ```text
//! guest physical (offsets; from 3 GiB on, everything lies 1 GiB higher: layout::physical)
//!
//!  0x0000_0000  not mapped
//!  0x0000_1000  hypercall page        shared by the guest kernel and the VMM
//!  0x0000_2000  boot information      read-only for the guest kernel
//!  0x0000_3000  GDT, TSS              read-only
//!  0x0000_4000  IDT                   read-only
//!  0x0000_6000  kernel stack          32 KiB, with an unmapped page below
//!  0x0000_f000  double fault stack    one page, with an unmapped page below
//!  0x0001_0000  area table            the program's address space
//!  0x0001_6000  clock page            read-only for all: the guest kernel and the vDSO make time of it
//!  0x0001_7000  guest kernel          code, read-only data, data
//!               page tables           of the kernel and of the program's image
//!               private copies        program pages that hold bss or are shared by two segments
//!               initial stack         argv, envp, auxv
//!               (free up to a large page)
//!  program      program window        the ELF file, page for page: host page cache, copied when written
//!  files        file window           contents of the initial file tree, likewise, and behind them the
//!                                     packed description of the tree
//!  memory       bitmap                of free frames
//!               first blank pages     of bss and stack, mapped but not touched
//!               free                  handed out by the guest kernel
//!  ready        ← the VM starts with memory up to here, and gets the rest when it needs it
//!  end
//!
//! guest virtual
//!
//!  0x0000_0000_0040_0000  program (static; a static-pie is placed at PIE_BASE)
//!                         heap (brk), upwards
//!                         mmap, downwards from below the stack
//!  0x0000_7fff_ff77_f000  clock page and vDSO
//!  0x0000_7fff_ffff_f000  stack, downwards, at most 8 MiB
//!  0xffff_8000_0000_0000  all guest memory: the kernel's direct map, 2 MiB pages
//!  0xffff_9000_0000_0000  the file window again, in one piece
//!  0xffff_ffff_8000_0000  the first pages of guest memory again: where the kernel is linked
//! ```
//!
//! Everything before the program window is the *boot image*: made once for a spec, kept in a memory file,
//! and mapped privately by every VM, so that a VM only pays for the pages that it writes.

pub use guest_abi::layout::*;
use serde::{Deserialize, Serialize};

/// Where a static-pie program is placed: Linux' `ELF_ET_DYN_BASE` without randomisation.
pub const PIE_BASE: u64 = 0x5555_5555_4000;

/// Least memory that is accepted: the kernel, its tables and a small program fit with room to spare.
pub const LEAST_MEMORY: u64 = 8 << 20;

/// Pages of `bss` that are mapped before the start. Mapping costs the host nothing; a fault costs the
/// guest a trap. A larger `bss` is mapped on demand behind these.
pub const PREMAPPED_BSS_PAGES: u64 = 1024;

/// Pages of stack below the initial content that are mapped before the start.
pub const PREMAPPED_STACK_PAGES: u64 = 16;

/// Memory that a VM has from the start. KVM allocates records for every page of a memory slot, needed or
/// not: 250 MiB take it some 150 us.
pub const FIRST_MEMORY: u64 = 32 << 20;

/// Offsets of the parts of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Start of the program window, and end of the room for the boot image.
    pub program: u64,
    /// Start of the file window.
    pub files: u64,
    /// Start of the configured memory.
    pub memory: u64,
    /// End of the part of it that a VM has from the start.
    pub ready: u64,
    /// End of everything.
    pub end: u64,
}

impl Layout {
    /// For a boot image of at most `image_bytes`, and for this much configured memory (rounded down to
    /// large pages). The windows begin at large pages, for the guest kernel's mappings.
    pub fn new(image_bytes: u64, program_bytes: u64, files_bytes: u64, memory_bytes: u64) -> Layout {
        let program = image_bytes.next_multiple_of(LARGE_PAGE);
        let files = (program + program_bytes).next_multiple_of(LARGE_PAGE);
        let memory = (files + files_bytes).next_multiple_of(LARGE_PAGE);
        let memory_bytes = memory_bytes & !(LARGE_PAGE - 1);
        let first = (FIRST_MEMORY + bitmap_bytes(memory_bytes)).next_multiple_of(LARGE_PAGE);
        // A rest as small as that is not worth a second slot.
        let ready = if memory_bytes <= 2 * first { memory_bytes } else { first };
        Layout { program, files, memory, ready: memory + ready, end: memory + memory_bytes }
    }

    /// Whether it is one that [`Layout::new`] can have made; one from a file may not be.
    pub fn is_sound(&self) -> bool {
        let ends = [0, self.program, self.files, self.memory, self.ready, self.end];
        ends.is_sorted() && ends.iter().all(|end| end.is_multiple_of(LARGE_PAGE)) && self.end < 1 << 46
    }

    /// Configured memory in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.end - self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::vmm::guest_memory::pieces;

    #[test]
    fn the_parts_follow_each_other_and_the_slots_cover_them() {
        for memory in [8 << 20, 256 << 20, 5 << 30] {
            let layout = Layout::new(300_000, 5000, 3 << 20, memory);
            assert!(layout.program >= 300_000 && layout.files >= layout.program + 5000);
            assert!(layout.memory >= layout.files + (3 << 20));
            assert_eq!(layout.memory_bytes(), memory);
            let mut at = 0;
            for (offset, bytes) in [pieces(0, layout.ready), pieces(layout.ready, layout.end)].concat() {
                assert_eq!(offset, at);
                at += bytes;
                // In one piece physically, and not in the hole.
                assert_eq!(physical(offset + bytes - 1) - physical(offset), bytes - 1);
                assert!(physical(offset + bytes - 1) < HOLE_START || physical(offset) >= HOLE_END);
            }
            assert_eq!(at, layout.end);
            assert!(layout.is_sound());
            assert!(!Layout { files: layout.memory + 1, ..layout }.is_sound());
        }
    }

    #[test]
    fn much_memory_costs_the_start_no_more_than_little() {
        let layout = Layout::new(0, 0, 0, 64 << 30);
        assert!(layout.ready - layout.memory <= 2 * FIRST_MEMORY);
    }

    #[test]
    fn physical_addresses_lead_back_to_their_offsets() {
        for at in [0, HOLE_START - 1, HOLE_START, 5 << 30] {
            assert_eq!(offset(physical(at)), at);
        }
    }
}
