//! Reading, seeking, and what moves bytes between two descriptors.

use super::Answer;
use crate::kind::Kind;
use crate::linux::*;
use crate::node::Content;
use crate::{Errno, Files, Host, UserMemory};

/// Longest read from the console at once, so that the buffer's untouched pages stay so.
const CONSOLE_READ: usize = 64 * 1024;
/// Longest vector of a `readv` or `writev` (UIO_MAXIOV).
const VECTOR_MAX: u64 = 1024;
/// Bytes that `sendfile` moves at once.
const COPY_PIECE: usize = 64 * 1024;

// Documentation/admin-guide/devices.txt; `major << 8 | minor`.
pub(super) const NULL: u32 = 0x103;
pub(super) const ZERO: u32 = 0x105;
pub(super) const FULL: u32 = 0x107;
pub(super) const RANDOM: u32 = 0x108;
pub(super) const URANDOM: u32 = 0x109;

pub(super) fn is_known_device(number: u32) -> bool {
    matches!(number, NULL | ZERO | FULL | RANDOM | URANDOM)
}

const SEEK_SET: u64 = 0;
const SEEK_CUR: u64 = 1;
const SEEK_END: u64 = 2;
const SEEK_DATA: u64 = 3;
const SEEK_HOLE: u64 = 4;

impl Files {
    pub(super) fn read(
        &mut self,
        fd: u64,
        address: u64,
        length: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        self.read_piece(fd, None, address, length, user, host)
    }

    pub(super) fn read_positioned(
        &mut self,
        fd: u64,
        address: u64,
        length: u64,
        offset: i64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let offset = self.check_offset(fd, offset)?;
        self.read_piece(fd, Some(offset), address, length, user, host)
    }

    /// An offset given to `pread` and its kin: not negative, and the file must have positions.
    pub(super) fn check_offset(&self, fd: u64, offset: i64) -> Result<u64, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
        match self.descriptors.file(fd)?.kind {
            Kind::Pipe | Kind::Event | Kind::Watch | Kind::Console(_) => Err(Errno::ESPIPE),
            _ => Ok(offset),
        }
    }

    /// Reads once, at an offset or at the file's position, which then moves.
    fn read_piece(
        &mut self,
        fd: u64,
        offset: Option<u64>,
        address: u64,
        length: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let open = self.descriptors.readable(fd)?;
        let (node, flags) = (open.node, open.flags);
        let at = offset.unwrap_or(open.position);
        let length = length.min(MAX_RW_COUNT) as usize;
        // Only as much of the buffer is asked for as will be filled: its other pages need not exist yet.
        let left = |size: u64| length.min(usize::try_from(size.saturating_sub(at)).unwrap_or(usize::MAX));
        let done = match open.kind {
            Kind::Regular => match left(self.store.size(node)) {
                0 => 0,
                wanted => self.store.read(node, at, user.bytes_mut(address, wanted)?),
            },
            Kind::Console(_) => {
                let wanted = length.min(CONSOLE_READ);
                if flags & O_NONBLOCK != 0 && !host.poll_console(Some(0))? {
                    return Err(Errno::EAGAIN);
                }
                if wanted == 0 { 0 } else { host.read_console(user.bytes_mut(address, wanted)?)? }
            }
            Kind::Generated(_) => {
                let wanted = left(open.text.len() as u64);
                let start = at as usize;
                if let Some(text) = open.text.get(start..start.saturating_add(wanted))
                    && wanted > 0
                {
                    user.put(address, text)?;
                }
                wanted
            }
            Kind::Device(NULL) => 0,
            _ if length == 0 && !open.kind.is_directory() => 0,
            Kind::Device(ZERO | FULL) => {
                user.bytes_mut(address, length)?.fill(0);
                length
            }
            Kind::Device(RANDOM | URANDOM) => {
                host.random(user.bytes_mut(address, length)?);
                length
            }
            Kind::Pipe => return self.read_pipe(node, flags, address, length, user),
            Kind::Event => return self.read_event(node, flags, address, length, user),
            Kind::Directory | Kind::DescriptorDirectory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        };
        if offset.is_none() && matches!(open.kind, Kind::Regular | Kind::Generated(_)) {
            self.descriptors.get_mut(fd)?.position += done as u64;
        }
        Ok(done as u64)
    }

    /// A pipe of a process that is alone: who would wait for another end waits for ever, and is told so.
    fn read_pipe(
        &mut self,
        node: u32,
        flags: u32,
        address: u64,
        length: usize,
        user: &mut dyn UserMemory,
    ) -> Answer {
        let written = self.descriptors.opens().any(|open| open.node == node && open.is_writable());
        let bytes = self.store.pipe(node)?;
        let wanted = length.min(bytes.len());
        if wanted == 0 {
            return match (written, flags & O_NONBLOCK != 0) {
                (false, _) => Ok(0),
                (true, true) => Err(Errno::EAGAIN),
                (true, false) => Err(Errno::EDEADLK),
            };
        }
        let into = user.bytes_mut(address, wanted)?;
        let (front, back) = bytes.as_slices();
        let from_front = wanted.min(front.len());
        into[..from_front].copy_from_slice(&front[..from_front]);
        into[from_front..].copy_from_slice(&back[..wanted - from_front]);
        bytes.drain(..wanted);
        Ok(wanted as u64)
    }

    fn read_event(
        &mut self,
        node: u32,
        flags: u32,
        address: u64,
        length: usize,
        user: &mut dyn UserMemory,
    ) -> Answer {
        if length < 8 {
            return Err(Errno::EINVAL);
        }
        let Content::Event { counter, semaphore } = &mut self.store.change(node)?.content else {
            return Err(Errno::EINVAL);
        };
        if *counter == 0 {
            return Err(if flags & O_NONBLOCK != 0 { Errno::EAGAIN } else { Errno::EDEADLK });
        }
        let taken = if *semaphore { 1 } else { *counter };
        user.put(address, &taken.to_ne_bytes())?;
        *counter -= taken;
        Ok(8)
    }

    pub(super) fn read_vector(
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
        self.descriptors.readable(fd)?;
        check_vector(vector, count, user)?;
        let mut done = 0;
        for index in 0..count {
            let (address, length) = vector_piece(vector, index, user)?;
            if length == 0 {
                continue;
            }
            match self.read_piece(fd, offset, address, length, user, host) {
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

    pub(super) fn seek(&mut self, fd: u64, offset: i64, whence: u64, _: &mut dyn UserMemory) -> Answer {
        let open = self.descriptors.file(fd)?;
        if whence > SEEK_HOLE {
            // Linux looks at this before it looks at the kind of file.
            return Err(Errno::EINVAL);
        }
        let size = match open.kind {
            Kind::Pipe | Kind::Event | Kind::Watch | Kind::Console(_) => return Err(Errno::ESPIPE),
            Kind::Device(_) => return Ok(0),
            Kind::Regular => self.store.size(open.node),
            Kind::Generated(_) => open.text.len() as u64,
            _ => 0,
        };
        let position = match whence {
            SEEK_SET => Some(offset),
            SEEK_CUR => (open.position as i64).checked_add(offset),
            SEEK_END if open.kind.is_directory() => return Err(Errno::EINVAL),
            SEEK_END => (size as i64).checked_add(offset),
            // Holes are not told from data, as lseek(2) allows: there is one at the end.
            SEEK_DATA | SEEK_HOLE if offset < 0 || offset as u64 >= size => return Err(Errno::ENXIO),
            SEEK_DATA => Some(offset),
            SEEK_HOLE => Some(size as i64),
            _ => return Err(Errno::EINVAL),
        };
        let position = position.filter(|position| *position >= 0).ok_or(Errno::EINVAL)? as u64;
        self.descriptors.get_mut(fd)?.position = position;
        Ok(position)
    }

    /// `sendfile`: from a file with positions to anything.
    pub(super) fn send_file(
        &mut self,
        to: u64,
        from: u64,
        offset_address: u64,
        count: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let source = self.descriptors.readable(from)?;
        let target = self.descriptors.writable(to)?;
        if source.kind != Kind::Regular || target.flags & O_APPEND != 0 {
            return Err(Errno::EINVAL);
        }
        let (node, position) = (source.node, source.position);
        let start = if offset_address == 0 { position } else { user.u64(offset_address)? };
        if start > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        let done = self.copy(node, start, to, None, count, host)?;
        if offset_address == 0 {
            self.descriptors.get_mut(from)?.position = start + done;
        } else {
            user.put(offset_address, &(start + done).to_ne_bytes())?;
        }
        Ok(done)
    }

    /// `copy_file_range`: between regular files, with optional offsets on either side.
    pub(super) fn copy_file_range(
        &mut self,
        [from, from_address, to, to_address, count]: [u64; 5],
        flags: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let (source, target) = (self.descriptors.file(from)?, self.descriptors.file(to)?);
        if source.kind.is_directory() || target.kind.is_directory() {
            return Err(Errno::EISDIR);
        }
        if source.kind != Kind::Regular || target.kind != Kind::Regular {
            return Err(Errno::EINVAL);
        }
        if !source.is_readable() || !target.is_writable() || target.flags & O_APPEND != 0 {
            return Err(Errno::EBADF);
        }
        let (node, target_node) = (source.node, target.node);
        let (source_position, target_position) = (source.position, target.position);
        let start = if from_address == 0 { source_position } else { user.u64(from_address)? };
        let into = if to_address == 0 { target_position } else { user.u64(to_address)? };
        if start > i64::MAX as u64 || into > i64::MAX as u64 {
            return Err(Errno::EOVERFLOW);
        }
        let length = count.min(self.store.size(node).saturating_sub(start));
        if node == target_node && start < into.saturating_add(length) && into < start.saturating_add(length) {
            return Err(Errno::EINVAL);
        }
        let done = self.copy(node, start, to, Some(into), length, host)?;
        match from_address {
            0 => self.descriptors.get_mut(from)?.position = start + done,
            address => user.put(address, &(start + done).to_ne_bytes())?,
        }
        match to_address {
            0 => self.descriptors.get_mut(to)?.position = into + done,
            address => user.put(address, &(into + done).to_ne_bytes())?,
        }
        Ok(done)
    }

    /// Copies from a regular file to a descriptor, at an offset or at its position.
    fn copy(
        &mut self,
        node: u32,
        start: u64,
        to: u64,
        into: Option<u64>,
        count: u64,
        host: &mut dyn Host,
    ) -> Answer {
        let left = count.min(MAX_RW_COUNT).min(self.store.size(node).saturating_sub(start));
        let mut piece = alloc::vec![0; COPY_PIECE.min(left as usize)];
        let mut done = 0;
        while done < left {
            let wanted = (left - done).min(COPY_PIECE as u64) as usize;
            let read = self.store.read(node, start + done, &mut piece[..wanted]);
            match self.write_bytes(to, into.map(|into| into + done), &piece[..read], host) {
                Err(error) if done == 0 => return Err(error),
                Ok(written) if written > 0 => done += written,
                _ => break,
            }
        }
        Ok(done)
    }
}

/// Whether a `struct iovec` array is sound: at most 1024, their lengths and sum in range.
pub(super) fn check_vector(vector: u64, count: u64, user: &mut dyn UserMemory) -> Result<u64, Errno> {
    if count > VECTOR_MAX {
        return Err(Errno::EINVAL);
    }
    let mut total = 0u64;
    for index in 0..count {
        let (_, length) = vector_piece(vector, index, user)?;
        total = total.checked_add(length).filter(|total| *total <= i64::MAX as u64).ok_or(Errno::EINVAL)?;
    }
    Ok(total)
}

/// One `struct iovec`: address and length.
pub(super) fn vector_piece(vector: u64, index: u64, user: &mut dyn UserMemory) -> Result<(u64, u64), Errno> {
    let (address, length) = user.two_words(vector.wrapping_add(index * 16))?;
    Ok((address as u64, length as u64))
}
