//! The 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst): what a boot loader puts into memory, and the
//! registers at the first instruction.

use kvm_bindings::{kvm_regs, kvm_segment, kvm_sregs};
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use vm_memory::ByteValued;

use super::layout::*;
use crate::runtime::vmm::guest_memory::pieces;

const E820_RAM: u32 = 1;
const E820_RESERVED: u32 = 2;
/// `boot_flag`, `header` ("HdrS") and a loader that has no number of its own.
const BOOT_FLAG: u16 = 0xaa55;
const MAGIC: u32 = 0x5372_6448;
const OTHER_LOADER: u8 = 0xff;
/// `LOADED_HIGH`.
const LOADED_HIGH: u8 = 1;
/// `SETUP_RNG_SEED`, known since Linux 6.0, and its bytes.
const SETUP_RNG_SEED: u32 = 9;
const SEED_BYTES: usize = 32;
/// The 64-bit entry point of a bzImage is so far behind its start.
pub const BZIMAGE_ENTRY: u64 = 0x200;

/// Where the initramfs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramdisk {
    /// Guest physical address.
    pub address: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The boot parameters ("zero page"). `header` is the kernel's own, for a bzImage.
pub fn parameters(
    header: Option<setup_header>,
    command_line: &str,
    ramdisk: Ramdisk,
    memory_bytes: u64,
) -> Vec<u8> {
    let mut parameters = boot_params { acpi_rsdp_addr: ACPI, ..boot_params::default() };
    let mut header = header.unwrap_or_else(|| setup_header {
        boot_flag: BOOT_FLAG,
        header: MAGIC,
        kernel_alignment: 0x20_0000,
        ..setup_header::default()
    });
    header.type_of_loader = OTHER_LOADER;
    header.loadflags |= LOADED_HIGH;
    header.cmd_line_ptr = COMMAND_LINE as u32;
    header.cmdline_size = command_line.len() as u32;
    header.ramdisk_image = ramdisk.address as u32;
    header.ramdisk_size = ramdisk.bytes as u32;
    header.setup_data = SEED;
    parameters.hdr = header;
    let mut map = vec![(0, LOW_END, E820_RAM), (LOW_END, HIGH_START, E820_RESERVED)];
    for (offset, bytes) in pieces(HIGH_START, memory_bytes) {
        let start = guest_abi::layout::physical(offset);
        map.push((start, start + bytes, E820_RAM));
    }
    for (entry, (start, end, kind)) in parameters.e820_table.iter_mut().zip(&map) {
        *entry = boot_e820_entry { addr: *start, size: end - start, r#type: *kind };
    }
    parameters.e820_entries = map.len() as u8;
    parameters.as_slice().to_vec()
}

/// A `struct setup_data` with random bytes, so that every guest's are its own from the first moment.
pub fn seed(random: [u8; SEED_BYTES]) -> Vec<u8> {
    let mut data = 0u64.to_le_bytes().to_vec();
    data.extend(SETUP_RNG_SEED.to_le_bytes());
    data.extend((SEED_BYTES as u32).to_le_bytes());
    data.extend(random);
    data
}

/// Segment descriptors: nothing twice, then code and data (`__BOOT_CS`, `__BOOT_DS`).
pub fn segment_descriptors() -> Vec<u8> {
    [0u64, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff]
        .iter()
        .flat_map(|entry| entry.to_le_bytes())
        .collect()
}

/// Page tables that map the first 4 GiB to themselves, in large pages.
pub fn page_tables() -> Vec<u8> {
    const PRESENT_WRITABLE: u64 = 3;
    const LARGE: u64 = 1 << 7;
    const DIRECTORIES: u64 = 4;
    let mut tables = vec![0u64; 512 * (2 + DIRECTORIES as usize)];
    tables[0] = (PAGE_TABLES + PAGE) | PRESENT_WRITABLE;
    for directory in 0..DIRECTORIES {
        tables[512 + directory as usize] = (PAGE_TABLES + (2 + directory) * PAGE) | PRESENT_WRITABLE;
    }
    for (index, entry) in tables[1024..].iter_mut().enumerate() {
        *entry = (index as u64) << 21 | LARGE | PRESENT_WRITABLE;
    }
    tables.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

/// The general registers at the first instruction.
pub fn registers(entry: u64) -> kvm_regs {
    kvm_regs { rip: entry, rsi: BOOT_PARAMETERS, rflags: 2, ..kvm_regs::default() }
}

/// Sets 64-bit mode with paging in registers that were read from a fresh vCPU.
pub fn set_long_mode(sregs: &mut kvm_sregs) {
    const PG_PE: u64 = 1 << 31 | 1;
    const PAE: u64 = 1 << 5;
    const LMA_LME: u64 = 1 << 10 | 1 << 8;
    let segment = |selector: u16, kind: u8, code: bool| kvm_segment {
        limit: u32::MAX,
        selector,
        type_: kind,
        present: 1,
        db: u8::from(!code),
        s: 1,
        l: u8::from(code),
        g: 1,
        ..kvm_segment::default()
    };
    sregs.cs = segment(0x10, 0xb, true);
    let data = segment(0x18, 0x3, false);
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.gdt.base = GDT;
    sregs.gdt.limit = 4 * 8 - 1;
    sregs.cr3 = PAGE_TABLES;
    sregs.cr4 |= PAE;
    sregs.cr0 |= PG_PE;
    sregs.efer |= LMA_LME;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_map_leaves_out_firmware_and_hole() {
        let ramdisk = Ramdisk { address: 0x800_0000, bytes: 100 };
        let bytes = parameters(None, "quiet", ramdisk, 5 << 30);
        assert_eq!(bytes.len(), 4096);
        let mut read = boot_params::default();
        read.as_mut_slice().copy_from_slice(&bytes);
        let map: Vec<_> = read.e820_table[..read.e820_entries.into()]
            .iter()
            .map(|entry| (entry.addr, entry.addr + entry.size, entry.r#type))
            .collect();
        assert_eq!(
            map,
            [
                (0, LOW_END, E820_RAM),
                (LOW_END, HIGH_START, E820_RESERVED),
                (HIGH_START, HOLE_START, E820_RAM),
                (4 << 30, 6 << 30, E820_RAM)
            ]
        );
        let header = read.hdr;
        assert_eq!(({ header.ramdisk_image }, { header.ramdisk_size }), (0x800_0000, 100));
    }

    #[test]
    fn the_page_tables_map_every_address_to_itself() {
        let tables = page_tables();
        let word = |at: u64| u64::from_le_bytes(tables[at as usize..][..8].try_into().unwrap());
        let walk = |address: u64| {
            let mut table = 0;
            for shift in [39, 30] {
                table = (word(table + (address >> shift & 511) * 8) & !0xfff) - PAGE_TABLES;
            }
            (word(table + (address >> 21 & 511) * 8) & !0x1f_ffff) | address & 0x1f_ffff
        };
        for address in [0, BOOT_PARAMETERS, 0x100_0000, 0xffff_ffff] {
            assert_eq!(walk(address), address);
        }
    }
}
