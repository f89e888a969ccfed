//! Unpacking the kernel inside a bzImage, in every format that Linux can be packed in (its
//! `scripts/Makefile.lib`). Done once on the host it need not be done at every boot in the guest.

use std::fs::File;
use std::io::{self, BufReader, Error, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;

use super::image::BzImage;

/// More than any kernel is: what a hostile file may cost.
const MOST_BYTES: u64 = 1 << 30;
/// Most memory for the dictionary of xz and lzma.
const MOST_DICTIONARY_KIB: u32 = 256 << 10;
/// A block of lz4's legacy format holds so much, unpacked (lz4's `lz4_Frame_format.md`).
const LZ4_BLOCK: usize = 8 << 20;
/// What lzop makes its blocks of at most (its `MAX_BLOCK_SIZE`).
const LZO_BLOCK: u32 = 64 << 20;

/// How a kernel is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the format of that name")]
pub enum Packing {
    Gzip,
    Bzip2,
    Lzma,
    Xz,
    Lzo,
    Lz4,
    Zstd,
    /// Not at all.
    Plain,
}

impl Packing {
    /// Told by the first bytes (Linux `lib/decompress.c`).
    pub fn of(first: &[u8]) -> Option<Packing> {
        Some(match first {
            [0x1f, 0x8b | 0x9e, ..] => Packing::Gzip,
            [b'B', b'Z', b'h', ..] => Packing::Bzip2,
            [0x5d, 0, ..] => Packing::Lzma,
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Packing::Xz,
            [0x89, b'L', b'Z', b'O', ..] => Packing::Lzo,
            [0x02, 0x21, 0x4c, 0x18, ..] => Packing::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            [0x7f, b'E', b'L', b'F', ..] => Packing::Plain,
            _ => return None,
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Bzip2 => "bzip2",
            Packing::Lzma => "lzma",
            Packing::Xz => "xz",
            Packing::Lzo => "lzo",
            Packing::Lz4 => "lz4",
            Packing::Zstd => "zstd",
            Packing::Plain => "none",
        }
    }
}

/// Unpacks the kernel inside an open bzImage to `output`, and tells how it was packed.
///
/// # Errors
/// A damaged file, an unknown format, and whatever reading or writing fails with.
pub fn unpack(file: &File, image: &BzImage, output: &mut impl Write) -> io::Result<Packing> {
    let mut first = [0; 8];
    file.read_exact_at(&mut first[..4], image.payload_at)?;
    let packing = Packing::of(&first[..4]).ok_or_else(|| bad("packed in a way that is not known"))?;
    let mut size = [0; 4];
    // Linux' build appends the size to all formats; gzip ends with it anyway.
    file.read_exact_at(&mut size, image.payload_at + image.payload_bytes - 4)?;
    let bytes = u64::from(u32::from_le_bytes(size));
    if packing != Packing::Plain && bytes > MOST_BYTES {
        return Err(bad("larger than 1 GiB when it is unpacked"));
    }
    let packed_bytes = image.payload_bytes - if packing == Packing::Gzip { 0 } else { 4 };
    let payload = Payload { file, at: image.payload_at, left: packed_bytes };
    unpack_stream(packing, payload, bytes, output)?;
    Ok(packing)
}

/// Unpacks one stream; for all but [`Packing::Plain`] `bytes` is the size that it says it has.
///
/// # Errors
/// See [`unpack`].
pub fn unpack_stream(
    packing: Packing,
    input: impl Read,
    bytes: u64,
    output: &mut impl Write,
) -> io::Result<()> {
    let input = BufReader::with_capacity(1 << 17, input);
    let mut output = Limited { output, left: bytes };
    match packing {
        Packing::Gzip => io::copy(&mut flate2::bufread::GzDecoder::new(input), &mut output).map(drop),
        Packing::Bzip2 => io::copy(&mut bzip2::bufread::BzDecoder::new(input), &mut output).map(drop),
        Packing::Lzma => {
            let mut reader = lzma_rust2::LzmaReader::new_mem_limit(input, MOST_DICTIONARY_KIB, None)?;
            io::copy(&mut reader, &mut output).map(drop)
        }
        Packing::Xz => {
            let mut reader = lzma_rust2::XzReader::new_mem_limit(input, false, MOST_DICTIONARY_KIB);
            io::copy(&mut reader, &mut output).map(drop)
        }
        Packing::Lzo => unpack_lzo(input, &mut output),
        Packing::Lz4 => unpack_lz4(input, &mut output),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(28)?;
            io::copy(&mut decoder, &mut output).map(drop)
        }
        Packing::Plain => {
            output.left = MOST_BYTES;
            return io::copy(&mut { input }, &mut output).map(drop);
        }
    }?;
    if output.left == 0 { Ok(()) } else { Err(bad("shorter than it says")) }
}

fn bad(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidData, problem.to_owned())
}

/// The part of a file that holds the packed kernel.
struct Payload<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Payload<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Takes so many bytes and no more.
struct Limited<'a, W> {
    output: &'a mut W,
    left: u64,
}

impl<W: Write> Write for Limited<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| bad("longer than it says"))?;
        self.output.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Little-endian sizes and blocks, to the end of the input. A size may be the magic number of another frame.
fn unpack_lz4(mut input: impl Read, output: &mut impl Write) -> io::Result<()> {
    const MAGIC: u32 = 0x184c_2102;
    let mut block = vec![0; LZ4_BLOCK];
    let mut packed = Vec::new();
    let mut word = [0; 4];
    loop {
        match input.read_exact(&mut word) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let size = u32::from_le_bytes(word);
        if size == MAGIC {
            continue;
        }
        if size == 0 || size as usize > 2 * LZ4_BLOCK {
            return Err(bad("damaged (a block of lz4 has an impossible size)"));
        }
        packed.resize(size as usize, 0);
        input.read_exact(&mut packed)?;
        let bytes = lz4_flex::block::decompress_into(&packed, &mut block)
            .map_err(|error| bad(&format!("damaged ({error})")))?;
        output.write_all(block.get(..bytes).unwrap_or_default())?;
    }
}

/// The file format of lzop, as Linux reads it (lib/decompress_unlzo.c): a header, then blocks of big-endian
/// unpacked size, packed size, checksum of the former, and the data; a size of 0 ends it.
fn unpack_lzo(mut input: impl Read, output: &mut impl Write) -> io::Result<()> {
    const MAGIC_BYTES: usize = 9;
    const HAS_FILTER: u32 = 0x800;
    fn number<const N: usize>(input: &mut impl Read) -> io::Result<u32> {
        let mut bytes = [0; N];
        input.read_exact(&mut bytes)?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }
    input.read_exact(&mut [0; MAGIC_BYTES])?;
    let version = number::<2>(&mut input)?;
    // Versions of the library and needed to extract, method, level from version 0x940 on.
    number::<2>(&mut input)?;
    if version >= 0x940 {
        number::<2>(&mut input)?;
    }
    number::<1>(&mut input)?;
    if version >= 0x940 {
        number::<1>(&mut input)?;
    }
    if number::<4>(&mut input)? & HAS_FILTER != 0 {
        number::<4>(&mut input)?;
    }
    // Mode, time (two words from version 0x940 on), name, checksum of the header.
    number::<4>(&mut input)?;
    number::<4>(&mut input)?;
    if version >= 0x940 {
        number::<4>(&mut input)?;
    }
    let name = number::<1>(&mut input)?;
    input.read_exact(&mut vec![0; name as usize])?;
    number::<4>(&mut input)?;
    let mut packed = Vec::new();
    let mut block = Vec::new();
    loop {
        let bytes = number::<4>(&mut input)?;
        if bytes == 0 {
            return Ok(());
        }
        let packed_bytes = number::<4>(&mut input)?;
        if bytes > LZO_BLOCK || packed_bytes > bytes {
            return Err(bad("damaged (a block of lzo has an impossible size)"));
        }
        number::<4>(&mut input)?;
        packed.resize(packed_bytes as usize, 0);
        input.read_exact(&mut packed)?;
        if packed_bytes == bytes {
            output.write_all(&packed)?;
            continue;
        }
        block.resize(bytes as usize, 0);
        let unpacked = lzokay::decompress::decompress(&packed, &mut block)
            .map_err(|error| bad(&format!("damaged ({error:?})")))?;
        output.write_all(block.get(..unpacked).unwrap_or_default())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What compresses well, and more than one block of every format.
    fn content(bytes: usize) -> Vec<u8> {
        let mut content = b"\x7fELF".to_vec();
        content.extend((0..bytes as u32).map(|at| (at.wrapping_mul(at) >> 11) as u8 & 0x3f));
        content
    }

    fn packed(packing: Packing, content: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Lzma => {
                let options = lzma_rust2::LzmaOptions::with_preset(1);
                let mut encoder = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Xz => {
                // Linux' build filters calls of x86 code.
                let mut options = lzma_rust2::XzOptions::with_preset(1);
                options.prepend_pre_filter(lzma_rust2::filter::FilterType::BcjX86, 0);
                let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Lzo => lzop(content),
            Packing::Lz4 => {
                let mut packed = vec![0x02, 0x21, 0x4c, 0x18];
                for block in content.chunks(LZ4_BLOCK) {
                    let block = lz4_flex::block::compress(block);
                    packed.extend((block.len() as u32).to_le_bytes());
                    packed.extend(block);
                }
                packed
            }
            Packing::Zstd => zstd::encode_all(content, 1).unwrap(),
            Packing::Plain => content.to_vec(),
        }
    }

    /// As lzop writes: version 0x1030, no filter, no name, no checksums but the header's.
    fn lzop(content: &[u8]) -> Vec<u8> {
        let mut packed = b"\x89LZO\x00\x0d\x0a\x1a\x0a".to_vec();
        packed.extend([0x10, 0x30, 0x20, 0x80, 0x09, 0x40, 3, 9]);
        packed.extend([0; 16]);
        packed.push(0);
        packed.extend([0; 4]);
        for block in content.chunks(256 << 10) {
            let small = lzokay::compress::compress(block).unwrap();
            let data = if small.len() < block.len() { &small } else { block };
            packed.extend((block.len() as u32).to_be_bytes());
            packed.extend((data.len() as u32).to_be_bytes());
            packed.extend([0; 4]);
            packed.extend(data);
        }
        packed.extend([0; 4]);
        packed
    }

    const ALL: [Packing; 8] = [
        Packing::Gzip,
        Packing::Bzip2,
        Packing::Lzma,
        Packing::Xz,
        Packing::Lzo,
        Packing::Lz4,
        Packing::Zstd,
        Packing::Plain,
    ];

    #[test]
    fn every_format_is_unpacked() {
        let content = content(300 << 10);
        for packing in ALL {
            let packed = packed(packing, &content);
            assert_eq!(Packing::of(&packed), Some(packing));
            let mut unpacked = Vec::new();
            unpack_stream(packing, &packed[..], content.len() as u64, &mut unpacked).unwrap();
            assert!(unpacked == content, "{packing:?}");
        }
    }

    #[test]
    fn a_kernel_that_is_not_as_long_as_it_says_is_refused() {
        let content = content(1000);
        for packing in ALL.into_iter().filter(|packing| *packing != Packing::Plain) {
            let packed = packed(packing, &content);
            for wrong in [content.len() as u64 - 1, content.len() as u64 + 1] {
                let outcome = unpack_stream(packing, &packed[..], wrong, &mut Vec::new());
                assert!(outcome.is_err(), "{packing:?} {wrong}");
            }
        }
    }

    proptest! {
        /// Damaged, it gives an error or something of the right size, and never more than it says.
        #[test]
        fn damage_is_survived(which in 0usize..7, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let packing = ALL[which];
            let content = content(2000);
            let mut packed = packed(packing, &content);
            let at = at.index(packed.len());
            packed[at] = byte;
            packed.truncate(cut.index(packed.len()) + 1);
            let mut unpacked = Vec::new();
            let outcome = unpack_stream(packing, &packed[..], content.len() as u64, &mut unpacked);
            prop_assert!(unpacked.len() <= content.len());
            prop_assert!(outcome.is_err() || unpacked.len() == content.len());
        }
    }
}
