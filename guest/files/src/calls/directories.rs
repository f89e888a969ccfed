//! Listing directories, and the working directory.

use super::Answer;
use crate::kind::{Kind, entry_type};
use crate::linux::*;
use crate::node::{FIRST_ENTRY, Listed};
use crate::store::{NodeId, Store};
use crate::{Errno, Files, UserMemory};

/// How a listing is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `struct linux_dirent`: the type in the last byte.
    Old,
    /// `struct linux_dirent64`: the type before the name.
    Sixty4,
}

impl Format {
    /// Bytes before the name.
    fn head(self) -> usize {
        match self {
            Format::Old => 18,
            Format::Sixty4 => 19,
        }
    }

    /// Length of a record: head, name, NUL, type in the old format, up to a multiple of 8.
    fn record(self, name: &[u8]) -> usize {
        (self.head() + name.len() + 1 + usize::from(self == Format::Old)).next_multiple_of(8)
    }
}

impl Files {
    /// `getdents` and `getdents64`.
    pub(super) fn list(
        &mut self,
        fd: u64,
        address: u64,
        length: u64,
        format: Format,
        user: &mut dyn UserMemory,
    ) -> Answer {
        let open = self.descriptors.file(fd)?;
        let (directory, mut position) = (open.node, open.position);
        if !open.kind.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        if self.store.is_nameless(directory) {
            return Err(Errno::ENOENT);
        }
        let mut done = 0usize;
        loop {
            let mut digits = [0; 10];
            let Some(Listed { next, name, node }) = self.listed(directory, position, &mut digits)? else {
                break;
            };
            let record = format.record(name);
            if done + record > length as u32 as usize {
                if done == 0 {
                    return Err(Errno::EINVAL);
                }
                break;
            }
            let into = user.bytes_mut(address.wrapping_add(done as u64), record)?;
            let kind = entry_type(self.store.kind(node)?);
            into.fill(0);
            into[..8].copy_from_slice(&inode_number(node).to_ne_bytes());
            into[8..16].copy_from_slice(&next.to_ne_bytes());
            into[16..18].copy_from_slice(&(record as u16).to_ne_bytes());
            match format {
                Format::Old => into[record - 1] = kind,
                Format::Sixty4 => into[18] = kind,
            }
            into[format.head()..format.head() + name.len()].copy_from_slice(name);
            done += record;
            position = next;
        }
        self.descriptors.get_mut(fd)?.position = position;
        Ok(done as u64)
    }

    /// The entry at a position of a listing.
    fn listed<'a>(
        &'a self,
        directory: NodeId,
        position: u64,
        digits: &'a mut [u8; 10],
    ) -> Result<Option<Listed<'a>>, Errno> {
        match position {
            0 => return Ok(Some(Listed { next: 1, name: b".", node: directory })),
            1 => {
                let parent = self.store.parent(directory)?;
                return Ok(Some(Listed { next: FIRST_ENTRY, name: b"..", node: parent }));
            }
            _ => {}
        }
        if self.store.kind(directory)? == Kind::DescriptorDirectory {
            let found = self.descriptors.next_in_use(position - FIRST_ENTRY);
            return Ok(found.map(|fd| Listed {
                next: FIRST_ENTRY + fd + 1,
                name: decimal(fd as u32, digits),
                node: Store::descriptor_link(fd as u32),
            }));
        }
        self.store.entry_from(directory, position)
    }

    pub(super) fn working_directory(
        &mut self,
        address: u64,
        length: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        let mut path = self.path_of_directory(self.cwd)?;
        path.push(0);
        if path.len() as u64 > length {
            return Err(Errno::ERANGE);
        }
        user.put(address, &path)?;
        Ok(path.len() as u64)
    }

    pub(super) fn change_directory(&mut self, path: u64, user: &mut dyn UserMemory) -> Answer {
        let node = self.find_at(super::CWD, path, true, user)?;
        self.set_working_directory(node)
    }

    pub(super) fn change_directory_open(&mut self, fd: u64) -> Answer {
        let node = self.descriptors.get(fd)?.node;
        self.set_working_directory(node)
    }

    fn set_working_directory(&mut self, node: NodeId) -> Answer {
        if !self.store.kind(node)?.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let before = core::mem::replace(&mut self.cwd, node);
        self.forget_if_unused(before);
        Ok(0)
    }

    pub(super) fn read_link_at(
        &mut self,
        dirfd: u64,
        path: u64,
        address: u64,
        length: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        if length as i32 <= 0 {
            return Err(Errno::EINVAL);
        }
        let text = user.c_string(path)?;
        let node = if text.is_empty() {
            // A link opened with O_PATH | O_NOFOLLOW.
            if dirfd as i32 == AT_FDCWD {
                return Err(Errno::ENOENT);
            }
            let open = self.descriptors.get(dirfd)?;
            if !open.kind.is_link() { return Err(Errno::ENOENT) } else { open.node }
        } else {
            self.find(self.start(dirfd, text)?, text, false)?
        };
        let described;
        let target = match self.store.kind(node)? {
            Kind::DescriptorLink(fd) => {
                described = self.describe(u64::from(fd))?;
                &described
            }
            _ => self.store.target(node)?,
        };
        let copied = target.len().min(length as u32 as usize);
        user.put(address, &target[..copied])?;
        Ok(copied as u64)
    }

    /// What `/proc/self/fd/N` shows: the path of a file, or what else it is.
    fn describe(&self, fd: u64) -> Result<alloc::vec::Vec<u8>, Errno> {
        let open = self.descriptors.get(fd)?;
        let mut number = [0; 10];
        let label: &[u8] = match open.kind {
            Kind::Directory | Kind::DescriptorDirectory => return self.path_of_directory(open.node),
            Kind::Pipe | Kind::Console(_) => b"pipe:[",
            Kind::Event => return Ok(b"anon_inode:[eventfd]".to_vec()),
            Kind::Watch => return Ok(b"anon_inode:[eventpoll]".to_vec()),
            _ => {
                // The directory it was opened in tells its name, unless it was renamed away or removed.
                return match self.name_in(open.parent, open.node) {
                    Some(name) => {
                        let mut path = self.path_of_directory(open.parent)?;
                        if path.len() > 1 {
                            path.push(b'/');
                        }
                        path.extend_from_slice(name);
                        Ok(path)
                    }
                    None => Ok(b"/ (deleted)".to_vec()),
                };
            }
        };
        let mut text = label.to_vec();
        text.extend_from_slice(decimal(inode_number(open.node) as u32, &mut number));
        text.push(b']');
        Ok(text)
    }
}

/// A number in decimal digits.
fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut at = digits.len();
    while at > 0 {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    &digits[at..]
}
