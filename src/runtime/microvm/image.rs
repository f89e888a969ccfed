//! The boot image: the first bytes of guest memory, as they are built for a spec.

use super::memory_layout::PAGE;

/// Guest memory from offset 0, growing by whole zeroed pages.
#[derive(Debug)]
pub struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// An image of `bytes` zero bytes.
    pub fn new(bytes: u64) -> Image {
        Image { bytes: vec![0; bytes as usize] }
    }

    /// Adds zeroed pages and returns the offset of the first.
    pub fn allocate(&mut self, pages: u64) -> u64 {
        let offset = self.end();
        self.bytes.resize(self.bytes.len() + (pages * PAGE) as usize, 0);
        offset
    }

    /// Where the next page will be.
    pub fn end(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Everything.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes bytes inside of what was allocated.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let offset = offset as usize;
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes one number.
    pub fn write_u64(&mut self, offset: u64, value: u64) {
        self.write(offset, &value.to_le_bytes());
    }

    /// Reads one number.
    pub fn read_u64(&self, offset: u64) -> u64 {
        let offset = offset as usize;
        self.bytes[offset..offset + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}
