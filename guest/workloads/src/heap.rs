//! A heap for workloads whose algorithm allocates.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

use crate::sys;

/// How much is mapped at a time; untouched pages cost nothing.
const CHUNK: usize = 1 << 20;

/// Hands out memory and never takes it back; for programs that allocate little and end soon.
pub struct Bump {
    next: Cell<usize>,
    end: Cell<usize>,
}

impl Bump {
    /// Empty. Memory is mapped when it is first asked for.
    #[allow(clippy::new_without_default, reason = "a static needs a const fn")]
    pub const fn new() -> Self {
        Bump { next: Cell::new(0), end: Cell::new(0) }
    }
}

// SAFETY: a workload has a single thread.
unsafe impl Sync for Bump {}

// SAFETY: every block is aligned, within mapped memory, and handed out once.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut start = self.next.get().next_multiple_of(layout.align());
        if layout.size() > self.end.get().saturating_sub(start) {
            let length = layout.size().next_multiple_of(CHUNK);
            let address = sys::map(length);
            if address <= 0 {
                return core::ptr::null_mut();
            }
            start = (address as usize).next_multiple_of(layout.align());
            self.end.set(address as usize + length);
            if layout.size() > self.end.get() - start {
                return core::ptr::null_mut();
            }
        }
        self.next.set(start + layout.size());
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
