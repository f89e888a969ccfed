//! The ACPI tables: which processors there are, how to power off, and where the devices are. Linux distributions
//! leave out what came before ACPI (MP tables), and without either Linux wants a PC's old timers.
//!
//! The tables say "hardware-reduced" (ACPI 6.5, 4.1): no legacy timers, no interrupt controller of the PC.

use acpi_tables::Aml;
use acpi_tables::aml::{
    Device, EISAName, IO, Interrupt, Memory32Fixed, Name, Package, Path, ResourceTemplate,
};
use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::madt::{EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;

use super::layout::{ACPI, IO_APIC, LOCAL_APIC};
use super::ports::{POWER, RESET, SERIAL, SERIAL_PORTS};

const OEM: [u8; 6] = *b"ISOBEN";
const OEM_TABLE: [u8; 8] = *b"LINUXVM ";
const REVISION: u32 = 1;
/// Bytes of a table's header.
const HEADER: u32 = 36;

/// A virtio device with registers in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioDevice {
    /// Guest physical address of its registers.
    pub address: u32,
    /// Bytes of them.
    pub bytes: u32,
    /// Its interrupt: a pin of the I/O APIC.
    pub interrupt: u32,
}

/// All tables in one piece, for the address [`ACPI`]; the root pointer comes first.
pub fn tables(cpus: u8, devices: &[VirtioDevice]) -> Vec<u8> {
    let mut area = Area { bytes: vec![0; Rsdp::len()] };
    let dsdt = area.add(&description(devices));
    let fadt = area.add(&fixed(dsdt));
    let madt = area.add(&interrupts(cpus, !devices.is_empty()));
    let mut root = XSDT::new(OEM, OEM_TABLE, REVISION);
    for table in [fadt, madt] {
        root.add_entry(table);
    }
    let root = area.add(&root);
    let mut pointer = Vec::new();
    Rsdp::new(OEM, root).to_aml_bytes(&mut pointer);
    let mut bytes = area.bytes;
    bytes[..pointer.len()].copy_from_slice(&pointer);
    bytes
}

struct Area {
    bytes: Vec<u8>,
}

impl Area {
    /// Puts a table behind the others; its address.
    fn add(&mut self, table: &dyn Aml) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let at = ACPI + self.bytes.len() as u64;
        table.to_aml_bytes(&mut self.bytes);
        at
    }
}

/// Where the other tables are, and the registers for power-off and restart.
fn fixed(dsdt: u64) -> impl Aml {
    let port = |port: u16| GAS::new(AddressSpace::SystemIo, 8, 0, AccessSize::ByteAccess, port.into());
    let mut table = FADTBuilder::new(OEM, OEM_TABLE, REVISION)
        .dsdt_64(dsdt)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::ResetRegSup);
    table.reset_reg = port(RESET);
    table.reset_value = 1;
    table.sleep_control_reg = port(POWER);
    table.sleep_status_reg = port(POWER);
    // No VGA to probe, no clock chip (ACPI 6.5, table 5.11).
    table.iapc_boot_arch = (1u16 << 2 | 1 << 5).into();
    table.finalize()
}

/// The processors, and the I/O APIC where a device needs it.
fn interrupts(cpus: u8, io_apic: bool) -> impl Aml {
    let mut table = MADT::new(OEM, OEM_TABLE, REVISION, LocalInterruptController::Address(LOCAL_APIC));
    for cpu in 0..cpus {
        table.add_structure(ProcessorLocalApic::new(cpu, cpu, EnabledStatus::Enabled));
    }
    if io_apic {
        table.add_structure(IoApic::new(0, IO_APIC, 0));
    }
    table
}

/// The devices, and the state that means "off".
fn description(devices: &[VirtioDevice]) -> Sdt {
    let mut code = Vec::new();
    Name::new(Path::new("_S5_"), &Package::new(vec![&super::ports::POWER_OFF_STATE, &0u8]))
        .to_aml_bytes(&mut code);
    Device::new(
        Path::new("_SB_.COM1"),
        vec![
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0501")),
            &Name::new(
                Path::new("_CRS"),
                &ResourceTemplate::new(vec![&IO::new(SERIAL, SERIAL, 1, SERIAL_PORTS as u8)]),
            ),
        ],
    )
    .to_aml_bytes(&mut code);
    for (index, device) in devices.iter().enumerate() {
        Device::new(
            Path::new(&format!("_SB_.V{index:03}")),
            vec![
                // The identifier of virtio over MMIO in Linux (drivers/virtio/virtio_mmio.c).
                &Name::new(Path::new("_HID"), &"LNRO0005"),
                &Name::new(Path::new("_UID"), &(index as u32)),
                &Name::new(
                    Path::new("_CRS"),
                    &ResourceTemplate::new(vec![
                        &Memory32Fixed::new(true, device.address, device.bytes),
                        &Interrupt::new(true, true, false, false, device.interrupt),
                    ]),
                ),
            ],
        )
        .to_aml_bytes(&mut code);
    }
    let mut table = Sdt::new(*b"DSDT", HEADER, 6, OEM, OEM_TABLE, REVISION);
    table.append_slice(&code);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of all bytes of a table is 0 (ACPI 6.5, 5.2.6).
    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn every_table_is_found_and_its_checksum_is_right() {
        let device = VirtioDevice { address: 0xd000_0000, bytes: 0x1000, interrupt: 5 };
        let tables = tables(3, &[device]);
        let word = |at: usize| u32::from_le_bytes(tables[at..at + 4].try_into().unwrap()) as usize;
        let table = |address: usize| {
            let at = address - ACPI as usize;
            &tables[at..at + word(at + 4)]
        };
        assert_eq!((&tables[..8], sum(&tables[..20])), (&b"RSD PTR "[..], 0));
        let root = word(24);
        assert_eq!((&table(root)[..4], sum(table(root))), (&b"XSDT"[..], 0));
        let listed: Vec<usize> =
            (36..table(root).len()).step_by(8).map(|at| word(root - ACPI as usize + at)).collect();
        let names: Vec<&[u8]> = listed.iter().map(|address| &table(*address)[..4]).collect();
        assert_eq!(names, [b"FACP", b"APIC"]);
        assert!(listed.iter().all(|address| sum(table(*address)) == 0));
        // Three processors of 8 bytes and an I/O APIC of 12 behind the header of 44.
        assert_eq!(table(listed[1]).len(), 44 + 3 * 8 + 12);
        let dsdt = word(listed[0] - ACPI as usize + 140);
        assert_eq!((&table(dsdt)[..4], sum(table(dsdt))), (&b"DSDT"[..], 0));
    }
}
