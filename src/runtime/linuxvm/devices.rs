//! The virtio devices of a Linux guest, and the I/O APIC by which they interrupt.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};

use kvm_bindings::kvm_msi;
use kvm_ioctls::VmFd;
use vm_memory::GuestMemoryMmap;

use super::acpi::VirtioDevice;
use super::layout::IO_APIC;
use crate::runtime::trial::{Death, DeathCause};
use crate::runtime::virtio::block::Block;
use crate::runtime::virtio::bus::{BrokenDevice, Bus, Place, WINDOW_BYTES};
use crate::runtime::virtio::console::Console;
use crate::runtime::virtio::disk::{Disk, Writes};
use crate::runtime::virtio::input::Attended;
use crate::runtime::virtio::transport::Transport;
use crate::runtime::vmm::io_apic::{self, IoApic, Pin};

/// `KVM_SIGNAL_MSI`: an interrupt to a local APIC.
pub const KVM_SIGNAL_MSI: u64 = 0x4020_aea5;

/// Which devices a guest has.
#[derive(Debug)]
pub struct Choice {
    /// A console for the standard streams.
    pub console: bool,
    /// A disk: its image, and what becomes of what is written.
    pub disk: Option<(File, Writes)>,
}

impl Choice {
    /// No device.
    pub const NONE: Choice = Choice { console: false, disk: None };

    /// The file that they need.
    pub fn file(&self) -> Option<RawFd> {
        self.disk.as_ref().map(|(image, _)| image.as_raw_fd())
    }

    /// Where they are, for the tables that tell the guest.
    pub fn places(&self) -> Vec<VirtioDevice> {
        let count = usize::from(self.console) + usize::from(self.disk.is_some());
        (0..count)
            .filter_map(Place::of)
            .map(|place| VirtioDevice {
                address: place.address as u32,
                bytes: WINDOW_BYTES as u32,
                interrupt: place.line,
            })
            .collect()
    }
}

/// The devices of one VM.
pub struct Devices {
    io_apic: Arc<Mutex<IoApic>>,
    bus: Bus,
    /// The console, if somebody must wait for standard input.
    pub console: Option<Arc<Attended>>,
}

impl Devices {
    /// Makes them. The console takes this process's standard streams.
    ///
    /// # Errors
    /// The system's reason.
    pub fn new(choice: &Choice, vm: &Arc<VmFd>, memory: &GuestMemoryMmap) -> std::io::Result<Devices> {
        let vm = Arc::clone(vm);
        let io_apic = Arc::new(Mutex::new(IoApic::new(Box::new(move |message| {
            let msi = kvm_msi {
                address_lo: message.address as u32,
                address_hi: (message.address >> 32) as u32,
                data: message.data,
                ..kvm_msi::default()
            };
            // It fails when the guest has named a processor that there is not: then nobody is interrupted.
            let _ = vm.signal_msi(msi);
        }))));
        let mut devices = Devices { io_apic, bus: Bus::default(), console: None };
        if choice.console {
            let console = Transport::new(Console::new(streams()?), memory.clone(), devices.next_line());
            let console = Attended::new(console);
            devices.bus.add(Box::new(Arc::clone(&console)));
            devices.console = Some(console);
        }
        if let Some((image, writes)) = &choice.disk {
            let disk = Block::new(Disk::new(image.try_clone()?, *writes)?);
            let disk = Transport::new(disk, memory.clone(), devices.next_line());
            devices.bus.add(Box::new(disk));
        }
        Ok(devices)
    }

    fn next_line(&self) -> Box<Pin> {
        let pin = Place::of(self.bus.places().count()).map_or(u32::MAX, |place| place.line);
        Box::new(Pin { controller: Arc::clone(&self.io_apic), pin })
    }

    /// The guest reads memory that is none; returns what answered.
    pub fn read(&self, address: u64, data: &mut [u8]) -> &'static str {
        match in_io_apic(address) {
            Some(offset) => {
                self.io_apic.lock().unwrap_or_else(PoisonError::into_inner).read(offset, data);
                "mmio:io apic"
            }
            None => self.bus.read(address, data).unwrap_or("mmio_read:other"),
        }
    }

    /// The guest writes to memory that is none; returns what answered.
    ///
    /// # Errors
    /// What the guest did wrong.
    pub fn write(&self, address: u64, data: &[u8]) -> Result<&'static str, BrokenDevice> {
        match in_io_apic(address) {
            Some(offset) => {
                self.io_apic.lock().unwrap_or_else(PoisonError::into_inner).write(offset, data);
                Ok("mmio:io apic")
            }
            None => Ok(self.bus.write(address, data)?.unwrap_or("mmio_write:other")),
        }
    }
}

fn in_io_apic(address: u64) -> Option<u64> {
    address.checked_sub(IO_APIC.into()).filter(|offset| *offset < io_apic::WINDOW_BYTES)
}

/// Copies of this process's standard streams.
fn streams() -> std::io::Result<[OwnedFd; 3]> {
    let copy = |number| {
        // SAFETY: the standard streams are open for as long as the VMM lives.
        unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()
    };
    Ok([copy(0)?, copy(1)?, copy(2)?])
}

/// The VM ends there: Linux' drivers never recover from a device that has stopped.
impl From<BrokenDevice> for Death {
    fn from(broken: BrokenDevice) -> Death {
        Death { cause: DeathCause::UnexpectedExit, address: None, message: broken.to_string() }
    }
}
