//! Where what is in a Linux guest's physical memory.
//!
//! ```text
//! 0x0000_0000   472: what kind of restart this is (Linux writes it, we read it)
//! 0x0000_0500   GDT
//! 0x0000_7000   boot parameters ("zero page")
//! 0x0000_9000   page tables for the first 4 GiB: top, next, four directories of large pages
//! 0x0001_0000   seed of the guest's random numbers
//! 0x0002_0000   command line
//! 0x0009_fc00   end of the low memory that Linux may use
//! 0x000e_0000   ACPI tables
//! 0x0010_0000   memory that Linux may use
//! 0x0100_0000     vmlinux, where it says; or a bzImage, where it prefers to be
//!                 initramfs, as high as it may be
//! 0xc000_0000   hole
//! 0xd000_0000     virtio devices (MMIO)
//! 0xfec0_0000     I/O APIC
//! 0xfee0_0000     local APIC
//! 0xfffb_d000     what KVM wants for processors that cannot run real mode
//! 0x1_0000_0000 the rest of memory
//! ```

pub use guest_abi::layout::{HOLE_START, PAGE};

/// Where Linux tells a firmware whether a restart is a warm one (0x1234): with `reboot=panic_warm` only one
/// after a panic is.
pub const RESTART_KIND: u64 = 0x472;
/// What is there then.
pub const WARM_RESTART: u16 = 0x1234;
/// Segment descriptors of the start.
pub const GDT: u64 = 0x500;
/// Boot parameters.
pub const BOOT_PARAMETERS: u64 = 0x7000;
/// Page tables of the start.
pub const PAGE_TABLES: u64 = 0x9000;
/// A `setup_data` with a random seed.
pub const SEED: u64 = 0x1_0000;
/// Command line.
pub const COMMAND_LINE: u64 = 0x2_0000;
/// Its longest length, as Linux for x86 has it (`COMMAND_LINE_SIZE`).
pub const COMMAND_LINE_BYTES: usize = 2048;
/// End of usable low memory.
pub const LOW_END: u64 = 0x9_fc00;
/// ACPI tables, in what was a PC's firmware.
pub const ACPI: u64 = 0xe_0000;
/// Start of usable high memory.
pub const HIGH_START: u64 = 0x10_0000;
/// I/O APIC.
pub const IO_APIC: u32 = 0xfec0_0000;
/// Local APIC.
pub const LOCAL_APIC: u32 = 0xfee0_0000;
/// Three pages for KVM (Documentation/virt/kvm/api.rst, `KVM_SET_TSS_ADDR`).
pub const TASK_STATE: usize = 0xfffb_d000;
