//! What is known of a file besides its contents.

use super::Answer;
use crate::kind::Kind;
use crate::linux::*;
use crate::store::NodeId;
use crate::{Errno, Files, Host, UserMemory};

const X_OK: u64 = 1;
const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

impl Files {
    pub(super) fn stat_at(
        &mut self,
        dirfd: u64,
        path: u64,
        address: u64,
        flags: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE) != 0 {
            return Err(Errno::EINVAL);
        }
        let (follow, empty) = (flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0);
        let node = self.find_at_or_open(dirfd, path, follow, empty, user)?;
        user.put_words(address, &stat(&self.store.attributes(node)?))?;
        Ok(0)
    }

    pub(super) fn stat_open(&mut self, fd: u64, address: u64, user: &mut dyn UserMemory) -> Answer {
        let attributes = self.store.attributes(self.descriptors.get(fd)?.node)?;
        user.put_words(address, &stat(&attributes))?;
        Ok(0)
    }

    pub(super) fn statx(
        &mut self,
        dirfd: u64,
        path: u64,
        flags: u64,
        mask: u64,
        address: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        /// `STATX__RESERVED`.
        const RESERVED: u64 = 0x8000_0000;
        let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
        if flags & !known != 0 || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE || mask & RESERVED != 0 {
            return Err(Errno::EINVAL);
        }
        let (follow, empty) = (flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0);
        // Since Linux 6.11 a null path is an empty one.
        let node = if empty && path == 0 {
            if dirfd as i32 == AT_FDCWD { self.cwd } else { self.descriptors.get(dirfd)?.node }
        } else {
            self.find_at_or_open(dirfd, path, follow, empty, user)?
        };
        user.put_words(address, &statx(&self.store.attributes(node)?))?;
        Ok(0)
    }

    /// `access`: root may do anything, but run what nobody may run.
    pub(super) fn access_at(
        &mut self,
        dirfd: u64,
        path: u64,
        mode: u64,
        flags: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        if mode & !7 != 0 || flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let (follow, empty) = (flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0);
        let node = self.find_at_or_open(dirfd, path, follow, empty, user)?;
        let permissions = self.store.attributes(node)?.mode;
        let is_directory = self.store.kind(node)?.is_directory();
        if mode & X_OK != 0 && !is_directory && permissions & 0o111 == 0 {
            return Err(Errno::EACCES);
        }
        Ok(0)
    }

    pub(super) fn change_mode_at(
        &mut self,
        dirfd: u64,
        path: u64,
        mode: u32,
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let (follow, empty) = (flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0);
        let node = self.find_at_or_open(dirfd, path, follow, empty, user)?;
        if self.store.kind(node)?.is_link() {
            return Err(Errno::EOPNOTSUPP);
        }
        self.set_mode(node, mode, host)
    }

    pub(super) fn change_mode_open(&mut self, fd: u64, mode: u32, host: &mut dyn Host) -> Answer {
        let node = self.descriptors.file(fd)?.node;
        self.set_mode(node, mode, host)
    }

    fn set_mode(&mut self, node: NodeId, mode: u32, host: &mut dyn Host) -> Answer {
        let now = host.time();
        let node = self.store.change(node)?;
        node.mode = (node.mode & S_IFMT) | (mode & 0o7777);
        node.changed = now;
        Ok(0)
    }

    #[expect(clippy::too_many_arguments, reason = "the call's own five, and the surroundings")]
    pub(super) fn change_owner_at(
        &mut self,
        dirfd: u64,
        path: u64,
        uid: u32,
        gid: u32,
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let (follow, empty) = (flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0);
        let node = self.find_at_or_open(dirfd, path, follow, empty, user)?;
        self.set_owner(node, uid, gid, host)
    }

    pub(super) fn change_owner_open(&mut self, fd: u64, uid: u32, gid: u32, host: &mut dyn Host) -> Answer {
        let node = self.descriptors.file(fd)?.node;
        self.set_owner(node, uid, gid, host)
    }

    fn set_owner(&mut self, node: NodeId, uid: u32, gid: u32, host: &mut dyn Host) -> Answer {
        let now = host.time();
        let node = self.store.change(node)?;
        // −1 leaves as it is.
        if uid != u32::MAX {
            node.uid = uid;
        }
        if gid != u32::MAX {
            node.gid = gid;
        }
        // Whoever is given a program is not given its rights with it (chown(2)).
        if node.mode & S_IFMT == S_IFREG {
            node.mode &= if node.mode & 0o010 != 0 { !0o6000 } else { !0o4000 };
        }
        node.changed = now;
        Ok(0)
    }

    /// `utimensat`.
    pub(super) fn set_times_nanoseconds(
        &mut self,
        dirfd: u64,
        path: u64,
        times: u64,
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let mut both = [Some(host.time()); 2];
        if times != 0 {
            for (index, time) in both.iter_mut().enumerate() {
                match user.two_words(times.wrapping_add(16 * index as u64))? {
                    (_, UTIME_NOW) => {}
                    (_, UTIME_OMIT) => *time = None,
                    (seconds, nanos @ 0..1_000_000_000) => {
                        *time = Some(Time { seconds, nanos: nanos as u32 });
                    }
                    _ => return Err(Errno::EINVAL),
                }
            }
        }
        if both == [None, None] {
            return Ok(0);
        }
        // Linux's own: a null path is the descriptor itself (futimens).
        let node = if path == 0 && dirfd as i32 != AT_FDCWD {
            if flags != 0 {
                return Err(Errno::EINVAL);
            }
            self.descriptors.file(dirfd)?.node
        } else {
            if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
                return Err(Errno::EINVAL);
            }
            let (follow, empty) = (flags & AT_SYMLINK_NOFOLLOW == 0, flags & AT_EMPTY_PATH != 0);
            self.find_at_or_open(dirfd, path, follow, empty, user)?
        };
        self.set_times(node, both, host)
    }

    /// `utimes`, `futimesat`.
    pub(super) fn set_times_microseconds(
        &mut self,
        dirfd: u64,
        path: u64,
        times: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let mut both = [Some(host.time()); 2];
        if times != 0 {
            for (index, time) in both.iter_mut().enumerate() {
                match user.two_words(times.wrapping_add(16 * index as u64))? {
                    (seconds, micros @ 0..1_000_000) => {
                        *time = Some(Time { seconds, nanos: micros as u32 * 1000 });
                    }
                    _ => return Err(Errno::EINVAL),
                }
            }
        }
        let node = self.find_at(dirfd, path, true, user)?;
        self.set_times(node, both, host)
    }

    /// `utime`.
    pub(super) fn set_times_seconds(
        &mut self,
        path: u64,
        times: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let mut both = [Some(host.time()); 2];
        if times != 0 {
            let (accessed, modified) = user.two_words(times)?;
            both = [accessed, modified].map(|seconds| Some(Time { seconds, nanos: 0 }));
        }
        let node = self.find_at(super::CWD, path, true, user)?;
        self.set_times(node, both, host)
    }

    fn set_times(
        &mut self,
        node: NodeId,
        [accessed, modified]: [Option<Time>; 2],
        host: &mut dyn Host,
    ) -> Answer {
        let now = host.time();
        let node = self.store.change(node)?;
        node.accessed = accessed.unwrap_or(node.accessed);
        node.modified = modified.unwrap_or(node.modified);
        node.changed = now;
        Ok(0)
    }

    pub(super) fn file_system_at(
        &mut self,
        path: u64,
        address: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        self.find_at(super::CWD, path, true, user)?;
        let machine = host.machine();
        user.put_words(address, &statfs(machine.memory_total, machine.memory_free))?;
        Ok(0)
    }

    pub(super) fn file_system_open(
        &mut self,
        fd: u64,
        address: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        self.descriptors.get(fd)?;
        let machine = host.machine();
        user.put_words(address, &statfs(machine.memory_total, machine.memory_free))?;
        Ok(0)
    }

    pub(super) fn extended_attribute_at(
        &mut self,
        path: u64,
        number: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        let follow = !matches!(number, 189 | 192 | 195 | 198);
        let node = self.find_at(super::CWD, path, follow, user)?;
        self.extended_attribute(node, number)
    }

    pub(super) fn extended_attribute_open(&mut self, fd: u64, number: u64) -> Answer {
        self.extended_attribute(self.descriptors.file(fd)?.node, number)
    }

    /// There is none: a list is empty, a get or remove finds nothing, a set is not supported.
    fn extended_attribute(&self, node: NodeId, number: u64) -> Answer {
        match number {
            194..=196 => Ok(0),
            188..=190 => Err(Errno::EOPNOTSUPP),
            _ if matches!(self.store.kind(node)?, Kind::Console(_) | Kind::DescriptorLink(_)) => {
                Err(Errno::EOPNOTSUPP)
            }
            _ => Err(Errno::ENODATA),
        }
    }
}
