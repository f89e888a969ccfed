//! What the VMM and the guest kernel's image tell each other before the first instruction.

use core::mem::{offset_of, size_of};

use crate::layout;

/// Areas that a program can have.
pub const MAX_AREAS: usize = 1023;

/// Filled in by the VMM, read by the guest kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// Guest physical address of the top-level page table.
    pub page_table: u64,
    /// Configured memory in bytes.
    pub memory_bytes: u64,
    /// Offset of that memory. From here on guest memory is zero at the start, and again after a release.
    pub memory_offset: u64,
    /// Offset of its first free byte, page aligned. Before it are the bitmap of free frames
    /// ([`layout::bitmap_bytes`]) and the program's first blank pages.
    pub free_offset: u64,
    /// Offset up to which the VM has its memory already; see [`crate::Hypercall::MoreMemory`].
    pub ready_offset: u64,
    /// Bytes of the window with the contents of the initial tree's files, at [`layout::FILES_MAP`].
    pub files_bytes: u64,
    /// Bytes of the packed description of the initial tree, at the first page behind the window.
    pub tree_bytes: u64,
    /// First address behind the program, where `brk` starts.
    pub brk_start: u64,
}

/// How to make time of the time stamp counter. The guest kernel and the vDSO read it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ClockPage {
    /// The guest's time stamp counter at the moment of the two clock readings below.
    pub tsc_base: u64,
    /// Nanoseconds per tick of the time stamp counter, times 2^32.
    pub tsc_scale: u64,
    /// The host's `CLOCK_MONOTONIC` at `tsc_base`, in nanoseconds.
    pub monotonic_ns: u64,
    /// The host's `CLOCK_REALTIME` at `tsc_base`, in nanoseconds.
    pub realtime_ns: u64,
}

/// One stretch of the program's addresses, with the same rights throughout.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// First address, page aligned.
    pub start: u64,
    /// End, page aligned.
    pub end: u64,
    /// [`crate::layout::rights`].
    pub rights: u32,
    /// Always 0.
    pub reserved: u32,
}

/// The program's areas, sorted by address, none overlapping another. The VMM fills in the first ones
/// (segments, `bss`, stack), and from then on the table is the guest kernel's.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AreaTable {
    /// How many of `areas` count.
    pub count: u64,
    /// The areas.
    pub areas: [Area; MAX_AREAS],
}

const _: () = {
    assert!(size_of::<Area>() == 24);
    assert!(offset_of!(AreaTable, areas) == 8);
    assert!(size_of::<AreaTable>() as u64 <= layout::CLOCK_PAGE - layout::AREA_TABLE);
    assert!(offset_of!(BootInfo, brk_start) == 7 * 8);
    assert!(size_of::<BootInfo>() == 8 * 8);
    assert!(size_of::<BootInfo>() as u64 <= layout::PAGE);
    assert!(size_of::<ClockPage>() == 32);
};

/// First bytes of the guest kernel's image: where the VMM finds its entry points.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KernelHeader {
    /// [`KernelHeader::MAGIC`].
    pub magic: u64,
    /// First instruction: it enters the program, and the kernel gets ready at the first trap.
    pub start: u64,
    /// First instruction for a snapshot: the kernel gets ready, rings [`crate::Hypercall::Booted`], and goes on
    /// at `start`.
    pub boot: u64,
    /// Where `syscall` goes (the MSR LSTAR).
    pub syscall: u64,
    /// Where each of the 32 exceptions goes.
    pub exceptions: [u64; 32],
}

impl KernelHeader {
    /// Says that this is the guest kernel, and its version of this interface.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"isobenc2");
}

const _: () = assert!(size_of::<KernelHeader>() == 36 * 8);
