//! Gzip, zstd, or nothing: told by the first bytes, since media types are often wrong.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar archive.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// How what begins with these bytes is compressed.
    pub fn of(first: &[u8]) -> Compression {
        match first {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // A skippable frame, with which some tools begin.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// The largest window that a zstd frame may ask for, as its binary logarithm: 128 MiB, the limit of
/// `zstd -d` itself. It bounds the memory that a hostile frame costs.
const LARGEST_WINDOW_LOG: u32 = 27;

/// Reads what `reader` holds, decompressed.
pub fn decompress<'a>(mut reader: impl Read + 'a) -> io::Result<(Box<dyn Read + 'a>, Compression)> {
    let mut first = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut first)?;
    let compression = Compression::of(&first);
    let whole = BufReader::with_capacity(1 << 17, io::Cursor::new(first).chain(reader));
    let decompressed: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
            decoder.window_log_max(LARGEST_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok((decompressed, compression))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn roundtrip(bytes: &[u8]) -> (Vec<u8>, Compression) {
        let (mut reader, compression) = decompress(bytes).expect("known");
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).expect("decompressed");
        (whole, compression)
    }

    #[test]
    fn each_format_is_recognised() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b"content").expect("memory");
        let gzip = gzip.finish().expect("memory");
        assert_eq!(roundtrip(&gzip), (b"content".to_vec(), Compression::Gzip));
        // Several members, as parallel compressors write.
        assert_eq!(roundtrip(&[gzip.clone(), gzip].concat()).0, b"contentcontent");
        let zstd = zstd::encode_all(&b"content"[..], 3).expect("memory");
        assert_eq!(roundtrip(&zstd), (b"content".to_vec(), Compression::Zstd));
        assert_eq!(roundtrip(b"content"), (b"content".to_vec(), Compression::None));
        assert_eq!(roundtrip(b""), (Vec::new(), Compression::None));
    }
}
