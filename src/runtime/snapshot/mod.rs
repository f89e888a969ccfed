//! Snapshots: a virtual machine that has booted and waits, to be cloned as often as wanted.
//!
//! A snapshot is one sealed memory file with the state of the processors and devices and all of guest memory
//! that is not blank ([`format`]). A clone maps its pages privately (copy on write), so clones share whatever
//! they do not write. The same bytes can be saved as a file and read back, on the host and with the kernel
//! that they were taken with ([`origin`]). `docs/clone.md` tells what a clone renews.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::rc::Rc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

pub mod extents;
pub mod format;
pub mod origin;
pub mod vcpu;

#[cfg(test)]
mod tests;

pub use format::{Extent, Header};

/// Why a snapshot cannot be used. Each text follows "the snapshot FILE".
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Something else.
    #[error("is no isobench snapshot")]
    NotOne,
    /// Of another version.
    #[error("has format version {0}, and this isobench reads version {version}; take it again", version = format::VERSION)]
    Version(u32),
    /// Cut short.
    #[error("ends too early: it was cut short")]
    Truncated,
    /// Another content than was written.
    #[error("was altered: its checksum does not match")]
    Altered,
    /// Not what a writer makes.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    /// From elsewhere.
    #[error("cannot go on here: {0}")]
    Foreign(String),
    /// The file system's reason.
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
}

/// A snapshot that has been read and checked.
#[derive(Debug)]
pub struct Snapshot {
    /// Everything but memory.
    pub header: Header,
    file: Rc<File>,
    pages_at: u64,
}

impl Snapshot {
    /// Reads and checks a snapshot. It is copied to memory, so that nobody can change it afterwards.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(from: impl Read) -> Result<Snapshot, SnapshotError> {
        let file = blank_file().map_err(SnapshotError::Io)?;
        let (header, pages_at) = format::read(from, std::io::BufWriter::with_capacity(1 << 18, &file))?;
        Snapshot::seal(header, file, pages_at)
    }

    /// Checks a snapshot that has been written to a [`blank_file`], and keeps that file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn adopt(mut file: File) -> Result<Snapshot, SnapshotError> {
        file.rewind().map_err(SnapshotError::Io)?;
        let (header, pages_at) = format::read(&file, std::io::sink())?;
        Snapshot::seal(header, file, pages_at)
    }

    fn seal(header: Header, file: File, pages_at: u64) -> Result<Snapshot, SnapshotError> {
        let seals =
            SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|errno| SnapshotError::Io(errno.into()))?;
        Ok(Snapshot { header, file: Rc::new(file), pages_at })
    }

    /// Opens, reads and checks a saved snapshot.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn open(path: &Path) -> Result<Snapshot, SnapshotError> {
        Snapshot::read(open_file(path)?)
    }

    /// Saves it as a file, whole or not at all.
    ///
    /// # Errors
    /// The file system's reason.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut new = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        let mut own = self.file.try_clone()?;
        own.rewind()?;
        std::io::copy(&mut own, &mut new)?;
        new.flush()?;
        new.persist(path)?;
        Ok(())
    }

    /// The file with its pages, to be mapped.
    pub fn file(&self) -> &Rc<File> {
        &self.file
    }

    /// Its parts of guest memory, each with its offset in [`Snapshot::file`].
    pub fn parts(&self) -> impl Iterator<Item = (Extent, u64)> {
        let mut at = self.pages_at;
        self.header.extents.iter().map(move |extent| {
            let file_offset = at;
            at += extent.bytes;
            (*extent, file_offset)
        })
    }
}

/// What a saved snapshot says of itself; its checksum is not looked at.
///
/// # Errors
/// [`SnapshotError`].
pub fn peek(path: &Path) -> Result<Header, SnapshotError> {
    format::peek(open_file(path)?)
}

/// Reading anything but a file might never end.
fn open_file(path: &Path) -> Result<File, SnapshotError> {
    let facts = std::fs::metadata(path).map_err(SnapshotError::Io)?;
    if facts.is_file() { File::open(path).map_err(SnapshotError::Io) } else { Err(SnapshotError::NotOne) }
}

/// An empty file in memory, to which a snapshot can be written.
///
/// # Errors
/// The system's reason.
pub fn blank_file() -> std::io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    Ok(File::from(memfd_create(c"isobench snapshot", flags)?))
}
