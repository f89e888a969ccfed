//! Writes a cpio archive of the "newc" kind (Linux Documentation/driver-api/early-userspace/buffer-format.rst) that
//! is laid out for mapping: where a large file's content lies, the archive has a hole of whole pages, over which
//! the file itself can be mapped.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

const PAGE: u64 = 4096;
const HEADER: u64 = 110;
/// Linux takes names of at most so many bytes, the zero at their end included (`PATH_MAX`).
const MOST_NAME: u64 = 4096;
/// A file from here on is mapped; every mapping takes time at every start.
const MAPPED_FROM: u64 = 256 << 10;
const FOLDER: u32 = 0o40000;

/// What an entry says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Kind and permissions, as `stat` has them.
    pub mode: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// Names that the file has.
    pub links: u32,
    /// Seconds since 1970; newc has 32 bits.
    pub modified: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// The same number for every name of the same file.
    pub inode: u32,
}

/// A stretch of the archive that is the content of a file.
#[derive(Debug)]
pub struct Mapped {
    /// Offset in the archive, a multiple of a page.
    pub at: u64,
    /// The file, which is mapped from its start.
    pub file: Rc<File>,
    /// Bytes, a multiple of a page.
    pub bytes: u64,
}

/// An archive that is being written.
#[derive(Debug)]
pub struct Newc<W: Write + Seek> {
    output: BufWriter<W>,
    at: u64,
    mapped: Vec<Mapped>,
}

impl<W: Write + Seek> Newc<W> {
    /// An empty archive.
    pub fn new(output: W) -> Newc<W> {
        Newc { output: BufWriter::with_capacity(1 << 18, output), at: 0, mapped: Vec::new() }
    }

    /// Adds an entry whose content is these bytes. A name has no slash at its start.
    pub fn add(&mut self, name: &[u8], attributes: Attributes, content: &[u8]) -> io::Result<()> {
        self.head(name, attributes, content.len() as u64, 0)?;
        self.put(content)?;
        self.align(4)
    }

    /// Adds a regular file of so many bytes; one that has become shorter is filled up with zeros.
    pub fn add_file(
        &mut self,
        name: &[u8],
        attributes: Attributes,
        mut file: File,
        bytes: u64,
    ) -> io::Result<()> {
        let mapped = if bytes < MAPPED_FROM { 0 } else { bytes / PAGE * PAGE };
        if mapped > 0 {
            self.align_content(name.len() as u64 + 1)?;
            let pad = self.padding(name.len() as u64 + 1);
            self.head(name, attributes, bytes, pad)?;
            self.output.seek(SeekFrom::Current(mapped as i64))?;
            self.at += mapped;
            file.seek(SeekFrom::Start(mapped))?;
        } else {
            self.head(name, attributes, bytes, 0)?;
        }
        let copied = io::copy(&mut Read::by_ref(&mut file).take(bytes - mapped), &mut self.output)?;
        self.at += copied;
        self.zeros(bytes - mapped - copied)?;
        if mapped > 0 {
            self.mapped.push(Mapped { at: self.at - bytes, file: Rc::new(file), bytes: mapped });
        }
        self.align(4)
    }

    /// Ends the archive: its output, its bytes, and what is to be mapped over it.
    pub fn finish(mut self) -> io::Result<(W, u64, Vec<Mapped>)> {
        self.add(b"TRAILER!!!", Attributes { links: 1, ..Attributes::default() }, b"")?;
        self.align(512)?;
        let output = self.output.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((output, self.at, self.mapped))
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.at
    }

    /// Zeros behind the name that make the content begin at a page.
    fn padding(&self, name_bytes: u64) -> u64 {
        let content = self.at + HEADER + name_bytes;
        content.next_multiple_of(PAGE) - content
    }

    /// Where the padding of a name would be more than Linux takes, moves on by an entry that changes nothing.
    fn align_content(&mut self, name_bytes: u64) -> io::Result<()> {
        while name_bytes + self.padding(name_bytes) > MOST_NAME {
            let root = Attributes { mode: FOLDER | 0o755, links: 2, ..Attributes::default() };
            self.add(b".", root, b"")?;
        }
        Ok(())
    }

    fn head(&mut self, name: &[u8], attributes: Attributes, bytes: u64, padding: u64) -> io::Result<()> {
        let too_long = |what: &str| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{what} too long for an initramfs"))
        };
        let size = u32::try_from(bytes).map_err(|_| too_long("a file of 4 GiB or more is"))?;
        let name_bytes = name.len() as u64 + 1 + padding;
        if name_bytes > MOST_NAME {
            return Err(too_long("a path is"));
        }
        let Attributes { mode, user, group, links, modified, device, inode } = attributes;
        let mut header = String::with_capacity(HEADER as usize);
        header.push_str("070701");
        for field in
            [inode, mode, user, group, links, modified, size, 0, 0, device.0, device.1, name_bytes as u32, 0]
        {
            header.push_str(&format!("{field:08x}"));
        }
        self.put(header.as_bytes())?;
        self.put(name)?;
        self.zeros(1 + padding)?;
        self.align(4)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn align(&mut self, to: u64) -> io::Result<()> {
        self.zeros(self.at.next_multiple_of(to) - self.at)
    }

    fn zeros(&mut self, bytes: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(bytes), &mut self.output)?;
        self.at += bytes;
        Ok(())
    }
}
