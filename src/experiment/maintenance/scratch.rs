//! The folder for everything that an experiment makes, gone when it ends, however that is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;

use super::error::MaintenanceError;
use crate::image::remove_tree;

/// What its name begins with.
const PREFIX: &str = "isobench-maintain-";

/// The file in it that is locked while its owner lives.
const LOCK: &str = "lock";

/// Removed with everything in it when dropped. One whose owner was killed is removed by the next experiment
/// that works in the same place.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Scratch {
    /// Makes one in `parent`, where `needed` bytes must be free.
    pub fn new(parent: &Path, needed: u64) -> Result<Scratch, MaintenanceError> {
        sweep(parent);
        require(parent, free_bytes(parent)?, needed)?;
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
        let folder = made.map_err(MaintenanceError::at("making a folder in", parent))?;
        let path = folder.path().join(LOCK);
        let file = File::create(&path).map_err(MaintenanceError::at("making", &path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| MaintenanceError::at("locking", &path)(errno))?;
        Ok(Scratch { folder: folder.keep(), _lock: lock })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A new folder in it.
    pub fn folder(&self, name: &str) -> Result<PathBuf, MaintenanceError> {
        let path = self.path(name);
        fs::create_dir(&path).map_err(MaintenanceError::at("making", &path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the next experiment sweeps.
        let _ = remove_tree(&self.folder);
    }
}

/// Bytes that an ordinary user may still write in `folder`.
pub fn free_bytes(folder: &Path) -> Result<u64, MaintenanceError> {
    let facts = statvfs(folder).map_err(MaintenanceError::at("looking for free space in", folder))?;
    Ok(facts.blocks_available().saturating_mul(facts.fragment_size()))
}

fn require(folder: &Path, free: u64, needed: u64) -> Result<(), MaintenanceError> {
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(MaintenanceError::NoSpace {
        folder: folder.to_owned(),
        free_mib: free >> 20,
        needed_mib: mib(needed),
    })
}

/// Removes what those have left who were killed.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        // One that is just being made has no lock yet, and is passed over.
        let Ok(file) = File::open(entry.path().join(LOCK)) else { continue };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            let _ = remove_tree(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_all_it_holds_and_what_a_killed_one_left_goes_too() {
        let parent = tempfile::tempdir().expect("a folder");
        let scratch = Scratch::new(parent.path(), 1).expect("made");
        fs::write(scratch.folder("some").expect("made").join("file"), b"content").expect("written");
        // A second one leaves the first alone.
        let other = Scratch::new(parent.path(), 1).expect("made");
        assert!(scratch.path("some/file").exists());
        drop((scratch, other));
        assert_eq!(fs::read_dir(parent.path()).expect("readable").count(), 0);
        let killed = parent.path().join(format!("{PREFIX}killed"));
        fs::create_dir(&killed).expect("made");
        fs::write(killed.join(LOCK), b"").expect("written");
        drop(Scratch::new(parent.path(), 1).expect("made"));
        assert!(!killed.exists());
    }

    #[test]
    fn too_little_disk_is_said_before_anything_is_made() {
        let parent = tempfile::tempdir().expect("a folder");
        let error = Scratch::new(parent.path(), u64::MAX).expect_err("never so much").to_string();
        assert!(error.contains("--scratch") && error.contains("MiB"), "{error}");
        assert_eq!(fs::read_dir(parent.path()).expect("readable").count(), 0);
        assert!(require(Path::new("/"), 10, 10).is_ok());
    }
}
