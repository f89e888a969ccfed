//! Where there is no overlayfs: copying a root, as operations that need no memory of their own.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::operation::Operation;
use crate::runtime::RuntimeError;

/// What makes `target` a copy of the folder `source`, and what it will lack.
///
/// # Errors
/// When `source` cannot be read.
pub(super) fn operations(
    source: &Path,
    target: &Path,
) -> Result<(Vec<Operation>, Vec<String>), RuntimeError> {
    let mut copy = Copy { operations: Vec::new(), left_out: false };
    copy.folder(source, target)?;
    let note = "devices and extended attributes are not in the copy";
    Ok((copy.operations, copy.left_out.then(|| note.to_owned()).into_iter().collect()))
}

struct Copy {
    operations: Vec<Operation>,
    left_out: bool,
}

impl Copy {
    /// Its own mode and time come last, when nothing is written into it any more.
    fn folder(&mut self, source: &Path, target: &Path) -> Result<(), RuntimeError> {
        let reading = || RuntimeError::step::<std::io::Error>(format!("reading {}", source.display()));
        let facts = fs::symlink_metadata(source).map_err(reading())?;
        self.operations.push(Operation::Directory { path: c_path(target)?, mode: 0o700 });
        let entries: Result<Vec<_>, _> = fs::read_dir(source).map_err(reading())?.collect();
        let mut names: Vec<PathBuf> =
            entries.map_err(reading())?.iter().map(|entry| entry.file_name().into()).collect();
        names.sort();
        for name in names {
            self.entry(&source.join(&name), &target.join(&name))?;
        }
        self.attributes(target, &facts)
    }

    fn entry(&mut self, source: &Path, target: &Path) -> Result<(), RuntimeError> {
        let reading = || RuntimeError::step::<std::io::Error>(format!("reading {}", source.display()));
        let facts = fs::symlink_metadata(source).map_err(reading())?;
        let kind = facts.file_type();
        if kind.is_dir() {
            return self.folder(source, target);
        }
        if kind.is_file() {
            self.operations.push(Operation::CopyFile { from: c_path(source)?, to: c_path(target)? });
        } else if kind.is_symlink() {
            let to = fs::read_link(source).map_err(reading())?;
            self.operations.push(Operation::Symlink { path: c_path(target)?, to: c_path(&to)? });
        } else if kind.is_fifo() {
            self.operations.push(Operation::Fifo(c_path(target)?));
        } else {
            self.left_out = true;
            return Ok(());
        }
        self.attributes(target, &facts)
    }

    fn attributes(&mut self, target: &Path, facts: &fs::Metadata) -> Result<(), RuntimeError> {
        self.operations.push(Operation::Attributes {
            path: c_path(target)?,
            owner: (facts.uid(), facts.gid()),
            mode: (!facts.is_symlink()).then(|| facts.mode() & 0o7777),
            modified: (facts.mtime(), facts.mtime_nsec()),
        });
        Ok(())
    }
}

fn c_path(path: &Path) -> Result<CString, RuntimeError> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| RuntimeError::BadSpec("a path holds a zero byte".into()))
}
