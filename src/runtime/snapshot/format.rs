//! The file format.
//!
//! ```text
//! 0    "ISOBSNAP"
//! 8    format version, then the header's length: 32 bits each, little endian
//! 16   header: a JSON document (Header)
//!      zeros up to a page
//!      the pages of each extent, one extent behind the other
//!      SHA-256 of everything before
//! ```
//!
//! Pages begin at a multiple of the page size, so that a clone maps them straight from the file. Guest memory
//! outside of the extents is zero and takes no room.

use std::io::{ErrorKind, Read, Write};

use kvm_bindings::kvm_cpuid_entry2;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SnapshotError;
use super::origin::Origin;
use super::vcpu::VcpuState;

const MAGIC: [u8; 8] = *b"ISOBSNAP";
/// The format's version; a reader refuses any other.
pub const VERSION: u32 = 1;
/// Size of a page.
pub const PAGE: u64 = 4096;
const PREFIX: usize = 16;
const CHECKSUM: usize = 32;
/// The longest header that is read: far more than 255 vCPUs take.
const MOST_HEADER: u32 = 16 << 20;
/// More than any host has.
const MOST_MEMORY: u64 = 1 << 46;

/// A stretch of guest memory that is not all zero. Both are multiples of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Offset in guest memory.
    pub offset: u64,
    /// Length.
    pub bytes: u64,
}

/// Everything about a snapshot but the content of memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    /// The runtime whose sandbox it is of: `microvm`, `linuxvm`.
    pub runtime: String,
    /// The program inside, as a user calls it.
    pub program: String,
    /// When it was taken, RFC 3339.
    pub taken: String,
    /// What it is tied to.
    pub origin: Origin,
    /// What the guest was told of its processor.
    pub cpuid: Vec<kvm_cpuid_entry2>,
    /// Its processors.
    pub vcpus: Vec<VcpuState>,
    /// Bytes of guest memory, blank parts included.
    pub memory_bytes: u64,
    /// The parts of it that are not blank, in order.
    pub extents: Vec<Extent>,
    /// What only the runtime understands: its devices, its layout of memory.
    pub machine: serde_json::Value,
}

impl Header {
    /// Where the pages begin, for a header of `bytes`.
    fn pages_at(bytes: usize) -> u64 {
        (PREFIX as u64 + bytes as u64).next_multiple_of(PAGE)
    }

    /// Bytes of all extents.
    pub fn page_bytes(&self) -> u64 {
        self.extents.iter().map(|extent| extent.bytes).sum()
    }

    /// Whether the extents are such as a writer makes them; their sum then fits 64 bits.
    fn check(&self) -> Result<(), SnapshotError> {
        if self.memory_bytes > MOST_MEMORY {
            return Err(SnapshotError::Damaged("it has more memory than any host"));
        }
        let mut end = 0;
        for extent in &self.extents {
            let fits = extent.bytes <= self.memory_bytes && extent.offset <= self.memory_bytes - extent.bytes;
            if extent.bytes == 0
                || !extent.bytes.is_multiple_of(PAGE)
                || !extent.offset.is_multiple_of(PAGE)
                || extent.offset < end
                || !fits
            {
                return Err(SnapshotError::Damaged("its parts of memory overlap or are out of bounds"));
            }
            end = extent.offset + extent.bytes;
        }
        Ok(())
    }
}

/// Writes a snapshot: the header, then the pages of its extents in order, then the end.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of the file.
    pub fn begin(to: W, header: &Header) -> std::io::Result<Writer<W>> {
        let text = serde_json::to_vec(header)?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= MOST_HEADER);
        let length = length.ok_or(ErrorKind::FileTooLarge)?;
        let mut writer = Writer { to, hash: Sha256::new() };
        writer.pages(&MAGIC)?;
        writer.pages(&VERSION.to_le_bytes())?;
        writer.pages(&length.to_le_bytes())?;
        writer.pages(&text)?;
        let padding = Header::pages_at(text.len()) as usize - PREFIX - text.len();
        writer.pages(&vec![0; padding])?;
        Ok(writer)
    }

    /// Writes the next bytes of the extents.
    ///
    /// # Errors
    /// Those of the file.
    pub fn pages(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.to.write_all(bytes)
    }

    /// Writes the checksum.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.to.write_all(&self.hash.finalize())?;
        self.to.flush()
    }
}

/// Reads a snapshot that anybody may have written, and copies it to `copy` as it goes. Returns its header and
/// where in the copy the pages begin.
///
/// # Errors
/// [`SnapshotError`], with the reason in words.
pub fn read(from: impl Read, copy: impl Write) -> Result<(Header, u64), SnapshotError> {
    let mut reader = Reader { from, copy, hash: Sha256::new() };
    let (header, pages_at) = reader.header()?;
    reader.append(header.page_bytes(), None)?;
    reader.end()?;
    Ok((header, pages_at))
}

/// Reads the header alone. What it says is not yet to be trusted: the checksum stands at the end.
///
/// # Errors
/// As [`read`].
pub fn peek(from: impl Read) -> Result<Header, SnapshotError> {
    let mut reader = Reader { from, copy: std::io::sink(), hash: Sha256::new() };
    reader.header().map(|(header, _)| header)
}

struct Reader<R, W> {
    from: R,
    copy: W,
    hash: Sha256,
}

impl<R: Read, W: Write> Reader<R, W> {
    /// Reads up to the first page; the header, and where that page is.
    fn header(&mut self) -> Result<(Header, u64), SnapshotError> {
        let mut prefix = [0; PREFIX];
        self.fill(&mut prefix).map_err(|error| match error {
            // Too short for a snapshot's first bytes: it never was one.
            SnapshotError::Truncated => SnapshotError::NotOne,
            other => other,
        })?;
        let number = |at: usize| {
            prefix[at..].iter().take(4).rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
        };
        if !prefix.starts_with(&MAGIC) {
            return Err(SnapshotError::NotOne);
        }
        if number(8) != VERSION {
            return Err(SnapshotError::Version(number(8)));
        }
        let length = number(12);
        if length > MOST_HEADER {
            return Err(SnapshotError::Damaged("its header is longer than any"));
        }
        let mut text = Vec::new();
        self.append(u64::from(length), Some(&mut text))?;
        let pages_at = Header::pages_at(text.len());
        self.append(pages_at - PREFIX as u64 - text.len() as u64, None)?;
        let header: Header =
            serde_json::from_slice(&text).map_err(|_| SnapshotError::Damaged("its header is no header"))?;
        header.check()?;
        Ok((header, pages_at))
    }

    /// Reads exactly as much as the buffer holds.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        self.from.read_exact(buffer).map_err(truncated)?;
        self.hash.update(&*buffer);
        self.copy.write_all(buffer).map_err(SnapshotError::Io)
    }

    /// Reads exactly `bytes`, and keeps them where asked to. Takes memory only as the bytes come.
    fn append(&mut self, bytes: u64, mut keep: Option<&mut Vec<u8>>) -> Result<(), SnapshotError> {
        let mut buffer = vec![0; bytes.min(1 << 18) as usize];
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(buffer.len() as u64) as usize;
            self.fill(&mut buffer[..piece])?;
            if let Some(keep) = &mut keep {
                keep.extend_from_slice(&buffer[..piece]);
            }
            left -= piece as u64;
        }
        Ok(())
    }

    /// Compares the checksum, behind which nothing may follow.
    fn end(mut self) -> Result<(), SnapshotError> {
        let mut checksum = [0; CHECKSUM];
        self.from.read_exact(&mut checksum).map_err(truncated)?;
        self.copy.write_all(&checksum).and_then(|()| self.copy.flush()).map_err(SnapshotError::Io)?;
        if *self.hash.finalize() != checksum {
            return Err(SnapshotError::Altered);
        }
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(SnapshotError::Damaged("something follows behind its end")),
            Err(error) => Err(SnapshotError::Io(error)),
        }
    }
}

fn truncated(error: std::io::Error) -> SnapshotError {
    match error.kind() {
        ErrorKind::UnexpectedEof => SnapshotError::Truncated,
        _ => SnapshotError::Io(error),
    }
}
