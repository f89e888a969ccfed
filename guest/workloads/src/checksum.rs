//! The checksum that a workload prints of its result.

/// FNV-1a over 64-bit words instead of bytes, with a rotation, so that the high bits of a word (all that
/// a small whole number has as a double) reach the low ones too. The order of the words counts.
pub struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Checksum::new()
    }
}

impl Checksum {
    /// Of nothing.
    pub fn new() -> Self {
        Checksum(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in one word.
    #[inline]
    pub fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }

    /// As printed, most significant byte first.
    pub fn bytes(&self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}
