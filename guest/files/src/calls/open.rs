//! Opening files.

use alloc::borrow::Cow;

use super::Answer;
use crate::descriptor::Open;
use crate::kind::Kind;
use crate::linux::*;
use crate::node::Content;
use crate::path::{Followed, Last, Place};
use crate::store::NodeId;
use crate::{Errno, Files, Host, UserMemory};

/// What `creat` opens with.
pub(super) const CREAT: u32 = O_CREAT | O_WRONLY | O_TRUNC;

const MFD_CLOEXEC: u64 = 1;
const MFD_ALLOW_SEALING: u64 = 2;
const MFD_EXEC_FLAGS: u64 = 0x18;

impl Files {
    pub(super) fn open_at(
        &mut self,
        dirfd: u64,
        address: u64,
        flags: u32,
        mode: u32,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let flags = if flags & O_PATH != 0 {
            flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        } else {
            flags | O_LARGEFILE
        };
        let temporary = flags & O_TMPFILE == O_TMPFILE;
        if flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY
            || (temporary && flags & O_ACCMODE == O_RDONLY)
        {
            return Err(Errno::EINVAL);
        }
        let path = user.c_string(address)?;
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        self.descriptors.free_slot(0)?;
        let start = self.start(dirfd, path)?;
        if temporary {
            let directory = self.find(start, path, flags & O_NOFOLLOW == 0)?;
            return self.open_temporary(directory, flags, mode, host);
        }
        let (node, parent, created) = if flags & O_CREAT != 0 {
            self.find_or_create(start, path, flags, mode, host)?
        } else {
            let follow = flags & O_NOFOLLOW == 0;
            let (node, parent) = self.find_with_parent(start, path, follow)?;
            (node, parent, false)
        };
        self.open_node(node, parent, created, flags, host)
    }

    /// Opens a node that was found or made. Order of the checks: do_open and may_open, fs/namei.c.
    fn open_node(
        &mut self,
        node: NodeId,
        parent: NodeId,
        created: bool,
        flags: u32,
        host: &mut dyn Host,
    ) -> Answer {
        let kind = self.store.kind(node)?;
        if flags & O_DIRECTORY != 0 && !kind.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let close_on_exec = flags & O_CLOEXEC != 0;
        let kept = flags & !O_OPENING;
        let mut open = Open::new(node, kind, kept);
        open.parent = parent;
        if flags & O_PATH != 0 {
            return self.descriptors.install(open, close_on_exec);
        }
        let writes = matches!(flags & O_ACCMODE, O_WRONLY | O_RDWR);
        match kind {
            Kind::Symlink | Kind::DescriptorLink(_) => return Err(Errno::ELOOP),
            Kind::Directory | Kind::DescriptorDirectory if writes || flags & O_TRUNC != 0 => {
                return Err(Errno::EISDIR);
            }
            Kind::Regular if flags & O_TRUNC != 0 && !created => {
                let now = host.time();
                self.store.data(node, now)?.truncate(0)?;
            }
            Kind::Generated(_) if writes => return Err(Errno::EACCES),
            Kind::Generated(generator) => open.text = self.generate(generator, host)?,
            Kind::Device(number) if !super::reading::is_known_device(number) => return Err(Errno::ENXIO),
            // Reopened through /proc/self/fd: each end of a pipe and stream of the console as it is.
            Kind::Console(0) if writes => return Err(Errno::EACCES),
            Kind::Console(1..) if flags & O_ACCMODE != O_WRONLY => return Err(Errno::EACCES),
            Kind::Event | Kind::Watch => return Err(Errno::ENXIO),
            _ => {}
        }
        self.descriptors.install(open, close_on_exec)
    }

    fn generate(&mut self, generator: u32, host: &mut dyn Host) -> Result<alloc::boxed::Box<[u8]>, Errno> {
        let boot_id = match self.boot_id {
            Some(boot_id) => boot_id,
            None => {
                let mut boot_id = [0; 16];
                if generator == crate::proc::BOOT_ID {
                    host.random(&mut boot_id);
                    self.boot_id = Some(boot_id);
                }
                boot_id
            }
        };
        let text = crate::proc::text(generator, &host.machine(), &boot_id, self.umask);
        Ok(text.into_boxed_slice())
    }

    /// `O_CREAT`: the node, the directory it is in, and whether it is new. As open_last_lookups, fs/namei.c.
    fn find_or_create(
        &mut self,
        start: NodeId,
        path: &[u8],
        flags: u32,
        mode: u32,
        host: &mut dyn Host,
    ) -> Result<(NodeId, NodeId, bool), Errno> {
        let exclusive = flags & O_EXCL != 0;
        let mut links = 0;
        let mut place = self.walk(start, Cow::Borrowed(path), &mut links)?;
        loop {
            if place.last != Last::Name {
                return Err(if exclusive { Errno::EEXIST } else { Errno::EISDIR });
            }
            if place.slash {
                return Err(Errno::EISDIR);
            }
            let Some(node) = self.look(&place)? else {
                let mode = S_IFREG | (mode & 0o7777 & !self.umask);
                let node = self.create_at(&place, mode, Content::Regular(Default::default()), host)?;
                return Ok((node, place.directory, true));
            };
            let kind = self.store.kind(node)?;
            if exclusive {
                return Err(Errno::EEXIST);
            }
            if kind.is_link() && flags & O_NOFOLLOW == 0 {
                match self.follow(place, node, kind, &mut links)? {
                    Followed::Path(next) => place = next,
                    Followed::Node { slash: true, .. } => return Err(Errno::EISDIR),
                    Followed::Node { node, .. } => return Ok((node, node, false)),
                }
                continue;
            }
            if kind.is_directory() {
                return Err(Errno::EISDIR);
            }
            return Ok((node, place.directory, false));
        }
    }

    /// Makes a node under a name that is free. `ENOENT` in a directory that was removed.
    pub(super) fn create_at(
        &mut self,
        place: &Place<'_>,
        mode: u32,
        content: Content,
        host: &mut dyn Host,
    ) -> Result<NodeId, Errno> {
        self.check_can_enter(place.directory)?;
        let now = host.time();
        let links = if mode & S_IFMT == S_IFDIR { 2 } else { 1 };
        let node = self.store.create(mode, links, content, now)?;
        self.store.enter(place.directory, place.name(), node, now)?;
        Ok(node)
    }

    /// Whether names may be added to a directory: not once it is removed, nor in `/proc`.
    pub(super) fn check_can_enter(&self, directory: NodeId) -> Result<(), Errno> {
        if self.store.kind(directory)? != Kind::Directory
            || self.store.is_nameless(directory)
            || self.store.is_sealed(directory)
        {
            return Err(Errno::ENOENT);
        }
        Ok(())
    }

    fn open_temporary(&mut self, directory: NodeId, flags: u32, mode: u32, host: &mut dyn Host) -> Answer {
        if self.store.kind(directory)? != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.check_can_enter(directory)?;
        let mode = S_IFREG | (mode & 0o7777 & !self.umask);
        let node = self.store.create(mode, 0, Content::Regular(Default::default()), host.time())?;
        let kept = flags & !O_OPENING;
        self.descriptors.install(Open::new(node, Kind::Regular, kept), flags & O_CLOEXEC != 0)
    }

    pub(super) fn memory_file(
        &mut self,
        name: u64,
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC_FLAGS) != 0 {
            return Err(Errno::EINVAL);
        }
        // NAME_MAX less the length of "memfd:" (mm/memfd.c).
        if user.c_string(name)?.len() > NAME_MAX - 6 {
            return Err(Errno::EINVAL);
        }
        self.descriptors.free_slot(0)?;
        let node =
            self.store.create(S_IFREG | 0o777, 0, Content::Regular(Default::default()), host.time())?;
        let open = Open::new(node, Kind::Regular, O_RDWR | O_LARGEFILE);
        self.descriptors.install(open, flags & MFD_CLOEXEC != 0)
    }
}
