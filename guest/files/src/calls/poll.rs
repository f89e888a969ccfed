//! Waiting for descriptors: `poll`, `select`, `epoll`.
//!
//! Only the console can change while the process waits, since nobody else is there: so a wait is for the
//! console, or for time to pass. A wait for ever for nothing answers `EDEADLK`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Answer;
use crate::descriptor::Open;
use crate::kind::Kind;
use crate::linux::*;
use crate::node::{Content, Watched};
use crate::{Errno, Files, Host, UserMemory};

// include/uapi/asm-generic/poll.h; EPOLL* are the same.
const POLLIN: u32 = 0x001;
const POLLOUT: u32 = 0x004;
const POLLERR: u32 = 0x008;
const POLLHUP: u32 = 0x010;
const POLLNVAL: u32 = 0x020;
const POLLRDNORM: u32 = 0x040;
const POLLWRNORM: u32 = 0x100;
const READABLE: u32 = POLLIN | POLLRDNORM;
const WRITABLE: u32 = POLLOUT | POLLWRNORM;
/// Told whether asked for or not.
const ALWAYS: u32 = POLLERR | POLLHUP;

/// Most descriptors of one `poll`: the limit on open files.
const POLL_MAX: u64 = 1024;
/// Most descriptors in an `fd_set`.
const SELECT_MAX: u64 = 1024;

const EPOLL_CTL_ADD: u64 = 1;
const EPOLL_CTL_DEL: u64 = 2;
const EPOLL_CTL_MOD: u64 = 3;
const EPOLLONESHOT: u32 = 1 << 30;

/// A time to wait, in nanoseconds; `None` is for ever.
type Timeout = Option<u64>;

/// `poll`'s timeout: negative is for ever.
pub(super) fn milliseconds(timeout: u64) -> Timeout {
    u64::try_from(timeout as i32).ok().map(|milliseconds| milliseconds * 1_000_000)
}

impl Files {
    /// What a descriptor is ready for now, among `POLL` bits.
    fn readiness(&mut self, fd: u64, wanted: u32, host: &mut dyn Host) -> Result<u32, Errno> {
        let open = self.descriptors.file(fd)?;
        let (node, readable, writable) = (open.node, open.is_readable(), open.is_writable());
        match open.kind {
            // The host is asked only if somebody wants to know: it is a crossing.
            Kind::Console(0) if wanted & READABLE != 0 && host.poll_console(Some(0))? => Ok(READABLE),
            Kind::Console(0) => Ok(0),
            Kind::Console(_) => Ok(WRITABLE),
            Kind::Pipe => {
                let other_end = self.descriptors.opens().any(|open| {
                    open.node == node && if readable { open.is_writable() } else { open.is_readable() }
                });
                let held = self.store.pipe(node)?.len();
                let mut ready = 0;
                if readable {
                    ready |= if held > 0 { READABLE } else { 0 } | if other_end { 0 } else { POLLHUP };
                }
                if writable {
                    let room = held + PIPE_PAGE <= super::writing::PIPE_CAPACITY;
                    ready |= if room { WRITABLE } else { 0 } | if other_end { 0 } else { POLLERR };
                }
                Ok(ready)
            }
            Kind::Event => match self.store.change(node)?.content {
                Content::Event { counter: 0, .. } => Ok(WRITABLE),
                _ => Ok(READABLE | WRITABLE),
            },
            Kind::Watch => {
                let ready = self.watched_ready(node, host)?;
                Ok(if ready.is_empty() { 0 } else { READABLE })
            }
            _ => Ok(READABLE | WRITABLE),
        }
    }

    /// Waits after nothing was ready: for the console if it `is_watched`, or for time to pass.
    /// False when the time is over.
    fn wait(&mut self, is_watched: bool, timeout: Timeout, host: &mut dyn Host) -> Result<bool, Errno> {
        match (is_watched, timeout) {
            (_, Some(0)) => Ok(false),
            (true, timeout) => host.poll_console(timeout),
            (false, Some(timeout)) => {
                host.sleep(timeout);
                Ok(false)
            }
            (false, None) => Err(Errno::EDEADLK),
        }
    }

    /// Whether a descriptor is the console's input, which alone can become ready while we wait.
    fn is_input(&self, fd: u64) -> bool {
        matches!(self.descriptors.get(fd), Ok(Open { kind: Kind::Console(0), .. }))
    }

    pub(super) fn poll(
        &mut self,
        address: u64,
        count: u64,
        timeout: Timeout,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        if count > POLL_MAX {
            return Err(Errno::EINVAL);
        }
        let mut timeout = timeout;
        loop {
            let (mut ready, mut watches_input) = (0, false);
            for index in 0..count {
                // struct pollfd: int fd; short events, revents.
                let at = address.wrapping_add(index * 8);
                let entry: [u8; 8] = user.array(at)?;
                let fd = i32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]]);
                let wanted = u32::from(u16::from_ne_bytes([entry[4], entry[5]])) | ALWAYS;
                let told = match u64::try_from(fd) {
                    Err(_) => 0,
                    Ok(fd) => match self.readiness(fd, wanted, host) {
                        Err(Errno::EBADF) => POLLNVAL,
                        answer => answer? & wanted,
                    },
                };
                watches_input |= fd >= 0 && wanted & READABLE != 0 && self.is_input(fd as u64);
                ready += u64::from(told != 0);
                user.put(at.wrapping_add(6), &(told as u16).to_ne_bytes())?;
            }
            if ready > 0 || !self.wait(watches_input, timeout, host)? {
                return Ok(ready);
            }
            // The console has become ready: one more look, without waiting.
            timeout = Some(0);
        }
    }

    /// `ppoll`: there are no signals to mask.
    pub(super) fn poll_timespec(
        &mut self,
        address: u64,
        count: u64,
        timeout: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let timeout = time_to_wait(timeout, 1, user)?;
        self.poll(address, count, timeout, user, host)
    }

    /// `select` and `pselect6`: a time in units of `unit` nanoseconds.
    pub(super) fn select(
        &mut self,
        count: u64,
        sets: [u64; 3],
        timeout: u64,
        unit: u64,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let count = match u64::try_from(count as i32) {
            Ok(count) => count.min(SELECT_MAX),
            Err(_) => return Err(Errno::EINVAL),
        };
        let mut timeout = time_to_wait(timeout, unit, user)?;
        let length = count.div_ceil(64) as usize * 8;
        let mut asked = [[0u8; SELECT_MAX as usize / 8]; 3];
        for (set, into) in sets.into_iter().zip(&mut asked) {
            if set != 0 && length > 0 {
                into[..length].copy_from_slice(user.bytes(set, length)?);
            }
        }
        // What makes a descriptor part of each answer: fs/select.c.
        let kinds = [READABLE | POLLHUP | POLLERR, WRITABLE | POLLERR, 0];
        loop {
            let mut told = [[0u8; SELECT_MAX as usize / 8]; 3];
            let (mut ready, mut watches_input) = (0, false);
            for fd in 0..count {
                let (byte, bit) = ((fd / 8) as usize, 1 << (fd % 8));
                if asked.iter().all(|set| set[byte] & bit == 0) {
                    continue;
                }
                let wants_input = asked[0][byte] & bit != 0;
                let state = self.readiness(fd, if wants_input { READABLE } else { 0 }, host)?;
                watches_input |= wants_input && self.is_input(fd);
                for ((set, into), kind) in asked.iter().zip(&mut told).zip(kinds) {
                    if set[byte] & bit != 0 && state & kind != 0 {
                        into[byte] |= bit;
                        ready += 1;
                    }
                }
            }
            if ready > 0 || !self.wait(watches_input, timeout, host)? {
                for (set, from) in sets.into_iter().zip(&told) {
                    if set != 0 && length > 0 {
                        user.put(set, &from[..length])?;
                    }
                }
                return Ok(ready);
            }
            timeout = Some(0);
        }
    }

    pub(super) fn make_watch(&mut self, flags: u32, host: &mut dyn Host) -> Answer {
        if flags & !O_CLOEXEC != 0 {
            return Err(Errno::EINVAL);
        }
        self.descriptors.free_slot(0)?;
        let node = self.store.create(0o600, 0, Content::Watch(BTreeMap::new()), host.time())?;
        self.descriptors.install(Open::new(node, Kind::Watch, O_RDWR), flags & O_CLOEXEC != 0)
    }

    /// `epoll_ctl`. A file, directory or device is always ready, and not to be watched: `EPERM`.
    pub(super) fn watch_control(
        &mut self,
        watch: u64,
        operation: u64,
        fd: u64,
        event: u64,
        user: &mut dyn UserMemory,
    ) -> Answer {
        // struct epoll_event, packed: events, then the caller's own word.
        let watched = if operation == EPOLL_CTL_DEL {
            Watched { events: 0, data: 0 }
        } else {
            let bytes: [u8; 12] = user.array(event)?;
            let events = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            Watched { events, data: user.u64(event.wrapping_add(4))? }
        };
        let node = self.descriptors.file(watch)?.node;
        let kind = self.descriptors.file(fd)?.kind;
        if !matches!(kind, Kind::Pipe | Kind::Event | Kind::Watch | Kind::Console(_)) {
            return Err(Errno::EPERM);
        }
        // Nested sets would need a search for cycles; nobody alone needs them.
        if kind == Kind::Watch {
            return Err(Errno::EINVAL);
        }
        let Content::Watch(set) = &mut self.store.change(node)?.content else { return Err(Errno::EINVAL) };
        let fd = fd as u32;
        match (operation, set.contains_key(&fd)) {
            (EPOLL_CTL_ADD, true) => return Err(Errno::EEXIST),
            (EPOLL_CTL_ADD, false) | (EPOLL_CTL_MOD, true) => {
                set.insert(fd, watched);
            }
            (EPOLL_CTL_DEL, true) => {
                set.remove(&fd);
            }
            (EPOLL_CTL_DEL | EPOLL_CTL_MOD, false) => return Err(Errno::ENOENT),
            _ => return Err(Errno::EINVAL),
        }
        Ok(0)
    }

    /// What of an epoll set is ready: descriptor, events, and the caller's word.
    fn watched_ready(&mut self, node: u32, host: &mut dyn Host) -> Result<Vec<(u32, Watched)>, Errno> {
        let set: Vec<(u32, Watched)> =
            self.store.watched(node)?.iter().map(|(fd, watched)| (*fd, *watched)).collect();
        let mut ready = Vec::new();
        for (fd, watched) in set {
            // One that a one-shot event has switched off waits for EPOLL_CTL_MOD.
            let wanted = watched.events & 0xffff;
            if wanted == 0 && watched.events == 0 {
                continue;
            }
            match self.readiness(u64::from(fd), wanted | ALWAYS, host) {
                // Closed since: it has left the set.
                Err(_) => continue,
                Ok(state) => {
                    let events = state & (wanted | ALWAYS);
                    if events != 0 {
                        ready.push((fd, Watched { events, data: watched.data }));
                    }
                }
            }
        }
        Ok(ready)
    }

    pub(super) fn watch_wait(
        &mut self,
        watch: u64,
        address: u64,
        most: u64,
        timeout: Timeout,
        user: &mut dyn UserMemory,
        host: &mut dyn Host,
    ) -> Answer {
        let most = usize::try_from(most as i32).ok().filter(|most| *most > 0).ok_or(Errno::EINVAL)?;
        let open = self.descriptors.file(watch)?;
        let node = open.node;
        if open.kind != Kind::Watch {
            return Err(Errno::EINVAL);
        }
        let mut timeout = timeout;
        loop {
            let mut ready = self.watched_ready(node, host)?;
            if ready.is_empty() {
                let watches_input = self
                    .store
                    .watched(node)?
                    .iter()
                    .any(|(fd, watched)| watched.events & READABLE != 0 && self.is_input(u64::from(*fd)));
                if self.wait(watches_input, timeout, host)? {
                    timeout = Some(0);
                    continue;
                }
            }
            ready.truncate(most);
            for (index, (fd, watched)) in ready.iter().enumerate() {
                let at = address.wrapping_add(12 * index as u64);
                user.put(at, &watched.events.to_ne_bytes())?;
                user.put(at.wrapping_add(4), &watched.data.to_ne_bytes())?;
                if let Content::Watch(set) = &mut self.store.change(node)?.content
                    && let Some(watched) = set.get_mut(fd)
                    && watched.events & EPOLLONESHOT != 0
                {
                    watched.events = 0;
                }
            }
            return Ok(ready.len() as u64);
        }
    }
}

/// A pipe is writable when a page fits.
const PIPE_PAGE: usize = 4096;

/// A `struct timespec` or `timeval` of the caller; null is for ever.
fn time_to_wait(address: u64, unit: u64, user: &mut dyn UserMemory) -> Result<Timeout, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let (seconds, parts) = user.two_words(address)?;
    if seconds < 0 || parts < 0 || (unit == 1 && parts >= 1_000_000_000) {
        return Err(Errno::EINVAL);
    }
    Ok(Some(
        (seconds as u64).saturating_mul(1_000_000_000).saturating_add((parts as u64).saturating_mul(unit)),
    ))
}
