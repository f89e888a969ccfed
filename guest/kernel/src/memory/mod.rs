//! The program's memory: areas, page tables and frames, and the system calls that change them.

mod areas;
pub mod frames;
pub mod tables;
mod user;

use guest_abi::layout::entry::*;
use guest_abi::layout::{self, LARGE_PAGE, PAGE, rights};
use guest_abi::{Area, BootInfo};

use crate::hypercall::Segments;
use crate::registers;
use crate::syscall::Errno;
use areas::{Areas, TableFull};
use frames::Pool;
use tables::{Leaf, NoFrame, Tables};

/// Pages mapped at once around a fault: mapping costs the host nothing, a fault costs the program.
const FAULT_AROUND: u64 = 16 * PAGE;
/// Above this many pages, forgetting all translations is cheaper than forgetting them one by one.
const FLUSH_ALL: u64 = 16;

/// Bits of a page fault's error code (Intel SDM volume 3, 5.12).
pub mod fault {
    pub const PRESENT: u64 = 1;
    pub const WRITE: u64 = 1 << 1;
    pub const USER: u64 = 1 << 2;
    pub const FETCH: u64 = 1 << 4;
}

/// Why a page fault cannot be mended.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The program may not do that there.
    Denied,
    /// No memory is left.
    OutOfMemory,
}

impl From<NoFrame> for Fault {
    fn from(_: NoFrame) -> Fault {
        Fault::OutOfMemory
    }
}

impl From<NoFrame> for Errno {
    fn from(_: NoFrame) -> Errno {
        Errno::ENOMEM
    }
}

impl From<TableFull> for Errno {
    fn from(_: TableFull) -> Errno {
        Errno::ENOMEM
    }
}

/// The program's memory.
pub struct Memory {
    areas: Areas,
    tables: Tables,
    frames: Pool,
    memory_bytes: u64,
    brk_start: u64,
    brk: u64,
}

/// Entry bits for pages with these rights.
fn bits(rights: u32) -> u64 {
    let visible = if rights == 0 { HIDDEN } else { PRESENT };
    let writable = if rights & rights::WRITE != 0 { WRITABLE | DIRTY } else { 0 };
    let executable = if rights & rights::EXECUTE != 0 { 0 } else { NO_EXECUTE };
    visible | writable | executable | USER | ACCESSED
}

/// The pages that hold `address..address + bytes`, if they are addresses that a program may have.
fn pages(address: u64, bytes: u64) -> Option<(u64, u64)> {
    let end = address.checked_add(bytes)?.checked_next_multiple_of(PAGE)?;
    (address.is_multiple_of(PAGE) && address < end && end <= layout::USER_END).then_some((address, end))
}

impl Memory {
    pub fn new(boot: &BootInfo) -> Memory {
        Memory {
            areas: Areas::new(),
            tables: Tables::new(boot.page_table),
            frames: Pool::new(boot),
            memory_bytes: boot.memory_bytes,
            brk_start: boot.brk_start,
            brk: boot.brk_start,
        }
    }

    /// Bytes of memory in all, and bytes still free.
    pub fn total_and_free(&self) -> (u64, u64) {
        (self.memory_bytes, self.frames.free_bytes())
    }

    /// Mends a page fault, if the program may do what it did.
    pub fn fault(&mut self, address: u64, error: u64) -> Result<(), Fault> {
        let area = self.areas.find(address).ok_or(Fault::Denied)?;
        let needed = if error & fault::WRITE != 0 {
            rights::WRITE
        } else if error & fault::FETCH != 0 {
            rights::EXECUTE
        } else {
            rights::READ | rights::WRITE | rights::EXECUTE
        };
        if area.rights & needed == 0 {
            return Err(Fault::Denied);
        }
        if error & fault::PRESENT != 0 {
            // The page is there and the area allows it: the processor remembers older rights.
            registers::flush_page(address);
            return Ok(());
        }
        self.populate(address, &area)
    }

    fn populate(&mut self, address: u64, area: &Area) -> Result<(), Fault> {
        let bits = bits(area.rights);
        let large = address & !(LARGE_PAGE - 1);
        if area.start <= large
            && large + LARGE_PAGE <= area.end
            && self.tables.map_large(large, bits, &mut self.frames)?
        {
            return Ok(());
        }
        let low = address & !(FAULT_AROUND - 1);
        let around = (low.max(area.start), (low + FAULT_AROUND).min(area.end));
        Ok(self.tables.map_around(address, around, bits, &mut self.frames)?)
    }

    /// Where `address` lies in guest physical memory, mapped if the program may use it so.
    fn locate(&mut self, address: u64, write: bool) -> Result<u64, Errno> {
        if address >= layout::USER_END {
            return Err(Errno::EFAULT);
        }
        let needed = if write { PRESENT | USER | WRITABLE } else { PRESENT | USER };
        for _ in 0..2 {
            match self.tables.translate(address) {
                Some((physical, bits)) if bits & needed == needed => return Ok(physical),
                Some(_) => return Err(Errno::EFAULT),
                None => {
                    let error = if write { fault::WRITE } else { 0 };
                    self.fault(address, error | fault::USER).map_err(|fault| match fault {
                        Fault::Denied => Errno::EFAULT,
                        Fault::OutOfMemory => Errno::ENOMEM,
                    })?;
                }
            }
        }
        Err(Errno::EFAULT)
    }

    /// Moves the end of the heap; on failure it stays, as Linux has it.
    pub fn brk(&mut self, wanted: u64) -> u64 {
        let old_end = self.brk.next_multiple_of(PAGE);
        let too_far = wanted < self.brk_start || wanted > layout::USER_END - PAGE;
        if too_far || wanted - self.brk_start > self.memory_bytes {
            return self.brk;
        }
        let new_end = wanted.next_multiple_of(PAGE);
        let done = if new_end > old_end {
            if self.areas.is_free(old_end, new_end) {
                self.areas.insert(old_end, new_end, rights::READ | rights::WRITE).map_err(Errno::from)
            } else {
                Err(Errno::ENOMEM)
            }
        } else if new_end < old_end {
            self.drop_range(new_end, old_end)
        } else {
            Ok(())
        };
        if done.is_ok() {
            self.brk = wanted;
        }
        self.brk
    }

    /// Reserves addresses for a new mapping and returns the first. `wanted` counts as Linux' `mmap`
    /// has it: a hint, or with `fixed` a demand.
    pub fn map(
        &mut self,
        wanted: u64,
        bytes: u64,
        rights: u32,
        fixed: bool,
        replace: bool,
    ) -> Result<u64, Errno> {
        if bytes == 0 {
            return Err(Errno::EINVAL);
        }
        let bytes = bytes.checked_next_multiple_of(PAGE).ok_or(Errno::ENOMEM)?;
        let start = if fixed {
            let (start, end) = pages(wanted, bytes).ok_or(if wanted.is_multiple_of(PAGE) {
                Errno::ENOMEM
            } else {
                Errno::EINVAL
            })?;
            if start < layout::USER_START {
                return Err(Errno::EPERM);
            }
            if !self.areas.is_free(start, end) {
                if !replace {
                    return Err(Errno::EEXIST);
                }
                self.drop_range(start, end)?;
            }
            start
        } else {
            match pages(wanted & !(PAGE - 1), bytes) {
                Some((start, end)) if start >= layout::USER_START && self.areas.is_free(start, end) => start,
                _ => self
                    .areas
                    .find_gap(bytes, layout::USER_END - layout::STACK_BYTES - layout::STACK_GAP)
                    .ok_or(Errno::ENOMEM)?,
            }
        };
        self.areas.insert(start, start + bytes, rights)?;
        Ok(start)
    }

    /// Takes addresses away from the program, with what is there.
    pub fn unmap(&mut self, address: u64, bytes: u64) -> Result<(), Errno> {
        let (start, end) = pages(address, bytes).ok_or(Errno::EINVAL)?;
        self.drop_range(start, end)
    }

    fn drop_range(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        self.tables.split_at(start, &mut self.frames)?;
        self.tables.split_at(end, &mut self.frames)?;
        self.areas.remove(start, end)?;
        self.drop_pages(start, end, true);
        Ok(())
    }

    /// Empties the page table entries of a range. Those of frames that cannot be taken back (the
    /// program's image) only if `all`.
    fn drop_pages(&mut self, start: u64, end: u64, all: bool) {
        let Memory { tables, frames, .. } = self;
        let mut released = Segments::new();
        let mut flush = Flush::new();
        tables.visit(start, end, |address, leaf: Leaf| {
            let physical = leaf.get() & ADDRESS;
            let offset = layout::offset(physical);
            let blank = frames.is_blank(offset);
            if !blank && !all {
                return;
            }
            leaf.set(0);
            flush.page(address);
            if blank {
                if !released.push(physical, leaf.bytes) {
                    core::mem::replace(&mut released, Segments::new()).release();
                    released.push(physical, leaf.bytes);
                }
                frames.take_back(offset, leaf.bytes / PAGE);
            }
        });
        flush.finish();
        released.release();
    }

    /// Changes the rights to addresses, all of which must be in use.
    pub fn protect(&mut self, address: u64, bytes: u64, rights: u32) -> Result<(), Errno> {
        if bytes == 0 {
            return Ok(());
        }
        let (start, end) = pages(address, bytes).ok_or(Errno::EINVAL)?;
        if !self.areas.covers(start, end) {
            return Err(Errno::ENOMEM);
        }
        self.tables.split_at(start, &mut self.frames)?;
        self.tables.split_at(end, &mut self.frames)?;
        self.areas.set_rights(start, end, rights)?;
        let bits = bits(rights);
        let mut flush = Flush::new();
        self.tables.visit(start, end, |address, leaf| {
            leaf.set(leaf.get() & (ADDRESS | LARGE) | bits);
            flush.page(address);
        });
        flush.finish();
        Ok(())
    }

    /// Forgets the content of addresses: they read as zero again.
    pub fn discard(&mut self, address: u64, bytes: u64) -> Result<(), Errno> {
        if bytes == 0 {
            return Ok(());
        }
        let (start, end) = pages(address, bytes).ok_or(Errno::EINVAL)?;
        if !self.areas.covers(start, end) {
            return Err(Errno::ENOMEM);
        }
        self.tables.split_at(start, &mut self.frames)?;
        self.tables.split_at(end, &mut self.frames)?;
        self.drop_pages(start, end, false);
        Ok(())
    }

    /// Makes a mapping larger or smaller, moving it if it must and `may_move`.
    pub fn remap(
        &mut self,
        address: u64,
        old_bytes: u64,
        new_bytes: u64,
        may_move: bool,
    ) -> Result<u64, Errno> {
        let (start, old_end) = pages(address, old_bytes).ok_or(Errno::EINVAL)?;
        let new_bytes =
            new_bytes.checked_next_multiple_of(PAGE).filter(|bytes| *bytes > 0).ok_or(Errno::EINVAL)?;
        let new_end = start.saturating_add(new_bytes);
        let area = self.areas.find(start).filter(|area| area.end >= old_end).ok_or(Errno::EFAULT)?;
        if new_end <= old_end {
            if new_end < old_end {
                self.drop_range(new_end, old_end)?;
            }
            return Ok(start);
        }
        if new_bytes > self.memory_bytes {
            return Err(Errno::ENOMEM);
        }
        if new_end <= layout::USER_END && self.areas.is_free(old_end, new_end) {
            self.areas.insert(old_end, new_end, area.rights)?;
            return Ok(start);
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        let target = self.map(0, new_bytes, area.rights, false, false)?;
        self.tables.split_at(start, &mut self.frames)?;
        self.tables.split_at(old_end, &mut self.frames)?;
        self.move_pages(start, old_end, target)?;
        self.areas.remove(start, old_end)?;
        Ok(target)
    }

    fn move_pages(&mut self, start: u64, end: u64, target: u64) -> Result<(), Errno> {
        let mut from = start;
        while from < end {
            // One page table's worth at a time, gathered first, since mapping changes the tables.
            let stop = end.min((from | (LARGE_PAGE - 1)) + 1);
            if !target.wrapping_sub(start).is_multiple_of(LARGE_PAGE) {
                self.tables.split_inside(from, &mut self.frames)?;
            }
            let mut address = from;
            while address < stop {
                let Some((entry, bytes)) = self.tables.take(address) else {
                    address += PAGE;
                    continue;
                };
                let to = address - start + target;
                self.tables.put(to, entry, bytes, &mut self.frames)?;
                address += bytes;
            }
            from = stop;
        }
        registers::flush_all();
        Ok(())
    }
}

/// Pages whose translations must be forgotten.
struct Flush {
    pages: u64,
}

impl Flush {
    fn new() -> Flush {
        Flush { pages: 0 }
    }

    fn page(&mut self, address: u64) {
        self.pages += 1;
        if self.pages <= FLUSH_ALL {
            registers::flush_page(address);
        }
    }

    fn finish(self) {
        if self.pages > FLUSH_ALL {
            registers::flush_all();
        }
    }
}
