//! The page cache: making it forget files, and telling how much of a file it holds.
//!
//! Two ways. Per file, `posix_fadvise(POSIX_FADV_DONTNEED)` drops what nobody maps or is writing, and needs no rights
//! beyond reading the file (posix_fadvise(2)). For the whole host, `/proc/sys/vm/drop_caches` drops all clean pages, directory
//! entries and inodes, of everybody; only root may (Documentation/admin-guide/sysctl/vm.rst).

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

const PAGE: usize = 4096;
const DROP_CACHES: &str = "/proc/sys/vm/drop_caches";
/// Files of a root that are dropped; a larger root stays warm beyond them, which the kept bytes do not show.
const MOST_FILES: usize = 200_000;

/// What became of some files' pages, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// In the cache before, and no longer.
    pub dropped_bytes: u64,
    /// Still there.
    pub kept_bytes: u64,
}

/// Drops these files. One that cannot be opened holds no page that a launch could read.
pub fn drop_files(files: &[PathBuf]) -> Dropped {
    let mut sum = Dropped::default();
    for file in files.iter().filter_map(|path| File::open(path).ok()) {
        let before = resident_bytes(&file).unwrap_or(0);
        // Pages that are not on the disk yet cannot be dropped.
        let _ = nix::unistd::fdatasync(&file);
        let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        let kept = resident_bytes(&file).unwrap_or(0);
        sum.kept_bytes += kept;
        sum.dropped_bytes += before.saturating_sub(kept);
    }
    sum
}

/// Drops the page cache of the whole host, and tells what became of these files in it.
///
/// # Errors
/// Who is not root may not, nor may root in most containers.
pub fn drop_all(files: &[PathBuf]) -> io::Result<Dropped> {
    let resident =
        || -> u64 { files.iter().filter_map(|path| resident_bytes(&File::open(path).ok()?).ok()).sum() };
    let before = resident();
    nix::unistd::sync();
    fs::OpenOptions::new().write(true).open(DROP_CACHES)?.write_all(b"3\n")?;
    let kept_bytes = resident();
    Ok(Dropped { dropped_bytes: before.saturating_sub(kept_bytes), kept_bytes })
}

/// Whether [`drop_all`] may be called.
pub fn may_drop_all() -> bool {
    fs::OpenOptions::new().write(true).open(DROP_CACHES).is_ok()
}

/// The regular files below `folder`; links are not followed.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && files.len() < MOST_FILES => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}

/// How much of a file is in the page cache, by `mincore` (mincore(2)); since Linux 5.2 it tells the truth only to who
/// may write to the file or owns it, and otherwise says that all is there.
///
/// # Errors
/// The system's reason.
pub fn resident_bytes(file: &File) -> io::Result<u64> {
    let Some(length) = NonZeroUsize::new(file.metadata()?.len() as usize) else { return Ok(0) };
    // SAFETY: a new mapping at an address of the kernel's choice, of which no reference is ever made; its pages are not touched.
    let address = unsafe { mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file.as_fd(), 0) }?;
    let mut pages = vec![0u8; length.get().div_ceil(PAGE)];
    // SAFETY: the range is that mapping, and the vector has a byte for each of its pages.
    let outcome = match unsafe { libc::mincore(address.as_ptr(), length.get(), pages.as_mut_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: that mapping, which nothing uses any more.
    unsafe { munmap(address, length.get()) }?;
    outcome?;
    Ok(pages.iter().filter(|page| **page & 1 != 0).count() as u64 * PAGE as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_dropped_and_comes_back_when_it_is_read() {
        // In the build's folder, since a temporary one may be in memory, where nothing can be dropped.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("inner/file");
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(&path, vec![7; 10 * PAGE]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
        let files = files_below(folder.path());
        assert_eq!(files, std::slice::from_ref(&path));
        let dropped = drop_files(&files);
        assert_eq!(dropped, Dropped { dropped_bytes: 10 * PAGE as u64, kept_bytes: 0 });
        fs::read(&path).unwrap();
        assert_eq!(resident_bytes(&File::open(&path).unwrap()).unwrap(), 10 * PAGE as u64);
    }

    #[test]
    fn what_is_not_there_is_passed_over() {
        assert_eq!(drop_files(&["/no/such/file".into(), "/dev/null".into()]), Dropped::default());
        assert!(files_below(Path::new("/no/such/folder")).is_empty());
    }
}
