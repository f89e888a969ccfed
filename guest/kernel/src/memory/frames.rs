//! Frames: pages of guest memory, handed out and taken back.
//!
//! Memory that was never used is handed out in order, in chunks of a large page, and costs the host
//! nothing until the program touches it. What comes back is released to the host, so it reads as zero
//! again: a frame is zero whenever it is handed out. Large pages that came back are kept in a list, and
//! go out again first; single ones are marked in a bitmap at the start of memory, which is searched only
//! once all fresh memory is used up.
//!
//! Everything is counted in offsets into guest memory, see `guest_abi::layout::physical`.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use guest_abi::BootInfo;
use guest_abi::layout::{self, LARGE_PAGE, PAGE};

use crate::hypercall;

const BITS: u64 = u64::BITS as u64;
/// Large pages that can be listed; more than these go to the bitmap.
const LISTED: usize = 1024;

/// All of guest memory.
pub struct Frames {
    /// Next fresh page of the current chunk, and its end.
    small: u64,
    small_end: u64,
    /// Next fresh chunk.
    large: u64,
    /// End of memory, and of what the VM has of it so far.
    end: u64,
    ready: u64,
    /// Large pages that came back.
    large_freed: [u64; LISTED],
    large_freed_count: usize,
    /// Pages marked in the bitmap.
    freed: u64,
    /// Word of the bitmap where the next search begins.
    cursor: u64,
    /// Start of memory, where the bitmap is. What lies before was not zero at the start.
    start: u64,
}

struct Shared(UnsafeCell<Frames>);

// SAFETY: there is one processor, and traps do not nest.
unsafe impl Sync for Shared {}

static FRAMES: Shared = Shared(UnsafeCell::new(Frames {
    small: 0,
    small_end: 0,
    large: 0,
    end: 0,
    ready: 0,
    large_freed: [0; LISTED],
    large_freed_count: 0,
    freed: 0,
    cursor: 0,
    start: 0,
}));

/// The way to the frames, which the program's memory and the kernel's heap share.
pub struct Pool {
    _made_by_new: (),
}

impl Pool {
    /// Fills the pool with the memory that is free at boot.
    pub fn new(boot: &BootInfo) -> Pool {
        let mut pool = Pool { _made_by_new: () };
        pool.fill(boot);
        pool
    }

    /// For the heap.
    ///
    /// # Safety
    /// Nothing may be borrowed from another `Pool` meanwhile.
    pub unsafe fn for_heap() -> Pool {
        Pool { _made_by_new: () }
    }
}

impl Deref for Pool {
    type Target = Frames;

    fn deref(&self) -> &Frames {
        // SAFETY: there are two pools. The memory's is only used inside its own functions, which never
        // allocate from the heap; and the heap's only inside an allocation.
        unsafe { &*FRAMES.0.get() }
    }
}

impl DerefMut for Pool {
    fn deref_mut(&mut self) -> &mut Frames {
        // SAFETY: as above.
        unsafe { &mut *FRAMES.0.get() }
    }
}

impl Frames {
    fn fill(&mut self, boot: &BootInfo) {
        let end = boot.memory_offset + boot.memory_bytes;
        let small_end = boot.free_offset.next_multiple_of(LARGE_PAGE).min(end);
        self.small = boot.free_offset.min(small_end);
        self.small_end = small_end;
        self.large = small_end;
        self.end = end;
        self.ready = boot.ready_offset;
        self.start = boot.memory_offset;
    }

    /// The bitmap's word for pages `index * 64 ..`.
    fn word(&mut self, index: u64) -> &mut u64 {
        let address = layout::DIRECT_MAP + layout::physical(self.start + index * 8);
        // SAFETY: callers stay below `words`, for which there is room before `free_offset`; the direct map
        // covers it, it is ready from the start, and nothing else uses this memory.
        unsafe { &mut *(address as *mut u64) }
    }

    fn words(&self) -> u64 {
        (self.end - self.start).div_ceil(PAGE * BITS)
    }

    /// Bytes that can still be handed out.
    pub fn free_bytes(&self) -> u64 {
        let listed = self.large_freed_count as u64 * LARGE_PAGE;
        (self.small_end - self.small) + (self.end - self.large) + listed + self.freed * PAGE
    }

    /// Between one and `pages` pages in a row: their offset and how many.
    pub fn run(&mut self, pages: u64) -> Option<(u64, u64)> {
        if self.small == self.small_end {
            if self.large < self.end {
                let end = (self.large + LARGE_PAGE).min(self.end);
                self.prepare(end)?;
                self.small = self.large;
                self.large = end;
                self.small_end = end;
            } else if let Some(offset) = self.listed() {
                self.small = offset;
                self.small_end = offset + LARGE_PAGE;
            } else {
                return self.freed_run(pages);
            }
        }
        let offset = self.small;
        let bytes = (pages * PAGE).min(self.small_end - offset);
        self.small += bytes;
        Some((offset, bytes / PAGE))
    }

    /// One page.
    pub fn page(&mut self) -> Option<u64> {
        self.run(1).map(|(offset, _)| offset)
    }

    /// A large page. Fresh ones only go out while they are plenty: a program that uses a little of many
    /// large pages must not run out of memory long before it has used it.
    pub fn large_page(&mut self) -> Option<u64> {
        if let Some(offset) = self.listed() {
            return Some(offset);
        }
        if self.end - self.large > (self.end - self.start) / 4 {
            let offset = self.large;
            self.prepare(offset + LARGE_PAGE)?;
            self.large += LARGE_PAGE;
            return Some(offset);
        }
        None
    }

    /// Makes sure that the VM has its memory up to `end`.
    fn prepare(&mut self, end: u64) -> Option<()> {
        if end > self.ready {
            if !hypercall::more_memory() {
                return None;
            }
            self.ready = self.end;
        }
        Some(())
    }

    /// Memory in one piece for the kernel's own heap: `bytes` is a multiple of a page.
    pub fn block(&mut self, bytes: u64) -> Option<u64> {
        if self.small_end - self.small >= bytes {
            let offset = self.small;
            self.small += bytes;
            return Some(offset);
        }
        let whole = bytes.next_multiple_of(LARGE_PAGE);
        if (self.large + 1..self.large + whole).contains(&layout::HOLE_START) {
            // In one piece physically too: not across the hole.
            self.large = layout::HOLE_START.min(self.end);
        }
        if self.end - self.large >= whole {
            let offset = self.large;
            self.prepare(offset + whole)?;
            self.large += whole;
            return Some(offset);
        }
        if bytes == PAGE { self.page() } else { None }
    }

    /// Takes pages back that have been released to the host.
    pub fn take_back(&mut self, offset: u64, pages: u64) {
        if pages * PAGE == LARGE_PAGE && self.large_freed_count < LISTED {
            self.large_freed[self.large_freed_count] = offset;
            self.large_freed_count += 1;
            return;
        }
        let first = (offset - self.start) / PAGE;
        for page in first..first + pages {
            *self.word(page / BITS) |= 1 << (page % BITS);
        }
        self.freed += pages;
    }

    /// Whether this memory is such that it can be taken back.
    pub fn is_blank(&self, offset: u64) -> bool {
        (self.start..self.end).contains(&offset)
    }

    fn listed(&mut self) -> Option<u64> {
        let count = self.large_freed_count.checked_sub(1)?;
        self.large_freed_count = count;
        self.large_freed.get(count).copied()
    }

    fn freed_run(&mut self, pages: u64) -> Option<(u64, u64)> {
        if self.freed == 0 {
            return None;
        }
        for _ in 0..self.words() {
            let index = self.cursor;
            let word = self.word(index);
            if *word != 0 {
                let bit = u64::from(word.trailing_zeros());
                let count = u64::from((*word >> bit).trailing_ones()).min(pages);
                *word &= !((u64::MAX >> (BITS - count)) << bit);
                self.freed -= count;
                return Some((self.start + (index * BITS + bit) * PAGE, count));
            }
            self.cursor = if index + 1 >= self.words() { 0 } else { index + 1 };
        }
        None
    }
}
