//! The registers by which a driver finds, sets up and notifies a device (virtio over MMIO, virtio 1.2,
//! section 4.2, version 2), and the device's status.

use serde::{Deserialize, Serialize};
use virtio_bindings::bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_F_VERSION_1,
};
use virtio_bindings::bindings::virtio_mmio::*;
use virtio_bindings::bindings::virtio_ring::VIRTIO_RING_F_INDIRECT_DESC;
use vm_memory::GuestMemoryMmap;

use super::queue::{Part, Virtqueue, VirtqueueState};
use super::{Broken, Device, Foreign};

/// "virt".
const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
/// Nobody's: Linux looks at it only to apply quirks.
const VENDOR: u32 = 0;
/// Stops a queue that was reset by itself; a feature that we do not offer.
const RESERVED: u32 = 0;
/// The features of the transport: the only version of virtio that we know, and tables of descriptors elsewhere.
const FEATURES: u64 = 1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_RING_F_INDIRECT_DESC;

const DRIVER_OK: u32 = VIRTIO_CONFIG_S_DRIVER_OK;
const FEATURES_OK: u32 = VIRTIO_CONFIG_S_FEATURES_OK;
const NEEDS_RESET: u32 = VIRTIO_CONFIG_S_NEEDS_RESET;

/// The device's interrupt.
pub trait InterruptLine: Send {
    /// Interrupts the guest once (an edge).
    fn raise(&self);
}

/// Something on the memory bus.
pub trait Registers: Send {
    /// Its name, for counts and messages.
    fn name(&self) -> &'static str;
    /// The guest reads.
    fn read(&mut self, offset: u64, data: &mut [u8]);
    /// The guest writes.
    ///
    /// # Errors
    /// What the driver did wrong; the device has stopped.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Broken>;
}

/// A device with its registers.
pub struct Transport<D> {
    device: D,
    memory: GuestMemoryMmap,
    line: Box<dyn InterruptLine>,
    queues: Vec<Virtqueue>,
    settings: Settings,
}

/// What the driver has written, and what it may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    status: u32,
    offered_half: u32,
    accepted_half: u32,
    accepted: u64,
    queue: u32,
    interrupts: u32,
}

/// A device's registers, queues and own state, as a snapshot keeps them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportState<S> {
    settings: Settings,
    queues: Vec<VirtqueueState>,
    device: S,
}

impl<D: Device> Transport<D> {
    /// A device as after power-on, which finds its buffers in `memory` and interrupts by `line`.
    pub fn new(device: D, memory: GuestMemoryMmap, line: Box<dyn InterruptLine>) -> Transport<D> {
        let queues = device.queue_sizes().iter().map(|most| Virtqueue::new(*most)).collect();
        Transport { device, memory, line, queues, settings: Settings::default() }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Does something with the device and its queues, and tells the driver of it.
    ///
    /// # Errors
    /// What the driver did wrong; the device has stopped.
    pub fn with<R>(
        &mut self,
        work: impl FnOnce(&mut D, &mut [Virtqueue], &GuestMemoryMmap) -> Result<R, Broken>,
    ) -> Result<Option<R>, Broken> {
        if self.settings.status & (DRIVER_OK | NEEDS_RESET) != DRIVER_OK {
            return Ok(None);
        }
        let result = work(&mut self.device, &mut self.queues, &self.memory);
        let memory = &self.memory;
        // Every queue is asked, since asking forgets.
        let used = self.queues.iter_mut().fold(false, |any, queue| queue.wants_interrupt(memory) | any);
        if used {
            self.interrupt(VIRTIO_MMIO_INT_VRING);
        }
        result.map(Some).map_err(|broken| self.stop(broken))
    }

    /// For a snapshot.
    pub fn state(&self) -> TransportState<D::State> {
        TransportState {
            settings: self.settings,
            queues: self.queues.iter().map(Virtqueue::state).collect(),
            device: self.device.state(),
        }
    }

    /// From a snapshot. Guest memory must be that of the snapshot already.
    ///
    /// # Errors
    /// When the device cannot be in that state.
    pub fn restore(&mut self, state: TransportState<D::State>) -> Result<(), Foreign> {
        let foreign = Foreign(self.device.name());
        if state.queues.len() != self.queues.len() || state.settings.accepted & !self.offered() != 0 {
            return Err(foreign);
        }
        for (queue, state) in self.queues.iter_mut().zip(state.queues) {
            queue.restore(state, &self.memory).map_err(|_| foreign)?;
        }
        self.settings = state.settings;
        if self.settings.status & DRIVER_OK != 0 {
            self.device.activate(self.settings.accepted);
        }
        self.device.restore(state.device)
    }

    fn offered(&self) -> u64 {
        FEATURES | self.device.features()
    }

    fn interrupt(&mut self, reason: u32) {
        self.settings.interrupts |= reason;
        self.line.raise();
    }

    fn stop(&mut self, broken: Broken) -> Broken {
        self.settings.status |= NEEDS_RESET;
        // Virtio 1.2, 2.1.2: a driver that is up must be told.
        if self.settings.status & DRIVER_OK != 0 {
            self.interrupt(VIRTIO_MMIO_INT_CONFIG);
        }
        broken
    }

    fn reset(&mut self) {
        self.settings = Settings::default();
        self.queues.iter_mut().for_each(Virtqueue::stop);
        self.device.reset();
    }

    fn selected(&self) -> Option<&Virtqueue> {
        self.queues.get(self.settings.queue as usize)
    }

    fn read_register(&self, register: u32) -> u32 {
        let settings = &self.settings;
        match register {
            VIRTIO_MMIO_MAGIC_VALUE => MAGIC,
            VIRTIO_MMIO_VERSION => VERSION,
            VIRTIO_MMIO_DEVICE_ID => self.device.id(),
            VIRTIO_MMIO_VENDOR_ID => VENDOR,
            VIRTIO_MMIO_DEVICE_FEATURES => half(self.offered(), settings.offered_half),
            VIRTIO_MMIO_QUEUE_NUM_MAX => self.selected().map_or(0, |queue| queue.most().into()),
            VIRTIO_MMIO_QUEUE_READY => self.selected().map_or(0, |queue| queue.is_ready().into()),
            VIRTIO_MMIO_INTERRUPT_STATUS => settings.interrupts,
            VIRTIO_MMIO_STATUS => settings.status,
            // There is no shared memory (4.2.2): its length reads as -1.
            VIRTIO_MMIO_SHM_LEN_LOW..=VIRTIO_MMIO_SHM_BASE_HIGH => u32::MAX,
            // The configuration never changes.
            VIRTIO_MMIO_CONFIG_GENERATION => 0,
            _ => RESERVED,
        }
    }

    fn write_register(&mut self, register: u32, value: u32) -> Result<(), Broken> {
        match register {
            VIRTIO_MMIO_DEVICE_FEATURES_SEL => self.settings.offered_half = value,
            VIRTIO_MMIO_DRIVER_FEATURES_SEL => self.settings.accepted_half = value,
            VIRTIO_MMIO_DRIVER_FEATURES => self.accept_features(value),
            VIRTIO_MMIO_QUEUE_SEL => self.settings.queue = value,
            VIRTIO_MMIO_QUEUE_NOTIFY => self.notified(value)?,
            VIRTIO_MMIO_INTERRUPT_ACK => self.settings.interrupts &= !value,
            VIRTIO_MMIO_STATUS => self.set_status(value),
            VIRTIO_MMIO_QUEUE_NUM
            | VIRTIO_MMIO_QUEUE_READY
            | VIRTIO_MMIO_QUEUE_DESC_LOW..=VIRTIO_MMIO_QUEUE_USED_HIGH => {
                self.set_queue(register, value)?;
            }
            // Read-only or nothing at all: it has no effect, as on a real device.
            _ => {}
        }
        Ok(())
    }

    /// Features can be chosen only until the driver says that it has chosen.
    fn accept_features(&mut self, value: u32) {
        let settings = &mut self.settings;
        if settings.status & FEATURES_OK == 0 {
            match settings.accepted_half {
                0 => settings.accepted = settings.accepted & !0xffff_ffff | u64::from(value),
                1 => settings.accepted = settings.accepted & 0xffff_ffff | u64::from(value) << 32,
                _ => {}
            }
        }
    }

    fn set_status(&mut self, value: u32) {
        if value == 0 {
            return self.reset();
        }
        let before = self.settings.status;
        // A driver only adds bits (2.1.1); whether a reset is needed is ours to say.
        let mut status = before | value & 0xff & !NEEDS_RESET;
        let accepted = self.settings.accepted;
        if accepted & !self.offered() != 0 || accepted & 1 << VIRTIO_F_VERSION_1 == 0 {
            // The driver reads the status again, and sees that we do not agree (3.1.1).
            status &= !FEATURES_OK | before;
        }
        if status & FEATURES_OK == 0 {
            status &= !DRIVER_OK | before;
        }
        self.settings.status = status;
        if (status & !before) & DRIVER_OK != 0 {
            self.device.activate(accepted);
        }
    }

    /// A queue can be set up only between the choice of features and the driver's start (3.1.1), and while it
    /// is not in use.
    fn set_queue(&mut self, register: u32, value: u32) -> Result<(), Broken> {
        let setting_up = self.settings.status & (FEATURES_OK | DRIVER_OK | NEEDS_RESET) == FEATURES_OK;
        let Some(queue) = self.queues.get_mut(self.settings.queue as usize) else { return Ok(()) };
        let done = match register {
            VIRTIO_MMIO_QUEUE_READY if value == 0 => {
                queue.stop();
                Ok(())
            }
            _ if !setting_up || queue.is_ready() => Ok(()),
            VIRTIO_MMIO_QUEUE_NUM => queue.set_size(value),
            VIRTIO_MMIO_QUEUE_READY => queue.start(&self.memory),
            VIRTIO_MMIO_QUEUE_DESC_LOW => queue.set_address(Part::Descriptors, false, value),
            VIRTIO_MMIO_QUEUE_DESC_HIGH => queue.set_address(Part::Descriptors, true, value),
            VIRTIO_MMIO_QUEUE_AVAIL_LOW => queue.set_address(Part::Available, false, value),
            VIRTIO_MMIO_QUEUE_AVAIL_HIGH => queue.set_address(Part::Available, true, value),
            VIRTIO_MMIO_QUEUE_USED_LOW => queue.set_address(Part::Used, false, value),
            VIRTIO_MMIO_QUEUE_USED_HIGH => queue.set_address(Part::Used, true, value),
            _ => Ok(()),
        };
        done.map_err(|broken| self.stop(broken))
    }

    fn notified(&mut self, index: u32) -> Result<(), Broken> {
        let index = index as usize;
        self.with(|device, queues, memory| match queues.get(index) {
            Some(_) => device.notified(index, queues, memory),
            None => Ok(()),
        })
        .map(|_| ())
    }
}

impl<D: Device> Registers for Transport<D> {
    fn name(&self) -> &'static str {
        self.device.name()
    }

    fn read(&mut self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        match offset.checked_sub(VIRTIO_MMIO_CONFIG.into()) {
            Some(offset) => {
                let configuration = self.device.configuration();
                let rest = usize::try_from(offset).ok().and_then(|offset| configuration.get(offset..));
                for (byte, value) in data.iter_mut().zip(rest.unwrap_or_default()) {
                    *byte = *value;
                }
            }
            // Registers are 32 bits wide, and read as such (4.2.2.2).
            None if data.len() == 4 => data.copy_from_slice(&self.read_register(offset as u32).to_le_bytes()),
            None => {}
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Broken> {
        match <[u8; 4]>::try_from(data) {
            // Our devices' configurations are read-only.
            Ok(value) if offset < VIRTIO_MMIO_CONFIG.into() => {
                self.write_register(offset as u32, u32::from_le_bytes(value))
            }
            _ => Ok(()),
        }
    }
}

/// The half of the features that the driver asks for: 0 the low one, 1 the high one.
fn half(features: u64, which: u32) -> u32 {
    match which {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
