//! A guest's driver, as far as tests need one: it sets a device up by its registers, and keeps its queues in
//! guest memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use virtio_bindings::bindings::virtio_mmio::*;
use virtio_bindings::bindings::virtio_ring::{VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use super::transport::{InterruptLine, Registers, Transport};
use super::{Broken, Device};

/// Guest memory that tests have.
pub const MEMORY_BYTES: u64 = 1 << 20;
/// From here on a test may use guest memory as it likes.
pub const FREE: u64 = 0x4_0000;
/// Each queue's parts lie here, one queue behind the other.
const QUEUE_BYTES: u64 = 0x4000;
pub const DESCRIPTORS: u64 = 0;
pub const AVAILABLE: u64 = 0x1000;
pub const USED: u64 = 0x2000;
/// The sizes of the test's queues.
const SIZE: u16 = 16;

#[derive(Clone, Default)]
pub struct Interrupts(Arc<AtomicU32>);

impl Interrupts {
    /// How many there were since the last time.
    pub fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl InterruptLine for Interrupts {
    fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A buffer of a chain.
#[derive(Clone, Copy)]
pub enum Piece<'a> {
    /// For the device to read.
    Out(&'a [u8]),
    /// For it to write: so many bytes.
    In(u32),
}

pub struct Driver<D> {
    pub transport: Transport<D>,
    pub memory: GuestMemoryMmap,
    pub interrupts: Interrupts,
    next_free: u64,
}

impl<D: Device> Driver<D> {
    /// A device after power-on.
    pub fn new(device: D) -> Driver<D> {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES as usize)]).unwrap();
        let interrupts = Interrupts::default();
        let transport = Transport::new(device, memory.clone(), Box::new(interrupts.clone()));
        Driver { transport, memory, interrupts, next_free: FREE }
    }

    /// A device that is set up, with all the features it offers.
    pub fn ready(device: D) -> Driver<D> {
        let mut driver = Driver::new(device);
        driver.set_up(u64::MAX);
        driver
    }

    /// What Linux does: all features of `wanted` that are offered, all queues of at most 16 entries.
    pub fn set_up(&mut self, wanted: u64) {
        self.write(VIRTIO_MMIO_STATUS, 0);
        self.write(VIRTIO_MMIO_STATUS, 1);
        self.write(VIRTIO_MMIO_STATUS, 3);
        for half in [0, 1] {
            self.write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
            let offered = self.read(VIRTIO_MMIO_DEVICE_FEATURES);
            self.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
            self.write(VIRTIO_MMIO_DRIVER_FEATURES, offered & (wanted >> (32 * half)) as u32);
        }
        self.write(VIRTIO_MMIO_STATUS, 11);
        for queue in 0.. {
            self.write(VIRTIO_MMIO_QUEUE_SEL, queue);
            let most = self.read(VIRTIO_MMIO_QUEUE_NUM_MAX);
            if most == 0 {
                break;
            }
            self.write(VIRTIO_MMIO_QUEUE_NUM, most.min(SIZE.into()));
            let at = queue * QUEUE_BYTES as u32;
            self.write(VIRTIO_MMIO_QUEUE_DESC_LOW, at + DESCRIPTORS as u32);
            self.write(VIRTIO_MMIO_QUEUE_AVAIL_LOW, at + AVAILABLE as u32);
            self.write(VIRTIO_MMIO_QUEUE_USED_LOW, at + USED as u32);
            self.write(VIRTIO_MMIO_QUEUE_READY, 1);
        }
        self.write(VIRTIO_MMIO_STATUS, 15);
    }

    pub fn read(&mut self, register: u32) -> u32 {
        let mut data = [0; 4];
        self.transport.read(register.into(), &mut data);
        u32::from_le_bytes(data)
    }

    /// Writes a register; the device must not mind.
    pub fn write(&mut self, register: u32, value: u32) {
        self.try_write(register, value).unwrap();
    }

    pub fn try_write(&mut self, register: u32, value: u32) -> Result<(), Broken> {
        self.transport.write(register.into(), &value.to_le_bytes())
    }

    /// The address of a part of a queue.
    pub fn part(&self, queue: u32, part: u64) -> u64 {
        u64::from(queue) * QUEUE_BYTES + part
    }

    fn get(&self, address: u64) -> u16 {
        self.memory.read_obj(GuestAddress(address)).unwrap()
    }

    pub fn set(&self, address: u64, value: u16) {
        self.memory.write_obj(value, GuestAddress(address)).unwrap();
    }

    /// Writes one descriptor.
    pub fn descriptor(&self, queue: u32, index: u16, address: u64, bytes: u32, flags: u16, next: u16) {
        let at = self.part(queue, DESCRIPTORS) + 16 * u64::from(index);
        self.memory.write_obj(address, GuestAddress(at)).unwrap();
        self.memory.write_obj(bytes, GuestAddress(at + 8)).unwrap();
        self.set(at + 12, flags);
        self.set(at + 14, next);
    }

    /// Makes the chain that starts at a descriptor available.
    pub fn make_available(&self, queue: u32, head: u16, size: u16) {
        let ring = self.part(queue, AVAILABLE);
        let index = self.get(ring + 2);
        self.set(ring + 4 + 2 * u64::from(index % size), head);
        self.set(ring + 2, index.wrapping_add(1));
    }

    pub fn notify(&mut self, queue: u32) -> Result<(), Broken> {
        self.try_write(VIRTIO_MMIO_QUEUE_NOTIFY, queue)
    }

    /// Puts a buffer into a queue of 16 entries without notifying; returns the addresses of its pieces.
    pub fn put(&mut self, queue: u32, pieces: &[Piece<'_>]) -> Vec<u64> {
        let mut addresses = Vec::new();
        for (index, piece) in (0u16..).zip(pieces) {
            let last = usize::from(index) + 1 == pieces.len();
            let next = if last { 0 } else { VRING_DESC_F_NEXT as u16 };
            let (bytes, flags) = match piece {
                Piece::Out(bytes) => {
                    self.memory.write_slice(bytes, GuestAddress(self.next_free)).unwrap();
                    (bytes.len() as u32, next)
                }
                Piece::In(bytes) => (*bytes, next | VRING_DESC_F_WRITE as u16),
            };
            self.descriptor(queue, index, self.next_free, bytes, flags, index + 1);
            addresses.push(self.next_free);
            self.next_free += u64::from(bytes);
        }
        self.make_available(queue, 0, SIZE);
        addresses
    }

    /// Puts a buffer into a queue, notifies, and returns what the device wrote, once it was given back.
    pub fn exchange(&mut self, queue: u32, pieces: &[Piece<'_>]) -> Vec<u8> {
        let before = self.get(self.part(queue, USED) + 2);
        let addresses = self.put(queue, pieces);
        self.notify(queue).unwrap();
        assert_eq!(self.get(self.part(queue, USED) + 2), before.wrapping_add(1), "not given back");
        let mut written = Vec::new();
        for (piece, address) in pieces.iter().zip(addresses) {
            if let Piece::In(bytes) = piece {
                let mut buffer = vec![0; *bytes as usize];
                self.memory.read_slice(&mut buffer, GuestAddress(address)).unwrap();
                written.extend(buffer);
            }
        }
        written.truncate(self.used_bytes(queue, before) as usize);
        written
    }

    /// The last byte of the buffer that was put last.
    pub fn last_byte(&self) -> u8 {
        self.memory.read_obj(GuestAddress(self.next_free - 1)).unwrap()
    }

    /// Buffers that were given back.
    pub fn used(&self, queue: u32) -> u16 {
        self.get(self.part(queue, USED) + 2)
    }

    fn used_bytes(&self, queue: u32, index: u16) -> u32 {
        let at = self.part(queue, USED) + 4 + 8 * u64::from(index % SIZE) + 4;
        self.memory.read_obj(GuestAddress(at)).unwrap()
    }
}
