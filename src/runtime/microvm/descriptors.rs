//! Segments, descriptor tables and system registers of 64-bit mode (Intel SDM volume 3, chapters 3, 6
//! and 8).

use guest_abi::KernelHeader;
use kvm_bindings::{kvm_msr_entry, kvm_segment, kvm_sregs};

use super::image::Image;
use super::memory_layout::*;

/// Bytes of the TSS, and of the GDT with the two halves of the TSS's descriptor.
const TSS_BYTES: u64 = 0x68;
const GDT_BYTES: u64 = 7 * 8;
const IDT_BYTES: u64 = 32 * 16;

/// Exceptions that a program may raise on purpose by `int3` and `into`.
const FROM_RING_3: [usize; 2] = [3, 4];
/// Exceptions that may find the kernel stack unusable: NMI, double fault, machine check.
const OWN_STACK: [usize; 3] = [2, 8, 18];

/// Model-specific registers of `syscall` (Intel SDM volume 4).
const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const SFMASK: u32 = 0xc000_0084;
/// RFLAGS that `syscall` clears: AC, NT, IOPL, DF, IF, TF, and the arithmetic flags, as Linux does.
const SYSCALL_CLEARS: u64 = 0x5_7fd5;

/// Puts GDT, TSS and IDT into the image.
pub fn write_tables(image: &mut Image, header: &KernelHeader) {
    let tss = KERNEL_BASE + GDT + TSS_OFFSET;
    // Code and data with the accessed bit set, so that the processor has nothing to write here.
    let tss_low = (TSS_BYTES - 1) | (tss & 0xff_ffff) << 16 | 0x8b << 40 | (tss >> 24 & 0xff) << 56;
    let gdt = [
        0,
        0x00af_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0x00cf_f300_0000_ffff,
        0x00af_fb00_0000_ffff,
        tss_low,
        tss >> 32,
    ];
    for (index, descriptor) in gdt.into_iter().enumerate() {
        image.write_u64(GDT + 8 * index as u64, descriptor);
    }

    // RSP0 for traps from ring 3, IST1 for those that need a stack of their own, no I/O bitmap.
    image.write_u64(GDT + TSS_OFFSET + 0x04, KERNEL_BASE + KERNEL_STACK_TOP);
    image.write_u64(GDT + TSS_OFFSET + 0x24, KERNEL_BASE + FAULT_STACK_TOP);
    image.write(GDT + TSS_OFFSET + 0x66, &(TSS_BYTES as u16).to_le_bytes());

    for (vector, entry) in header.exceptions.into_iter().enumerate() {
        let ring = if FROM_RING_3.contains(&vector) { 3 } else { 0 };
        let stack = u64::from(OWN_STACK.contains(&vector));
        let low = entry & 0xffff
            | u64::from(KERNEL_CODE) << 16
            | stack << 32
            | (0x8e | ring << 5) << 40
            | (entry >> 16 & 0xffff) << 48;
        image.write_u64(IDT + 16 * vector as u64, low);
        image.write_u64(IDT + 16 * vector as u64 + 8, entry >> 32);
    }
}

fn segment(selector: u16, kind: u8, code: bool) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector,
        type_: kind,
        present: 1,
        dpl: 0,
        db: u8::from(!code),
        s: 1,
        l: u8::from(code),
        g: 1,
        ..kvm_segment::default()
    }
}

/// What the processor offers, beyond what 64-bit mode always has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// XSAVE and with it AVX.
    pub xsave: bool,
    /// `wrfsbase` and its kin in ring 3.
    pub fsgsbase: bool,
}

/// Sets 64-bit mode with paging in registers that were read from a fresh vCPU.
pub fn set_long_mode(sregs: &mut kvm_sregs, page_table: u64, features: Features) {
    const CR0: u64 = 1 << 31 | 1 << 18 | 1 << 16 | 1 << 5 | 1 << 4 | 1 << 1 | 1; // PG AM WP NE ET MP PE
    const PAE: u64 = 1 << 5;
    const OSFXSR: u64 = 1 << 9;
    const OSXMMEXCPT: u64 = 1 << 10;
    const FSGSBASE: u64 = 1 << 16;
    const OSXSAVE: u64 = 1 << 18;
    const EFER: u64 = 1 << 11 | 1 << 10 | 1 << 8 | 1; // NXE LMA LME SCE

    sregs.cr0 = CR0;
    sregs.cr3 = page_table;
    sregs.cr4 = PAE
        | OSFXSR
        | OSXMMEXCPT
        | if features.fsgsbase { FSGSBASE } else { 0 }
        | if features.xsave { OSXSAVE } else { 0 };
    sregs.efer = EFER;
    sregs.cs = segment(KERNEL_CODE, 0xb, true);
    sregs.ss = segment(KERNEL_DATA, 0x3, false);
    let unusable = kvm_segment { unusable: 1, ..kvm_segment::default() };
    (sregs.ds, sregs.es, sregs.fs, sregs.gs) = (unusable, unusable, unusable, unusable);
    sregs.ldt = kvm_segment { type_: 2, ..unusable };
    sregs.tr = kvm_segment {
        base: KERNEL_BASE + GDT + TSS_OFFSET,
        limit: TSS_BYTES as u32 - 1,
        selector: TASK_STATE,
        type_: 0xb,
        present: 1,
        ..kvm_segment::default()
    };
    sregs.gdt.base = KERNEL_BASE + GDT;
    sregs.gdt.limit = GDT_BYTES as u16 - 1;
    sregs.idt.base = KERNEL_BASE + IDT;
    sregs.idt.limit = IDT_BYTES as u16 - 1;
}

/// The registers that make `syscall` enter the guest kernel.
pub fn syscall_msrs(header: &KernelHeader) -> [kvm_msr_entry; 3] {
    // `syscall` loads CS from bits 32-47 and SS from 8 above; `sysret` SS from 8, CS from 16 above bits 48-63.
    let star = u64::from(KERNEL_CODE) << 32 | u64::from(USER_DATA - 8) << 48;
    [(STAR, star), (LSTAR, header.syscall), (SFMASK, SYSCALL_CLEARS)].map(|(index, data)| kvm_msr_entry {
        index,
        data,
        ..kvm_msr_entry::default()
    })
}

const _: () = {
    assert!(KERNEL_DATA == KERNEL_CODE + 8);
    assert!(USER_CODE == USER_DATA + 8);
    assert!(TSS_OFFSET >= GDT_BYTES && TSS_OFFSET + TSS_BYTES <= PAGE);
};
