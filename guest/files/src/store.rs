//! All nodes: those of the initial tree, and over them those in RAM.
//!
//! A node keeps its number when it is changed: the copy in RAM stands before the tree's node of the
//! same number. Numbers are never used again.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use crate::Errno;
use crate::data::{Data, copy_or_zero};
use crate::kind::{Attributes, Kind};
use crate::linux::{S_IFIFO, S_IFLNK, Time};
use crate::node::{Content, Directory, FIRST_ENTRY, Listed, Node, Watched};
use crate::tree::{self, NodeRecord, Tree};

pub(crate) type NodeId = u32;

pub(crate) const ROOT: NodeId = 0;
/// The console's streams, 0 to 2, follow this number.
const CONSOLE: NodeId = 0xF000_0000;
/// The links `/proc/self/fd/N` follow this number.
const DESCRIPTOR_LINK: NodeId = 0xF100_0000;

pub(crate) struct Store {
    tree: Tree<'static>,
    /// Boxed, so that the map moves pointers only when it grows.
    ram: BTreeMap<NodeId, Box<Node>>,
    next: NodeId,
}

/// tmpfs counts a directory's size so (BOGO_DIRENT_SIZE, mm/shmem.c), `.` and `..` included.
const ENTRY_SIZE: u64 = 20;

impl Store {
    pub(crate) fn new(tree: Tree<'static>) -> Store {
        Store { next: tree.len(), tree, ram: BTreeMap::new() }
    }

    pub(crate) fn console(stream: u32) -> NodeId {
        CONSOLE + stream
    }

    pub(crate) fn descriptor_link(fd: u32) -> NodeId {
        DESCRIPTOR_LINK + fd
    }

    fn in_ram(&self, id: NodeId) -> Option<&Node> {
        self.ram.get(&id).map(Box::as_ref)
    }

    pub(crate) fn kind(&self, id: NodeId) -> Result<Kind, Errno> {
        if id >= DESCRIPTOR_LINK {
            return Ok(Kind::DescriptorLink(id - DESCRIPTOR_LINK));
        }
        if id >= CONSOLE {
            return Ok(Kind::Console(id - CONSOLE));
        }
        if let Some(node) = self.in_ram(id) {
            return Ok(match &node.content {
                Content::Directory(_) => Kind::Directory,
                Content::Regular(_) => Kind::Regular,
                Content::Symlink(_) => Kind::Symlink,
                Content::Device(number) => Kind::Device(*number),
                Content::Generated(generator) => Kind::Generated(*generator),
                Content::DescriptorDirectory => Kind::DescriptorDirectory,
                Content::Pipe(_) => Kind::Pipe,
                Content::Event { .. } => Kind::Event,
                Content::Watch(_) => Kind::Watch,
            });
        }
        let record = self.tree.node(id).ok_or(Errno::ENOENT)?;
        match record.kind {
            tree::KIND_DIRECTORY => Ok(Kind::Directory),
            tree::KIND_REGULAR => Ok(Kind::Regular),
            tree::KIND_SYMLINK => Ok(Kind::Symlink),
            tree::KIND_DEVICE => Ok(Kind::Device(record.first)),
            tree::KIND_GENERATED => Ok(Kind::Generated(record.first)),
            tree::KIND_DESCRIPTORS => Ok(Kind::DescriptorDirectory),
            _ => Err(Errno::EIO),
        }
    }

    pub(crate) fn attributes(&self, id: NodeId) -> Result<Attributes, Errno> {
        if id >= DESCRIPTOR_LINK {
            return Ok(Attributes {
                node: id,
                mode: S_IFLNK | 0o700,
                links: 1,
                size: 64,
                ..Attributes::default()
            });
        }
        if id >= CONSOLE {
            // To the program the console is what a container's harness gives it: a pipe.
            return Ok(Attributes { node: id, mode: S_IFIFO | 0o600, links: 1, ..Attributes::default() });
        }
        if let Some(node) = self.in_ram(id) {
            let (size, pages, device) = match &node.content {
                Content::Directory(directory) => ((directory.len() + 2) * ENTRY_SIZE, 0, 0),
                Content::Regular(data) => (data.size(), data.pages_held(), 0),
                Content::Symlink(target) => (target.len() as u64, 0, 0),
                Content::Device(number) => (0, 0, *number),
                _ => (0, 0, 0),
            };
            // What never has a name counts as one link to itself.
            let links = match node.content {
                Content::Pipe(_) | Content::Event { .. } | Content::Watch(_) => 1,
                _ => node.links,
            };
            return Ok(Attributes {
                node: id,
                mode: node.mode,
                links,
                uid: node.uid,
                gid: node.gid,
                device,
                size,
                pages,
                accessed: node.accessed,
                modified: node.modified,
                changed: node.changed,
            });
        }
        let record = self.tree.node(id).ok_or(Errno::ENOENT)?;
        let (size, pages, device) = match record.kind {
            tree::KIND_DIRECTORY => ((u64::from(record.count) + 2) * ENTRY_SIZE, 0, 0),
            tree::KIND_REGULAR => (record.length, record.length.div_ceil(4096), 0),
            tree::KIND_SYMLINK => (u64::from(record.count), 0, 0),
            tree::KIND_DEVICE => (0, 0, record.first),
            _ => (0, 0, 0),
        };
        let time = record.mtime();
        Ok(Attributes {
            node: id,
            mode: record.mode,
            links: record.links,
            uid: record.uid,
            gid: record.gid,
            device,
            size,
            pages,
            accessed: time,
            modified: time,
            changed: time,
        })
    }

    /// The node in RAM, for a change; copied from the initial tree if need be. `EPERM` for what is
    /// neither: the console and the links in `/proc/self/fd`.
    pub(crate) fn change(&mut self, id: NodeId) -> Result<&mut Node, Errno> {
        if id >= CONSOLE {
            return Err(Errno::EPERM);
        }
        let tree = self.tree;
        match self.ram.entry(id) {
            alloc::collections::btree_map::Entry::Occupied(node) => Ok(node.into_mut()),
            alloc::collections::btree_map::Entry::Vacant(vacant) => {
                let record = tree.node(id).ok_or(Errno::ENOENT)?;
                Ok(vacant.insert(Box::new(copy_of(&tree, id, record)?)))
            }
        }
    }

    /// A new node without a name.
    pub(crate) fn create(
        &mut self,
        mode: u32,
        links: u32,
        content: Content,
        now: Time,
    ) -> Result<NodeId, Errno> {
        let id = self.next;
        if id >= CONSOLE {
            return Err(Errno::ENOSPC);
        }
        self.next += 1;
        let node = Node { mode, links, uid: 0, gid: 0, accessed: now, modified: now, changed: now, content };
        self.ram.insert(id, Box::new(node));
        Ok(id)
    }

    /// Forgets a node that has neither name nor descriptor.
    pub(crate) fn forget(&mut self, id: NodeId) {
        if id >= self.tree.len() {
            self.ram.remove(&id);
        } else if let Some(node) = self.ram.get_mut(&id) {
            // Its number would show the tree's node again: keep the shell, free the contents.
            match &mut node.content {
                Content::Regular(data) => *data = Data::default(),
                Content::Directory(directory) => **directory = Directory::new(directory.parent),
                _ => {}
            }
        }
    }

    /// Whether a node has no name left.
    pub(crate) fn is_nameless(&self, id: NodeId) -> bool {
        self.in_ram(id).is_some_and(|node| node.links == 0)
    }

    // --- Directories ---

    /// Finds a name in a directory. `ENOTDIR` if it is none.
    pub(crate) fn lookup(&self, directory: NodeId, name: &[u8]) -> Result<Option<NodeId>, Errno> {
        match self.in_ram(directory) {
            Some(Node { content: Content::Directory(directory), .. }) => Ok(directory.find(&self.tree, name)),
            Some(_) => Err(Errno::ENOTDIR),
            None => {
                let record = self.tree.node(directory).ok_or(Errno::ENOTDIR)?;
                if record.kind != tree::KIND_DIRECTORY {
                    return Err(Errno::ENOTDIR);
                }
                Ok(self.tree.find(directory, name).map(|(_, node)| node))
            }
        }
    }

    /// The directory that a directory lies in; the root's is the root.
    pub(crate) fn parent(&self, directory: NodeId) -> Result<NodeId, Errno> {
        match self.in_ram(directory) {
            Some(Node { content: Content::Directory(directory), .. }) => Ok(directory.parent),
            Some(Node { content: Content::DescriptorDirectory, .. }) | None => {
                Ok(self.tree.node(directory).ok_or(Errno::ENOTDIR)?.parent)
            }
            Some(_) => Err(Errno::ENOTDIR),
        }
    }

    /// The first entry of a directory at `position` or later; see [`Directory::entry_from`].
    pub(crate) fn entry_from(&self, directory: NodeId, position: u64) -> Result<Option<Listed<'_>>, Errno> {
        match self.in_ram(directory) {
            Some(Node { content: Content::Directory(directory), .. }) => {
                Ok(directory.entry_from(&self.tree, position))
            }
            Some(_) => Err(Errno::ENOTDIR),
            None => {
                let index = u32::try_from(position.saturating_sub(FIRST_ENTRY)).unwrap_or(u32::MAX);
                Ok(self.tree.entry(directory, index).map(|(_, name, node)| Listed {
                    next: FIRST_ENTRY + u64::from(index) + 1,
                    name,
                    node,
                }))
            }
        }
    }

    /// Whether nothing can be made or removed in a directory.
    pub(crate) fn is_sealed(&self, directory: NodeId) -> bool {
        self.tree.node(directory).is_some_and(|record| record.flags & tree::FLAG_SEALED != 0)
    }

    pub(crate) fn is_empty_directory(&self, directory: NodeId) -> Result<bool, Errno> {
        Ok(self.entry_from(directory, FIRST_ENTRY)?.is_none())
    }

    /// Gives a node a further name, which must be free, and notes the time. Link counts are the caller's.
    pub(crate) fn enter(
        &mut self,
        directory: NodeId,
        name: &[u8],
        id: NodeId,
        now: Time,
    ) -> Result<(), Errno> {
        let node = self.change(directory)?;
        let Content::Directory(entries) = &mut node.content else { return Err(Errno::ENOTDIR) };
        entries.insert(name, id);
        (node.modified, node.changed) = (now, now);
        Ok(())
    }

    /// Takes a name away and notes the time. Link counts are the caller's.
    pub(crate) fn leave(&mut self, directory: NodeId, name: &[u8], now: Time) -> Result<(), Errno> {
        let tree = self.tree;
        let node = self.change(directory)?;
        let Content::Directory(entries) = &mut node.content else { return Err(Errno::ENOTDIR) };
        entries.remove(&tree, name);
        (node.modified, node.changed) = (now, now);
        Ok(())
    }

    // --- Contents ---

    /// The length of a regular file.
    pub(crate) fn size(&self, id: NodeId) -> u64 {
        match self.in_ram(id) {
            Some(Node { content: Content::Regular(data), .. }) => data.size(),
            Some(_) => 0,
            None => self.tree.node(id).map_or(0, |record| record.length),
        }
    }

    /// Reads a regular file; returns how many bytes.
    pub(crate) fn read(&self, id: NodeId, offset: u64, buffer: &mut [u8]) -> usize {
        match self.in_ram(id) {
            Some(Node { content: Content::Regular(data), .. }) => data.read(offset, buffer),
            Some(_) => 0,
            None => {
                let Some(record) = self.tree.node(id) else { return 0 };
                let left = record.length.saturating_sub(offset);
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                copy_or_zero(self.tree.contents(record), start, &mut buffer[..length]);
                length
            }
        }
    }

    /// The tree's bytes of a regular file whose contents nobody has changed.
    pub(crate) fn unchanged_contents(&self, id: NodeId) -> Option<&'static [u8]> {
        match self.in_ram(id) {
            Some(Node { content: Content::Regular(data), .. }) => data.unchanged(),
            Some(_) => None,
            None => self
                .tree
                .node(id)
                .filter(|record| record.kind == tree::KIND_REGULAR)
                .map(|record| self.tree.contents(record)),
        }
    }

    /// The contents of a regular file, for a change, whose time is noted.
    pub(crate) fn data(&mut self, id: NodeId, now: Time) -> Result<&mut Data, Errno> {
        let node = self.change(id)?;
        (node.modified, node.changed) = (now, now);
        match &mut node.content {
            Content::Regular(data) => Ok(data),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The target of a symbolic link. `EINVAL` if it is none.
    pub(crate) fn target(&self, id: NodeId) -> Result<&[u8], Errno> {
        match self.in_ram(id) {
            Some(Node { content: Content::Symlink(target), .. }) => Ok(target),
            Some(_) => Err(Errno::EINVAL),
            None => match self.tree.node(id) {
                Some(record) if record.kind == tree::KIND_SYMLINK => Ok(self.tree.target(record)),
                _ => Err(Errno::EINVAL),
            },
        }
    }

    /// What an epoll set watches.
    pub(crate) fn watched(&self, id: NodeId) -> Result<&BTreeMap<u32, Watched>, Errno> {
        match self.in_ram(id) {
            Some(Node { content: Content::Watch(set), .. }) => Ok(set),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The bytes in a pipe.
    pub(crate) fn pipe(&mut self, id: NodeId) -> Result<&mut VecDeque<u8>, Errno> {
        match self.ram.get_mut(&id).map(Box::as_mut) {
            Some(Node { content: Content::Pipe(bytes), .. }) => Ok(bytes),
            _ => Err(Errno::EBADF),
        }
    }
}

/// A copy of a tree's node, to be changed. Its contents stay in the tree until they are written.
fn copy_of(tree: &Tree<'static>, id: NodeId, record: &NodeRecord) -> Result<Node, Errno> {
    let content = match record.kind {
        tree::KIND_DIRECTORY => {
            Content::Directory(Box::new(Directory::over(id, record.parent, record.count)))
        }
        tree::KIND_REGULAR => Content::Regular(Data::over(tree.contents(record))),
        tree::KIND_SYMLINK => Content::Symlink(Box::from(tree.target(record))),
        tree::KIND_DEVICE => Content::Device(record.first),
        tree::KIND_GENERATED => Content::Generated(record.first),
        tree::KIND_DESCRIPTORS => Content::DescriptorDirectory,
        _ => return Err(Errno::EIO),
    };
    let time = record.mtime();
    Ok(Node {
        mode: record.mode,
        links: record.links,
        uid: record.uid,
        gid: record.gid,
        accessed: time,
        modified: time,
        changed: time,
        content,
    })
}
