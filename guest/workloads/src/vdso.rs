//! The vDSO: code that the kernel maps into every process, so that reading a clock need not enter
//! the kernel (vdso(7)). Its address is in the auxiliary vector; its functions are found as a
//! dynamic linker would, by the symbol table of an ELF shared object.

use core::ffi::{CStr, c_char};

use crate::sys::Timespec;

/// Auxiliary vector: address of the vDSO's ELF header.
pub const AT_SYSINFO_EHDR: usize = 33;

/// `clock_gettime` of the vDSO.
pub type ClockGettime = unsafe extern "C" fn(clock: i32, time: *mut Timespec) -> i32;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_NULL: u64 = 0;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;

#[repr(C)]
struct ElfHeader {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    program_headers: u64,
    section_headers: u64,
    flags: u32,
    header_size: u16,
    program_header_size: u16,
    program_header_count: u16,
}

#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical: u64,
    file_size: u64,
    memory_size: u64,
    alignment: u64,
}

#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: u64,
    size: u64,
}

/// Finds `__vdso_clock_gettime`.
///
/// # Safety
/// `base` is the value of [`AT_SYSINFO_EHDR`] in this process.
pub unsafe fn clock_gettime(base: usize) -> Option<ClockGettime> {
    // SAFETY: the kernel maps a complete, well-formed ELF image there; every offset below is its own.
    unsafe {
        let header = &*(base as *const ElfHeader);
        let headers = core::slice::from_raw_parts(
            (base + header.program_headers as usize) as *const ProgramHeader,
            header.program_header_count.into(),
        );
        let load = headers.iter().find(|header| header.kind == PT_LOAD)?;
        let slide = base.wrapping_add(load.offset as usize).wrapping_sub(load.address as usize);
        let dynamic = headers.iter().find(|header| header.kind == PT_DYNAMIC)?;

        let (mut strings, mut symbols, mut hash) = (None, None, None);
        let mut entry = (base + dynamic.offset as usize) as *const [u64; 2];
        while (*entry)[0] != DT_NULL {
            let address = slide.wrapping_add((*entry)[1] as usize);
            match (*entry)[0] {
                DT_STRTAB => strings = Some(address as *const c_char),
                DT_SYMTAB => symbols = Some(address as *const Symbol),
                DT_HASH => hash = Some(address as *const u32),
                _ => {}
            }
            entry = entry.add(1);
        }
        let (strings, symbols) = (strings?, symbols?);
        // The second word of a SysV hash table is the number of symbols. Kernels that carry only a GNU
        // hash table lay the string table right after the symbols.
        let count = match hash {
            Some(hash) => *hash.add(1) as usize,
            None => (strings as usize).checked_sub(symbols as usize)? / size_of::<Symbol>(),
        };
        let symbol = core::slice::from_raw_parts(symbols, count).iter().find(|symbol| {
            symbol.section != 0
                && CStr::from_ptr(strings.add(symbol.name as usize)) == c"__vdso_clock_gettime"
        })?;
        let address = slide.wrapping_add(symbol.value as usize);
        Some(core::mem::transmute::<usize, ClockGettime>(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_this_kernel_is_found_and_agrees_with_the_system_call() {
        // AT_SYSINFO_EHDR of this process, from its auxiliary vector in /proc.
        let words = std::fs::read("/proc/self/auxv").expect("Linux");
        let pairs = words.as_chunks::<16>().0.iter().map(|pair| {
            let word = |at: usize| u64::from_le_bytes(pair[at..at + 8].try_into().expect("8 bytes")) as usize;
            (word(0), word(8))
        });
        let Some((_, base)) = pairs.into_iter().find(|(kind, _)| *kind == AT_SYSINFO_EHDR) else {
            return; // A kernel without a vDSO.
        };
        // SAFETY: the vDSO of this very process.
        let read = unsafe { clock_gettime(base) }.expect("every vDSO has clock_gettime");
        let before = crate::sys::monotonic_ns();
        let mut now = Timespec::default();
        // SAFETY: the vDSO's own function, with a time to write to.
        assert_eq!(unsafe { read(1, &mut now) }, 0);
        assert!((before..=crate::sys::monotonic_ns()).contains(&now.as_ns()));
    }
}
