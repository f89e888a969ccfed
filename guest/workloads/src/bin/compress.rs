//! `compress`: compresses and restores SIZE bytes of generated text, in blocks of 256 KiB, with the crate
//! `lz4_flex`.
//!
//! A mix of hashing, table look-ups, short copies and unpredictable branches, as in a log shipper
//! or a package manager. It stays in user mode after its set-up, so isolation should be free.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::heap::Bump;
use guest_workloads::random::SplitMix64;
use guest_workloads::start::Process;
use guest_workloads::{Failure, Outcome, memory, program, timed};
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

program!("compress", 16_777_216, run);

#[global_allocator]
static HEAP: Bump = Bump::new();

const BLOCK: usize = 256 << 10;
/// Different blocks of text; they repeat after that.
const BLOCKS: usize = 4;

/// Text of words of 2 to 9 letters out of 1024, small word numbers being the most frequent.
fn write_text(text: &mut [u8], random: &mut SplitMix64) {
    let mut at = 0;
    while at < text.len() {
        let bits = random.word();
        // The product of two uniform fractions: frequent near zero.
        let word = ((bits & 0x3ff) * (bits >> 10 & 0x3ff)) >> 10;
        let mut letters = SplitMix64::new(word);
        let shape = letters.word();
        for letter in 0..2 + shape % 8 {
            if let Some(place) = text.get_mut(at + letter as usize) {
                *place = b'a' + (letters.word() % 26) as u8;
            }
        }
        at += (2 + shape % 8) as usize;
        if let Some(place) = text.get_mut(at) {
            *place = if bits >> 60 == 0 { b'\n' } else { b' ' };
        }
        at += 1;
    }
}

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let text = memory::array::<u8>(BLOCK * BLOCKS)?;
    let mut random = SplitMix64::new(4);
    write_text(text, &mut random);
    let packed = memory::array::<u8>(get_maximum_output_size(BLOCK))?;
    let restored = memory::array::<u8>(BLOCK)?;
    packed.fill(1);
    restored.fill(1);
    let mut table = CompressTable::default();

    let (result, elapsed_ns) = timed(|| {
        let mut checksum = Checksum::new();
        let mut left = size;
        for block in text.chunks(BLOCK).cycle() {
            let plain = block.get(..left.min(BLOCK as u64) as usize).unwrap_or_default();
            let length = compress_into_with_table(plain, packed, &mut table).ok()?;
            let packed = packed.get(..length)?;
            let restored = restored.get_mut(..plain.len())?;
            if decompress_into(packed, restored).ok()? != plain.len() || restored != plain {
                return None;
            }
            checksum.add(length as u64);
            packed.as_chunks().0.iter().for_each(|word| checksum.add(u64::from_le_bytes(*word)));
            left -= plain.len() as u64;
            if left == 0 {
                break;
            }
        }
        Some(checksum)
    });
    let checksum = result.ok_or(Failure::Failed("the text did not survive compression"))?;
    process.report(size, Outcome { checksum: &checksum.bytes(), elapsed_ns, work: size, unit: "byte" })
}
