//! The host's side: packing files into a [`crate::tree`] for the guest.
//!
//! The packer copies metadata only. What a file holds stays where it is: the result says which host file
//! belongs where in the window, and whoever builds the guest's memory maps it there.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::linux::{LINKS_MAX, NAME_MAX, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, Time};
use crate::proc;

mod layout;

/// Contents begin at multiples of this, so that they can be mapped.
pub const ALIGNMENT: u64 = 4096;

/// Why a tree could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file of the host's could not be read.
    #[error("cannot read {path} for the guest's files: {source}")]
    Read {
        /// The host's path.
        path: PathBuf,
        /// What the host said.
        source: std::io::Error,
    },
    /// A mapping's source is neither file nor directory.
    #[error("cannot give {path} to the guest: it is neither a file nor a directory")]
    NotAFile {
        /// The host's path.
        path: PathBuf,
    },
    /// A path in the guest cannot be made.
    #[error("cannot place {path} in the guest: {reason}")]
    BadPath {
        /// The guest's path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The tree is larger than its format can say.
    #[error("the guest's file tree is too large: it may have at most 2³¹ names and 4 GiB of them")]
    TooLarge,
}

/// Where a file's bytes come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file of the host's.
    File(PathBuf),
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
}

/// What belongs where in the window.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The bytes.
    pub source: Source,
    /// Where in the window, in bytes; a multiple of [`ALIGNMENT`].
    pub offset: u64,
    /// How many bytes, at least one.
    pub length: u64,
}

/// A packed tree.
#[derive(Debug, Clone)]
pub struct Packed {
    /// What [`crate::Tree::new`] reads; place it at a multiple of 8.
    pub metadata: Vec<u8>,
    /// Length of the window in bytes, a multiple of [`ALIGNMENT`].
    pub window_length: u64,
    /// The contents, by ascending offset, none overlapping.
    pub pieces: Vec<Piece>,
    /// What was left out, and why: one line each.
    pub notes: Vec<String>,
}

type Id = usize;
const ROOT: Id = 0;

struct Item {
    mode: u32,
    modified: Time,
    what: What,
    /// Names it has; directories are counted when packed.
    links: u32,
    /// A directory in which nothing can be made or removed.
    sealed: bool,
}

enum What {
    Directory { parent: Id, entries: BTreeMap<Vec<u8>, Id> },
    File { source: Source, length: u64 },
    Symlink(Vec<u8>),
    Device(u32),
    Generated(u32),
    Descriptors { parent: Id },
}

/// Collects what the guest shall see. Everything belongs to user and group 0, as it does in a container
/// whose root is the user who starts it.
pub struct TreeBuilder {
    items: Vec<Item>,
    /// Files of the host that have several names: by device and inode.
    linked: HashMap<(u64, u64), Id>,
    program: Vec<u8>,
    working_directory: Id,
    notes: Vec<String>,
    now: Time,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        TreeBuilder::new()
    }
}

impl TreeBuilder {
    /// An empty tree: only the root.
    pub fn new() -> TreeBuilder {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Time { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() };
        let root = What::Directory { parent: ROOT, entries: BTreeMap::new() };
        TreeBuilder {
            items: vec![Item { mode: S_IFDIR | 0o755, modified: now, what: root, links: 0, sealed: false }],
            linked: HashMap::new(),
            program: Vec::new(),
            working_directory: ROOT,
            notes: Vec::new(),
            now,
        }
    }

    /// Makes a directory of the host's the root: its files, directories and symbolic links. Devices,
    /// sockets and FIFOs are left out, with a note.
    pub fn root(&mut self, host: &Path) -> Result<&mut Self, PackError> {
        let metadata = metadata(host, true)?;
        if !metadata.is_dir() {
            return Err(PackError::NotAFile { path: host.to_owned() });
        }
        self.item(ROOT).mode = S_IFDIR | (metadata.mode() & 0o7777);
        self.item(ROOT).modified = modified(&metadata);
        self.walk(host, ROOT)?;
        Ok(self)
    }

    /// Gives the guest a file or directory of the host's under an absolute path. A symbolic link on the
    /// host is followed. Directories on the way are made (0755); what was there is replaced, except that
    /// a directory is merged into one.
    pub fn map(&mut self, host: &Path, guest: &Path) -> Result<&mut Self, PackError> {
        let metadata = metadata(host, true)?;
        if metadata.is_dir() {
            let directory = self.directory(guest)?;
            self.walk(host, directory)?;
        } else {
            let item =
                self.import(host, &metadata)?.ok_or_else(|| PackError::NotAFile { path: host.to_owned() })?;
            self.place(guest, item)?;
        }
        Ok(self)
    }

    /// Gives the guest a file made of bytes, with permissions `mode`, under an absolute path.
    pub fn bytes(&mut self, guest: &Path, mode: u32, bytes: Arc<[u8]>) -> Result<&mut Self, PackError> {
        let length = bytes.len() as u64;
        let what = What::File { source: Source::Bytes(bytes), length };
        let item = self.add(S_IFREG | (mode & 0o7777), what);
        self.place(guest, item)?;
        Ok(self)
    }

    /// Says which file is the program: what `/proc/self/exe` points to.
    pub fn program(&mut self, guest: &Path) -> &mut Self {
        self.program = guest.as_os_str().as_bytes().to_vec();
        self
    }

    /// Says where the program starts: an absolute path, made where it is missing.
    pub fn working_directory(&mut self, guest: &Path) -> Result<&mut Self, PackError> {
        self.working_directory = self.directory(guest)?;
        Ok(self)
    }

    /// Adds what every Linux program may expect, where nothing is in its place: `/dev`, `/proc`, `/tmp`.
    /// In `/proc`, as in Linux, nothing can be made or removed then.
    pub fn standard_entries(&mut self) -> Result<&mut Self, PackError> {
        let temporary = self.directory(Path::new("/tmp"))?;
        self.item(temporary).mode = S_IFDIR | 0o1777;
        for (path, number) in [
            ("/dev/null", 0x103),
            ("/dev/zero", 0x105),
            ("/dev/full", 0x107),
            ("/dev/random", 0x108),
            ("/dev/urandom", 0x109),
            // Opening it fails, as it does without a controlling terminal.
            ("/dev/tty", 0x500),
        ] {
            self.standard(path, S_IFCHR | 0o666, What::Device(number))?;
        }
        for (path, target) in [
            ("/dev/fd", "/proc/self/fd"),
            ("/dev/stdin", "/proc/self/fd/0"),
            ("/dev/stdout", "/proc/self/fd/1"),
            ("/dev/stderr", "/proc/self/fd/2"),
            ("/proc/self", "1"),
            ("/proc/mounts", "self/mounts"),
        ] {
            self.standard(path, S_IFLNK | 0o777, What::Symlink(target.into()))?;
        }
        for (path, generator) in [
            ("/proc/meminfo", proc::MEMINFO),
            ("/proc/cpuinfo", proc::CPUINFO),
            ("/proc/version", proc::VERSION),
            ("/proc/uptime", proc::UPTIME),
            ("/proc/filesystems", proc::FILESYSTEMS),
            ("/proc/1/mounts", proc::MOUNTS),
            ("/proc/1/status", proc::STATUS),
            ("/proc/sys/kernel/ostype", proc::OSTYPE),
            ("/proc/sys/kernel/osrelease", proc::OSRELEASE),
            ("/proc/sys/kernel/hostname", proc::HOSTNAME),
            ("/proc/sys/kernel/random/boot_id", proc::BOOT_ID),
        ] {
            self.standard(path, S_IFREG | 0o444, What::Generated(generator))?;
        }
        let process = self.directory(Path::new("/proc/1"))?;
        self.standard("/proc/1/fd", S_IFDIR | 0o500, What::Descriptors { parent: process })?;
        if !self.program.is_empty() {
            let target = self.program.clone();
            self.standard("/proc/1/exe", S_IFLNK | 0o777, What::Symlink(target))?;
        }
        let kernel = self.directory(Path::new("/proc"))?;
        self.seal(kernel);
        Ok(self)
    }

    /// Packs the tree.
    pub fn build(&self) -> Result<Packed, PackError> {
        layout::Packer::new(self).pack()
    }

    fn item(&mut self, id: Id) -> &mut Item {
        &mut self.items[id]
    }

    fn add(&mut self, mode: u32, what: What) -> Id {
        self.items.push(Item { mode, modified: self.now, what, links: 0, sealed: false });
        self.items.len() - 1
    }

    /// Copies a directory's entries, and theirs, into a directory of the tree.
    fn walk(&mut self, host: &Path, directory: Id) -> Result<(), PackError> {
        let error = |source| PackError::Read { path: host.to_owned(), source };
        for entry in fs::read_dir(host).map_err(error)? {
            let entry = entry.map_err(error)?;
            let path = entry.path();
            let metadata = metadata(&path, false)?;
            let name = entry.file_name();
            if metadata.is_dir() {
                let child = self.enter_directory(directory, name.as_bytes(), &metadata);
                self.walk(&path, child)?;
            } else if let Some(item) = self.import(&path, &metadata)? {
                self.enter(directory, name.as_bytes(), item);
            }
        }
        Ok(())
    }

    /// An item for a file or symbolic link of the host's; `None`, with a note, for anything else.
    fn import(&mut self, path: &Path, metadata: &Metadata) -> Result<Option<Id>, PackError> {
        let key = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1
            && let Some(item) = self.linked.get(&key)
        {
            return Ok(Some(*item));
        }
        let what = match metadata.mode() & S_IFMT {
            S_IFREG => What::File { source: Source::File(path.to_owned()), length: metadata.len() },
            S_IFLNK => {
                let target = fs::read_link(path)
                    .map_err(|source| PackError::Read { path: path.to_owned(), source })?;
                What::Symlink(target.into_os_string().as_bytes().to_vec())
            }
            other => {
                let kind = match other {
                    S_IFIFO => "a FIFO",
                    S_IFCHR => "a character device",
                    0o060000 => "a block device",
                    _ => "a socket",
                };
                self.notes.push(format!("{} is left out: it is {kind}", path.display()));
                return Ok(None);
            }
        };
        let item = self.add(metadata.mode(), what);
        self.item(item).modified = modified(metadata);
        if metadata.nlink() > 1 {
            self.linked.insert(key, item);
        }
        Ok(Some(item))
    }

    /// The directory of that name in a directory, with the host's attributes; made if need be.
    fn enter_directory(&mut self, parent: Id, name: &[u8], metadata: &Metadata) -> Id {
        let existing = self.child(parent, name).filter(|child| self.is_directory(*child));
        let child = match existing {
            Some(child) => child,
            None => {
                let child = self.add(S_IFDIR, What::Directory { parent, entries: BTreeMap::new() });
                self.enter(parent, name, child);
                child
            }
        };
        self.item(child).mode = metadata.mode();
        self.item(child).modified = modified(metadata);
        child
    }

    fn is_directory(&self, item: Id) -> bool {
        matches!(self.items[item].what, What::Directory { .. })
    }

    fn child(&self, directory: Id, name: &[u8]) -> Option<Id> {
        match &self.items[directory].what {
            What::Directory { entries, .. } => entries.get(name).copied(),
            _ => None,
        }
    }

    fn enter(&mut self, directory: Id, name: &[u8], item: Id) {
        if let What::Directory { entries, .. } = &mut self.items[directory].what {
            let replaced = entries.insert(name.to_vec(), item);
            self.items[item].links += 1;
            if let Some(replaced) = replaced {
                self.items[replaced].links -= 1;
            }
        }
    }

    /// The directory at an absolute path, made with all on the way to it if need be. Symbolic links
    /// of the tree are followed.
    fn directory(&mut self, guest: &Path) -> Result<Id, PackError> {
        let bad = |reason| PackError::BadPath { path: guest.to_owned(), reason };
        if !guest.is_absolute() {
            return Err(bad("the path must begin with a slash"));
        }
        let mut waiting: Vec<Vec<u8>> = components(guest.as_os_str()).rev().collect();
        let (mut directory, mut links) = (ROOT, 0);
        while let Some(name) = waiting.pop() {
            if name == b"." {
                continue;
            }
            if name == b".." {
                if let What::Directory { parent, .. } = self.items[directory].what {
                    directory = parent;
                }
                continue;
            }
            if name.len() > NAME_MAX {
                return Err(bad("a name in it is longer than 255 bytes"));
            }
            let Some(child) = self.child(directory, &name) else {
                let what = What::Directory { parent: directory, entries: BTreeMap::new() };
                let child = self.add(S_IFDIR | 0o755, what);
                self.enter(directory, &name, child);
                directory = child;
                continue;
            };
            match &self.items[child].what {
                What::Directory { .. } => directory = child,
                What::Symlink(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(bad("it leads through too many symbolic links"));
                    }
                    let target = OsStr::from_bytes(target);
                    if Path::new(target).is_absolute() {
                        directory = ROOT;
                    }
                    waiting.extend(components(target).rev());
                }
                _ => return Err(bad("a file is where a directory should be")),
            }
        }
        Ok(directory)
    }

    /// Puts an item at an absolute path, in place of what is there.
    fn place(&mut self, guest: &Path, item: Id) -> Result<(), PackError> {
        let bad = |reason| PackError::BadPath { path: guest.to_owned(), reason };
        let name = guest.file_name().ok_or_else(|| bad("the path names no file"))?;
        if name.len() > NAME_MAX {
            return Err(bad("its name is longer than 255 bytes"));
        }
        let directory = self.directory(guest.parent().unwrap_or(Path::new("/")))?;
        if self.child(directory, name.as_bytes()).is_some_and(|child| self.is_directory(child)) {
            return Err(bad("a directory is already there"));
        }
        self.enter(directory, name.as_bytes(), item);
        Ok(())
    }

    /// Seals a directory and those in it.
    fn seal(&mut self, directory: Id) {
        self.item(directory).sealed = true;
        if let What::Directory { entries, .. } = &self.items[directory].what {
            for child in entries.values().copied().collect::<Vec<Id>>() {
                self.seal(child);
            }
        }
    }

    /// Adds one standard entry unless something is there.
    fn standard(&mut self, path: &str, mode: u32, what: What) -> Result<(), PackError> {
        let path = Path::new(path);
        let directory = self.directory(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().unwrap_or_default().as_bytes();
        if self.child(directory, name).is_none() {
            let item = self.add(mode, what);
            self.enter(directory, name, item);
        }
        Ok(())
    }
}

/// The names in a path, `.` and `..` among them.
fn components(path: &OsStr) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec)
}

fn metadata(path: &Path, follow: bool) -> Result<Metadata, PackError> {
    let result = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    result.map_err(|source| PackError::Read { path: path.to_owned(), source })
}

fn modified(metadata: &Metadata) -> Time {
    Time { seconds: metadata.mtime(), nanos: metadata.mtime_nsec() as u32 }
}
