//! The entries of a layer in the making, by path; and the layer that is written of them.
//!
//! Everything that could differ between two builds of the same input is left out: entries come in the order
//! of their paths, times are no later than the build's one time, and gzip is told neither name nor time.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::GzBuilder;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use crate::image::attributes;
use crate::image::digest::{Digest, HashingWriter};
use crate::image::store::ImageLayer;

/// By path in the image, without a slash at its start. A folder comes before what is in it.
pub(crate) type Entries = BTreeMap<PathBuf, Entry>;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Permissions.
    pub(super) mode: u32,
    /// User and group.
    pub(super) owner: (u32, u32),
    /// Seconds since 1970.
    pub(super) modified: u64,
    pub(super) attributes: Vec<(CString, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    /// The content is that of a file on the host.
    File {
        host: PathBuf,
        bytes: u64,
    },
    /// An empty file whose name says what is removed.
    Whiteout,
    Symlink(PathBuf),
    /// To an entry before it.
    HardLink(PathBuf),
    Fifo,
    Device {
        is_block: bool,
        major: u32,
        minor: u32,
    },
}

impl Entry {
    /// A folder that nobody described.
    pub(super) fn folder(modified: u64) -> Entry {
        Entry { kind: Kind::Folder, mode: 0o755, owner: (0, 0), modified, attributes: Vec::new() }
    }

    /// An empty file that removes.
    pub(super) fn whiteout(modified: u64) -> Entry {
        Entry { kind: Kind::Whiteout, mode: 0o644, owner: (0, 0), modified, attributes: Vec::new() }
    }

    /// The entry for a file of the host; none for a socket, which no archive can hold. Times later than
    /// `latest` become that.
    pub(super) fn of(host: &Path, facts: &Metadata, latest: u64) -> io::Result<Option<Entry>> {
        let file_type = facts.file_type();
        let kind = if file_type.is_dir() {
            Kind::Folder
        } else if file_type.is_file() {
            Kind::File { host: host.to_owned(), bytes: facts.len() }
        } else if file_type.is_symlink() {
            Kind::Symlink(fs::read_link(host)?)
        } else if file_type.is_fifo() {
            Kind::Fifo
        } else if file_type.is_char_device() || file_type.is_block_device() {
            let (major, minor) = (libc::major(facts.rdev()), libc::minor(facts.rdev()));
            Kind::Device { is_block: file_type.is_block_device(), major, minor }
        } else {
            return Ok(None);
        };
        let modified = u64::try_from(facts.mtime()).unwrap_or(0).min(latest);
        let mode = facts.mode() & 0o7777;
        let (owner, attributes) = ((facts.uid(), facts.gid()), attributes::read(host));
        Ok(Some(Entry { kind, mode, owner, modified, attributes }))
    }
}

/// The host's files below `folder` that `wanted` lets through (a folder that it does not may still have
/// some inside that it does), by their path below it; the folder itself is the entry without a name.
pub(crate) fn tree(folder: &Path, latest: u64, wanted: &dyn Fn(&Path) -> bool) -> io::Result<Entries> {
    let mut entries = Entries::new();
    let mut linked = HashMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        // A name joined with nothing would end in a slash, which only a folder may.
        let host = if path.as_os_str().is_empty() { folder.to_owned() } else { folder.join(&path) };
        let facts = fs::symlink_metadata(&host)?;
        if facts.is_dir() {
            for entry in fs::read_dir(&host)? {
                left.push(path.join(entry?.file_name()));
            }
        }
        if !wanted(&path) {
            continue;
        }
        if let Some(entry) = Entry::of(&host, &facts, latest)? {
            if facts.is_file() && facts.nlink() > 1 {
                linked.entry((facts.dev(), facts.ino())).or_insert_with(Vec::new).push(path.clone());
            }
            entries.insert(path, entry);
        }
    }
    for mut names in linked.into_values() {
        names.sort();
        let mut names = names.into_iter();
        let Some(first) = names.next() else { continue };
        for name in names {
            if let Some(entry) = entries.get_mut(&name) {
                entry.kind = Kind::HardLink(first.clone());
            }
        }
    }
    Ok(entries)
}

/// What stands for these entries in the key of a cached step: all of them, with the content of their files.
pub(super) fn fingerprint(entries: &Entries, hasher: &mut Sha256) -> io::Result<()> {
    for (path, entry) in entries {
        let kind = match &entry.kind {
            Kind::File { host, .. } => {
                let mut content = HashingWriter::new(io::sink());
                io::copy(&mut File::open(host)?, &mut content)?;
                format!("file {}", content.finish().1)
            }
            other => format!("{other:?}"),
        };
        let Entry { mode, owner, modified, attributes, .. } = entry;
        let line = format!("{path:?} {kind} {mode:o} {owner:?} {modified} {attributes:?}\n");
        hasher.update(line.as_bytes());
    }
    Ok(())
}

/// Writes the entries as a compressed layer into `blobs`, under its digest.
pub(super) fn write_layer(entries: &Entries, blobs: &Path) -> io::Result<ImageLayer> {
    let file = tempfile::NamedTempFile::new_in(blobs)?;
    let shipped = HashingWriter::new(BufWriter::new(file));
    let gzip = GzBuilder::new().mtime(0).write(shipped, flate2::Compression::default());
    let (gzip, diff_id, _) = write_archive(entries, HashingWriter::new(gzip))?.finish();
    let (writer, blob, bytes) = gzip.finish()?.finish();
    let file = writer.into_inner().map_err(|error| error.into_error())?;
    file.persist(blobs.join(blob.hex())).map_err(|error| error.error)?;
    Ok(ImageLayer { blob, bytes, diff_id })
}

/// Writes the entries as a tar archive; returns the writer.
pub(crate) fn write_archive<W: Write>(entries: &Entries, to: W) -> io::Result<W> {
    let mut archive = tar::Builder::new(to);
    for (path, entry) in entries {
        append(&mut archive, path, entry)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    }
    archive.into_inner()
}

fn append(archive: &mut tar::Builder<impl Write>, path: &Path, entry: &Entry) -> io::Result<()> {
    let attributes: Vec<(String, &[u8])> = entry
        .attributes
        .iter()
        .filter_map(|(name, value)| Some((format!("SCHILY.xattr.{}", name.to_str().ok()?), value.as_slice())))
        .collect();
    if !attributes.is_empty() {
        archive.append_pax_extensions(attributes.iter().map(|(name, value)| (name.as_str(), *value)))?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.0.into());
    header.set_gid(entry.owner.1.into());
    header.set_mtime(entry.modified);
    header.set_size(0);
    // The root itself, for its mode and owner.
    let path = if path.as_os_str().is_empty() { Path::new("./") } else { path };
    match &entry.kind {
        Kind::Folder => header.set_entry_type(EntryType::Directory),
        Kind::Whiteout => header.set_entry_type(EntryType::Regular),
        Kind::Fifo => header.set_entry_type(EntryType::Fifo),
        Kind::File { host, bytes } => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(*bytes);
            return archive.append_data(&mut header, path, Exactly { file: File::open(host)?, left: *bytes });
        }
        Kind::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            return archive.append_link(&mut header, path, target);
        }
        Kind::HardLink(target) => {
            header.set_entry_type(EntryType::Link);
            return archive.append_link(&mut header, path, target);
        }
        Kind::Device { is_block, major, minor } => {
            header.set_entry_type(if *is_block { EntryType::Block } else { EntryType::Char });
            header.set_device_major(*major)?;
            header.set_device_minor(*minor)?;
        }
    }
    if entry.kind == Kind::Folder {
        // With its slash, as every tar writes it.
        return archive.append_data(&mut header, path.join(""), io::empty());
    }
    archive.append_data(&mut header, path, io::empty())
}

/// As many bytes as were promised, whatever happens to the file meanwhile.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.file.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        if length == 0 && wanted > 0 {
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

/// A digest of text that is told apart by its parts.
pub(super) fn digest_of(hasher: Sha256) -> Digest {
    Digest::of(&hasher.finalize())
}
