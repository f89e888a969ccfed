//! Page tables of the program (Intel SDM volume 3, 5.5): four levels, with pages of 4 KiB and 2 MiB.

use guest_abi::layout::entry::*;
use guest_abi::layout::{self, LARGE_PAGE, PAGE};

use super::frames::Frames;
use crate::registers;

/// Level of the top table; level 1 holds pages.
const TOP: u32 = 4;
const ENTRIES: u64 = 512;
/// What an entry that leads to another table allows: everything, since the last level decides.
const TABLE: u64 = PRESENT | WRITABLE | USER | ACCESSED;

/// The page tables.
pub struct Tables {
    root: u64,
}

/// An entry, and how much memory it stands for.
pub struct Leaf {
    pub entry: *mut u64,
    pub bytes: u64,
}

/// No frame was left for a table.
#[derive(Debug)]
pub struct NoFrame;

/// Bytes that one entry of a table at `level` stands for.
const fn span(level: u32) -> u64 {
    PAGE << (9 * (level - 1))
}

fn slot(table: u64, address: u64, level: u32) -> *mut u64 {
    let index = address / span(level) % ENTRIES;
    (layout::DIRECT_MAP + table + index * 8) as *mut u64
}

/// Reads an entry.
fn get(entry: *mut u64) -> u64 {
    // SAFETY: every pointer made by `slot` points into a page table, through the direct map, which is
    // mapped for ever; the processor changes only the accessed and dirty bits.
    unsafe { entry.read_volatile() }
}

/// Writes an entry.
fn set(entry: *mut u64, value: u64) {
    // SAFETY: as in `get`; the tables of the kernel itself are never reached through user addresses.
    unsafe { entry.write_volatile(value) };
}

impl Tables {
    pub fn new(root: u64) -> Tables {
        Tables { root }
    }

    /// The entry for `address` in the last table that there is, and its level.
    fn deepest(&self, address: u64) -> (*mut u64, u32) {
        let mut table = self.root;
        let mut level = TOP;
        loop {
            let entry = slot(table, address, level);
            let value = get(entry);
            if level == 1 || value & PRESENT == 0 || value & LARGE != 0 {
                return (entry, level);
            }
            table = value & ADDRESS;
            level -= 1;
        }
    }

    /// Where `address` lies in guest physical memory, with the entry's bits; `None` where no page is present.
    pub fn translate(&self, address: u64) -> Option<(u64, u64)> {
        let (entry, level) = self.deepest(address);
        let value = get(entry);
        let bytes = span(level);
        (value & PRESENT != 0).then_some(((value & ADDRESS & !(bytes - 1)) + address % bytes, value))
    }

    /// The entry of level `level` for `address`, with the tables above it made as needed. A large page
    /// on the way is an error of the caller's and ends it at that entry.
    fn reach(&mut self, address: u64, level: u32, frames: &mut Frames) -> Result<*mut u64, NoFrame> {
        let mut table = self.root;
        let mut at = TOP;
        loop {
            let entry = slot(table, address, at);
            if at == level {
                return Ok(entry);
            }
            let value = get(entry);
            table = if value & PRESENT == 0 {
                let fresh = layout::physical(frames.page().ok_or(NoFrame)?);
                set(entry, fresh | TABLE);
                fresh
            } else {
                value & ADDRESS
            };
            at -= 1;
        }
    }

    /// Maps a large page at `address`, unless something is mapped there already; tells whether it did.
    pub fn map_large(&mut self, address: u64, bits: u64, frames: &mut Frames) -> Result<bool, NoFrame> {
        let entry = self.reach(address, 2, frames)?;
        if get(entry) != 0 {
            return Ok(false);
        }
        let Some(offset) = frames.large_page() else { return Ok(false) };
        set(entry, layout::physical(offset) | bits | LARGE);
        Ok(true)
    }

    /// Maps fresh pages at `address` and at its unmapped neighbours within `low..high`, which lies in one
    /// page table (2 MiB).
    pub fn map_around(
        &mut self,
        address: u64,
        (low, high): (u64, u64),
        bits: u64,
        frames: &mut Frames,
    ) -> Result<(), NoFrame> {
        let at = self.reach(address, 1, frames)?;
        let page = address & !(PAGE - 1);
        let empty = |steps: i64| get(at.wrapping_offset(steps as isize)) == 0;
        let mut before = 0;
        while page - before * PAGE > low && empty(-(before as i64) - 1) {
            before += 1;
        }
        let mut after = 1;
        while page + after * PAGE < high && empty(after as i64) {
            after += 1;
        }
        // The page itself must be mapped; its neighbours as far as frames in a row go.
        let (offset, count) = frames.run(before + after).ok_or(NoFrame)?;
        let skipped = if count > before { 0 } else { before };
        let mut entry = at.wrapping_offset(skipped as isize - before as isize);
        let mut value = layout::physical(offset) | bits;
        for _ in 0..count.min(before + after - skipped) {
            set(entry, value);
            entry = entry.wrapping_add(1);
            value += PAGE;
        }
        Ok(())
    }

    /// Empties the entry in use at `address`: its value, and the bytes it stood for.
    pub fn take(&mut self, address: u64) -> Option<(u64, u64)> {
        let (entry, level) = self.deepest(address);
        let value = get(entry);
        if value == 0 {
            return None;
        }
        set(entry, 0);
        Some((value, span(level)))
    }

    /// Fills the entry at `address` with one that `take` took.
    pub fn put(&mut self, address: u64, value: u64, bytes: u64, frames: &mut Frames) -> Result<(), NoFrame> {
        let entry = self.reach(address, if bytes == PAGE { 1 } else { 2 }, frames)?;
        set(entry, value);
        Ok(())
    }

    /// Replaces a large page that reaches over `address` by a table of small ones.
    pub fn split_at(&mut self, address: u64, frames: &mut Frames) -> Result<(), NoFrame> {
        if address.is_multiple_of(LARGE_PAGE) { Ok(()) } else { self.split_inside(address, frames) }
    }

    /// Replaces the large page that holds `address`, if one does, by a table of small ones.
    pub fn split_inside(&mut self, address: u64, frames: &mut Frames) -> Result<(), NoFrame> {
        let (entry, level) = self.deepest(address);
        let value = get(entry);
        if level != 2 || value & LARGE == 0 {
            return Ok(());
        }
        let table = layout::physical(frames.page().ok_or(NoFrame)?);
        let mut page = value & !LARGE;
        for index in 0..ENTRIES {
            set(slot(table, index * PAGE, 1), page);
            page += PAGE;
        }
        set(entry, table | TABLE);
        registers::flush_all();
        Ok(())
    }

    /// Shows every entry in use within `start..end` to `visit`; large pages that reach over an end must
    /// have been split before.
    pub fn visit(&self, start: u64, end: u64, mut visit: impl FnMut(u64, Leaf)) {
        let mut address = start;
        while address < end {
            let (mut entry, level) = self.deepest(address);
            let bytes = span(level);
            address &= !(bytes - 1);
            // To the end of this table without walking again, unless a table below it is in the way.
            let stop = end.min((address | (span(level + 1) - 1)) + 1);
            while address < stop {
                let value = get(entry);
                if value != 0 {
                    if level > 1 && value & (PRESENT | LARGE) == PRESENT {
                        break;
                    }
                    visit(address, Leaf { entry, bytes });
                }
                entry = entry.wrapping_add(1);
                address += bytes;
            }
        }
    }
}

impl Leaf {
    /// The entry's value.
    pub fn get(&self) -> u64 {
        get(self.entry)
    }

    /// Changes it.
    pub fn set(&self, value: u64) {
        set(self.entry, value);
    }
}
