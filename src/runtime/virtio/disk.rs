//! What is on a disk: a raw image file that is never written to. What the guest writes is kept in memory, and
//! gone with the VM, so that every trial finds the same disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::buffers::Buffers;

/// What is written is kept in blocks of this many bytes.
const BLOCK: u64 = 4096;
/// Sizes and positions on a disk count in these (virtio 1.2, 5.2.4).
pub const SECTOR: u64 = 512;

/// What becomes of what the guest writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writes {
    /// The disk is read-only.
    Refused,
    /// Kept in memory, up to this many bytes.
    Kept(u64),
}

/// A disk.
#[derive(Debug)]
pub struct Disk {
    file: File,
    file_bytes: u64,
    writes: Writes,
    /// Blocks that were written, by number.
    written: BTreeMap<u64, Box<[u8]>>,
}

/// A part of a transfer: within one block that was written, or a stretch without any such block.
struct Piece {
    offset: u64,
    bytes: u64,
    written: Option<u64>,
}

impl Disk {
    /// The disk of this image file; a last sector that is not whole is filled with zeros.
    ///
    /// # Errors
    /// The system's reason, or `InvalidData` for what is not a file or has no byte.
    pub fn new(file: File, writes: Writes) -> Result<Disk> {
        let facts = file.metadata()?;
        if !facts.is_file() || facts.len() == 0 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        Ok(Disk { file, file_bytes: facts.len(), writes, written: BTreeMap::new() })
    }

    /// Its size in sectors.
    pub fn sectors(&self) -> u64 {
        self.file_bytes.div_ceil(SECTOR)
    }

    /// Whether it refuses to be written to.
    pub fn is_read_only(&self) -> bool {
        self.writes == Writes::Refused
    }

    /// The blocks that the guest has written, by number, 4 KiB each.
    pub fn written(&self) -> &BTreeMap<u64, Box<[u8]>> {
        &self.written
    }

    /// Puts back blocks that a guest has written.
    ///
    /// # Errors
    /// `InvalidData` for blocks that cannot have been written to this disk.
    pub fn restore(&mut self, written: BTreeMap<u64, Box<[u8]>>) -> Result<()> {
        let blocks = self.file_bytes.div_ceil(BLOCK);
        let fits = written.iter().all(|(block, bytes)| *block < blocks && bytes.len() as u64 == BLOCK);
        let most = match self.writes {
            Writes::Refused => 0,
            Writes::Kept(most) => most,
        };
        if !fits || written.len() as u64 * BLOCK > most {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        self.written = written;
        Ok(())
    }

    /// Fills buffers from the disk, from a sector on.
    ///
    /// # Errors
    /// `EINVAL` outside the disk; the system's reason for not reading the file.
    pub fn read(&self, sector: u64, mut into: Buffers<'_>) -> Result<()> {
        let start = self.start(sector, into.len())?;
        for piece in self.pieces(start, into.len() as u64) {
            let mut part = into.take_front(piece.bytes as usize);
            match piece.written.and_then(|block| self.written.get(&block)) {
                Some(block) => {
                    let within = (piece.offset % BLOCK) as usize;
                    part.copy_from(&block[within..within + piece.bytes as usize]);
                }
                None => {
                    let in_file = self.file_bytes.saturating_sub(piece.offset).min(piece.bytes);
                    let from_file = part.take_front(in_file as usize);
                    from_file.read_at(self.file.as_fd(), piece.offset)?;
                    part.clear();
                }
            }
        }
        Ok(())
    }

    /// Writes buffers to the disk, from a sector on.
    ///
    /// # Errors
    /// `EINVAL` outside the disk; `EROFS` on a read-only one; `ENOSPC` when no more may be kept; the system's
    /// reason for not reading the file.
    pub fn write(&mut self, sector: u64, mut from: Buffers<'_>) -> Result<()> {
        let Writes::Kept(most) = self.writes else { return Err(Error::from_raw_os_error(libc::EROFS)) };
        let mut offset = self.start(sector, from.len())?;
        while !from.is_empty() {
            let (block, within) = (offset / BLOCK, (offset % BLOCK) as usize);
            let part = from.take_front(BLOCK as usize - within);
            if !self.written.contains_key(&block) {
                if (self.written.len() as u64 + 1) * BLOCK > most {
                    return Err(Error::from_raw_os_error(libc::ENOSPC));
                }
                let original = self.original(block)?;
                self.written.insert(block, original);
            }
            let Some(bytes) = self.written.get_mut(&block) else { continue };
            offset += part.copy_to(&mut bytes[within..within + part.len()]) as u64;
        }
        Ok(())
    }

    /// Where a transfer starts, in bytes; it must lie within the disk.
    fn start(&self, sector: u64, bytes: usize) -> Result<u64> {
        let whole = (bytes as u64).is_multiple_of(SECTOR);
        let end = sector.checked_add(bytes as u64 / SECTOR);
        match end {
            Some(end) if whole && end <= self.sectors() => Ok(sector * SECTOR),
            _ => Err(Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    /// A block as it is in the file.
    fn original(&self, block: u64) -> Result<Box<[u8]>> {
        let mut bytes = vec![0; BLOCK as usize].into_boxed_slice();
        let start = block * BLOCK;
        let in_file = self.file_bytes.saturating_sub(start).min(BLOCK) as usize;
        self.file.read_exact_at(&mut bytes[..in_file], start)?;
        Ok(bytes)
    }

    /// Cuts a transfer where blocks that were written begin and end.
    fn pieces(&self, start: u64, bytes: u64) -> Vec<Piece> {
        let end = start + bytes;
        let mut pieces = Vec::new();
        let mut offset = start;
        for block in self.written.range(start / BLOCK..end.div_ceil(BLOCK)).map(|(block, _)| *block) {
            let from = (block * BLOCK).max(start);
            let to = ((block + 1) * BLOCK).min(end);
            if offset < from {
                pieces.push(Piece { offset, bytes: from - offset, written: None });
            }
            pieces.push(Piece { offset: from, bytes: to - from, written: Some(block) });
            offset = to;
        }
        if offset < end {
            pieces.push(Piece { offset, bytes: end - offset, written: None });
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use vm_memory::VolatileSlice;

    use super::*;

    fn disk(content: &[u8], writes: Writes) -> Disk {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Disk::new(file, writes).unwrap()
    }

    fn buffers(bytes: &mut [u8]) -> Buffers<'_> {
        Buffers::new(vec![VolatileSlice::from(bytes)])
    }

    fn read(disk: &Disk, sector: u64, sectors: usize) -> Result<Vec<u8>> {
        // What is not written is seen.
        let mut bytes = vec![0xee; sectors * SECTOR as usize];
        disk.read(sector, buffers(&mut bytes)).map(|()| bytes)
    }

    proptest! {
        /// Against the simplest model of a disk: its bytes.
        #[test]
        fn what_was_written_is_read(
            sectors in 1usize..40,
            short in 0usize..512,
            writes in prop::collection::vec((0u64..40, 1usize..20, any::<u8>()), 0..12),
        ) {
            let mut model: Vec<u8> = (0..sectors * 512).map(|at| (at / 64) as u8).collect();
            let file = model.len() - short;
            model[file..].fill(0);
            let mut disk = disk(&model[..file], Writes::Kept(1 << 20));
            for (sector, count, byte) in writes {
                let (start, end) = (sector as usize * 512, (sector as usize + count) * 512);
                let mut data = vec![byte; count * 512];
                let done = disk.write(sector, buffers(&mut data));
                prop_assert_eq!(done.is_ok(), end <= model.len());
                if done.is_ok() {
                    model[start..end].fill(byte);
                }
            }
            prop_assert_eq!(read(&disk, 0, sectors).unwrap(), model.clone());
            let middle = sectors / 2;
            prop_assert_eq!(read(&disk, middle as u64, 1).unwrap(), &model[middle * 512..][..512]);
            prop_assert!(read(&disk, sectors as u64, 1).is_err());
            prop_assert!(read(&disk, u64::MAX, 1).is_err());
            // A second disk with the same writes is the same disk.
            let mut copy = Disk::new(disk.file.try_clone().unwrap(), disk.writes).unwrap();
            copy.restore(disk.written().clone()).unwrap();
            prop_assert_eq!(read(&copy, 0, sectors).unwrap(), model);
        }
    }

    #[test]
    fn the_file_is_never_written_and_memory_for_writes_has_a_bound() {
        let mut disk = disk(&[1; 16384], Writes::Kept(8192));
        let mut data = [2; 512];
        for (sector, errno) in [(0, None), (8, None), (1, None), (16, Some(libc::ENOSPC)), (9, None)] {
            let done = disk.write(sector, buffers(&mut data));
            assert_eq!(done.err().and_then(|error| error.raw_os_error()), errno, "sector {sector}");
        }
        let mut file = vec![0; 16384];
        disk.file.read_exact_at(&mut file, 0).unwrap();
        assert!(file.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn a_read_only_disk_refuses() {
        let error = disk(&[1; 512], Writes::Refused).write(0, buffers(&mut [0; 512])).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    }

    #[test]
    fn a_file_that_shrinks_is_a_read_error_and_no_crash() {
        let disk = disk(&[1; 8192], Writes::Refused);
        disk.file.set_len(512).unwrap();
        assert!(read(&disk, 0, 1).is_ok());
        assert!(read(&disk, 0, 2).is_err());
    }

    #[test]
    fn a_folder_or_an_empty_file_is_no_disk() {
        assert!(Disk::new(File::open("/").unwrap(), Writes::Refused).is_err());
        assert!(Disk::new(tempfile::tempfile().unwrap(), Writes::Refused).is_err());
    }
}
