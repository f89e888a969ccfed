//! The read-only initial tree: its binary format, and views of it without a copy.
//!
//! The host packs the tree ([`crate::pack`]) into *metadata*, drawn below, and maps the files' contents
//! into a *window* beside it, each at a page boundary, so that nothing is read before it is used.
//!
//! ```text
//! ┌────────┬──────────────┬────────────────┬───────┐
//! │ Header │ NodeRecord … │ EntryRecord …  │ names │   native byte order, 8-byte aligned
//! └────────┴──────────────┴────────────────┴───────┘
//! ```
//!
//! Node 0 is the root. A directory's entries lie side by side, sorted by name, so a name is found by
//! bisection; a key of its first bytes saves most comparisons. A damaged tree can give wrong names, never an access out of bounds.

use core::mem::{align_of, offset_of, size_of};

use crate::linux::Time;

/// The first bytes of the metadata.
pub const MAGIC: [u8; 8] = *b"ISOTREE1";

/// What the metadata begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// How many [`NodeRecord`]s follow.
    pub nodes: u32,
    /// How many [`EntryRecord`]s follow them.
    pub entries: u32,
    /// Length of the names in bytes.
    pub names: u32,
    /// Where in the names the program's absolute path begins.
    pub program_at: u32,
    /// Its length; 0 without a program.
    pub program_length: u32,
    /// The node of the program's first working directory; 0 is the root.
    pub working_directory: u32,
}

/// A file, directory, symbolic link or device.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NodeRecord {
    /// One of the `KIND_` constants.
    pub kind: u32,
    /// As `st_mode`: type and permissions.
    pub mode: u32,
    /// Link count.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Nanoseconds of the modification time.
    pub mtime_nanos: u32,
    /// Seconds of the modification time.
    pub mtime_seconds: i64,
    /// Directory: first entry. Symbolic link: where in the names its target begins. Device: its number.
    /// Generated: which text.
    pub first: u32,
    /// Directory: number of entries. Symbolic link: length of its target.
    pub count: u32,
    /// Directory: the directory it lies in.
    pub parent: u32,
    /// `FLAG_` bits.
    pub flags: u32,
    /// Regular file: where its contents begin in the window.
    pub offset: u64,
    /// Regular file: length of its contents.
    pub length: u64,
}

/// A name in a directory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EntryRecord {
    /// Its first bytes: see `name_key`.
    pub key: u64,
    /// Where in the names it begins.
    pub name_at: u32,
    /// Its length.
    pub name_length: u32,
    /// The node that it names.
    pub node: u32,
    /// Zero.
    pub reserved: u32,
}

/// [`NodeRecord::kind`]: a directory.
pub const KIND_DIRECTORY: u32 = 1;
/// [`NodeRecord::kind`]: a regular file.
pub const KIND_REGULAR: u32 = 2;
/// [`NodeRecord::kind`]: a symbolic link.
pub const KIND_SYMLINK: u32 = 3;
/// [`NodeRecord::kind`]: a character device.
pub const KIND_DEVICE: u32 = 4;
/// [`NodeRecord::kind`]: a file of `/proc`, whose text is made when it is opened.
pub const KIND_GENERATED: u32 = 5;
/// [`NodeRecord::kind`]: `/proc/self/fd`.
pub const KIND_DESCRIPTORS: u32 = 6;

/// [`NodeRecord::flags`]: a directory in which nothing can be made or removed.
pub const FLAG_SEALED: u32 = 1;

const _: () = {
    assert!(size_of::<Header>() == 32 && align_of::<Header>() == 4);
    assert!(size_of::<NodeRecord>() == 64 && align_of::<NodeRecord>() == 8);
    assert!(offset_of!(NodeRecord, mtime_seconds) == 24 && offset_of!(NodeRecord, offset) == 48);
    assert!(size_of::<EntryRecord>() == 24 && align_of::<EntryRecord>() == 8);
    assert!(size_of::<Header>().is_multiple_of(align_of::<NodeRecord>()));
};

/// Why bytes are no tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeError {
    /// The metadata does not begin at a multiple of 8.
    Misaligned,
    /// It does not begin with [`MAGIC`].
    NoMagic,
    /// It ends before all that its header announces.
    TooShort,
    /// Node 0 is not a directory.
    NoRoot,
}

/// A view of a packed tree.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    nodes: &'a [NodeRecord],
    entries: &'a [EntryRecord],
    names: &'a [u8],
    window: &'a [u8],
    program: &'a [u8],
    working_directory: u32,
}

impl<'a> Tree<'a> {
    /// A view of `metadata` and of the `window` that holds the files' contents. Checks the header only:
    /// all else is checked when it is used.
    pub fn new(metadata: &'a [u8], window: &'a [u8]) -> Result<Tree<'a>, TreeError> {
        let (header, rest) = records::<Header>(metadata, 1)?;
        let header = header.first().ok_or(TreeError::TooShort)?;
        if header.magic != MAGIC {
            return Err(TreeError::NoMagic);
        }
        let (nodes, rest) = records::<NodeRecord>(rest, header.nodes)?;
        let (entries, rest) = records::<EntryRecord>(rest, header.entries)?;
        let names = rest.get(..header.names as usize).ok_or(TreeError::TooShort)?;
        if nodes.first().is_none_or(|root| root.kind != KIND_DIRECTORY) {
            return Err(TreeError::NoRoot);
        }
        let there = nodes.get(header.working_directory as usize);
        if there.is_none_or(|node| node.kind != KIND_DIRECTORY) {
            return Err(TreeError::NoRoot);
        }
        let working_directory = header.working_directory;
        let tree = Tree { nodes, entries, names, window, program: &[], working_directory };
        Ok(Tree { program: tree.name(header.program_at, header.program_length), ..tree })
    }

    /// The absolute path of the program; empty without one.
    pub fn program(&self) -> &'a [u8] {
        self.program
    }

    /// The node of the directory that the program starts in.
    pub fn working_directory(&self) -> u32 {
        self.working_directory
    }

    /// How many nodes there are.
    pub fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Never true of a tree that [`Tree::new`] accepted.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node.
    pub fn node(&self, node: u32) -> Option<&'a NodeRecord> {
        self.nodes.get(node as usize)
    }

    /// The entry number `index` (from 0) of a directory: its place in the table, its name, its node.
    pub fn entry(&self, directory: u32, index: u32) -> Option<(u32, &'a [u8], u32)> {
        let record = self.node(directory).filter(|record| record.kind == KIND_DIRECTORY)?;
        let place = record.first.checked_add(index).filter(|_| index < record.count)?;
        let entry = self.entries.get(place as usize)?;
        Some((place, self.name(entry.name_at, entry.name_length), entry.node))
    }

    /// Finds a name in a directory: its entry's place in the table, and its node.
    pub fn find(&self, directory: u32, name: &[u8]) -> Option<(u32, u32)> {
        let record = self.node(directory).filter(|record| record.kind == KIND_DIRECTORY)?;
        let first = record.first as usize;
        let entries = self.entries.get(first..first.checked_add(record.count as usize)?)?;
        let key = name_key(name);
        let at = entries.partition_point(|entry| entry.key < key);
        // Names that begin alike lie side by side; few do.
        for (place, entry) in (record.first..).zip(entries.get(at..)?) {
            if entry.key != key {
                break;
            }
            // A name that its key holds whole needs no further look.
            if entry.name_length as usize == name.len()
                && (name.len() <= size_of::<u64>() || self.name(entry.name_at, entry.name_length) == name)
            {
                return Some((place + at as u32, entry.node));
            }
        }
        None
    }

    /// The contents of a regular file; cut short where a damaged tree points out of the window.
    pub fn contents(&self, record: &NodeRecord) -> &'a [u8] {
        if record.kind != KIND_REGULAR {
            return &[];
        }
        let start = usize::try_from(record.offset).unwrap_or(usize::MAX);
        let rest = self.window.get(start..).unwrap_or(&[]);
        let length = usize::try_from(record.length).unwrap_or(usize::MAX);
        &rest[..length.min(rest.len())]
    }

    /// The target of a symbolic link.
    pub fn target(&self, record: &NodeRecord) -> &'a [u8] {
        if record.kind == KIND_SYMLINK { self.name(record.first, record.count) } else { &[] }
    }

    fn name(&self, at: u32, length: u32) -> &'a [u8] {
        let start = at as usize;
        self.names.get(start..start.saturating_add(length as usize)).unwrap_or(&[])
    }
}

impl NodeRecord {
    /// The modification time.
    pub fn mtime(&self) -> Time {
        Time { seconds: self.mtime_seconds, nanos: self.mtime_nanos }
    }
}

/// The first 8 bytes of a name, padded with zeros, as a number: keys are ordered as the names are.
pub(crate) fn name_key(name: &[u8]) -> u64 {
    match name.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..name.len()].copy_from_slice(name);
            u64::from_be_bytes(first)
        }
    }
}

/// A type of which every bit pattern is a value.
///
/// # Safety
/// `repr(C)`, integers only, no padding.
pub(crate) unsafe trait Record: Copy {}
// SAFETY: repr(C) and integers only; the sizes asserted above leave no room for padding.
unsafe impl Record for Header {}
// SAFETY: as above.
unsafe impl Record for NodeRecord {}
// SAFETY: as above.
unsafe impl Record for EntryRecord {}
// SAFETY: an integer.
unsafe impl Record for u64 {}

/// The bytes of records.
pub(crate) fn bytes_of<T: Record>(records: &[T]) -> &[u8] {
    // SAFETY: a Record has no padding, so all its bytes are initialised; the result lives no longer.
    unsafe { core::slice::from_raw_parts(records.as_ptr().cast::<u8>(), size_of_val(records)) }
}

/// Splits off `count` records.
fn records<T: Record>(bytes: &[u8], count: u32) -> Result<(&[T], &[u8]), TreeError> {
    let length = (count as usize).checked_mul(size_of::<T>()).ok_or(TreeError::TooShort)?;
    let (head, rest) = bytes.split_at_checked(length).ok_or(TreeError::TooShort)?;
    if !head.as_ptr().addr().is_multiple_of(align_of::<T>()) {
        return Err(TreeError::Misaligned);
    }
    // SAFETY: `head` is initialised, aligned for T (checked above) and `count` times T long, lives as
    // long as the result, and any bytes make a valid T.
    let records = unsafe { core::slice::from_raw_parts(head.as_ptr().cast::<T>(), count as usize) };
    Ok((records, rest))
}
