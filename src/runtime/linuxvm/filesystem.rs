//! Which file system a disk image holds, told by its first bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A file system that a guest can have as its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Linux' name for it, for mount(2).
    pub name: &'static str,
    /// The driver that it needs.
    pub driver: &'static str,
    /// It cannot be written to.
    pub read_only: bool,
}

/// Where each says what it is: offset, bytes, name, whether it can only be read.
const KNOWN: [(u64, &[u8], &str, bool); 6] = [
    (0x438, b"\x53\xef", "ext4", false),
    (0, b"hsqs", "squashfs", true),
    (0x400, b"\xe2\xe1\xf5\xe0", "erofs", true),
    (0, b"XFSB", "xfs", false),
    (0x1_0040, b"_BHRfS_M", "btrfs", false),
    (0x8001, b"CD001", "iso9660", true),
];
/// The end of a table of partitions.
const PARTITIONS: (u64, &[u8]) = (0x1fe, b"\x55\xaa");

/// What the image holds.
///
/// # Errors
/// What is there instead, in one clause, and what would be right.
pub fn of(image: &File) -> Result<FileSystem, &'static str> {
    let has = |at, magic: &[u8]| {
        let mut found = vec![0; magic.len()];
        image.read_exact_at(&mut found, at).is_ok() && found == magic
    };
    let known = KNOWN.into_iter().find(|(at, magic, ..)| has(*at, magic));
    match known {
        Some((_, _, name, read_only)) => {
            // ISO 9660's module has a name of its own.
            let driver = if name == "iso9660" { "isofs" } else { name };
            Ok(FileSystem { name, driver, read_only })
        }
        None if has(PARTITIONS.0, PARTITIONS.1) => {
            Err("has a table of partitions; give the image of one partition")
        }
        None => Err("has no file system of ext4, squashfs, erofs, xfs, btrfs or iso9660"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: u64, at: u64, magic: &[u8]) -> File {
        let image = tempfile::tempfile().unwrap();
        image.set_len(bytes).unwrap();
        image.write_all_at(magic, at).unwrap();
        image
    }

    #[test]
    fn a_file_system_is_told_by_its_first_bytes() {
        for (at, magic, name, read_only) in KNOWN {
            let found = of(&image(1 << 20, at, magic)).unwrap();
            assert_eq!((found.name, found.read_only), (name, read_only));
        }
    }

    #[test]
    fn what_is_none_is_said() {
        assert!(of(&image(1 << 20, 0x1fe, b"\x55\xaa")).unwrap_err().contains("partitions"));
        assert!(of(&image(1 << 20, 0, b"MZ")).unwrap_err().contains("no file system"));
        assert!(of(&image(3, 0, b"hsq")).unwrap_err().contains("no file system"));
    }
}
