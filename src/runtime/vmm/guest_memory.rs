//! A VM's memory on the host: one stretch of addresses, of which the host gives pages only for what is
//! touched.

use std::ffi::c_void;
use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::rc::Rc;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous};
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{
    Bytes, GuestAddress, GuestMemoryBackend as _, GuestMemoryMmap, GuestRegionMmap, VolatileSlice,
};

use crate::runtime::snapshot::Extent;
use guest_abi::Segment;
use guest_abi::layout::{HOLE_START, LARGE_PAGE, PAGE, offset, physical};

/// Copying so little takes less time than mapping it, and than the faults at its first use.
const COPIED_UP_TO: usize = 4 * PAGE as usize;

/// A VM's memory. It is mapped until the VMM's process ends.
#[derive(Debug)]
pub struct GuestMemory {
    base: NonNull<c_void>,
    bytes: u64,
    kept: u64,
    regions: GuestMemoryMmap,
}

// SAFETY: the address is only used for mapping at the start, and for system calls on ranges that are checked; the
// bytes are shared with the guest anyway, and accessed as `vm_memory` does.
unsafe impl Sync for GuestMemory {}

/// A part of a file that is mapped into guest memory.
#[derive(Clone, Debug)]
pub struct Window {
    /// Offset in guest memory.
    pub offset: u64,
    /// The file.
    pub file: Rc<File>,
    /// Offset in the file.
    pub file_offset: u64,
    /// Length.
    pub bytes: u64,
}

/// The windows of a snapshot's parts, which lie at these offsets of its file.
pub fn windows_of(parts: impl Iterator<Item = (Extent, u64)>, file: impl Fn() -> Rc<File>) -> Vec<Window> {
    let window = |(extent, file_offset): (Extent, u64)| Window {
        offset: extent.offset,
        file: file(),
        file_offset,
        bytes: extent.bytes,
    };
    parts.map(window).collect()
}

/// A stretch of guest memory that is not there.
#[derive(Debug, thiserror::Error)]
#[error("no guest memory there")]
pub struct OutOfBounds;

impl GuestMemory {
    /// Reserves the addresses, with every byte zero, and maps files over them. A file is mapped
    /// privately, and a small one copied: what the guest writes stays in this VM. What lies below the offset `kept` is never released.
    pub fn new(bytes: u64, kept: u64, windows: &[Window]) -> nix::Result<GuestMemory> {
        let size = NonZeroUsize::new(bytes as usize).ok_or(nix::Error::EINVAL)?;
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // Room to begin at a large page: only then can the host use large pages for the guest's.
        let room = size.checked_add(LARGE_PAGE as usize).ok_or(nix::Error::EINVAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing; the part of it from the
        // next large page on is as large as was asked for.
        let base = unsafe {
            let start = mmap_anonymous(None, room, rights, flags)?;
            start.byte_add(start.as_ptr().align_offset(LARGE_PAGE as usize))
        };
        for Window { offset, file, file_offset, bytes } in windows {
            let Some(bytes) = NonZeroUsize::new(*bytes as usize) else { continue };
            // Writing this as one check keeps a wrong layout from mapping over the VMM itself.
            if offset.checked_add(bytes.get() as u64).is_none_or(|end| end > size.get() as u64) {
                return Err(nix::Error::ENOMEM);
            }
            let at = NonZeroUsize::new(base.as_ptr() as usize + *offset as usize);
            if bytes.get() <= COPIED_UP_TO {
                // SAFETY: as below; the slice is dropped before anything else refers to the mapping.
                let target = unsafe {
                    std::slice::from_raw_parts_mut(
                        base.as_ptr().byte_add(*offset as usize).cast(),
                        bytes.get(),
                    )
                };
                file.read_exact_at(target, *file_offset).map_err(|_| nix::Error::EIO)?;
                continue;
            }
            let file_offset = libc::off_t::try_from(*file_offset).map_err(|_| nix::Error::EINVAL)?;
            // SAFETY: the range lies within the mapping just made, to which nothing refers yet.
            unsafe { mmap(at, bytes, rights, flags | MapFlags::MAP_FIXED, file.as_fd(), file_offset)? };
        }
        let regions = pieces(0, bytes).into_iter().map(|(offset, bytes)| {
            // SAFETY: the bytes belong to our mapping, which is never unmapped.
            let mapped = unsafe {
                MmapRegionBuilder::new(bytes as usize)
                    .with_raw_mmap_pointer(base.as_ptr().byte_add(offset as usize).cast())
            }
            .with_mmap_prot(libc::PROT_READ | libc::PROT_WRITE)
            .with_mmap_flags(libc::MAP_PRIVATE | libc::MAP_NORESERVE)
            .build();
            mapped.ok().and_then(|region| GuestRegionMmap::new(region, GuestAddress(physical(offset))))
        });
        let regions = regions.collect::<Option<Vec<_>>>().ok_or(nix::Error::EINVAL)?;
        let regions = GuestMemoryMmap::from_regions(regions).map_err(|_| nix::Error::EINVAL)?;
        Ok(GuestMemory { base, bytes, kept, regions })
    }

    /// Asks the host to back all of it by large pages where it can (madvise(2)): for a guest that touches most of
    /// its memory. A host that does not know them uses small ones.
    pub fn use_large_pages(&self) {
        // SAFETY: the range is our mapping; the advice changes no content.
        let _ = unsafe { madvise(self.base, self.bytes as usize, MmapAdvise::MADV_HUGEPAGE) };
    }

    /// Reads a part of a file into it.
    ///
    /// # Errors
    /// The system's reason; a file that is shorter than the part.
    pub fn load(&self, part: &Window) -> std::io::Result<()> {
        let mut done = 0;
        while done < part.bytes {
            let slice =
                self.slice(Segment { physical: physical(part.offset + done), bytes: part.bytes - done })?;
            // SAFETY: the slice is guest memory, which stays mapped; its content is the guest's affair.
            let read = unsafe {
                let at = slice.ptr_guard_mut().as_ptr().cast();
                libc::pread(part.file.as_raw_fd(), at, slice.len(), (part.file_offset + done) as libc::off_t)
            };
            match read {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                1.. => done += read as u64,
                _ => {
                    let error = std::io::Error::last_os_error();
                    if error.kind() != std::io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// For `KVM_SET_USER_MEMORY_REGION`, the memory between two offsets: guest physical address, bytes, host
    /// address.
    pub fn slots(&self, start: u64, end: u64) -> Vec<(u64, u64, u64)> {
        let host = self.base.as_ptr() as u64;
        let slots = pieces(start, end.min(self.bytes)).into_iter();
        slots.map(|(offset, bytes)| (physical(offset), bytes, host + offset)).collect()
    }

    /// Host addresses of all of it, and bytes.
    pub fn host_range(&self) -> (u64, u64) {
        (self.base.as_ptr() as u64, self.bytes)
    }

    /// All of it, for devices that find their buffers there.
    pub fn regions(&self) -> &GuestMemoryMmap {
        &self.regions
    }

    /// Reads a number. The guest may change it meanwhile; the value is one that it wrote.
    pub fn read_u64(&self, address: u64) -> Result<u64, OutOfBounds> {
        self.regions.read_obj(GuestAddress(address)).map_err(|_| OutOfBounds)
    }

    /// Writes a number.
    pub fn write_u64(&self, address: u64, value: u64) -> Result<(), OutOfBounds> {
        self.regions.write_obj(value, GuestAddress(address)).map_err(|_| OutOfBounds)
    }

    /// Writes bytes.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfBounds> {
        self.regions.write_slice(bytes, GuestAddress(address)).map_err(|_| OutOfBounds)
    }

    /// Reads bytes.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutOfBounds> {
        self.regions.read_slice(bytes, GuestAddress(address)).map_err(|_| OutOfBounds)
    }

    /// The memory that a segment names, for a system call of the host's.
    pub fn slice(&self, segment: Segment) -> Result<VolatileSlice<'_>, OutOfBounds> {
        let bytes = usize::try_from(segment.bytes).map_err(|_| OutOfBounds)?;
        self.regions.get_slice(GuestAddress(segment.physical), bytes).map_err(|_| OutOfBounds)
    }

    /// Gives pages back to the host; they read as zero afterwards. Only whole pages of configured memory.
    pub fn release(&self, segment: Segment) -> Result<(), OutOfBounds> {
        let start = offset(segment.physical);
        let end = start.checked_add(segment.bytes).ok_or(OutOfBounds)?;
        if !start.is_multiple_of(PAGE) || !end.is_multiple_of(PAGE) || start < self.kept || end > self.bytes {
            return Err(OutOfBounds);
        }
        // Checks that the addresses are guest memory in one piece.
        self.slice(segment)?;
        // SAFETY: the range lies within our mapping, and nothing of ours is kept there.
        unsafe {
            let at = self.base.byte_add(start as usize);
            madvise(at, segment.bytes as usize, MmapAdvise::MADV_DONTNEED).map_err(|_| OutOfBounds)
        }
    }
}

/// A range of offsets, cut where guest physical memory has its hole: offset and bytes of each piece.
pub fn pieces(start: u64, end: u64) -> Vec<(u64, u64)> {
    let cut = HOLE_START.clamp(start, end);
    [(start, cut), (cut, end)]
        .into_iter()
        .filter(|(from, to)| from < to)
        .map(|(from, to)| (from, to - from))
        .collect()
}

impl From<OutOfBounds> for std::io::Error {
    fn from(_: OutOfBounds) -> Self {
        std::io::Error::from_raw_os_error(libc::EFAULT)
    }
}
