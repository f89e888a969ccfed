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
//!  blank        ← end of the boot image; zero from here on
//!               first pages of bss and stack, mapped but not touched
//!  free         handed out by the guest kernel
//!               bitmap of free frames (last bytes of memory)
//!  ram          ← end of the configured memory, 2 MiB aligned
//!               program window        the ELF file, page for page: host page cache, copied when written
//!               file window           contents of the initial file tree, likewise, and behind them the
//!                                     packed description of the tree
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
//! Everything up to `blank` is the *boot image*: made once for a spec, kept in a memory file, and
//! mapped privately by every VM, so that a VM only pays for the pages that it writes.

pub use guest_abi::layout::*;

/// Where a static-pie program is placed: Linux' `ELF_ET_DYN_BASE` without randomisation.
pub const PIE_BASE: u64 = 0x5555_5555_4000;

/// Least memory that is accepted: the kernel, its tables and a small program fit with room to spare.
pub const LEAST_MEMORY: u64 = 8 << 20;

/// Pages of `bss` that are mapped before the start. Mapping costs the host nothing; a fault costs the
/// guest a trap. A larger `bss` is mapped on demand behind these.
pub const PREMAPPED_BSS_PAGES: u64 = 1024;

/// Pages of stack below the initial content that are mapped before the start.
pub const PREMAPPED_STACK_PAGES: u64 = 16;

/// Offsets of the parts behind the configured memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// End of the configured memory.
    pub ram_bytes: u64,
    /// Start of the program window.
    pub program: u64,
    /// Start of the file window.
    pub files: u64,
    /// End of everything.
    pub end: u64,
}

impl Layout {
    /// For this much configured memory (rounded down to large pages) and these files' sizes.
    pub fn new(memory_bytes: u64, program_bytes: u64, files_bytes: u64) -> Layout {
        let ram_bytes = memory_bytes & !(LARGE_PAGE - 1);
        let program = ram_bytes;
        // On a large page, for the guest kernel's second mapping of it.
        let files = (program + program_bytes).next_multiple_of(LARGE_PAGE);
        let end = (files + files_bytes.next_multiple_of(PAGE)).next_multiple_of(LARGE_PAGE);
        Layout { ram_bytes, program, files, end }
    }

    /// The slots of guest physical memory: offset, and bytes.
    pub fn slots(&self) -> impl Iterator<Item = (u64, u64)> {
        let below = self.end.min(HOLE_START);
        [(0, below), (below, self.end - below)].into_iter().filter(|(_, bytes)| *bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_memory_is_one_slot_and_large_memory_leaves_the_hole_free() {
        let small = Layout::new(256 << 20, 5000, 0);
        assert_eq!(small.files - small.program, LARGE_PAGE);
        assert_eq!(small.slots().collect::<Vec<_>>(), [(0, small.end)]);
        let large = Layout::new(5 << 30, 5000, 100);
        let slots: Vec<_> = large.slots().collect();
        assert_eq!(slots, [(0, HOLE_START), (HOLE_START, large.end - HOLE_START)]);
        assert_eq!(physical(slots[1].0), HOLE_END);
    }

    #[test]
    fn physical_addresses_lead_back_to_their_offsets() {
        for at in [0, HOLE_START - 1, HOLE_START, 5 << 30] {
            assert_eq!(offset(physical(at)), at);
        }
    }
}
