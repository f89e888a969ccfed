//! Devices of a virtual machine by virtio 1.2 (OASIS Virtual I/O Device Version 1.2) over its MMIO transport:
//! a console with a port for each standard stream, and a disk.
//!
//! Work is done at the exit by which the driver notifies: the guest's buffers go straight to and from the
//! host's files, and there is no other thread in between, except one that waits for standard input
//! ([`input`]). So a guest whose output nobody reads stands still, as a process does.
//!
//! The driver is hostile. What it gives is checked where it is read ([`queue`]), every piece of work has a
//! bound, and a driver that breaks the rules gets its device stopped, with the reason ([`Broken`]).

use vm_memory::GuestMemoryMmap;

pub mod block;
pub mod buffers;
pub mod bus;
pub mod console;
pub mod disk;
pub mod input;
pub mod queue;
#[cfg(test)]
mod testing;
pub mod transport;

use queue::Virtqueue;

/// What one kind of device does; the [`transport`] does what all have in common.
pub trait Device: Send {
    /// What of it a snapshot keeps.
    type State: serde::Serialize + serde::de::DeserializeOwned + Clone + std::fmt::Debug + PartialEq;

    /// Its name, for messages and counts.
    fn name(&self) -> &'static str;
    /// Its number (virtio 1.2, section 5).
    fn id(&self) -> u32;
    /// The features it offers beyond those of the transport, as bits.
    fn features(&self) -> u64;
    /// The largest size of each of its queues, a power of two.
    fn queue_sizes(&self) -> &'static [u16];
    /// Its configuration, as the driver reads it.
    fn configuration(&self) -> &[u8];
    /// The driver has set it up, with these features.
    fn activate(&mut self, features: u64);
    /// The driver has put buffers into a queue, which exists.
    ///
    /// # Errors
    /// What the driver did wrong.
    fn notified(
        &mut self,
        queue: usize,
        queues: &mut [Virtqueue],
        memory: &GuestMemoryMmap,
    ) -> Result<(), Broken>;
    /// Back to the beginning.
    fn reset(&mut self);
    /// For a snapshot.
    fn state(&self) -> Self::State;
    /// From a snapshot.
    ///
    /// # Errors
    /// When no device of this kind can be in that state.
    fn restore(&mut self, state: Self::State) -> Result<(), Foreign>;
}

/// How a driver broke the rules. Its device has stopped and wants a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The queue's size is not usable.
    #[error("a queue of {0} entries (it must be a power of two, and no more than the device offers)")]
    QueueSize(u32),
    /// A part of the queue is at an address that it may not have.
    #[error("a queue at {0:#x}, which is not aligned")]
    Misaligned(u64),
    /// A part of the queue is outside guest memory.
    #[error("a queue that is not in guest memory")]
    QueueOutside,
    /// The available index is further ahead than the queue is long.
    #[error("an available index that jumped further than the queue is long")]
    IndexJumped,
    /// Descriptors that lead nowhere, or in a circle.
    #[error("a chain of descriptors that has no end")]
    Endless,
    /// More descriptors or bytes than any driver needs.
    #[error("a chain of more than {most} {what}", most = .0.0, what = .0.1)]
    TooLong((u64, &'static str)),
    /// A buffer outside guest memory.
    #[error("a buffer at {address:#x}, {bytes} bytes, that is not in guest memory")]
    BufferOutside {
        /// Guest physical address.
        address: u64,
        /// Its length.
        bytes: u32,
    },
    /// A buffer to read from behind one to write to.
    #[error("a buffer for the device to read behind one for it to write")]
    Order,
    /// Buffers too small for what the device has to say.
    #[error("buffers of {0} bytes, too few for a request")]
    TooShort(usize),
}

/// A snapshot's state that no device can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of {0} is not one that it can be in")]
pub struct Foreign(pub &'static str);
