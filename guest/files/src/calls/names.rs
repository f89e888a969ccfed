//! Making, removing and changing names. The order of the checks is that of fs/namei.c.

use alloc::borrow::Cow;
use alloc::boxed::Box;

use super::Answer;
use crate::kind::Kind;
use crate::linux::*;
use crate::node::{Content, Directory};
use crate::path::{Last, Place};
use crate::store::{NodeId, ROOT};
use crate::{Errno, Files, Host, UserMemory};

const RENAME_NOREPLACE: u64 = 1;
const RENAME_EXCHANGE: u64 = 2;

impl Files {
    /// The place that a call makes, removes or changes a name in.
    fn place<'u>(&self, dirfd: u64, path: u64, user: &'u mut dyn UserMemory) -> Result<Place<'u>, Errno> {
        let path = user.c_string(path)?;
        self.walk(self.start(dirfd, path)?, Cow::Borrowed(path), &mut 0)
    }

    /// The place of a name that must be free (filename_create). A slash at its end is for directories.
    fn free_place<'u>(
        &self,
        dirfd: u64,
        path: u64,
        is_directory: bool,
        user: &'u mut dyn UserMemory,
    ) -> Result<Place<'u>, Errno> {
        let place = self.place(dirfd, path, user)?;
        if place.last != Last::Name || self.look(&place)?.is_some() {
            return Err(Errno::EEXIST);
        }
        if place.slash && !is_directory {
            return Err(Errno::ENOENT);
        }
        Ok(place)
    }

    pub(super) fn make_directory_at(
        &mut self,
        dirfd: u64,
        path: u64,
        mode: u32,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let place = self.free_place(dirfd, path, true, user)?;
        let content = Content::Directory(Box::new(Directory::new(place.directory)));
        let mode = S_IFDIR | (mode & 0o1777 & !self.umask);
        self.create_at(&place, mode, content, host)?;
        self.store.change(place.directory)?.links += 1;
        Ok(0)
    }

    /// `mknod`: a regular file; devices and FIFOs are not to be had.
    pub(super) fn make_node_at(
        &mut self,
        dirfd: u64,
        path: u64,
        mode: u32,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if !matches!(mode & S_IFMT, 0 | S_IFREG) {
            return Err(Errno::EPERM);
        }
        let place = self.free_place(dirfd, path, false, user)?;
        let mode = S_IFREG | (mode & 0o7777 & !self.umask);
        self.create_at(&place, mode, Content::Regular(Default::default()), host)?;
        Ok(0)
    }

    pub(super) fn symlink_at(
        &mut self,
        target: u64,
        dirfd: u64,
        path: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let target: Box<[u8]> = Box::from(user.c_string(target)?);
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let place = self.free_place(dirfd, path, false, user)?;
        self.create_at(&place, S_IFLNK | 0o777, Content::Symlink(target), host)?;
        Ok(0)
    }

    #[expect(clippy::too_many_arguments, reason = "the call's own five, and the surroundings")]
    pub(super) fn link_at(
        &mut self,
        old_dirfd: u64,
        old_path: u64,
        dirfd: u64,
        path: u64,
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let (follow, empty) = (flags & AT_SYMLINK_FOLLOW != 0, flags & AT_EMPTY_PATH != 0);
        let node = self.find_at_or_open(old_dirfd, old_path, follow, empty, user)?;
        let place = self.free_place(dirfd, path, false, user)?;
        self.check_can_enter(place.directory)?;
        match self.store.kind(node)? {
            Kind::Directory | Kind::DescriptorDirectory => return Err(Errno::EPERM),
            Kind::Regular | Kind::Symlink | Kind::Device(_) | Kind::Generated(_) => {}
            _ => return Err(Errno::EPERM),
        }
        // Without a name it can get one only if it was made so (O_TMPFILE).
        let linkable =
            |open: &crate::descriptor::Open| open.node == node && open.flags & O_TMPFILE == O_TMPFILE;
        if self.store.is_nameless(node) && !self.descriptors.opens().any(linkable) {
            return Err(Errno::ENOENT);
        }
        let now = host.time();
        let linked = self.store.change(node)?;
        linked.links = linked.links.checked_add(1).ok_or(Errno::EMLINK)?;
        linked.changed = now;
        self.store.enter(place.directory, place.name(), node, now)?;
        Ok(0)
    }

    pub(super) fn unlink_at(
        &mut self,
        dirfd: u64,
        path: u64,
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if flags & !AT_REMOVEDIR != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & AT_REMOVEDIR != 0 {
            return self.remove_directory_at(dirfd, path, user, host);
        }
        let place = self.place(dirfd, path, user)?;
        if place.last != Last::Name {
            return Err(Errno::EISDIR);
        }
        let node = self.look(&place)?.ok_or(Errno::ENOENT)?;
        match self.store.kind(node)? {
            Kind::Directory | Kind::DescriptorDirectory => return Err(Errno::EISDIR),
            Kind::DescriptorLink(_) => return Err(Errno::EPERM),
            _ if place.slash => return Err(Errno::ENOTDIR),
            _ if self.store.is_sealed(place.directory) => return Err(Errno::EPERM),
            _ => {}
        }
        let now = host.time();
        self.store.leave(place.directory, place.name(), now)?;
        self.lost_name(node, now)
    }

    pub(super) fn remove_directory_at(
        &mut self,
        dirfd: u64,
        path: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let place = self.place(dirfd, path, user)?;
        match place.last {
            Last::Name => {}
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Root => return Err(Errno::EBUSY),
        }
        let node = self.look(&place)?.ok_or(Errno::ENOENT)?;
        match self.store.kind(node)? {
            Kind::Directory => {}
            Kind::DescriptorDirectory => return Err(Errno::EPERM),
            _ => return Err(Errno::ENOTDIR),
        }
        if self.store.is_sealed(place.directory) {
            return Err(Errno::EPERM);
        }
        if !self.store.is_empty_directory(node)? {
            return Err(Errno::ENOTEMPTY);
        }
        let now = host.time();
        self.store.leave(place.directory, place.name(), now)?;
        let parent = self.store.change(place.directory)?;
        parent.links = parent.links.saturating_sub(1);
        self.lost_name(node, now)
    }

    /// Notes that a name of a node is gone: a directory then has none left.
    fn lost_name(&mut self, node: NodeId, now: Time) -> Answer {
        let lost = self.store.change(node)?;
        lost.links = match lost.content {
            Content::Directory(_) => 0,
            _ => lost.links.saturating_sub(1),
        };
        lost.changed = now;
        self.forget_if_unused(node);
        Ok(0)
    }

    #[expect(clippy::too_many_arguments, reason = "the call's own five, and the surroundings")]
    pub(super) fn rename_at(
        &mut self,
        old_dirfd: u64,
        old_path: u64,
        dirfd: u64,
        path: u64,
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let (exclusive, exchange) = (flags & RENAME_NOREPLACE != 0, flags & RENAME_EXCHANGE != 0);
        if flags & !(RENAME_NOREPLACE | RENAME_EXCHANGE) != 0 || (exclusive && exchange) {
            return Err(Errno::EINVAL);
        }
        let from = self.place(old_dirfd, old_path, user)?.into_owned();
        let to = self.place(dirfd, path, user)?;
        if from.last != Last::Name {
            return Err(Errno::EBUSY);
        }
        if to.last != Last::Name {
            return Err(if exclusive { Errno::EEXIST } else { Errno::EBUSY });
        }
        let node = self.look(&from)?.ok_or(Errno::ENOENT)?;
        let target = self.look(&to)?;
        if exclusive && target.is_some() {
            return Err(Errno::EEXIST);
        }
        if exchange && target.is_none() {
            return Err(Errno::ENOENT);
        }
        let is_directory = |node| Ok::<_, Errno>(self.store.kind(node)?.is_directory());
        let (moves_directory, replaces_directory) =
            (is_directory(node)?, target.map(is_directory).transpose()?.unwrap_or(false));
        if !moves_directory && (from.slash || (!exchange && to.slash)) {
            return Err(Errno::ENOTDIR);
        }
        if exchange && to.slash && !replaces_directory {
            return Err(Errno::ENOTDIR);
        }
        if moves_directory && self.lies_within(to.directory, node)? {
            return Err(Errno::EINVAL);
        }
        if let Some(target) = target
            && replaces_directory
            && self.lies_within(from.directory, target)?
        {
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if target == Some(node) {
            return Ok(0);
        }
        let moves_link =
            matches!(self.store.kind(node)?, Kind::DescriptorLink(_) | Kind::DescriptorDirectory);
        if moves_link || self.store.is_sealed(from.directory) {
            return Err(Errno::EPERM);
        }
        self.check_can_enter(to.directory)?;
        if let Some(target) = target.filter(|_| !exchange) {
            match (moves_directory, replaces_directory) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                (true, true) if !self.store.is_empty_directory(target)? => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        let now = host.time();
        self.store.leave(from.directory, from.name(), now)?;
        if let Some(target) = target {
            self.store.leave(to.directory, to.name(), now)?;
            if exchange {
                self.store.enter(from.directory, from.name(), target, now)?;
                self.moved(target, to.directory, from.directory, now)?;
            } else {
                if replaces_directory {
                    let parent = self.store.change(to.directory)?;
                    parent.links = parent.links.saturating_sub(1);
                }
                self.lost_name(target, now)?;
            }
        }
        self.store.enter(to.directory, to.name(), node, now)?;
        self.moved(node, from.directory, to.directory, now)?;
        Ok(0)
    }

    /// Notes that a node now lies in another directory.
    fn moved(&mut self, node: NodeId, from: NodeId, to: NodeId, now: Time) -> Result<(), Errno> {
        let moved = self.store.change(node)?;
        moved.changed = now;
        if let Content::Directory(directory) = &mut moved.content {
            directory.parent = to;
            let before = self.store.change(from)?;
            before.links = before.links.saturating_sub(1);
            self.store.change(to)?.links += 1;
        }
        Ok(())
    }

    /// Whether a directory is another, or lies anywhere in it.
    fn lies_within(&self, directory: NodeId, other: NodeId) -> Result<bool, Errno> {
        let mut node = directory;
        // A path has at most half as many directories as bytes; the bound is for damaged trees.
        for _ in 0..1 << 16 {
            if node == other {
                return Ok(true);
            }
            if node == ROOT {
                return Ok(false);
            }
            node = self.store.parent(node)?;
        }
        Err(Errno::EIO)
    }
}
