//! From paths to nodes, as path_resolution(7) says.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use crate::kind::Kind;
use crate::linux::{AT_FDCWD, LINKS_MAX, NAME_MAX, PATH_MAX};
use crate::store::{NodeId, ROOT, Store};
use crate::{Errno, Files};

/// What a path's last component is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Last {
    Name,
    Dot,
    DotDot,
    Root,
}

/// A path walked up to its last component.
pub(crate) struct Place<'p> {
    /// The directory that the last component is looked up in.
    pub(crate) directory: NodeId,
    pub(crate) last: Last,
    /// The path ends in a slash, so it must name a directory.
    pub(crate) slash: bool,
    path: Cow<'p, [u8]>,
    name: Range<usize>,
}

impl Place<'_> {
    /// The last component.
    pub(crate) fn name(&self) -> &[u8] {
        self.path.get(self.name.clone()).unwrap_or(&[])
    }

    /// The same, owning its bytes.
    pub(crate) fn into_owned(self) -> Place<'static> {
        Place { path: Cow::Owned(self.path.into_owned()), ..self }
    }
}

impl Files {
    /// Where a path given to a call begins: the working directory, or the directory behind `dirfd`.
    pub(crate) fn start(&self, dirfd: u64, path: &[u8]) -> Result<NodeId, Errno> {
        match path.first() {
            None => Err(Errno::ENOENT),
            Some(b'/') => Ok(ROOT),
            Some(_) if dirfd as i32 == AT_FDCWD => Ok(self.cwd),
            Some(_) => {
                let open = self.descriptors.get(dirfd)?;
                if open.kind.is_directory() { Ok(open.node) } else { Err(Errno::ENOTDIR) }
            }
        }
    }

    /// The node that a path names; a symbolic link in its last component is followed if `follow`, or if
    /// a slash comes after it.
    pub(crate) fn find(&self, start: NodeId, path: &[u8], follow: bool) -> Result<NodeId, Errno> {
        Ok(self.find_with_parent(start, path, follow)?.0)
    }

    /// As [`Files::find`], with the directory that the node was found in.
    pub(crate) fn find_with_parent(
        &self,
        start: NodeId,
        path: &[u8],
        follow: bool,
    ) -> Result<(NodeId, NodeId), Errno> {
        let mut links = 0;
        let mut place = self.walk(start, Cow::Borrowed(path), &mut links)?;
        loop {
            let node = self.look(&place)?.ok_or(Errno::ENOENT)?;
            let kind = self.store.kind(node)?;
            if !kind.is_link() || !(follow || place.slash) {
                if place.slash && !kind.is_directory() {
                    return Err(Errno::ENOTDIR);
                }
                return Ok((node, place.directory));
            }
            match self.follow(place, node, kind, &mut links)? {
                Followed::Path(next) => place = next,
                Followed::Node { node, slash } => {
                    if slash && !self.store.kind(node)?.is_directory() {
                        return Err(Errno::ENOTDIR);
                    }
                    return Ok((node, node));
                }
            }
        }
    }

    /// The node of a walked path's last component, if there is one.
    pub(crate) fn look(&self, place: &Place<'_>) -> Result<Option<NodeId>, Errno> {
        match place.last {
            Last::Name => self.look_up(place.directory, place.name()),
            Last::Dot => Ok(Some(place.directory)),
            Last::DotDot => self.store.parent(place.directory).map(Some),
            Last::Root => Ok(Some(ROOT)),
        }
    }

    fn look_up(&self, directory: NodeId, name: &[u8]) -> Result<Option<NodeId>, Errno> {
        if name.len() > NAME_MAX {
            // A directory that was removed does not even look.
            let removed = self.store.is_nameless(directory);
            return Err(if removed { Errno::ENOENT } else { Errno::ENAMETOOLONG });
        }
        match self.store.lookup(directory, name) {
            // /proc/self/fd, a directory whose entries are not stored.
            Err(Errno::ENOTDIR) if self.store.kind(directory)? == Kind::DescriptorDirectory => {
                Ok(decimal(name)
                    .filter(|fd| self.descriptors.get(u64::from(*fd)).is_ok())
                    .map(Store::descriptor_link))
            }
            found => found,
        }
    }

    /// Walks to the directory of a path's last component.
    pub(crate) fn walk<'p>(
        &self,
        start: NodeId,
        mut path: Cow<'p, [u8]>,
        links: &mut u32,
    ) -> Result<Place<'p>, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let mut directory = if path.first() == Some(&b'/') { ROOT } else { start };
        let mut at = 0;
        loop {
            at += count(&path, at, |byte| byte == b'/');
            let name = at..at + count(&path, at, |byte| byte != b'/');
            if name.is_empty() {
                // Only slashes: the root itself.
                return Ok(Place { directory: ROOT, last: Last::Root, slash: true, path, name });
            }
            let slashes = count(&path, name.end, |byte| byte == b'/');
            let component = path.get(name.clone()).unwrap_or(&[]);
            let last = match component {
                b"." => Last::Dot,
                b".." => Last::DotDot,
                _ => Last::Name,
            };
            if name.end + slashes == path.len() {
                return Ok(Place { directory, last, slash: slashes > 0, path, name });
            }
            let next = match last {
                Last::Name => self.look_up(directory, component)?.ok_or(Errno::ENOENT)?,
                Last::DotDot => self.store.parent(directory)?,
                Last::Dot | Last::Root => directory,
            };
            at = name.end;
            directory = match self.store.kind(next)? {
                Kind::Symlink => {
                    *links += 1;
                    if *links > LINKS_MAX {
                        return Err(Errno::ELOOP);
                    }
                    let target = self.store.target(next)?;
                    let mut spliced = Vec::with_capacity(target.len() + path.len() - at);
                    spliced.extend_from_slice(target);
                    spliced.extend_from_slice(path.get(at..).unwrap_or(&[]));
                    at = 0;
                    let absolute = spliced.first() == Some(&b'/');
                    path = Cow::Owned(spliced);
                    if absolute { ROOT } else { directory }
                }
                Kind::DescriptorLink(fd) => {
                    let open = self.descriptors.get(u64::from(fd))?;
                    if !open.kind.is_directory() {
                        return Err(Errno::ENOTDIR);
                    }
                    open.node
                }
                kind if kind.is_directory() => next,
                _ => return Err(Errno::ENOTDIR),
            };
        }
    }

    /// Follows the symbolic link that is a walked path's last component.
    pub(crate) fn follow<'p>(
        &self,
        place: Place<'p>,
        node: NodeId,
        kind: Kind,
        links: &mut u32,
    ) -> Result<Followed<'p>, Errno> {
        *links += 1;
        if *links > LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        if let Kind::DescriptorLink(fd) = kind {
            let node = self.descriptors.get(u64::from(fd))?.node;
            return Ok(Followed::Node { node, slash: place.slash });
        }
        let mut target = self.store.target(node)?.to_vec();
        if place.slash {
            target.push(b'/');
        }
        Ok(Followed::Path(self.walk(place.directory, Cow::Owned(target), links)?))
    }

    /// The absolute path of a directory. `ENOENT` when it was removed.
    pub(crate) fn path_of_directory(&self, directory: NodeId) -> Result<Vec<u8>, Errno> {
        let mut names = Vec::new();
        let (mut node, mut length) = (directory, 0);
        while node != ROOT {
            let parent = self.store.parent(node)?;
            let name = self.name_in(parent, node).ok_or(Errno::ENOENT)?;
            length += name.len() + 1;
            if length > PATH_MAX || node == parent {
                return Err(Errno::ENAMETOOLONG);
            }
            names.push(name);
            node = parent;
        }
        let mut path = Vec::with_capacity(length.max(1));
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }

    /// The name of a node in a directory.
    pub(crate) fn name_in(&self, directory: NodeId, node: NodeId) -> Option<&[u8]> {
        let mut position = crate::node::FIRST_ENTRY;
        while let Ok(Some(listed)) = self.store.entry_from(directory, position) {
            if listed.node == node {
                return Some(listed.name);
            }
            position = listed.next;
        }
        None
    }
}

/// Where a symbolic link leads.
pub(crate) enum Followed<'p> {
    Path(Place<'p>),
    /// A link of `/proc/self/fd` leads to a node, which may have no path.
    Node {
        node: NodeId,
        /// A slash comes after the link.
        slash: bool,
    },
}

/// How many bytes from `at` on satisfy the predicate.
fn count(path: &[u8], at: usize, predicate: impl Fn(u8) -> bool) -> usize {
    let rest = path.get(at..).unwrap_or(&[]);
    rest.iter().position(|byte| !predicate(*byte)).unwrap_or(rest.len())
}

/// A decimal number without sign or leading zeros.
fn decimal(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 || (text.len() > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    text.iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}
