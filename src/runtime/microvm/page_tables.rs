//! Builds the guest's first page tables inside the boot image (Intel SDM volume 3, 5.5).
//!
//! Every entry has its accessed bit set, and its dirty bit where it is writable: then the processor
//! never writes to these pages, and all VMs of one spec share them.

use super::image::Image;
use super::memory_layout::entry::*;
use super::memory_layout::{LARGE_PAGE, PAGE, physical};

const ENTRIES: u64 = 512;
const TOP: u32 = 4;

/// Four levels of tables.
#[derive(Debug)]
pub struct PageTables {
    root: u64,
}

/// Bits of a kernel page.
pub fn kernel_bits(writable: bool, executable: bool) -> u64 {
    let write = if writable { WRITABLE | DIRTY } else { 0 };
    PRESENT | ACCESSED | write | if executable { 0 } else { NO_EXECUTE }
}

/// Bits of a program page.
pub fn user_bits(writable: bool, executable: bool) -> u64 {
    kernel_bits(writable, executable) | USER
}

impl PageTables {
    /// Empty tables.
    pub fn new(image: &mut Image) -> PageTables {
        PageTables { root: image.allocate(1) }
    }

    /// Guest physical address of the top table.
    pub fn root(&self) -> u64 {
        physical(self.root)
    }

    /// Offset in the image of the entry for `address` at `level`, with the tables above it made as needed.
    fn entry(&mut self, image: &mut Image, address: u64, level: u32) -> u64 {
        let mut table = self.root;
        let mut at = TOP;
        loop {
            let entry = table + address / (PAGE << (9 * (at - 1))) % ENTRIES * 8;
            if at == level {
                return entry;
            }
            let value = image.read_u64(entry);
            // The image lies far below the hole, so offsets are physical addresses here.
            table = if value & PRESENT == 0 {
                let fresh = image.allocate(1);
                image.write_u64(entry, fresh | PRESENT | WRITABLE | USER | ACCESSED);
                fresh
            } else {
                value & ADDRESS
            };
            at -= 1;
        }
    }

    /// Maps the page at `address` to the guest memory at `offset`.
    pub fn map(&mut self, image: &mut Image, address: u64, offset: u64, bits: u64) {
        let entry = self.entry(image, address, 1);
        image.write_u64(entry, physical(offset) | bits);
    }

    /// Maps 2 MiB.
    pub fn map_large(&mut self, image: &mut Image, address: u64, offset: u64, bits: u64) {
        let entry = self.entry(image, address, 2);
        image.write_u64(entry, physical(offset) | bits | LARGE);
    }

    /// Makes the tables that pages in `start..end` will need.
    pub fn prepare(&mut self, image: &mut Image, start: u64, end: u64) {
        let mut address = start & !(LARGE_PAGE - 1);
        while address < end {
            self.entry(image, address, 1);
            address += LARGE_PAGE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the processor does: walks from the root.
    fn walk(tables: &PageTables, image: &Image, address: u64) -> Option<u64> {
        let mut table = tables.root();
        for level in (1..=TOP).rev() {
            let span = PAGE << (9 * (level - 1));
            let value = image.read_u64(table + address / span % ENTRIES * 8);
            if value & PRESENT == 0 {
                return None;
            }
            if level == 1 || value & LARGE != 0 {
                return Some((value & ADDRESS) + address % span);
            }
            table = value & ADDRESS;
        }
        None
    }

    #[test]
    fn mapped_addresses_lead_to_their_memory_and_others_nowhere() {
        let mut image = Image::new(PAGE);
        let mut tables = PageTables::new(&mut image);
        tables.map(&mut image, 0x40_1000, 0x7000, user_bits(false, true));
        tables.map(&mut image, 0x7fff_ffff_e000, 0x9000, user_bits(true, false));
        tables.map_large(&mut image, 0xffff_8000_0020_0000, 0x20_0000, kernel_bits(true, false));
        assert_eq!(walk(&tables, &image, 0x40_1234), Some(0x7234));
        assert_eq!(walk(&tables, &image, 0x7fff_ffff_efff), Some(0x9fff));
        assert_eq!(walk(&tables, &image, 0xffff_8000_0023_4567), Some(0x23_4567));
        assert_eq!(walk(&tables, &image, 0x40_2000), None);
        assert_eq!(walk(&tables, &image, 0), None);
    }

    #[test]
    fn prepared_tables_need_no_further_page() {
        let mut image = Image::new(PAGE);
        let mut tables = PageTables::new(&mut image);
        tables.prepare(&mut image, 0x5f_f000, 0x60_1000);
        let end = image.end();
        tables.map(&mut image, 0x5f_f000, 0x1_0000, user_bits(true, false));
        tables.map(&mut image, 0x60_0000, 0x1_1000, user_bits(true, false));
        assert_eq!(image.end(), end);
    }
}
