//! What the runtimes that are virtual machines share: the process that a VM lives in, its memory, its
//! streams, its confinement, and what is told about it at its end.
//!
//! [`super::microvm`] runs a program under the tiny guest kernel, [`super::linuxvm`] under Linux.

pub mod address_space;
pub mod capture;
pub mod confine;
pub mod death;
pub mod exits;
pub mod guest_memory;
pub mod host;
pub mod io_apic;
pub mod process;
pub mod report;
pub mod resident;
pub mod stats;
pub mod streams;
