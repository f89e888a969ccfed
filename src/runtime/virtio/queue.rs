//! A queue that the driver shares with the device (a split virtqueue, virtio 1.2, section 2.7).

use std::sync::atomic::{Ordering, fence};

use serde::{Deserialize, Serialize};
use virtio_bindings::bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{DescriptorChain, Error, Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, Permissions};

use super::Broken;
use super::buffers::Buffers;

/// Most descriptors of one chain: as many as the host's readv(2) and writev(2) take (`IOV_MAX`).
pub const MOST_DESCRIPTORS: u64 = 1024;
/// Most bytes of one chain. Linux gives a disk at most 1280 KiB at once by default, a console port 64 KiB.
pub const MOST_BYTES: u64 = 16 << 20;

/// A queue, with the driver's settings.
#[derive(Debug)]
pub struct Virtqueue {
    queue: Queue,
    used: bool,
}

/// A buffer that the driver made available: bytes for the device to read, then room for it to write.
#[derive(Debug)]
pub struct Chain<'m> {
    head: u16,
    /// What the driver has written.
    pub readable: Buffers<'m>,
    /// Where the device writes.
    pub writable: Buffers<'m>,
}

/// One of the three parts of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The table of descriptors.
    Descriptors,
    /// The ring that the driver writes.
    Available,
    /// The ring that the device writes.
    Used,
}

/// A queue's settings and position, as a snapshot keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtqueueState {
    size: u16,
    ready: bool,
    next_available: u16,
    next_used: u16,
    descriptors: u64,
    available: u64,
    used: u64,
}

impl Virtqueue {
    /// A queue that is not in use; `most` is the largest size it may have, a power of two.
    pub fn new(most: u16) -> Virtqueue {
        // The only reason to refuse is a wrong constant of ours; such a queue has one entry.
        let queue = Queue::new(most).or_else(|_| Queue::new(1)).unwrap_or_default();
        Virtqueue { queue, used: false }
    }

    /// The largest size it may have.
    pub fn most(&self) -> u16 {
        self.queue.max_size()
    }

    /// Its size.
    pub fn size(&self) -> u16 {
        self.queue.size()
    }

    /// Whether the driver uses it.
    pub fn is_ready(&self) -> bool {
        self.queue.ready()
    }

    /// Sets its size.
    ///
    /// # Errors
    /// [`Broken::QueueSize`].
    pub fn set_size(&mut self, size: u32) -> Result<(), Broken> {
        let usable = u16::try_from(size).ok().filter(|size| self.queue.try_set_size(*size).is_ok());
        usable.map(|_| ()).ok_or(Broken::QueueSize(size))
    }

    /// Sets the low or the high half of the address of a part.
    ///
    /// # Errors
    /// [`Broken::Misaligned`].
    pub fn set_address(&mut self, part: Part, high: bool, half: u32) -> Result<(), Broken> {
        let queue = &mut self.queue;
        let before = match part {
            Part::Descriptors => queue.desc_table(),
            Part::Available => queue.avail_ring(),
            Part::Used => queue.used_ring(),
        };
        let half = u64::from(half);
        let address = if high { before & 0xffff_ffff | half << 32 } else { before & !0xffff_ffff | half };
        let set = match part {
            Part::Descriptors => queue.try_set_desc_table_address(GuestAddress(address)),
            Part::Available => queue.try_set_avail_ring_address(GuestAddress(address)),
            Part::Used => queue.try_set_used_ring_address(GuestAddress(address)),
        };
        set.map_err(|_| Broken::Misaligned(address))
    }

    /// The driver begins to use it.
    ///
    /// # Errors
    /// [`Broken::QueueOutside`].
    pub fn start(&mut self, memory: &GuestMemoryMmap) -> Result<(), Broken> {
        self.queue.set_ready(true);
        // An available ring at address 0 is what the queue's library takes for "not set".
        if self.queue.avail_ring() == 0 || !self.queue.is_valid(memory) {
            self.queue.set_ready(false);
            return Err(Broken::QueueOutside);
        }
        Ok(())
    }

    /// The driver stops using it.
    pub fn stop(&mut self) {
        self.queue.reset();
        self.used = false;
    }

    /// Whether the driver has made a buffer available.
    ///
    /// # Errors
    /// [`Broken::IndexJumped`].
    pub fn has_next(&self, memory: &GuestMemoryMmap) -> Result<bool, Broken> {
        if !self.is_ready() {
            return Ok(false);
        }
        let ahead = self.queue.avail_idx(memory, Ordering::Acquire).map_err(|_| Broken::QueueOutside)?.0;
        match ahead.wrapping_sub(self.queue.next_avail()) {
            0 => Ok(false),
            ahead if ahead > self.queue.size() => Err(Broken::IndexJumped),
            _ => Ok(true),
        }
    }

    /// The next buffer that the driver made available, if there is one.
    ///
    /// # Errors
    /// Whatever is wrong with the queue or the buffer.
    pub fn next<'m>(&mut self, memory: &'m GuestMemoryMmap) -> Result<Option<Chain<'m>>, Broken> {
        if !self.is_ready() {
            return Ok(None);
        }
        let mut available = self.queue.iter(memory).map_err(|error| match error {
            Error::InvalidAvailRingIndex => Broken::IndexJumped,
            _ => Broken::QueueOutside,
        })?;
        available.next().map(|descriptors| Chain::gather(descriptors, memory)).transpose()
    }

    /// Gives a buffer back to the driver, with `written` bytes in it.
    ///
    /// # Errors
    /// [`Broken::Endless`] for a buffer that the queue cannot have had.
    pub fn give_back(
        &mut self,
        memory: &GuestMemoryMmap,
        chain: Chain<'_>,
        written: usize,
    ) -> Result<(), Broken> {
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        self.queue.add_used(memory, chain.head, written).map_err(|_| Broken::Endless)?;
        self.used = true;
        Ok(())
    }

    /// Whether buffers were given back since the last time, and the driver wants to hear of it.
    pub fn wants_interrupt(&mut self, memory: &GuestMemoryMmap) -> bool {
        if !std::mem::take(&mut self.used) {
            return false;
        }
        // The used index must be there before we look whether the driver waits for it.
        fence(Ordering::SeqCst);
        let flags = memory.load::<u16>(GuestAddress(self.queue.avail_ring()), Ordering::Relaxed);
        flags.is_ok_and(|flags| u32::from(u16::from_le(flags)) & VRING_AVAIL_F_NO_INTERRUPT == 0)
    }

    /// For a snapshot.
    pub fn state(&self) -> VirtqueueState {
        let queue = &self.queue;
        VirtqueueState {
            size: queue.size(),
            ready: queue.ready(),
            next_available: queue.next_avail(),
            next_used: queue.next_used(),
            descriptors: queue.desc_table(),
            available: queue.avail_ring(),
            used: queue.used_ring(),
        }
    }

    /// From a snapshot.
    ///
    /// # Errors
    /// When a driver could not have brought a queue into that state.
    pub fn restore(&mut self, state: VirtqueueState, memory: &GuestMemoryMmap) -> Result<(), Broken> {
        self.stop();
        self.set_size(state.size.into())?;
        for (part, address) in [
            (Part::Descriptors, state.descriptors),
            (Part::Available, state.available),
            (Part::Used, state.used),
        ] {
            self.set_address(part, false, address as u32)?;
            self.set_address(part, true, (address >> 32) as u32)?;
        }
        self.queue.set_next_avail(state.next_available);
        self.queue.set_next_used(state.next_used);
        if state.ready { self.start(memory) } else { Ok(()) }
    }
}

impl<'m> Chain<'m> {
    /// Reads the descriptors, once: the driver may change them meanwhile.
    fn gather(
        descriptors: DescriptorChain<&'m GuestMemoryMmap>,
        memory: &'m GuestMemoryMmap,
    ) -> Result<Chain<'m>, Broken> {
        let head = descriptors.head_index();
        let (mut readable, mut writable) = (Vec::new(), Vec::new());
        let (mut count, mut total) = (0, 0);
        // The library's iterator stops without a word at whatever is wrong; then the last one named a next.
        let mut ended = false;
        for descriptor in descriptors {
            ended = !descriptor.has_next();
            count += 1;
            total += u64::from(descriptor.len());
            if count > MOST_DESCRIPTORS {
                return Err(Broken::TooLong((MOST_DESCRIPTORS, "descriptors")));
            }
            if total > MOST_BYTES {
                return Err(Broken::TooLong((MOST_BYTES, "bytes")));
            }
            let (buffers, access) = if descriptor.is_write_only() {
                (&mut writable, Permissions::Write)
            } else if writable.is_empty() {
                (&mut readable, Permissions::Read)
            } else {
                return Err(Broken::Order);
            };
            let outside = Broken::BufferOutside { address: descriptor.addr().0, bytes: descriptor.len() };
            let slices = memory
                .get_slices(descriptor.addr(), descriptor.len() as usize, access)
                .map_err(|_| outside)?;
            for slice in slices {
                buffers.push(slice.map_err(|_| outside)?);
            }
        }
        if !ended {
            return Err(Broken::Endless);
        }
        Ok(Chain { head, readable: Buffers::new(readable), writable: Buffers::new(writable) })
    }
}
