//! Linux's constants and structures for file calls on x86-64.

use crate::kind::Attributes;

/// A point in time since the epoch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds, below 10⁹.
    pub nanos: u32,
}

// include/uapi/linux/stat.h
pub(crate) const S_IFMT: u32 = 0o170000;
pub(crate) const S_IFIFO: u32 = 0o010000;
pub(crate) const S_IFCHR: u32 = 0o020000;
pub(crate) const S_IFDIR: u32 = 0o040000;
pub(crate) const S_IFREG: u32 = 0o100000;
pub(crate) const S_IFLNK: u32 = 0o120000;

// include/uapi/asm-generic/fcntl.h
pub(crate) const O_ACCMODE: u32 = 0o3;
pub(crate) const O_RDONLY: u32 = 0;
pub(crate) const O_WRONLY: u32 = 1;
pub(crate) const O_RDWR: u32 = 2;
pub(crate) const O_CREAT: u32 = 0o100;
pub(crate) const O_EXCL: u32 = 0o200;
/// Means something to `open` alone; `F_GETFL` does not show it.
pub(crate) const O_OPENING: u32 = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
pub(crate) const O_NOCTTY: u32 = 0o400;
pub(crate) const O_TRUNC: u32 = 0o1000;
pub(crate) const O_APPEND: u32 = 0o2000;
pub(crate) const O_NONBLOCK: u32 = 0o4000;
pub(crate) const O_ASYNC: u32 = 0o20000;
pub(crate) const O_DIRECT: u32 = 0o40000;
pub(crate) const O_LARGEFILE: u32 = 0o100000;
pub(crate) const O_DIRECTORY: u32 = 0o200000;
pub(crate) const O_NOFOLLOW: u32 = 0o400000;
pub(crate) const O_NOATIME: u32 = 0o1000000;
pub(crate) const O_CLOEXEC: u32 = 0o2000000;
pub(crate) const O_PATH: u32 = 0o10000000;
/// `__O_TMPFILE | O_DIRECTORY`.
pub(crate) const O_TMPFILE: u32 = 0o20000000 | O_DIRECTORY;

pub(crate) const AT_FDCWD: i32 = -100;
pub(crate) const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
pub(crate) const AT_REMOVEDIR: u64 = 0x200;
pub(crate) const AT_EACCESS: u64 = 0x200;
pub(crate) const AT_SYMLINK_FOLLOW: u64 = 0x400;
pub(crate) const AT_NO_AUTOMOUNT: u64 = 0x800;
pub(crate) const AT_EMPTY_PATH: u64 = 0x1000;
pub(crate) const AT_STATX_SYNC_TYPE: u64 = 0x6000;

/// A call moves no more than this (include/linux/fs.h).
pub(crate) const MAX_RW_COUNT: u64 = 0x7fff_f000;
/// Longest name of a file.
pub(crate) const NAME_MAX: usize = 255;
/// Longest path, its NUL included.
pub(crate) const PATH_MAX: usize = 4096;
/// Symbolic links followed in one path (MAXSYMLINKS).
pub(crate) const LINKS_MAX: u32 = 40;

/// The one file system's `st_dev`: major 0, as every file system without a disk.
const DEVICE: u64 = 26;
const BLOCK_SIZE: u64 = 4096;
/// `st_blocks` counts in units of 512 bytes.
const SECTORS_PER_PAGE: u64 = 8;

/// The inode number shown for a node: never 0, which would mean a deleted entry.
pub(crate) fn inode_number(node: u32) -> u64 {
    u64::from(node) + 1
}

// The structures below are put together in registers, a word at a time: no padding is left unset.

/// Two 32-bit fields in one word; x86-64 is little-endian.
fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) | u64::from(second) << 32
}

/// `struct stat` (arch/x86/include/uapi/asm/stat.h).
pub(crate) fn stat(attributes: &Attributes) -> [u64; 18] {
    let Attributes { node, mode, links, uid, gid, device, size, pages, accessed, modified, changed } =
        *attributes;
    [
        DEVICE,
        inode_number(node),
        u64::from(links),
        pair(mode, uid),
        pair(gid, 0),
        u64::from(device),
        size,
        BLOCK_SIZE,
        pages * SECTORS_PER_PAGE,
        accessed.seconds as u64,
        u64::from(accessed.nanos),
        modified.seconds as u64,
        u64::from(modified.nanos),
        changed.seconds as u64,
        u64::from(changed.nanos),
        0,
        0,
        0,
    ]
}

/// `STATX_BASIC_STATS`: all that `stat` tells.
const STATX_BASIC_STATS: u32 = 0x7ff;

/// `struct statx` (include/uapi/linux/stat.h).
pub(crate) fn statx(attributes: &Attributes) -> [u64; 32] {
    let Attributes { node, mode, links, uid, gid, device, size, pages, accessed, modified, changed } =
        *attributes;
    let (major, minor) = major_minor(device);
    let mut statx = [0; 32];
    let (basic, times) = statx.split_at_mut(8);
    basic.copy_from_slice(&[
        pair(STATX_BASIC_STATS, BLOCK_SIZE as u32),
        0,
        pair(links, uid),
        pair(gid, mode),
        inode_number(node),
        size,
        pages * SECTORS_PER_PAGE,
        0,
    ]);
    // The second is the time of birth, which is not known.
    for (into, time) in times.chunks_exact_mut(2).zip([accessed, Time::default(), changed, modified]) {
        into.copy_from_slice(&[time.seconds as u64, u64::from(time.nanos)]);
    }
    statx[16] = pair(major, minor);
    statx[17] = pair(0, DEVICE as u32);
    statx
}

/// Splits a device number below 2²⁰ (include/linux/kdev_t.h, new_decode_dev).
fn major_minor(device: u32) -> (u32, u32) {
    ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00))
}

/// `TMPFS_MAGIC` (include/uapi/linux/magic.h).
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// `ST_VALID | ST_NOATIME`: reading does not change the time of access.
const MOUNT_FLAGS: u64 = 0x20 | 0x400;

/// `struct statfs`, with the file system's size and free space in bytes.
pub(crate) fn statfs(total: u64, free: u64) -> [u64; 15] {
    let (total, free) = (total / BLOCK_SIZE, free / BLOCK_SIZE);
    [
        TMPFS_MAGIC,
        BLOCK_SIZE,
        total,
        free,
        free,
        0,
        0,
        0,
        NAME_MAX as u64,
        BLOCK_SIZE,
        MOUNT_FLAGS,
        0,
        0,
        0,
        0,
    ]
}
