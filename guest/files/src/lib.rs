//! The guest kernel's files: a read-only initial tree, a RAM file system over it, file descriptors,
//! and Linux's x86-64 system calls on them.
//!
//! Pure logic, without hardware: what the kernel around it must offer is in [`Host`] and
//! [`UserMemory`]. It runs in ring 0, on one kind of KVM under an instruction emulator, so paths are
//! byte strings, contents move by bulk copies, and nothing formats text with `core::fmt`.
//!
//! ```text
//!  Files ── dispatch(number, args)           calls/      one system call
//!    ├── Descriptors   fd → open description  descriptor.rs
//!    └── Store         node id → node         store.rs
//!          ├── Tree    packed by the host     tree.rs (pack.rs writes it)
//!          └── RAM     what was changed       node.rs, data.rs
//! ```
#![cfg_attr(not(feature = "pack"), no_std)]

extern crate alloc;

mod calls;
mod data;
mod descriptor;
mod errno;
mod host;
mod kind;
mod linux;
mod node;
#[cfg(feature = "pack")]
pub mod pack;
mod path;
mod proc;
mod store;
pub mod tree;

pub use descriptor::FileHandle;
pub use errno::Errno;
pub use host::{Host, Machine, UserMemory};
pub use linux::Time;
pub use tree::{Tree, TreeError};

use descriptor::Descriptors;
use kind::Kind;
use store::{NodeId, ROOT, Store};

/// The files of one process: the file system and its open descriptors.
pub struct Files {
    store: Store,
    descriptors: Descriptors,
    /// The working directory.
    cwd: NodeId,
    umask: u32,
    /// `/proc/sys/kernel/random/boot_id`, drawn when first read.
    boot_id: Option<[u8; 16]>,
}

impl Files {
    /// Files over an initial tree, with the console as descriptors 0, 1 and 2. Nothing of the tree is
    /// read until it is used.
    pub fn new(tree: Tree<'static>) -> Files {
        let cwd = tree.working_directory();
        Files {
            store: Store::new(tree),
            descriptors: Descriptors::with_console(),
            cwd,
            umask: 0o022,
            boot_id: None,
        }
    }

    /// Whether a write to `fd` goes straight to the console's stream of the same number, so that the kernel
    /// may skip [`Files::dispatch`]. Not so after `dup2(2, 1)`.
    pub fn is_plain_console(&self, fd: u64) -> bool {
        matches!(self.descriptors.get(fd), Ok(open) if matches!(open.kind, Kind::Console(stream @ 1..) if u64::from(stream) == fd))
    }

    /// Length in bytes of the regular file behind `fd`. `ENODEV` for anything else, as `mmap` says.
    pub fn size_of(&self, fd: u64) -> Result<u64, Errno> {
        let open = self.descriptors.get(fd)?;
        match open.kind {
            Kind::Regular => Ok(self.store.size(open.node)),
            _ => Err(Errno::ENODEV),
        }
    }

    /// Reads from the regular file behind `fd` at `offset`, without moving its position; fewer bytes
    /// than asked for only at the end of the file. Errors as [`Files::size_of`].
    pub fn read_at(&mut self, fd: u64, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        let open = self.descriptors.get(fd)?;
        match open.kind {
            Kind::Regular if open.is_readable() => Ok(self.store.read(open.node, offset, buffer)),
            Kind::Regular => Err(Errno::EACCES),
            _ => Err(Errno::ENODEV),
        }
    }

    /// The bytes behind `fd` where they lie in the window, if it is a file of the initial tree whose
    /// contents nobody has changed: to be mapped without a copy. They do not change when the file does.
    pub fn contents_of(&self, fd: u64) -> Option<&'static [u8]> {
        self.store.unchanged_contents(self.descriptors.readable(fd).ok()?.node)
    }

    /// The same by an absolute path, for the program to load; symbolic links are followed. `EACCES` for
    /// anything but an unchanged file of the initial tree.
    pub fn contents(&self, path: &[u8]) -> Result<&'static [u8], Errno> {
        let found = self.find(ROOT, path, true)?;
        self.store.unchanged_contents(found).ok_or(Errno::EACCES)
    }
}
