//! The guest kernel's files: a read-only initial tree, a RAM file system, and the system calls on them.
#![no_std]
