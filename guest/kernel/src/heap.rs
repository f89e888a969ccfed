//! The kernel's heap, for the file system. Blocks are powers of two with one list of free blocks for each
//! size: a few instructions for each allocation, which is what counts where ring 0 is interpreted. It
//! takes memory when it is first used, so a program without files pays nothing for it.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;

use guest_abi::layout::{self, PAGE};

use crate::memory::frames::Pool;

/// Blocks have between 2^4 and 2^47 bytes: room for a link, and less than any address space.
const SMALLEST: u32 = 4;
const CLASSES: usize = 48;
/// Memory taken at once to cut small blocks from.
const CHUNK: u64 = 16 * PAGE;

struct Heap(UnsafeCell<State>);

struct State {
    /// First free block of each size; a free block holds the address of the next.
    free: [*mut u8; CLASSES],
    /// What is left of the current chunk.
    chunk: u64,
    chunk_end: u64,
}

// SAFETY: there is one processor, and traps do not nest.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(State { free: [ptr::null_mut(); CLASSES], chunk: 0, chunk_end: 0 }));

/// A block's size as a power of two. A block is aligned to its size, or to a page.
fn class(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST);
    bytes.next_power_of_two().trailing_zeros() as usize
}

impl State {
    fn fresh(&mut self, class: usize) -> *mut u8 {
        let bytes = 1u64 << class;
        if bytes >= CHUNK {
            return take(bytes).map_or(ptr::null_mut(), |address| address as *mut u8);
        }
        let start = self.chunk.next_multiple_of(bytes.min(PAGE));
        if start + bytes <= self.chunk_end {
            self.chunk = start + bytes;
            return start as *mut u8;
        }
        // What is left of the old chunk is lost: less than one block of this size.
        let Some(chunk) = take(CHUNK) else {
            // Memory is all but used up: a single page may still be found.
            return if bytes <= PAGE {
                take(PAGE).map_or(ptr::null_mut(), |page| page as *mut u8)
            } else {
                ptr::null_mut()
            };
        };
        self.chunk = chunk + bytes;
        self.chunk_end = chunk + CHUNK;
        chunk as *mut u8
    }
}

fn take(bytes: u64) -> Option<u64> {
    // SAFETY: allocations happen in the file system, never inside the functions of `Memory`.
    let offset = unsafe { Pool::for_heap() }.block(bytes)?;
    Some(layout::DIRECT_MAP + layout::physical(offset))
}

// SAFETY: every block is handed out once until it is freed, is as large as its class and aligned to it
// (or to a page: no type here needs more), and lies in memory that nothing else uses.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = class(layout);
        if class >= CLASSES || layout.align() as u64 > PAGE {
            return ptr::null_mut();
        }
        // SAFETY: nothing else refers to the state, since neither function calls the other.
        let state = unsafe { &mut *self.0.get() };
        let first = state.free[class];
        if first.is_null() {
            return state.fresh(class);
        }
        // SAFETY: a free block begins with the address of the next.
        state.free[class] = unsafe { first.cast::<*mut u8>().read() };
        first
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let class = class(layout);
        // SAFETY: as in `alloc`.
        let state = unsafe { &mut *self.0.get() };
        // SAFETY: the block is at least as large as an address, and is no longer used.
        unsafe { block.cast::<*mut u8>().write(state.free[class]) };
        state.free[class] = block;
    }
}
