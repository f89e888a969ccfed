//! Writing, and what changes a file's length.

use alloc::vec::Vec;

use super::Answer;
use super::reading::{FULL, NULL, RANDOM, URANDOM, ZERO, check_vector, vector_piece};
use crate::kind::Kind;
use crate::linux::*;
use crate::node::Content;
use crate::store::NodeId;
use crate::{Errno, Files, Host, UserMemory};

/// Bytes that a pipe holds (PIPE_DEF_BUFFERS pages).
pub(super) const PIPE_CAPACITY: usize = 64 * 1024;
/// A write up to this size to a pipe is done whole or not at all (PIPE_BUF).
const PIPE_ATOMIC: usize = 4096;
/// Longest vector gathered into one write to the console: each write is a crossing to the host.
const GATHERED: u64 = 64 * 1024;

const FALLOC_FL_KEEP_SIZE: u64 = 1;

impl Files {
    pub(super) fn write(
        &mut self,
        fd: u64,
        address: u64,
        length: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        self.write_piece(fd, None, address, length, user, host)
    }

    pub(super) fn write_positioned(
        &mut self,
        fd: u64,
        address: u64,
        length: u64,
        offset: i64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let offset = self.check_offset(fd, offset)?;
        self.write_piece(fd, Some(offset), address, length, user, host)
    }

    fn write_piece(
        &mut self,
        fd: u64,
        offset: Option<u64>,
        address: u64,
        length: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let open = self.descriptors.writable(fd)?;
        let length = length.min(MAX_RW_COUNT);
        if open.kind == Kind::Device(NULL) {
            return Ok(length);
        }
        let bytes = if length == 0 { &[] } else { user.bytes(address, length as usize)? };
        self.write_bytes(fd, offset, bytes, host)
    }

    /// Writes at an offset, or at the file's position, which then moves; returns how many bytes were taken.
    pub(super) fn write_bytes(
        &mut self,
        fd: u64,
        offset: Option<u64>,
        bytes: &[u8],
        host: &mut dyn Host,
    ) -> Answer {
        let open = self.descriptors.writable(fd)?;
        let (node, flags) = (open.node, open.flags);
        match open.kind {
            Kind::Console(stream) => Ok(host.write_console(stream, bytes)? as u64),
            Kind::Regular => {
                // With O_APPEND even pwrite appends: pwrite(2), BUGS.
                let at = if flags & O_APPEND != 0 {
                    self.store.size(node)
                } else {
                    offset.unwrap_or(open.position)
                };
                if bytes.is_empty() {
                    return Ok(0);
                }
                let now = host.time();
                let done = self.store.data(node, now)?.write(at, bytes)? as u64;
                if offset.is_none() {
                    self.descriptors.get_mut(fd)?.position = at + done;
                }
                Ok(done)
            }
            Kind::Device(FULL) if !bytes.is_empty() => Err(Errno::ENOSPC),
            Kind::Device(NULL | ZERO | FULL | RANDOM | URANDOM) => Ok(bytes.len() as u64),
            Kind::Pipe => self.write_pipe(node, flags, bytes),
            Kind::Event => self.write_event(node, flags, bytes),
            _ => Err(Errno::EINVAL),
        }
    }

    fn write_pipe(&mut self, node: NodeId, flags: u32, bytes: &[u8]) -> Answer {
        let read = self.descriptors.opens().any(|open| open.node == node && open.is_readable());
        if bytes.is_empty() {
            return Ok(0);
        }
        if !read {
            return Err(Errno::EPIPE);
        }
        let held = self.store.pipe(node)?;
        let room = PIPE_CAPACITY.saturating_sub(held.len());
        if room == 0 || (bytes.len() <= PIPE_ATOMIC && bytes.len() > room) {
            return Err(if flags & O_NONBLOCK != 0 { Errno::EAGAIN } else { Errno::EDEADLK });
        }
        let taken = bytes.len().min(room);
        held.try_reserve(taken).map_err(|_| Errno::ENOMEM)?;
        held.extend(&bytes[..taken]);
        Ok(taken as u64)
    }

    fn write_event(&mut self, node: NodeId, flags: u32, bytes: &[u8]) -> Answer {
        let Some(first) = bytes.first_chunk::<8>() else { return Err(Errno::EINVAL) };
        let more = u64::from_ne_bytes(*first);
        let Content::Event { counter, .. } = &mut self.store.change(node)?.content else {
            return Err(Errno::EINVAL);
        };
        if more == u64::MAX {
            return Err(Errno::EINVAL);
        }
        match counter.checked_add(more).filter(|sum| *sum < u64::MAX) {
            Some(sum) => *counter = sum,
            None if flags & O_NONBLOCK != 0 => return Err(Errno::EAGAIN),
            None => return Err(Errno::EDEADLK),
        }
        Ok(8)
    }

    pub(super) fn write_vector(
        &mut self,
        fd: u64,
        vector: u64,
        count: u64,
        offset: Option<i64>,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let mut offset = match offset {
            Some(offset) => Some(self.check_offset(fd, offset)?),
            None => None,
        };
        let kind = self.descriptors.writable(fd)?.kind;
        let total = check_vector(vector, count, user)?;
        if matches!(kind, Kind::Console(_)) && count > 1 && total <= GATHERED {
            let mut gathered = Vec::with_capacity(total as usize);
            for index in 0..count {
                let (address, length) = vector_piece(vector, index, user)?;
                if length > 0 {
                    gathered.extend_from_slice(user.bytes(address, length as usize)?);
                }
            }
            return self.write_bytes(fd, None, &gathered, host);
        }
        let mut done = 0;
        for index in 0..count {
            let (address, length) = vector_piece(vector, index, user)?;
            if length == 0 {
                continue;
            }
            match self.write_piece(fd, offset, address, length, user, host) {
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
                Ok(moved) => {
                    done += moved;
                    offset = offset.map(|offset| offset + moved);
                    if moved < length {
                        break;
                    }
                }
            }
        }
        Ok(done)
    }

    pub(super) fn truncate(
        &mut self,
        path: u64,
        length: i64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let length = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        let node = self.find_at(super::CWD, path, true, user)?;
        match self.store.kind(node)? {
            Kind::Directory | Kind::DescriptorDirectory => Err(Errno::EISDIR),
            Kind::Regular => self.set_length(node, length, host),
            Kind::Generated(_) => Err(Errno::EACCES),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn truncate_open(&mut self, fd: u64, length: i64, host: &mut dyn Host) -> Answer {
        let length = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        let open = self.descriptors.file(fd)?;
        if open.kind != Kind::Regular || !open.is_writable() {
            return Err(Errno::EINVAL);
        }
        self.set_length(open.node, length, host)
    }

    fn set_length(&mut self, node: NodeId, length: u64, host: &mut dyn Host) -> Answer {
        let now = host.time();
        self.store.data(node, now)?.truncate(length)?;
        Ok(0)
    }

    /// `fallocate`: lengthens; pages come when they are written.
    pub(super) fn allocate(
        &mut self,
        fd: u64,
        mode: u64,
        offset: i64,
        length: i64,
        host: &mut dyn Host,
    ) -> Answer {
        let open = self.descriptors.file(fd)?;
        if offset < 0 || length <= 0 {
            return Err(Errno::EINVAL);
        }
        if mode & !FALLOC_FL_KEEP_SIZE != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if !open.is_writable() {
            return Err(Errno::EBADF);
        }
        let node = open.node;
        match open.kind {
            Kind::Regular => {}
            Kind::Pipe | Kind::Console(_) => return Err(Errno::ESPIPE),
            Kind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::ENODEV),
        }
        let end = offset.checked_add(length).ok_or(Errno::EFBIG)? as u64;
        if mode == 0 && end > self.store.size(node) {
            return self.set_length(node, end, host);
        }
        Ok(0)
    }

    /// `fsync` and its kin: there is nothing behind RAM.
    pub(super) fn synchronise(&mut self, fd: u64) -> Answer {
        match self.descriptors.file(fd)?.kind {
            Kind::Pipe | Kind::Event | Kind::Watch | Kind::Console(_) | Kind::Device(_) => Err(Errno::EINVAL),
            _ => Ok(0),
        }
    }

    pub(super) fn read_ahead(&mut self, fd: u64) -> Answer {
        match self.descriptors.readable(fd)?.kind {
            Kind::Regular => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn advise(&mut self, fd: u64, advice: u64) -> Answer {
        match self.descriptors.file(fd)?.kind {
            Kind::Pipe | Kind::Console(_) => Err(Errno::ESPIPE),
            _ if advice > 5 => Err(Errno::EINVAL),
            _ => Ok(0),
        }
    }
}
