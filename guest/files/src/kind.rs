//! What a node is, and what is told of it.

use crate::linux::{S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, Time};
use crate::store::NodeId;

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Directory,
    Regular,
    Symlink,
    /// A character device, by number.
    Device(u32),
    /// A file of `/proc`, by generator.
    Generated(u32),
    /// `/proc/self/fd`.
    DescriptorDirectory,
    /// `/proc/self/fd/N`.
    DescriptorLink(u32),
    Pipe,
    Event,
    Watch,
    /// A stream of the console: 0 is read, 1 and 2 are written.
    Console(u32),
}

impl Kind {
    pub(crate) fn is_directory(self) -> bool {
        matches!(self, Kind::Directory | Kind::DescriptorDirectory)
    }

    pub(crate) fn is_link(self) -> bool {
        matches!(self, Kind::Symlink | Kind::DescriptorLink(_))
    }
}

/// What `stat` tells of a node.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attributes {
    pub(crate) node: NodeId,
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: u32,
    pub(crate) size: u64,
    pub(crate) pages: u64,
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
}

/// The type of a directory entry (`d_type`) of a node of this kind.
pub(crate) fn entry_type(kind: Kind) -> u8 {
    // DT_* are the mode's type bits, shifted: include/linux/fs_types.h.
    let mode = match kind {
        Kind::Directory | Kind::DescriptorDirectory => S_IFDIR,
        Kind::Regular | Kind::Generated(_) => S_IFREG,
        Kind::Symlink | Kind::DescriptorLink(_) => S_IFLNK,
        Kind::Device(_) => S_IFCHR,
        Kind::Pipe | Kind::Console(_) => S_IFIFO,
        Kind::Event | Kind::Watch => 0,
    };
    ((mode & S_IFMT) >> 12) as u8
}
