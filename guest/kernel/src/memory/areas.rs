//! The program's address space as it asked for it: which addresses it may use, and how.

use guest_abi::boot::MAX_AREAS;
use guest_abi::layout::{self, LARGE_PAGE, PAGE};
use guest_abi::{Area, AreaTable};

/// The sorted table of areas.
pub struct Areas {
    table: &'static mut AreaTable,
}

/// The table is full.
#[derive(Debug)]
pub struct TableFull;

impl Areas {
    /// Takes over the table that the VMM began.
    pub fn new() -> Areas {
        // SAFETY: the VMM has put a valid table at this address, which is mapped for ever and which
        // nothing else refers to. `Memory` is made once.
        let table = unsafe { &mut *((layout::KERNEL_BASE + layout::AREA_TABLE) as *mut AreaTable) };
        table.count = table.count.min(MAX_AREAS as u64);
        Areas { table }
    }

    fn all(&self) -> &[Area] {
        self.table.areas.get(..self.table.count as usize).unwrap_or(&[])
    }

    /// Index of the first area that ends behind `address`.
    fn position(&self, address: u64) -> usize {
        self.all().partition_point(|area| area.end <= address)
    }

    /// The area that holds `address`.
    pub fn find(&self, address: u64) -> Option<Area> {
        self.all().get(self.position(address)).copied().filter(|area| area.start <= address)
    }

    /// The first area that ends behind `address`, whether it holds it or starts later.
    pub fn at_or_after(&self, address: u64) -> Option<Area> {
        self.all().get(self.position(address)).copied()
    }

    /// True when no area touches `start..end`.
    pub fn is_free(&self, start: u64, end: u64) -> bool {
        self.at_or_after(start).is_none_or(|area| area.start >= end)
    }

    /// True when areas cover all of `start..end`.
    pub fn covers(&self, start: u64, end: u64) -> bool {
        let mut address = start;
        while address < end {
            match self.find(address) {
                Some(area) => address = area.end,
                None => return false,
            }
        }
        true
    }

    fn insert_at(&mut self, index: usize, area: Area) -> Result<(), TableFull> {
        let count = self.table.count as usize;
        if count >= MAX_AREAS || index > count {
            return Err(TableFull);
        }
        self.table.areas.copy_within(index..count, index + 1);
        self.table.areas[index] = area;
        self.table.count += 1;
        Ok(())
    }

    fn remove_at(&mut self, index: usize) {
        let count = self.table.count as usize;
        if index < count {
            self.table.areas.copy_within(index + 1..count, index);
            self.table.count -= 1;
        }
    }

    /// Adds an area where there is none, joining it to neighbours of the same rights.
    pub fn insert(&mut self, start: u64, end: u64, rights: u32) -> Result<(), TableFull> {
        let index = self.position(start);
        let count = self.table.count as usize;
        let joins_next =
            index < count && self.table.areas[index].start == end && self.table.areas[index].rights == rights;
        let before = index.wrapping_sub(1);
        let joins_before = before < count
            && self.table.areas[before].end == start
            && self.table.areas[before].rights == rights;
        match (joins_before, joins_next) {
            (true, true) => {
                self.table.areas[before].end = self.table.areas[index].end;
                self.remove_at(index);
            }
            (true, false) => self.table.areas[before].end = end,
            (false, true) => self.table.areas[index].start = start,
            (false, false) => return self.insert_at(index, Area { start, end, rights, reserved: 0 }),
        }
        Ok(())
    }

    /// Makes `address` a border between two areas if it lies inside of one.
    fn split(&mut self, address: u64) -> Result<(), TableFull> {
        let index = self.position(address);
        let Some(area) = self.all().get(index).copied() else { return Ok(()) };
        if area.start >= address {
            return Ok(());
        }
        self.insert_at(index + 1, Area { start: address, ..area })?;
        self.table.areas[index].end = address;
        Ok(())
    }

    /// Takes `start..end` out of every area.
    pub fn remove(&mut self, start: u64, end: u64) -> Result<(), TableFull> {
        self.split(start)?;
        self.split(end)?;
        let index = self.position(start);
        while self.all().get(index).is_some_and(|area| area.start < end) {
            self.remove_at(index);
        }
        Ok(())
    }

    /// Gives all of `start..end` other rights; areas must cover it.
    pub fn set_rights(&mut self, start: u64, end: u64, rights: u32) -> Result<(), TableFull> {
        self.remove(start, end)?;
        self.insert(start, end, rights)
    }

    /// The highest free stretch of `bytes` below `top`; a large one is aligned to large pages.
    pub fn find_gap(&self, bytes: u64, top: u64) -> Option<u64> {
        let align = if bytes >= LARGE_PAGE { LARGE_PAGE } else { PAGE };
        let mut end = top;
        for area in self.all().iter().rev() {
            if area.start >= top {
                continue;
            }
            if let Some(start) = fit(area.end.min(end), end, bytes, align) {
                return Some(start);
            }
            end = end.min(area.start);
        }
        fit(layout::USER_START, end, bytes, align)
    }
}

/// The highest aligned start of `bytes` within `low..high`.
fn fit(low: u64, high: u64, bytes: u64, align: u64) -> Option<u64> {
    let start = high.checked_sub(bytes)? & !(align - 1);
    (start >= low).then_some(start)
}
