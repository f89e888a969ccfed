//! The devices of a VM: which addresses and which interrupt each has, and who answers an access to memory that
//! is not there.

use std::sync::{Mutex, PoisonError};

use super::Broken;
use super::transport::Registers;

/// Where the first device's registers are; the others follow. Between the end of low memory and the local APIC.
pub const FIRST_ADDRESS: u64 = 0xd000_0000;
/// Bytes of addresses that each device has.
pub const WINDOW_BYTES: u64 = 0x1000;
/// Interrupts of the ISA bus that nothing else uses, and so how many devices there can be.
const LINES: [u32; 5] = [5, 6, 7, 10, 11];

/// The place of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Guest physical address of its registers.
    pub address: u64,
    /// Its interrupt, edge-triggered.
    pub line: u32,
}

impl Place {
    /// The place of the device of this number, counted from 0; `None` when there are too many.
    pub fn of(number: usize) -> Option<Place> {
        let line = *LINES.get(number)?;
        Some(Place { address: FIRST_ADDRESS + number as u64 * WINDOW_BYTES, line })
    }

    /// A word of the kernel's command line that tells Linux of the device, if its virtio-mmio driver was built
    /// with `CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES` (Documentation/admin-guide/kernel-parameters.txt).
    pub fn command_line(&self) -> String {
        format!("virtio_mmio.device={:#x}@{:#x}:{}", WINDOW_BYTES, self.address, self.line)
    }
}

/// An access to memory, and who answered it.
#[derive(Debug, thiserror::Error)]
#[error("the guest broke the rules of its {device}: {broken}")]
pub struct BrokenDevice {
    /// The device's name.
    pub device: &'static str,
    /// What the guest did.
    pub broken: Broken,
}

/// All devices, in their places. Each is served by one vCPU at a time.
#[derive(Default)]
pub struct Bus {
    devices: Vec<Mutex<Box<dyn Registers>>>,
}

impl Bus {
    /// Puts a device into the next place; returns `None` when all are taken.
    pub fn add(&mut self, device: Box<dyn Registers>) -> Option<Place> {
        let place = Place::of(self.devices.len())?;
        self.devices.push(Mutex::new(device));
        Some(place)
    }

    /// The places that are taken.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        (0..self.devices.len()).filter_map(Place::of)
    }

    fn at(&self, address: u64) -> Option<(&Mutex<Box<dyn Registers>>, u64)> {
        let offset = address.checked_sub(FIRST_ADDRESS)?;
        let number = usize::try_from(offset / WINDOW_BYTES).ok()?;
        self.devices.get(number).map(|device| (device, offset % WINDOW_BYTES))
    }

    /// The guest reads; returns the name of the device, if there is one at that address.
    pub fn read(&self, address: u64, data: &mut [u8]) -> Option<&'static str> {
        // Where nothing is, a bus reads as ones.
        data.fill(0xff);
        let (device, offset) = self.at(address)?;
        let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
        device.read(offset, data);
        Some(device.name())
    }

    /// The guest writes; returns the name of the device, if there is one at that address.
    ///
    /// # Errors
    /// What the guest did wrong.
    pub fn write(&self, address: u64, data: &[u8]) -> Result<Option<&'static str>, BrokenDevice> {
        let Some((device, offset)) = self.at(address) else { return Ok(None) };
        let mut device = device.lock().unwrap_or_else(PoisonError::into_inner);
        let name = device.name();
        device.write(offset, data).map_err(|broken| BrokenDevice { device: name, broken })?;
        Ok(Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo(u64);

    impl Registers for Echo {
        fn name(&self) -> &'static str {
            "echo"
        }
        fn read(&mut self, offset: u64, data: &mut [u8]) {
            data.fill(offset as u8);
        }
        fn write(&mut self, offset: u64, _: &[u8]) -> Result<(), Broken> {
            self.0 = offset;
            if offset == 8 { Err(Broken::Endless) } else { Ok(()) }
        }
    }

    #[test]
    fn each_device_answers_in_its_window_and_nobody_elsewhere() {
        let mut bus = Bus::default();
        assert_eq!(bus.add(Box::new(Echo(0))), Some(Place { address: 0xd000_0000, line: 5 }));
        assert_eq!(bus.add(Box::new(Echo(0))), Some(Place { address: 0xd000_1000, line: 6 }));
        let read = |address| {
            let mut data = [0; 2];
            (bus.read(address, &mut data), data)
        };
        assert_eq!(read(0xd000_1004), (Some("echo"), [4, 4]));
        for address in [0, 0xcfff_ffff, 0xd000_2000, u64::MAX] {
            assert_eq!(read(address), (None, [0xff; 2]));
            assert!(bus.write(address, &[0]).unwrap().is_none());
        }
        let error = bus.write(0xd000_0008, &[0]).unwrap_err().to_string();
        assert_eq!(error, "the guest broke the rules of its echo: a chain of descriptors that has no end");
    }

    #[test]
    fn a_device_too_many_has_no_place() {
        let mut bus = Bus::default();
        let places: Vec<_> = (0..6).map_while(|_| bus.add(Box::new(Echo(0)))).collect();
        assert_eq!(places.len(), 5);
        assert_eq!(bus.places().collect::<Vec<_>>(), places);
        assert_eq!(places[0].command_line(), "virtio_mmio.device=0x1000@0xd0000000:5");
    }
}
