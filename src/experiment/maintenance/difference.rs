//! The difference of two files by content-defined chunks (FastCDC, Xia et al. 2016): what was moved is found
//! again, what is new is compressed. It gives disk images their fair best.
//!
//! A difference is a zstd stream of records, each a tag and two little-endian 64-bit numbers:
//! *copy*, the offset in the old file and the length; or *new*, nothing and the length, and that many bytes.
//! The first record is the length of the new file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fastcdc::v2020::StreamCDC;
use sha2::{Digest as _, Sha256};

use super::disk;
use super::error::MaintenanceError;
use super::layers::ZSTD_LEVEL;
use super::watched::Watched;

/// Bytes of a chunk: least, on average, most.
pub const CHUNK: [u32; 3] = [2 << 10, 8 << 10, 64 << 10];

const LENGTH: u8 = 0;
const COPY: u8 = 1;
const NEW: u8 = 2;

/// Writes what makes `new` of `old` into the file `to`; returns its bytes.
pub fn encode(old: &Path, new: &Path, to: &Path, stop: &dyn Fn() -> bool) -> Result<u64, MaintenanceError> {
    let mut known = Known::default();
    chunks(old, stop, |offset, data| {
        known.add(offset, Sha256::digest(data).into());
        Ok(())
    })?;
    let failed = |error| MaintenanceError::at::<io::Error>("writing", to)(error);
    let length = std::fs::metadata(new).map_err(MaintenanceError::at("reading", new))?.len();
    let file = BufWriter::new(File::create(to).map_err(failed)?);
    let mut out = Writer { stream: zstd::Encoder::new(file, ZSTD_LEVEL).map_err(failed)?, copy: None };
    out.record(LENGTH, 0, length).map_err(failed)?;
    chunks(new, stop, |at, data| match known.find(at, Sha256::digest(data).into()) {
        Some(offset) => out.copy(offset, data.len() as u64),
        None => out.new_bytes(data),
    })?;
    out.flush_copy().map_err(failed)?;
    let mut file = out.stream.finish().map_err(failed)?;
    file.flush().map_err(failed)?;
    Ok(file.get_ref().metadata().map_err(failed)?.len())
}

/// Makes the new file, in `to`, from the old one and the difference.
pub fn apply(
    old: &Path,
    difference: &Path,
    to: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<(), MaintenanceError> {
    // Most of a new version is where it was.
    disk::copy(old, to, stop)?;
    let failed = |error| MaintenanceError::at::<io::Error>("applying", difference)(error);
    let source = File::open(old).map_err(failed)?;
    let target = File::options().write(true).open(to).map_err(failed)?;
    let stream = File::open(difference).map_err(failed)?;
    let mut stream = zstd::Decoder::new(Watched::new(BufReader::new(stream), stop)).map_err(failed)?;
    let mut at = 0;
    let mut buffer = vec![0; 1 << 16];
    while let Some((tag, offset, length)) = record(&mut stream).map_err(failed)? {
        match tag {
            LENGTH => target.set_len(length).map_err(failed)?,
            COPY if offset == at => at += length,
            COPY | NEW => {
                let mut done = 0;
                while done < length {
                    let part = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
                    let part = buffer.get_mut(..part).unwrap_or_default();
                    if tag == COPY {
                        source.read_exact_at(part, offset + done).map_err(failed)?;
                    } else {
                        stream.read_exact(part).map_err(failed)?;
                    }
                    target.write_all_at(part, at + done).map_err(failed)?;
                    done += part.len() as u64;
                }
                at += length;
            }
            _ => return Err(failed(io::ErrorKind::InvalidData.into())),
        }
    }
    Ok(())
}

fn record(stream: &mut impl Read) -> io::Result<Option<(u8, u64, u64)>> {
    let mut head = [0; 17];
    if stream.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..])?;
    let [tag, numbers @ ..] = head;
    let (numbers, _) = numbers.as_chunks::<8>();
    let number = |place: usize| u64::from_le_bytes(numbers.get(place).copied().unwrap_or_default());
    Ok(Some((tag, number(0), number(1))))
}

/// The chunks of the old file.
#[derive(Default)]
struct Known {
    first: HashMap<[u8; 32], u64>,
    places: HashMap<u64, [u8; 32]>,
}

impl Known {
    fn add(&mut self, offset: u64, digest: [u8; 32]) {
        self.first.entry(digest).or_insert(offset);
        self.places.insert(offset, digest);
    }

    /// Where the old file has this chunk: best where the new one has it, so that nothing need be written.
    fn find(&self, at: u64, digest: [u8; 32]) -> Option<u64> {
        if self.places.get(&at) == Some(&digest) {
            return Some(at);
        }
        self.first.get(&digest).copied()
    }
}

struct Writer<'a> {
    stream: zstd::Encoder<'a, BufWriter<File>>,
    /// A copy that may still grow: offset and length.
    copy: Option<(u64, u64)>,
}

impl Writer<'_> {
    fn record(&mut self, tag: u8, offset: u64, length: u64) -> io::Result<()> {
        self.stream.write_all(&[tag])?;
        self.stream.write_all(&offset.to_le_bytes())?;
        self.stream.write_all(&length.to_le_bytes())
    }

    fn copy(&mut self, offset: u64, length: u64) -> io::Result<()> {
        match &mut self.copy {
            Some((start, known)) if *start + *known == offset => {
                *known += length;
                Ok(())
            }
            _ => {
                self.flush_copy()?;
                self.copy = Some((offset, length));
                Ok(())
            }
        }
    }

    fn flush_copy(&mut self) -> io::Result<()> {
        match self.copy.take() {
            Some((offset, length)) => self.record(COPY, offset, length),
            None => Ok(()),
        }
    }

    fn new_bytes(&mut self, data: &[u8]) -> io::Result<()> {
        self.flush_copy()?;
        self.record(NEW, 0, data.len() as u64)?;
        self.stream.write_all(data)
    }
}

fn chunks(
    path: &Path,
    stop: &dyn Fn() -> bool,
    mut visit: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> Result<(), MaintenanceError> {
    let failed = |error| MaintenanceError::at::<io::Error>("reading", path)(error);
    let file = File::open(path).map_err(failed)?;
    let [least, average, most] = CHUNK.map(|bytes| bytes as usize);
    for chunk in StreamCDC::new(Watched::new(file, stop), least, average, most) {
        let chunk = chunk.map_err(|error| failed(error.into()))?;
        visit(chunk.offset, &chunk.data).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::super::generate::Random;
    use super::*;

    fn both_ways(old: &[u8], new: &[u8]) -> u64 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("old"), old).expect("written");
        fs::write(path("new"), new).expect("written");
        let bytes = encode(&path("old"), &path("new"), &path("difference"), &|| false).expect("encoded");
        apply(&path("old"), &path("difference"), &path("made"), &|| false).expect("applied");
        assert!(fs::read(path("made")).expect("there") == new);
        assert_eq!(fs::read(path("old")).expect("there"), old);
        bytes
    }

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut random = Random::new(seed);
        (0..bytes.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).take(bytes).collect()
    }

    #[test]
    fn an_insertion_costs_a_chunk_or_two_and_no_change_next_to_nothing() {
        let old = noise(2 << 20, 1);
        assert!(both_ways(&old, &old) < 100);
        let inserted = [&old[..1_000_000], b"inserted", &old[1_000_000..]].concat();
        assert!(both_ways(&old, &inserted) < 3 * u64::from(CHUNK[2]));
        assert!(both_ways(&old, &noise(1 << 20, 2)) > 1 << 20);
        assert!(both_ways(&[], &old) > 2 << 20);
        assert!(both_ways(&old, &[]) < 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_rearrangement_is_made_again(pieces in prop::collection::vec((0..200_000usize, 0..50_000usize), 0..8), seed: u64) {
            let old = noise(200_000, seed);
            let new: Vec<u8> =
                pieces.iter().flat_map(|(at, length)| old[*at..(*at + length).min(old.len())].to_vec()).collect();
            both_ways(&old, &new);
        }
    }
}
