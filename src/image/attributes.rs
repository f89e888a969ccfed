//! Extended attributes (xattr(7)): read from a file, set on another.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What Linux takes at most, of names together and of one value (linux/limits.h, `XATTR_SIZE_MAX`).
const LONGEST: usize = 64 << 10;

/// The attributes of the file itself, never of what a link leads to. Those of overlayfs are left out: they
/// say what a layer does to those below, and nothing of the file.
pub(super) fn read(path: &Path) -> Vec<(CString, Vec<u8>)> {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return Vec::new() };
    let mut list = vec![0u8; LONGEST];
    // SAFETY: a zero-terminated path; writes at most the length of the buffer into it.
    let length = unsafe { libc::llistxattr(path.as_ptr(), list.as_mut_ptr().cast(), list.len()) };
    let list = list.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .filter_map(|name| CString::new(name).ok())
        .filter(|name| !is_of_overlay(name))
        .filter_map(|name| value(&path, &name).map(|value| (name, value)))
        .collect()
}

/// Whether overlayfs keeps this attribute for itself.
pub(super) fn is_of_overlay(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// The value of one attribute.
pub(super) fn value(path: &CStr, name: &CStr) -> Option<Vec<u8>> {
    let mut value = vec![0u8; LONGEST];
    // SAFETY: zero-terminated strings; writes at most the length of the buffer into it.
    let length =
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(length).ok()?);
    Some(value)
}

/// Sets one attribute of an open file.
pub(super) fn set(file: &impl AsFd, name: &CStr, value: &[u8]) -> io::Result<()> {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: a zero-terminated name, and a value of the given length, which the kernel only reads.
    match unsafe { libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
