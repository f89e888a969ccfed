//! What is done to descriptors: closing, copying, controlling; and pipes and eventfds.

use alloc::collections::VecDeque;

use super::Answer;
use crate::descriptor::Open;
use crate::kind::Kind;
use crate::linux::*;
use crate::node::Content;
use crate::{Errno, Files, Host, UserMemory};

/// `EFD_SEMAPHORE`: a read takes one.
const SEMAPHORE: u32 = 1;

// include/uapi/asm-generic/fcntl.h and include/uapi/linux/fcntl.h.
const F_DUPFD: u64 = 0;
const F_GETFD: u64 = 1;
const F_SETFD: u64 = 2;
const F_GETFL: u64 = 3;
const F_SETFL: u64 = 4;
const F_GETLK: u64 = 5;
const F_SETLK: u64 = 6;
const F_SETLKW: u64 = 7;
const F_SETOWN: u64 = 8;
const F_GETOWN: u64 = 9;
const F_OFD_GETLK: u64 = 36;
const F_OFD_SETLK: u64 = 37;
const F_OFD_SETLKW: u64 = 38;
const F_DUPFD_CLOEXEC: u64 = 1030;
const F_SETPIPE_SZ: u64 = 1031;
const F_GETPIPE_SZ: u64 = 1032;
const F_UNLCK: u16 = 2;
const FD_CLOEXEC: u64 = 1;
/// What `F_SETFL` can change.
const SETTABLE: u32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

// include/uapi/asm-generic/ioctls.h.
const FIONREAD: u32 = 0x541B;
const FIONBIO: u32 = 0x5421;
const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;

const CLOSE_RANGE_UNSHARE: u64 = 2;
const CLOSE_RANGE_CLOEXEC: u64 = 4;

impl Files {
    pub(super) fn close(&mut self, fd: u64) -> Answer {
        let closed = self.descriptors.close(fd)?;
        self.closed(closed);
        Ok(0)
    }

    pub(super) fn close_range(&mut self, first: u32, last: u32, flags: u64) -> Answer {
        if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
            return Err(Errno::EINVAL);
        }
        let mut from = u64::from(first);
        while let Some(fd) = self.descriptors.next_in_use(from).filter(|fd| *fd <= u64::from(last)) {
            if flags & CLOSE_RANGE_CLOEXEC != 0 {
                self.descriptors.set_close_on_exec(fd, true)?;
            } else {
                self.close(fd)?;
            }
            from = fd + 1;
        }
        Ok(0)
    }

    /// `dup2`: of a descriptor to itself does nothing.
    pub(super) fn duplicate_to(&mut self, fd: u64, new: u64) -> Answer {
        if fd as u32 == new as u32 {
            self.descriptors.get(fd)?;
        } else {
            let closed = self.descriptors.duplicate_to(fd, new, false)?;
            self.closed(closed);
        }
        Ok(u64::from(new as u32))
    }

    /// `dup3`: the same, with `O_CLOEXEC`; of a descriptor to itself is an error.
    pub(super) fn duplicate_to_flags(&mut self, fd: u64, new: u64, flags: u32) -> Answer {
        if flags & !O_CLOEXEC != 0 || fd as u32 == new as u32 {
            return Err(Errno::EINVAL);
        }
        let closed = self.descriptors.duplicate_to(fd, new, flags & O_CLOEXEC != 0)?;
        self.closed(closed);
        Ok(u64::from(new as u32))
    }

    /// `fcntl`.
    pub(super) fn control(
        &mut self,
        fd: u64,
        command: u64,
        argument: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        let command = u64::from(command as u32);
        let open = self.descriptors.get(fd)?;
        if open.flags & O_PATH != 0
            && !matches!(command, F_DUPFD | F_DUPFD_CLOEXEC | F_GETFD | F_SETFD | F_GETFL)
        {
            return Err(Errno::EBADF);
        }
        match command {
            F_DUPFD | F_DUPFD_CLOEXEC => {
                let at_least = usize::try_from(argument).map_err(|_| Errno::EINVAL)?;
                self.descriptors.duplicate(fd, at_least, command == F_DUPFD_CLOEXEC)
            }
            F_GETFD => Ok(u64::from(self.descriptors.close_on_exec(fd)?)),
            F_SETFD => {
                self.descriptors.set_close_on_exec(fd, argument & FD_CLOEXEC != 0)?;
                Ok(0)
            }
            F_GETFL => Ok(u64::from(open.flags)),
            F_SETFL => {
                let open = self.descriptors.get_mut(fd)?;
                open.flags = (open.flags & !SETTABLE) | (argument as u32 & SETTABLE);
                Ok(0)
            }
            // Locks: a process that is alone gets every one, and meets none.
            F_GETLK | F_OFD_GETLK => {
                user.put(argument, &F_UNLCK.to_ne_bytes())?;
                Ok(0)
            }
            F_SETLK | F_SETLKW | F_OFD_SETLK | F_OFD_SETLKW => {
                let kind = u16::from_ne_bytes(user.array(argument)?);
                match kind {
                    0 if !open.is_readable() => Err(Errno::EBADF),
                    1 if !open.is_writable() => Err(Errno::EBADF),
                    0..=2 => Ok(0),
                    _ => Err(Errno::EINVAL),
                }
            }
            F_GETOWN | F_SETOWN => Ok(0),
            F_GETPIPE_SZ | F_SETPIPE_SZ => match open.kind {
                Kind::Pipe => Ok(super::writing::PIPE_CAPACITY as u64),
                _ => Err(Errno::EBADF),
            },
            _ => Err(Errno::EINVAL),
        }
    }

    /// `ioctl`: nothing here is a terminal.
    pub(super) fn device_control(
        &mut self,
        fd: u64,
        request: u32,
        argument: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        let open = self.descriptors.file(fd)?;
        match request {
            FIOCLEX | FIONCLEX => self.descriptors.set_close_on_exec(fd, request == FIOCLEX)?,
            FIONBIO => {
                let on = u32::from_ne_bytes(user.array(argument)?) != 0;
                let open = self.descriptors.get_mut(fd)?;
                open.flags = if on { open.flags | O_NONBLOCK } else { open.flags & !O_NONBLOCK };
            }
            FIONREAD => {
                let ready = match open.kind {
                    Kind::Regular => self.store.size(open.node).saturating_sub(open.position),
                    Kind::Pipe => self.store.pipe(open.node)?.len() as u64,
                    _ => return Err(Errno::ENOTTY),
                };
                user.put(argument, &u32::try_from(ready).unwrap_or(i32::MAX as u32).to_ne_bytes())?;
            }
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    /// `flock`: a process that is alone gets every lock.
    pub(super) fn lock(&mut self, fd: u64, operation: u64) -> Answer {
        self.descriptors.file(fd)?;
        // LOCK_SH, LOCK_EX or LOCK_UN, with or without LOCK_NB.
        match operation & !4 {
            1 | 2 | 8 => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }

    pub(super) fn make_pipe(
        &mut self,
        address: u64,
        flags: u32,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
            return Err(Errno::EINVAL);
        }
        // Tried before anything is made, so that nothing need be undone.
        user.bytes_mut(address, 8)?;
        let first = self.descriptors.free_slot(0)?;
        self.descriptors.free_slot(first + 1)?;
        let node = self.store.create(S_IFIFO | 0o600, 0, Content::Pipe(VecDeque::new()), host.time())?;
        let (close_on_exec, kept) = (flags & O_CLOEXEC != 0, flags & !O_CLOEXEC);
        let reader = self.descriptors.install(Open::new(node, Kind::Pipe, kept | O_RDONLY), close_on_exec)?;
        let writer = self.descriptors.install(Open::new(node, Kind::Pipe, kept | O_WRONLY), close_on_exec)?;
        user.put(address, &(reader as u32).to_ne_bytes())?;
        user.put(address.wrapping_add(4), &(writer as u32).to_ne_bytes())?;
        Ok(0)
    }

    pub(super) fn make_event(&mut self, counter: u32, flags: u32, host: &mut dyn Host) -> Answer {
        if flags & !(O_CLOEXEC | O_NONBLOCK | SEMAPHORE) != 0 {
            return Err(Errno::EINVAL);
        }
        self.descriptors.free_slot(0)?;
        let content = Content::Event { counter: u64::from(counter), semaphore: flags & SEMAPHORE != 0 };
        let node = self.store.create(0o600, 0, content, host.time())?;
        let open = Open::new(node, Kind::Event, (flags & O_NONBLOCK) | O_RDWR);
        self.descriptors.install(open, flags & O_CLOEXEC != 0)
    }
}
