//! A node in RAM: something new, or a changed copy of a node of the initial tree.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::rc::Rc;

use crate::data::Data;
use crate::linux::Time;
use crate::store::NodeId;
use crate::tree::Tree;

pub(crate) struct Node {
    /// As `st_mode`: type and permissions.
    pub(crate) mode: u32,
    /// Names it has; a directory has 2 and one per subdirectory. Zero once removed.
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Directory(Box<Directory>),
    Regular(Data),
    Symlink(Box<[u8]>),
    Device(u32),
    Generated(u32),
    DescriptorDirectory,
    Pipe(VecDeque<u8>),
    /// An eventfd; a read of a semaphore takes one, any other takes all.
    Event {
        counter: u64,
        semaphore: bool,
    },
    /// An epoll set: what is watched, by descriptor.
    Watch(BTreeMap<u32, Watched>),
}

/// What an epoll set watches a descriptor for.
#[derive(Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) events: u32,
    pub(crate) data: u64,
}

/// A directory: the entries it had in the initial tree, less those removed, and those added.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) parent: NodeId,
    /// The node of the initial tree that this is the changed copy of.
    base: Option<u32>,
    base_count: u32,
    /// Places in the tree's table of entries.
    removed: BTreeSet<u32>,
    added: BTreeMap<Rc<[u8]>, Added>,
    /// The added names by cookie, in the order in which they were added: a position in the listing
    /// stays good whatever else is added or removed.
    order: BTreeMap<u64, Rc<[u8]>>,
    next_cookie: u64,
}

struct Added {
    node: NodeId,
    cookie: u64,
}

/// Positions in a listing: 0 is `.`, 1 is `..`, then come the tree's entries, then the added ones.
pub(crate) const FIRST_ENTRY: u64 = 2;
const FIRST_ADDED: u64 = 1 << 32;

/// One entry of a listing.
pub(crate) struct Listed<'a> {
    /// Where the listing goes on after it.
    pub(crate) next: u64,
    pub(crate) name: &'a [u8],
    pub(crate) node: NodeId,
}

impl Directory {
    pub(crate) fn new(parent: NodeId) -> Directory {
        Directory { parent, ..Directory::default() }
    }

    pub(crate) fn over(base: u32, parent: NodeId, base_count: u32) -> Directory {
        Directory { parent, base: Some(base), base_count, ..Directory::default() }
    }

    pub(crate) fn len(&self) -> u64 {
        u64::from(self.base_count) - self.removed.len() as u64 + self.added.len() as u64
    }

    pub(crate) fn find(&self, tree: &Tree<'static>, name: &[u8]) -> Option<NodeId> {
        if let Some(added) = self.added.get(name) {
            return Some(added.node);
        }
        self.find_in_tree(tree, name).map(|(_, node)| node)
    }

    fn find_in_tree(&self, tree: &Tree<'static>, name: &[u8]) -> Option<(u32, NodeId)> {
        tree.find(self.base?, name).filter(|(place, _)| !self.removed.contains(place))
    }

    /// Adds a name that the directory does not have.
    pub(crate) fn insert(&mut self, name: &[u8], node: NodeId) {
        let name: Rc<[u8]> = Rc::from(name);
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        self.order.insert(cookie, Rc::clone(&name));
        self.added.insert(name, Added { node, cookie });
    }

    pub(crate) fn remove(&mut self, tree: &Tree<'static>, name: &[u8]) {
        if let Some(added) = self.added.remove(name) {
            self.order.remove(&added.cookie);
        } else if let Some((place, _)) = self.find_in_tree(tree, name) {
            self.removed.insert(place);
        }
    }

    /// The first entry at `position` or later, which is at least [`FIRST_ENTRY`].
    pub(crate) fn entry_from<'a>(&'a self, tree: &Tree<'a>, position: u64) -> Option<Listed<'a>> {
        if let Some(base) = self.base
            && position < FIRST_ADDED
        {
            let mut index = position.saturating_sub(FIRST_ENTRY) as u32;
            while let Some((place, name, node)) = tree.entry(base, index) {
                index += 1;
                if !self.removed.contains(&place) {
                    return Some(Listed { next: FIRST_ENTRY + u64::from(index), name, node });
                }
            }
        }
        let (cookie, name) = self.order.range(position.saturating_sub(FIRST_ADDED)..).next()?;
        let node = self.added.get(name)?.node;
        Some(Listed { next: FIRST_ADDED + cookie + 1, name, node })
    }
}
