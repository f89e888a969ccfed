//! One layer, from a tar stream to a folder.
//!
//! The folder holds the layer as shipped: whiteouts stay what they are in the archive, empty files
//! named `.wh.NAME`, until [`super::flatten`] applies them. Everything in the archive is hostile until
//! proven otherwise: each folder on the way to an entry is opened by its own name, without following
//! links, so that nothing is ever written elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fstatat, makedev, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Uid, UnlinkatFlags, linkat, symlinkat, unlinkat};
use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::guard::{Allowance, Guarded};
use super::whiteout::{self, Name};

mod header;
mod metadata;

use header::{Facts, inside, link_target};

/// Entries that a layer may have; a large distribution with everything has a million.
const MOST_ENTRIES: u64 = 4_000_000;

/// Why a layer was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// What the archive holds, or that it ends too early.
    #[error("{0}")]
    Bad(String),
    /// More bytes than allowed.
    #[error("larger than the limit when unpacked")]
    TooLarge,
    /// The folder cannot be written to.
    #[error("{0}: {1}")]
    Io(String, io::Error),
}

/// What is known of a layer besides its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// What could not be kept, for the user to know.
    pub notes: Vec<String>,
    /// Folders that the layer has no entry for, but only something inside: they look as they do in the
    /// layers below.
    pub implied: BTreeSet<OsString>,
}

/// Unpacks a layer's tar `stream`, already decompressed, into the empty folder `to`.
///
/// # Errors
/// [`UnpackError::TooLarge`] where files have more than `limit` bytes together; what was unpacked so
/// far is then for the caller to remove.
pub fn unpack(stream: impl Read, to: &Path, limit: u64) -> Result<Unpacked, UnpackError> {
    let root = nix::fcntl::open(to, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|errno| UnpackError::Io(format!("opening {}", to.display()), errno.into()))?;
    let (reader, allowance) = Guarded::new(stream);
    let mut archive = tar::Archive::new(reader);
    let mut unpacker = Unpacker {
        folder: to,
        here: (PathBuf::new(), reopen(&root)?),
        root,
        folders: BTreeMap::new(),
        left: limit,
        privileged: Uid::effective().is_root(),
        notes: BTreeSet::new(),
        buffer: vec![0; 1 << 17],
    };
    let mut count = 0;
    for entry in archive.entries().map_err(archive_error)? {
        let mut entry = entry.map_err(archive_error)?;
        count += 1;
        if count > MOST_ENTRIES {
            return Err(UnpackError::Bad(format!("more than {MOST_ENTRIES} entries")));
        }
        unpacker.entry(&mut entry, &allowance)?;
        allowance.renew();
    }
    unpacker.finish()
}

/// The archive's own errors: what its bytes say is wrong with them.
fn archive_error(error: io::Error) -> UnpackError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => UnpackError::TooLarge,
        _ => UnpackError::Bad(format!("the archive is broken or truncated: {error}")),
    }
}

fn reopen(fd: &OwnedFd) -> Result<OwnedFd, UnpackError> {
    fd.try_clone().map_err(|error| UnpackError::Io("duplicating a descriptor".into(), error))
}

/// What a folder gets once nothing more is written into it.
struct FolderFacts {
    mode: u32,
    modified: TimeSpec,
    owner: (u32, u32),
    implied: bool,
}

const IMPLIED: FolderFacts =
    FolderFacts { mode: 0o755, modified: TimeSpec::new(0, 0), owner: (0, 0), implied: true };

struct Unpacker<'a> {
    folder: &'a Path,
    root: OwnedFd,
    /// The folder of the entry before: most often that of the next one too.
    here: (PathBuf, OwnedFd),
    folders: BTreeMap<PathBuf, FolderFacts>,
    /// Bytes that may still be unpacked.
    left: u64,
    privileged: bool,
    notes: BTreeSet<String>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        allowance: &Allowance,
    ) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let facts = Facts::read(entry)?;
        let shown = facts.path.display().to_string();
        let failed = |errno: Errno| UnpackError::Io(format!("unpacking {shown}"), errno.into());
        let (Some(folder), Some(name)) = (facts.path.parent(), facts.path.file_name()) else {
            return self.root_entry(kind, facts);
        };
        match whiteout::name(name) {
            Ok(Name::Ordinary) => {}
            Ok(Name::Ignored) => return Ok(()),
            Ok(Name::Whiteout(_) | Name::Opaque) if kind.is_file() => {}
            Ok(Name::Whiteout(_) | Name::Opaque) => {
                return Err(UnpackError::Bad(format!("{shown}: a whiteout must be a regular file")));
            }
            Err(problem) => return Err(UnpackError::Bad(format!("{shown}: {problem}"))),
        }
        self.enter(folder, true, &shown)?;
        if kind.is_dir() {
            if !self.is_directory(name) {
                self.remove(&facts.path, name).map_err(failed)?;
                mkdirat(&self.here.1, name, Mode::S_IRWXU).map_err(failed)?;
            }
            let fd = self.open_directory(name).map_err(failed)?;
            self.attributes(&fd, &facts.extensions);
            let Facts { path, mode, modified, owner, .. } = facts;
            self.folders.insert(path, FolderFacts { mode, modified, owner, implied: false });
            return Ok(());
        }
        if kind.is_hard_link() {
            return self.hard_link(entry, &facts, name);
        }
        self.remove(&facts.path, name).map_err(failed)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.regular(entry, &facts, name, allowance)?;
            }
            EntryType::Symlink => {
                let target = link_target(entry, &shown)?;
                symlinkat(target.as_path(), &self.here.1, name).map_err(failed)?;
                self.own(name, facts.owner).map_err(failed)?;
            }
            EntryType::Fifo => {
                mknodat(&self.here.1, name, SFlag::S_IFIFO, Mode::S_IRUSR, 0).map_err(failed)?;
                self.own(name, facts.owner).map_err(failed)?;
                self.permit(name, facts.mode, 0o400).map_err(failed)?;
            }
            EntryType::Char | EntryType::Block => {
                let made = self.device(entry, kind, name).map_err(|errno| match errno {
                    Errno::EPERM | Errno::EACCES => UnpackError::Bad(format!(
                        "{shown}: a device node, which only root can make; load the image as root, or make it \
                         without: a sandbox has a /dev of its own"
                    )),
                    errno => failed(errno),
                })?;
                if !made {
                    return Ok(());
                }
                self.own(name, facts.owner).map_err(failed)?;
                self.permit(name, facts.mode, 0o400).map_err(failed)?;
            }
            other => {
                let letter = char::from(other.as_byte()).escape_default();
                return Err(UnpackError::Bad(format!("{shown}: an entry of unknown type '{letter}'")));
            }
        }
        utimensat(&self.here.1, name, &facts.modified, &facts.modified, UtimensatFlags::NoFollowSymlink)
            .map_err(failed)
    }

    /// `./`: the root folder's own mode and owner.
    fn root_entry(&mut self, kind: EntryType, facts: Facts) -> Result<(), UnpackError> {
        if !kind.is_dir() {
            return Err(UnpackError::Bad("an entry without a name".into()));
        }
        let Facts { path, mode, modified, owner, .. } = facts;
        self.folders.insert(path, FolderFacts { mode, modified, owner, implied: false });
        Ok(())
    }

    /// Makes `folder` the current one; with `create`, makes what is missing of it.
    fn enter(&mut self, folder: &Path, create: bool, shown: &str) -> Result<(), UnpackError> {
        if self.here.0 == folder {
            return Ok(());
        }
        let mut passed = (PathBuf::new(), reopen(&self.root)?);
        for name in folder {
            let through = passed.0.join(name);
            if name.as_bytes().starts_with(whiteout::PREFIX) {
                return Err(UnpackError::Bad(format!("{shown}: a whiteout cannot be a folder")));
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mut opened = openat(&passed.1, name, flags, Mode::empty());
            if create && matches!(opened, Err(Errno::ENOENT)) {
                mkdirat(&passed.1, name, Mode::S_IRWXU).map_err(|errno| {
                    UnpackError::Io(format!("making {}", through.display()), errno.into())
                })?;
                self.folders.insert(through.clone(), IMPLIED);
                opened = openat(&passed.1, name, flags, Mode::empty());
            }
            passed.1 = opened.map_err(|errno| match errno {
                Errno::ENOTDIR | Errno::ELOOP if readlinkat(&passed.1, name).is_ok() => {
                    UnpackError::Bad(format!(
                        "{shown}: leads through the symbolic link {} of the same layer",
                        through.display()
                    ))
                }
                Errno::ENOTDIR => UnpackError::Bad(format!("{shown}: {} is not a folder", through.display())),
                errno => UnpackError::Io(format!("opening {}", through.display()), errno.into()),
            })?;
            passed.0 = through;
        }
        self.here = passed;
        Ok(())
    }

    fn is_directory(&self, name: &OsStr) -> bool {
        fstatat(&self.here.1, name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|facts| facts.st_mode & libc::S_IFMT == libc::S_IFDIR)
    }

    fn open_directory(&self, name: &OsStr) -> nix::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.here.1, name, flags, Mode::empty())
    }

    /// Removes what an earlier entry put in this one's place: the last one counts.
    fn remove(&mut self, path: &Path, name: &OsStr) -> nix::Result<()> {
        match unlinkat(&self.here.1, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EISDIR) => {
                // Every folder above is a real one, and nobody else writes here.
                std::fs::remove_dir_all(self.folder.join(path))
                    .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
                self.folders.retain(|folder, _| !folder.starts_with(path));
                Ok(())
            }
            Err(errno) => Err(errno),
        }
    }

    fn hard_link<R: Read>(
        &mut self,
        entry: &tar::Entry<'_, R>,
        facts: &Facts,
        name: &OsStr,
    ) -> Result<(), UnpackError> {
        let shown = facts.path.display().to_string();
        let written = link_target(entry, &shown)?;
        // Some tools write it with a leading slash; it means the layer's root.
        let target = inside(written.strip_prefix("/").unwrap_or(&written)).ok_or_else(|| {
            UnpackError::Bad(format!("{shown}: a hard link to {}, outside", written.display()))
        })?;
        let missing = || {
            UnpackError::Bad(format!(
                "{shown}: a hard link to {}, which the layer does not hold before it",
                target.display()
            ))
        };
        let (Some(folder), Some(target_name)) = (target.parent(), target.file_name()) else {
            return Err(missing());
        };
        if target == facts.path {
            return Err(UnpackError::Bad(format!("{shown}: a hard link to itself")));
        }
        let here = (self.here.0.clone(), reopen(&self.here.1)?);
        self.enter(folder, false, &shown).map_err(|error| match error {
            UnpackError::Io(..) => missing(),
            bad => bad,
        })?;
        let from = std::mem::replace(&mut self.here, here);
        let found = fstatat(&from.1, target_name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|_| missing())?;
        if found.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return Err(UnpackError::Bad(format!("{shown}: a hard link to the folder {}", target.display())));
        }
        let failed = |errno: Errno| UnpackError::Io(format!("linking {shown}"), errno.into());
        self.remove(&facts.path, name).map_err(failed)?;
        linkat(&from.1, target_name, &self.here.1, name, AtFlags::empty()).map_err(failed)
    }

    fn regular<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        facts: &Facts,
        name: &OsStr,
        allowance: &Allowance,
    ) -> Result<(), UnpackError> {
        let shown = facts.path.display().to_string();
        let failed = |error: io::Error| UnpackError::Io(format!("unpacking {shown}"), error);
        allowance.content(entry.size());
        let sparse = facts
            .extensions
            .sparse(entry)
            .map_err(|problem| UnpackError::Bad(format!("{shown}: {problem}")))?;
        let size = sparse.as_ref().map_or(entry.size(), |map| map.size);
        self.left = self.left.checked_sub(size).ok_or(UnpackError::TooLarge)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.here.1, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|errno| failed(errno.into()))?;
        let mut file = File::from(file);
        match sparse {
            Some(map) => {
                for (offset, length) in map.pieces {
                    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                    self.copy(entry, &mut file, length, false, &shown)?;
                }
            }
            None => self.copy(entry, &mut file, size, entry.header().entry_type().is_gnu_sparse(), &shown)?,
        }
        file.set_len(size).map_err(failed)?;
        self.own(name, facts.owner).map_err(|errno| failed(errno.into()))?;
        self.permit(name, facts.mode, 0o400).map_err(|errno| failed(errno.into()))?;
        self.attributes(&file, &facts.extensions);
        Ok(())
    }

    /// Copies exactly `length` bytes; with `holes`, leaves out blocks of zeros.
    fn copy(
        &mut self,
        from: &mut impl Read,
        to: &mut File,
        length: u64,
        holes: bool,
        shown: &str,
    ) -> Result<(), UnpackError> {
        let mut left = length;
        while left > 0 {
            let wanted = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = match from.read(self.buffer.get_mut(..wanted).unwrap_or_default()) {
                Ok(0) => return Err(UnpackError::Bad(format!("{shown}: the archive is truncated"))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                got => got.map_err(archive_error)?,
            };
            let read = self.buffer.get(..got).unwrap_or_default();
            let written = if holes && read.iter().all(|byte| *byte == 0) {
                to.seek_relative(got as i64)
            } else {
                to.write_all(read)
            };
            written.map_err(|error| UnpackError::Io(format!("unpacking {shown}"), error))?;
            left -= got as u64;
        }
        Ok(())
    }

    /// Makes a device node, where that is allowed. A character device 0:0 is none: it is what overlayfs
    /// takes for a whiteout.
    fn device<R: Read>(
        &mut self,
        entry: &tar::Entry<'_, R>,
        kind: EntryType,
        name: &OsStr,
    ) -> nix::Result<bool> {
        let number = |field: io::Result<Option<u32>>| field.ok().flatten().unwrap_or(0);
        let (major, minor) = (number(entry.header().device_major()), number(entry.header().device_minor()));
        if (major, minor) == (0, 0) {
            self.notes.insert("a device 0:0 was left out: overlayfs takes it for a whiteout".into());
            return Ok(false);
        }
        let file_kind = if kind == EntryType::Char { SFlag::S_IFCHR } else { SFlag::S_IFBLK };
        let device = makedev(major.into(), minor.into());
        mknodat(&self.here.1, name, file_kind, Mode::S_IRUSR, device).map(|()| true)
    }
}
