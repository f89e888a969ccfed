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
/// A file from here on is mapped; every mapping takes time at every start, and its pages are small.
const MAPPED_FROM: u64 = 4 << 20;
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use proptest::prelude::*;

    /// Name, mode and where the content is, of every entry, as Linux reads them (init/initramfs.c).
    fn entries(archive: &[u8]) -> Vec<(String, u32, u64, u64)> {
        let mut entries = Vec::new();
        let mut at = 0;
        loop {
            let header = std::str::from_utf8(&archive[at..at + HEADER as usize]).unwrap();
            assert!(header.starts_with("070701"));
            let field =
                |index: usize| u32::from_str_radix(&header[6 + 8 * index..14 + 8 * index], 16).unwrap();
            let (mode, bytes, name_bytes) = (field(1), u64::from(field(6)), field(11) as usize);
            assert!(name_bytes as u64 <= MOST_NAME);
            let name = &archive[at + HEADER as usize..][..name_bytes];
            assert_eq!(name.last(), Some(&0));
            let name = String::from_utf8(name.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap();
            let content = (at + HEADER as usize + name_bytes).next_multiple_of(4) as u64;
            if name == "TRAILER!!!" {
                return entries;
            }
            entries.push((name, mode, content, bytes));
            at = (content + bytes).next_multiple_of(4) as usize;
        }
    }

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        file
    }

    proptest! {
        /// Whatever comes before them, large files lie at pages, and the archive with the files mapped over it
        /// holds what was put in.
        #[test]
        fn what_is_put_in_is_there(
            files in proptest::collection::vec((1usize..60, prop_oneof![8 => 0usize..5000, 2 => 4_190_000usize..4_200_000]), 1..8),
        ) {
            let mut archive = Newc::new(Cursor::new(Vec::new()));
            let attributes = Attributes { mode: 0o100_644, links: 1, ..Attributes::default() };
            let content = |index: usize, bytes: usize| vec![index as u8 + 1; bytes];
            for (index, (name, bytes)) in files.iter().enumerate() {
                let name = format!("{index}{}", "x".repeat(*name));
                archive.add_file(name.as_bytes(), attributes, file(&content(index, *bytes)), *bytes as u64).unwrap();
            }
            let (output, bytes, mapped) = archive.finish().unwrap();
            let mut output = output.into_inner();
            output.resize(bytes as usize, 0);
            for part in &mapped {
                prop_assert!(part.at.is_multiple_of(PAGE) && part.bytes.is_multiple_of(PAGE) && part.bytes > 0);
                let range = part.at as usize..(part.at + part.bytes) as usize;
                prop_assert!(output[range.clone()].iter().all(|byte| *byte == 0));
                std::os::unix::fs::FileExt::read_exact_at(&*part.file, &mut output[range], 0).unwrap();
            }
            let found = entries(&output);
            let found: Vec<_> = found.iter().filter(|entry| entry.0 != ".").collect();
            prop_assert_eq!(found.len(), files.len());
            for (index, ((_, wanted), (name, mode, at, bytes))) in files.iter().zip(found).enumerate() {
                prop_assert!(name.starts_with(&index.to_string()));
                prop_assert_eq!((*mode, *bytes as usize), (0o100_644, *wanted));
                prop_assert!(output[*at as usize..][..*wanted] == content(index, *wanted));
            }
        }
    }

    #[test]
    fn what_newc_cannot_hold_is_refused() {
        let mut archive = Newc::new(Cursor::new(Vec::new()));
        let attributes = Attributes::default();
        assert!(archive.add(&[b'x'; 5000], attributes, b"").is_err());
        let large = tempfile::tempfile().unwrap();
        large.set_len(5 << 30).unwrap();
        assert!(archive.add_file(b"large", attributes, large, 5 << 30).is_err());
    }

    #[test]
    fn a_file_that_has_become_shorter_is_filled_up() {
        let mut archive = Newc::new(Cursor::new(Vec::new()));
        archive.add_file(b"short", Attributes::default(), file(b"abc"), 10).unwrap();
        archive.add(b"next", Attributes::default(), b"content").unwrap();
        let (output, ..) = archive.finish().unwrap();
        let found = entries(&output.into_inner());
        assert_eq!(found.iter().map(|entry| entry.3).collect::<Vec<_>>(), [10, 7]);
    }
}
