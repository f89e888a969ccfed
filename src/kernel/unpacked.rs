//! Unpacked kernels, kept in the user's cache so that a kernel is unpacked once and not at every run.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::KernelError;
use super::image::BzImage;
use super::unpack::unpack;

/// So many are kept; the ones that were used least recently go.
const KEPT: usize = 4;
const SUFFIX: &str = "vmlinux";

/// The kernel proper inside an open bzImage, unpacked: from the cache, or unpacked into it. Where no cache can
/// be written, a memory file.
///
/// # Errors
/// A damaged file.
pub fn vmlinux(file: &File, path: &Path, image: &BzImage) -> Result<File, KernelError> {
    let facts = file.metadata().map_err(KernelError::at("looking at", path))?;
    let key = key(&facts);
    let folder = cache();
    if let Some(folder) = &folder
        && let Ok(kept) = File::open(folder.join(&key))
    {
        // Marks it as used; a cache of somebody else's makes no difference.
        let _ = kept.set_modified(SystemTime::now());
        return Ok(kept);
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            let problem = format!("cannot be unpacked: it is {error}; copy it again");
            KernelError::NotAKernel { file: path.display().to_string(), problem }
        }
        _ => KernelError::at("unpacking", path)(error),
    };
    match folder.as_ref().map(|folder| fill(folder, &key, file, image)) {
        Some(Ok(kept)) => Ok(kept),
        Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(failed(error)),
        _ => in_memory(file, image).map_err(failed),
    }
}

/// Where the unpacked form of the kernel at `path` is kept, if it is.
pub fn kept(path: &Path) -> Option<PathBuf> {
    let kept = cache()?.join(key(&fs::metadata(path).ok()?));
    kept.exists().then_some(kept)
}

/// Whoever changes a file changes one of these.
fn key(facts: &fs::Metadata) -> String {
    format!(
        "{:x}-{:x}-{:x}-{:x}.{:09}.{SUFFIX}",
        facts.dev(),
        facts.ino(),
        facts.size(),
        facts.mtime(),
        facts.mtime_nsec()
    )
}

/// `$XDG_CACHE_HOME/isobench/kernels`, or the same below `~/.cache`.
fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    Some(base.or_else(|| set("HOME").map(|home| home.join(".cache")))?.join("isobench/kernels"))
}

fn fill(folder: &Path, key: &str, file: &File, image: &BzImage) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    // Complete or not there at all.
    let mut scratch = tempfile::NamedTempFile::new_in(folder)?;
    {
        let mut output = BufWriter::with_capacity(1 << 20, scratch.as_file_mut());
        unpack(file, image, &mut output)?;
        output.flush()?;
    }
    let kept = scratch.persist(folder.join(key))?;
    forget_oldest(folder);
    File::open(folder.join(key)).or(Ok(kept))
}

/// Removes what was not used for longest; what cannot be removed stays.
fn forget_oldest(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut kept: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == SUFFIX))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    kept.sort();
    for (_, path) in kept.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(path);
    }
}

fn in_memory(file: &File, image: &BzImage) -> io::Result<File> {
    let memory = File::from(memfd_create(c"isobench kernel", MFdFlags::MFD_CLOEXEC)?);
    let mut output = BufWriter::with_capacity(1 << 20, &memory);
    unpack(file, image, &mut output)?;
    output.flush()?;
    drop(output);
    Ok(memory)
}
