//! Guest memory: the addresses that both sides know. `src/runtime/microvm/memory_layout.rs` of the
//! VMM opens with the whole map.

/// Size of a page.
pub const PAGE: u64 = 4096;
/// Size of a large page.
pub const LARGE_PAGE: u64 = 2 << 20;

/// Virtual address of guest physical address 0 in the kernel's own mapping. The kernel is linked for
/// the top 2 GiB, which every address in its code reaches by a sign-extended 32-bit number.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
/// Virtual address of guest physical address 0 in the direct map of all guest memory.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// Virtual address of the file window and of the tree behind it, in one piece whatever the hole does.
pub const FILES_MAP: u64 = 0xffff_9000_0000_0000;

/// Guest physical address of the [`crate::HypercallPage`].
pub const HYPERCALL_PAGE: u64 = 0x1000;
/// Guest physical address of the [`crate::BootInfo`].
pub const BOOT_INFO: u64 = 0x2000;
/// Guest physical address of the GDT, with the TSS behind it.
pub const GDT: u64 = 0x3000;
/// Offset of the TSS in the GDT's page.
pub const TSS_OFFSET: u64 = 0x100;
/// Guest physical address of the IDT.
pub const IDT: u64 = 0x4000;
/// Lowest byte of the kernel stack; the page below it is not mapped, so that an overflow faults.
pub const KERNEL_STACK: u64 = 0x6000;
/// End of the kernel stack.
pub const KERNEL_STACK_TOP: u64 = 0xe000;
/// End of the stack for double faults, which must not run on the stack that overflowed: one page,
/// with an unmapped one below it.
pub const FAULT_STACK_TOP: u64 = 0x1_0000;
/// Guest physical address of the [`crate::AreaTable`].
pub const AREA_TABLE: u64 = 0x1_0000;
/// Guest physical address of the [`crate::ClockPage`].
pub const CLOCK_PAGE: u64 = 0x1_6000;
/// Guest physical address of the kernel's image; `kernel.ld` has it too.
pub const KERNEL_IMAGE: u64 = 0x1_7000;

/// Kernel code segment.
pub const KERNEL_CODE: u16 = 0x08;
/// Kernel data segment: `syscall` takes SS from the entry behind the code segment's.
pub const KERNEL_DATA: u16 = 0x10;
/// User data segment: `sysret` takes SS from STAR's base + 8 …
pub const USER_DATA: u16 = 0x18 | 3;
/// … and CS from STAR's base + 16 (Intel SDM volume 2, SYSRET).
pub const USER_CODE: u16 = 0x20 | 3;
/// Task state segment; its descriptor takes two entries.
pub const TASK_STATE: u16 = 0x28;

/// End of the user's addresses, as on Linux: the last page below 2^47 stays unmapped, so that the
/// address after a `syscall` instruction is always canonical and `sysret` cannot fault in ring 0.
pub const USER_END: u64 = 0x7fff_ffff_f000;
/// The lowest address that a program may map, as Linux' `vm.mmap_min_addr`.
pub const USER_START: u64 = 0x1_0000;
/// The stack grows down to this far below [`USER_END`], as Linux' default `ulimit -s`.
pub const STACK_BYTES: u64 = 8 << 20;

/// Room between the stack's lowest page and the highest mapping.
pub const STACK_GAP: u64 = 1 << 20;
/// Where a program sees the [`crate::ClockPage`], for reading only: in the gap below the stack.
pub const USER_CLOCK_PAGE: u64 = USER_END - STACK_BYTES - STACK_GAP / 2;
/// Where a program sees the vDSO, whose code finds the clock page just before itself.
pub const VDSO: u64 = USER_CLOCK_PAGE + PAGE;

/// Guest physical memory has a hole from here to [`HOLE_END`]: KVM on processors without
/// "unrestricted guest" keeps pages of its own there.
pub const HOLE_START: u64 = 3 << 30;
/// End of the hole.
pub const HOLE_END: u64 = 4 << 30;

/// Bytes of the bitmap of free frames of so much memory: a bit for each page, in whole pages.
pub const fn bitmap_bytes(memory_bytes: u64) -> u64 {
    memory_bytes.div_ceil(8 * PAGE).next_multiple_of(PAGE)
}

/// Guest physical address of the byte `offset` of guest memory.
pub const fn physical(offset: u64) -> u64 {
    if offset < HOLE_START { offset } else { offset + (HOLE_END - HOLE_START) }
}

/// The inverse of [`physical`].
pub const fn offset(physical: u64) -> u64 {
    if physical < HOLE_END { physical } else { physical - (HOLE_END - HOLE_START) }
}

/// Bits of a page table entry (Intel SDM volume 3, 5.5).
pub mod entry {
    /// The page may be used.
    pub const PRESENT: u64 = 1;
    /// It may be written.
    pub const WRITABLE: u64 = 1 << 1;
    /// Ring 3 may use it.
    pub const USER: u64 = 1 << 2;
    /// Set by the processor at the first use. Set beforehand, it saves the processor a write.
    pub const ACCESSED: u64 = 1 << 5;
    /// Set by the processor at the first write.
    pub const DIRTY: u64 = 1 << 6;
    /// In a page directory: a page of 2 MiB, no table.
    pub const LARGE: u64 = 1 << 7;
    /// Ours (bit 9 is free for software): the page belongs to the program although it is not present.
    pub const HIDDEN: u64 = 1 << 9;
    /// No instructions may be fetched from it.
    pub const NO_EXECUTE: u64 = 1 << 63;
    /// The address in an entry.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// Bits of the rights in a [`crate::Area`]; the same as Linux' `PROT_*`.
pub mod rights {
    /// May be read.
    pub const READ: u32 = 1;
    /// May be written.
    pub const WRITE: u32 = 2;
    /// May be executed.
    pub const EXECUTE: u32 = 4;
}
