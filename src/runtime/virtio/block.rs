//! A disk for the guest (virtio 1.2, section 5.2). In a Linux guest it is `/dev/vda`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use virtio_bindings::bindings::virtio_blk::*;
use vm_memory::GuestMemoryMmap;

use super::buffers::Buffers;
use super::disk::Disk;
use super::queue::{Chain, MOST_DESCRIPTORS, Virtqueue};
use super::{Broken, Device, Foreign};

/// The device's number (section 5).
const BLOCK_DEVICE: u32 = 2;
/// Bytes of the configuration that we fill in (`struct virtio_blk_config` up to `blk_size`).
const CONFIGURATION_BYTES: usize = 24;
/// The most pieces of data that one request may have: the header and the status are two more. Linux makes a
/// table of descriptors of this length for each of its requests.
const MOST_SEGMENTS: u32 = 126;
const _: () = assert!((MOST_SEGMENTS as u64) + 2 <= MOST_DESCRIPTORS);
/// What the disk says its serial number is.
const SERIAL: &[u8; VIRTIO_BLK_ID_BYTES as usize] = b"isobench\0\0\0\0\0\0\0\0\0\0\0\0";

/// A disk with its queue.
#[derive(Debug)]
pub struct Block {
    disk: Disk,
    configuration: [u8; CONFIGURATION_BYTES],
}

/// What a snapshot keeps of a disk: the blocks that were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockState {
    written: BTreeMap<u64, Box<[u8]>>,
}

impl Block {
    /// A device for this disk.
    pub fn new(disk: Disk) -> Block {
        let mut configuration = [0; CONFIGURATION_BYTES];
        configuration[..8].copy_from_slice(&disk.sectors().to_le_bytes());
        configuration[12..16].copy_from_slice(&MOST_SEGMENTS.to_le_bytes());
        configuration[20..24].copy_from_slice(&512u32.to_le_bytes());
        Block { disk, configuration }
    }

    /// Serves one request; returns how many bytes were written to guest memory.
    fn serve(&mut self, chain: &mut Chain<'_>) -> Result<usize, Broken> {
        // `struct virtio_blk_req`: type, reserved, sector; data; and a status byte at the very end.
        let short = Broken::TooShort(chain.readable.len());
        let header: [u8; 16] = chain.readable.take_front(16).read_array().ok_or(short)?;
        let kind = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let sector = header[8..].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let data = std::mem::take(&mut chain.readable);
        let room = chain.writable.len().checked_sub(1).ok_or(Broken::TooShort(0))?;
        let answer = chain.writable.take_front(room);
        let (status, written) = self.transfer(kind, sector, data, answer);
        chain.writable.copy_from(&[status as u8]);
        Ok(written + 1)
    }

    fn transfer(&mut self, kind: u32, sector: u64, data: Buffers<'_>, answer: Buffers<'_>) -> (u32, usize) {
        let room = answer.len();
        let (done, written) = match kind {
            VIRTIO_BLK_T_IN => (self.disk.read(sector, answer), room),
            VIRTIO_BLK_T_OUT => (self.disk.write(sector, data), 0),
            // What is written lives as long as the VM, flushed or not.
            VIRTIO_BLK_T_FLUSH => (Ok(()), 0),
            VIRTIO_BLK_T_GET_ID => (Ok(()), answer.copy_from(SERIAL)),
            // Above all discarding, which was not offered.
            _ => return (VIRTIO_BLK_S_UNSUPP, 0),
        };
        match done {
            Ok(()) => (VIRTIO_BLK_S_OK, written),
            Err(_) => (VIRTIO_BLK_S_IOERR, 0),
        }
    }
}

impl Device for Block {
    type State = BlockState;

    fn name(&self) -> &'static str {
        "virtio disk"
    }

    fn id(&self) -> u32 {
        BLOCK_DEVICE
    }

    fn features(&self) -> u64 {
        let read_only = u64::from(self.disk.is_read_only()) << VIRTIO_BLK_F_RO;
        1 << VIRTIO_BLK_F_SEG_MAX | 1 << VIRTIO_BLK_F_BLK_SIZE | 1 << VIRTIO_BLK_F_FLUSH | read_only
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[128]
    }

    fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    fn activate(&mut self, _features: u64) {}

    fn notified(
        &mut self,
        index: usize,
        queues: &mut [Virtqueue],
        memory: &GuestMemoryMmap,
    ) -> Result<(), Broken> {
        let Some(queue) = queues.get_mut(index) else { return Ok(()) };
        // No more than can be there at once: another vCPU may go on adding, and will notify.
        for _ in 0..queue.size() {
            let Some(mut chain) = queue.next(memory)? else { break };
            let written = self.serve(&mut chain)?;
            queue.give_back(memory, chain, written)?;
        }
        Ok(())
    }

    fn reset(&mut self) {}

    fn state(&self) -> BlockState {
        BlockState { written: self.disk.written().clone() }
    }

    fn restore(&mut self, state: BlockState) -> Result<(), Foreign> {
        self.disk.restore(state.written).map_err(|_| Foreign(self.name()))
    }
}

#[cfg(test)]
mod tests;
