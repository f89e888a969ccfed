//! File descriptors, and the open file descriptions that they share.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::kind::Kind;
use crate::linux::{O_ACCMODE, O_PATH, O_RDONLY, O_RDWR, O_WRONLY};
use crate::store::{NodeId, Store};
use crate::{Errno, Files};

/// Descriptors a process may have, as `RLIMIT_NOFILE` is by default.
const LIMIT: usize = 1024;

/// An open file description: what `open` makes and `dup` shares.
pub(crate) struct Open {
    pub(crate) node: NodeId,
    pub(crate) kind: Kind,
    /// `O_` flags; the access mode among them.
    pub(crate) flags: u32,
    pub(crate) position: u64,
    /// The directory it was found in, from which its path can be told.
    pub(crate) parent: NodeId,
    /// Text of a file of `/proc`, as of when it was opened.
    pub(crate) text: Box<[u8]>,
    /// Descriptors and handles that refer to it.
    references: u32,
}

impl Open {
    pub(crate) fn new(node: NodeId, kind: Kind, flags: u32) -> Open {
        Open { node, kind, flags, position: 0, parent: node, text: Box::default(), references: 0 }
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.flags & O_PATH == 0 && matches!(self.flags & O_ACCMODE, O_RDONLY | O_RDWR)
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.flags & O_PATH == 0 && matches!(self.flags & O_ACCMODE, O_WRONLY | O_RDWR)
    }
}

/// Keeps a file open for the kernel, whatever the program does to its descriptors.
#[derive(Debug, PartialEq, Eq)]
pub struct FileHandle(u32);

#[derive(Clone, Copy)]
struct Slot {
    open: u32,
    close_on_exec: bool,
}

pub(crate) struct Descriptors {
    slots: Vec<Option<Slot>>,
    opens: Vec<Option<Open>>,
}

impl Descriptors {
    /// Descriptors 0, 1 and 2, on the console.
    pub(crate) fn with_console() -> Descriptors {
        let slot = |open| Some(Slot { open, close_on_exec: false });
        let open = |stream, flags| {
            Some(Open { references: 1, ..Open::new(Store::console(stream), Kind::Console(stream), flags) })
        };
        // With room for some more: most programs open a few files at a time.
        Descriptors {
            slots: Vec::from([slot(0), slot(1), slot(2), None, None, None, None, None]),
            opens: Vec::from([open(0, O_RDONLY), open(1, O_WRONLY), open(2, O_WRONLY), None, None, None]),
        }
    }

    fn slot(&self, fd: u64) -> Result<Slot, Errno> {
        self.slots.get(fd as u32 as usize).copied().flatten().ok_or(Errno::EBADF)
    }

    pub(crate) fn get(&self, fd: u64) -> Result<&Open, Errno> {
        let slot = self.slot(fd)?;
        self.opens.get(slot.open as usize).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    pub(crate) fn get_mut(&mut self, fd: u64) -> Result<&mut Open, Errno> {
        let slot = self.slot(fd)?;
        self.opens.get_mut(slot.open as usize).and_then(Option::as_mut).ok_or(Errno::EBADF)
    }

    /// A descriptor that is more than a path: `EBADF` after `O_PATH`.
    pub(crate) fn file(&self, fd: u64) -> Result<&Open, Errno> {
        self.get(fd).and_then(|open| if open.flags & O_PATH == 0 { Ok(open) } else { Err(Errno::EBADF) })
    }

    pub(crate) fn readable(&self, fd: u64) -> Result<&Open, Errno> {
        self.get(fd).and_then(|open| if open.is_readable() { Ok(open) } else { Err(Errno::EBADF) })
    }

    pub(crate) fn writable(&self, fd: u64) -> Result<&Open, Errno> {
        self.get(fd).and_then(|open| if open.is_writable() { Ok(open) } else { Err(Errno::EBADF) })
    }

    /// The lowest free descriptor from `at_least` on.
    pub(crate) fn free_slot(&self, at_least: usize) -> Result<usize, Errno> {
        let taken = self.slots.get(at_least..).unwrap_or(&[]);
        let free = at_least + taken.iter().position(Option::is_none).unwrap_or(taken.len());
        if free < LIMIT { Ok(free) } else { Err(Errno::EMFILE) }
    }

    /// Gives a new open file the lowest free descriptor.
    pub(crate) fn install(&mut self, open: Open, close_on_exec: bool) -> Result<u64, Errno> {
        let fd = self.free_slot(0)?;
        let place = match self.opens.iter().position(Option::is_none) {
            Some(place) => place,
            None => {
                self.opens.push(None);
                self.opens.len() - 1
            }
        };
        if let Some(slot) = self.opens.get_mut(place) {
            *slot = Some(open);
        }
        self.point(fd, place as u32, close_on_exec);
        Ok(fd as u64)
    }

    /// Makes a free descriptor refer to an open file.
    fn point(&mut self, fd: usize, place: u32, close_on_exec: bool) {
        if self.slots.len() <= fd {
            self.slots.resize(fd + 1, None);
        }
        if let Some(slot) = self.slots.get_mut(fd) {
            *slot = Some(Slot { open: place, close_on_exec });
        }
        if let Some(Some(open)) = self.opens.get_mut(place as usize) {
            open.references += 1;
        }
    }

    /// Drops one reference; the open file itself comes back when it was the last.
    fn release(&mut self, place: u32) -> Option<Open> {
        let slot = self.opens.get_mut(place as usize)?;
        let open = slot.as_mut()?;
        open.references -= 1;
        if open.references == 0 { slot.take() } else { None }
    }

    /// Closes a descriptor; the open file comes back when it was its last.
    pub(crate) fn close(&mut self, fd: u64) -> Result<Option<Open>, Errno> {
        let slot = self.slot(fd)?;
        if let Some(place) = self.slots.get_mut(fd as u32 as usize) {
            *place = None;
        }
        Ok(self.release(slot.open))
    }

    /// A further descriptor, from `at_least` on, for the same open file.
    pub(crate) fn duplicate(&mut self, fd: u64, at_least: usize, close_on_exec: bool) -> Result<u64, Errno> {
        let slot = self.slot(fd)?;
        if at_least >= LIMIT {
            return Err(Errno::EINVAL);
        }
        let new = self.free_slot(at_least)?;
        self.point(new, slot.open, close_on_exec);
        Ok(new as u64)
    }

    /// Makes `new` a descriptor for the open file of `fd`; what it was before is closed.
    pub(crate) fn duplicate_to(
        &mut self,
        fd: u64,
        new: u64,
        close_on_exec: bool,
    ) -> Result<Option<Open>, Errno> {
        let slot = self.slot(fd)?;
        if new as u32 as usize >= LIMIT {
            return Err(Errno::EBADF);
        }
        let closed = self.close(new).unwrap_or(None);
        self.point(new as u32 as usize, slot.open, close_on_exec);
        Ok(closed)
    }

    pub(crate) fn close_on_exec(&self, fd: u64) -> Result<bool, Errno> {
        Ok(self.slot(fd)?.close_on_exec)
    }

    pub(crate) fn set_close_on_exec(&mut self, fd: u64, on: bool) -> Result<(), Errno> {
        let slot = self.slots.get_mut(fd as u32 as usize).and_then(Option::as_mut).ok_or(Errno::EBADF)?;
        slot.close_on_exec = on;
        Ok(())
    }

    /// The first descriptor in use at `fd` or above.
    pub(crate) fn next_in_use(&self, fd: u64) -> Option<u64> {
        let start = usize::try_from(fd).ok()?;
        let found = self.slots.get(start..)?.iter().position(Option::is_some)?;
        Some((start + found) as u64)
    }

    /// The open files, each once.
    pub(crate) fn opens(&self) -> impl Iterator<Item = &Open> {
        self.opens.iter().flatten()
    }

    fn retain(&mut self, fd: u64) -> Result<FileHandle, Errno> {
        let slot = self.slot(fd)?;
        self.get_mut(fd)?.references += 1;
        Ok(FileHandle(slot.open))
    }
}

impl Files {
    /// Keeps the regular file behind `fd` for a mapping that outlives the descriptor. Errors as
    /// [`Files::read_at`].
    pub fn retain(&mut self, fd: u64) -> Result<FileHandle, Errno> {
        self.read_at(fd, 0, &mut [])?;
        self.descriptors.retain(fd)
    }

    /// Reads as [`Files::read_at`], through a handle.
    pub fn read_retained(&self, handle: &FileHandle, offset: u64, buffer: &mut [u8]) -> usize {
        match self.descriptors.opens.get(handle.0 as usize) {
            Some(Some(open)) => self.store.read(open.node, offset, buffer),
            _ => 0,
        }
    }

    /// Ends a mapping's hold on its file.
    pub fn release(&mut self, handle: FileHandle) {
        let closed = self.descriptors.release(handle.0);
        self.closed(closed);
    }

    /// Forgets the node of an open file that is no more, if nothing else refers to it.
    pub(crate) fn closed(&mut self, open: Option<Open>) {
        if let Some(open) = open {
            self.forget_if_unused(open.node);
        }
    }

    /// Forgets a node that has neither a name nor a descriptor, nor is the working directory.
    pub(crate) fn forget_if_unused(&mut self, node: NodeId) {
        if self.store.is_nameless(node)
            && self.cwd != node
            && self.descriptors.opens().all(|open| open.node != node)
        {
            self.store.forget(node);
        }
    }
}
