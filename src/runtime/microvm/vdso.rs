//! The vDSO (vdso(7)): code that the guest sees as a shared library and that reads the clock without a
//! system call, as every Linux has it. Without it the guest would pay a system call for each look at the
//! clock, which a container does not.
//!
//! The whole ELF image is written here in assembly: header, dynamic section, symbols with the version
//! that C libraries ask for, and four functions. It is the guest's code, and merely data to us. The
//! functions find the clock page ([`guest_abi::ClockPage`]) one page before the image.

use std::arch::global_asm;
use std::slice;

use elf::abi::{
    DT_HASH, DT_NULL, DT_SONAME, DT_STRSZ, DT_STRTAB, DT_SYMENT, DT_SYMTAB, DT_VERDEF, DT_VERDEFNUM,
    DT_VERSYM, ELFCLASS64, ELFDATA2LSB, EM_X86_64, ET_DYN, EV_CURRENT, PF_R, PF_X, PT_DYNAMIC, PT_LOAD,
    STB_GLOBAL, STT_FUNC, VER_FLG_BASE,
};
use guest_abi::ClockPage;
use std::mem::offset_of;

/// The hash of a version's name (System V ABI, chapter 5, "Hash Table").
const fn elf_hash(name: &[u8]) -> u32 {
    let mut hash: u32 = 0;
    let mut at = 0;
    while at < name.len() {
        hash = (hash << 4).wrapping_add(name[at] as u32);
        let top = hash & 0xf000_0000;
        hash = (hash ^ (top >> 24)) & !top;
        at += 1;
    }
    hash
}

global_asm!(
    ".pushsection .rodata.isobench_vdso, \"a\"",
    ".balign 16",
    ".global isobench_vdso_start",
    "isobench_vdso_start:",
    // ELF header.
    ".byte 0x7f, 'E', 'L', 'F', {class}, {data}, {version}, 0",
    ".quad 0",
    ".short {dyn}, {machine}",
    ".long {version}",
    ".quad 0, 64, 0",
    ".long 0",
    ".short 64, 56, 2, 0, 0, 0",
    // Program headers: everything in one piece, and the dynamic section in it.
    ".long {pt_load}, {pf_rx}",
    ".quad 0, 0, 0",
    ".quad isobench_vdso_end - isobench_vdso_start, isobench_vdso_end - isobench_vdso_start, 4096",
    ".long {pt_dynamic}, {pf_r}",
    ".quad 30f - isobench_vdso_start, 30f - isobench_vdso_start, 0",
    ".quad 31f - 30f, 31f - 30f, 8",
    // Dynamic section.
    "30:",
    ".quad {dt_soname}, 51f - 50f",
    ".quad {dt_hash}, 40f - isobench_vdso_start",
    ".quad {dt_strtab}, 50f - isobench_vdso_start",
    ".quad {dt_strsz}, 59f - 50f",
    ".quad {dt_symtab}, 60f - isobench_vdso_start",
    ".quad {dt_syment}, 24",
    ".quad {dt_versym}, 70f - isobench_vdso_start",
    ".quad {dt_verdef}, 80f - isobench_vdso_start",
    ".quad {dt_verdefnum}, 2",
    ".quad {dt_null}, 0",
    "31:",
    // Hash table: one bucket, so every lookup walks all symbols.
    "40:",
    ".long 1, 5, 1",
    ".long 0, 2, 3, 4, 0",
    // Strings.
    "50:",
    ".byte 0",
    "51:", ".asciz \"linux-vdso.so.1\"",
    "52:", ".asciz \"LINUX_2.6\"",
    "53:", ".asciz \"__vdso_clock_gettime\"",
    "54:", ".asciz \"__vdso_gettimeofday\"",
    "55:", ".asciz \"__vdso_time\"",
    "56:", ".asciz \"__vdso_getcpu\"",
    "59:",
    // Symbols: name, kind, visibility, section (any but 0), value, size.
    ".balign 8",
    "60:",
    ".long 0", ".byte 0, 0", ".short 0", ".quad 0, 0",
    ".long 53b - 50b", ".byte {function}, 0", ".short 1", ".quad 93f - isobench_vdso_start, 94f - 93f",
    ".long 54b - 50b", ".byte {function}, 0", ".short 1", ".quad 94f - isobench_vdso_start, 95f - 94f",
    ".long 55b - 50b", ".byte {function}, 0", ".short 1", ".quad 95f - isobench_vdso_start, 96f - 95f",
    ".long 56b - 50b", ".byte {function}, 0", ".short 1", ".quad 96f - isobench_vdso_start, 97f - 96f",
    // Versions: of each symbol, and what they are called.
    "70:",
    ".short 0, 2, 2, 2, 2",
    ".balign 8",
    "80:",
    ".short 1, {ver_base}, 1, 1", ".long {soname_hash}, 20, 28", ".long 51b - 50b, 0",
    ".short 1, 0, 2, 1", ".long {version_hash}, 20, 0", ".long 52b - 50b, 0",

    ".balign 16",
    // In: nanoseconds at the base in r8. Out: seconds in rax, nanoseconds in rdx. Changes rcx.
    "92:",
    "lfence",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "sub rax, [rip + isobench_vdso_start - 4096 + {tsc_base}]",
    "mul qword ptr [rip + isobench_vdso_start - 4096 + {tsc_scale}]",
    "shrd rax, rdx, 32",
    "add rax, r8",
    "xor edx, edx",
    "mov ecx, 1000000000",
    "div rcx",
    "ret",
    // clock_gettime(clock, time): REALTIME 0 and its coarse kin 5; MONOTONIC 1, RAW 4, COARSE 6, BOOTTIME 7.
    "93:",
    "mov r8, [rip + isobench_vdso_start - 4096 + {realtime}]",
    "test edi, edi",
    "jz 1f",
    "cmp edi, 5",
    "je 1f",
    "mov r8, [rip + isobench_vdso_start - 4096 + {monotonic}]",
    "cmp edi, 1",
    "je 1f",
    "cmp edi, 4",
    "je 1f",
    "cmp edi, 6",
    "je 1f",
    "cmp edi, 7",
    "je 1f",
    "mov eax, 228",
    "syscall",
    "ret",
    "1:",
    "call 92b",
    "mov [rsi], rax",
    "mov [rsi + 8], rdx",
    "xor eax, eax",
    "ret",
    // gettimeofday(time, zone)
    "94:",
    "test rsi, rsi",
    "jz 1f",
    "mov eax, 96",
    "syscall",
    "ret",
    "1:",
    "mov r8, [rip + isobench_vdso_start - 4096 + {realtime}]",
    "call 92b",
    "mov [rdi], rax",
    "mov eax, edx",
    "xor edx, edx",
    "mov ecx, 1000",
    "div ecx",
    "mov [rdi + 8], rax",
    "xor eax, eax",
    "ret",
    // time(seconds)
    "95:",
    "mov r8, [rip + isobench_vdso_start - 4096 + {realtime}]",
    "call 92b",
    "test rdi, rdi",
    "jz 1f",
    "mov [rdi], rax",
    "1:",
    "ret",
    // getcpu(cpu, node, unused): there is one.
    "96:",
    "xor eax, eax",
    "test rdi, rdi",
    "jz 1f",
    "mov [rdi], eax",
    "1:",
    "test rsi, rsi",
    "jz 1f",
    "mov [rsi], eax",
    "1:",
    "ret",
    "97:",
    ".global isobench_vdso_end",
    "isobench_vdso_end:",
    ".popsection",
    class = const ELFCLASS64,
    data = const ELFDATA2LSB,
    version = const EV_CURRENT,
    dyn = const ET_DYN,
    machine = const EM_X86_64,
    pt_load = const PT_LOAD,
    pt_dynamic = const PT_DYNAMIC,
    pf_rx = const PF_R | PF_X,
    pf_r = const PF_R,
    dt_soname = const DT_SONAME,
    dt_hash = const DT_HASH,
    dt_strtab = const DT_STRTAB,
    dt_strsz = const DT_STRSZ,
    dt_symtab = const DT_SYMTAB,
    dt_syment = const DT_SYMENT,
    dt_versym = const DT_VERSYM,
    dt_verdef = const DT_VERDEF,
    dt_verdefnum = const DT_VERDEFNUM,
    dt_null = const DT_NULL,
    function = const STB_GLOBAL << 4 | STT_FUNC,
    ver_base = const VER_FLG_BASE,
    soname_hash = const elf_hash(b"linux-vdso.so.1"),
    version_hash = const elf_hash(b"LINUX_2.6"),
    tsc_base = const offset_of!(ClockPage, tsc_base),
    tsc_scale = const offset_of!(ClockPage, tsc_scale),
    monotonic = const offset_of!(ClockPage, monotonic_ns),
    realtime = const offset_of!(ClockPage, realtime_ns),
);

unsafe extern "C" {
    static isobench_vdso_start: u8;
    static isobench_vdso_end: u8;
}

/// The image, less than a page.
pub fn bytes() -> &'static [u8] {
    let (start, end) = (&raw const isobench_vdso_start, &raw const isobench_vdso_end);
    // SAFETY: the two labels enclose one constant, of less than a page.
    unsafe { slice::from_raw_parts(start, end as usize - start as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elf::ElfBytes;
    use elf::endian::LittleEndian;

    #[test]
    fn a_linker_finds_the_clock_under_its_version() {
        let image = bytes();
        assert!(image.len() <= 4096);
        let elf = ElfBytes::<LittleEndian>::minimal_parse(image).unwrap();
        let dynamic = elf.dynamic().unwrap().unwrap();
        let value = |tag| dynamic.iter().find(|entry| entry.d_tag == tag).unwrap().d_val() as usize;
        let name = |at: usize| {
            let text = &image[value(DT_STRTAB) + at..];
            std::str::from_utf8(text.split(|byte| *byte == 0).next().unwrap()).unwrap()
        };
        let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
        // Walks the one chain of the hash table, as a linker does.
        let mut found = Vec::new();
        let mut symbol = word(value(DT_HASH) + 8);
        while symbol != 0 {
            found.push(name(word(value(DT_SYMTAB) + 24 * symbol)));
            let version = value(DT_VERSYM) + 2 * symbol;
            assert_eq!(image[version], 2);
            symbol = word(value(DT_HASH) + 12 + 4 * symbol);
        }
        assert!(found.contains(&"__vdso_clock_gettime") && found.contains(&"__vdso_time"), "{found:?}");
        let second = value(DT_VERDEF) + word(value(DT_VERDEF) + 16);
        assert_eq!(name(word(second + word(second + 12))), "LINUX_2.6");
        assert_eq!(word(second + 8), 0x3ae_75f6);
    }
}
