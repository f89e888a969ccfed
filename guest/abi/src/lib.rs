//! What the VMM and the guest kernel agree on: where things are in memory, what the VMM tells the
//! guest kernel at boot, and the hypercalls that the guest kernel makes.
//!
//! Nothing here may change on one side alone: every structure carries compile-time checks of its
//! size and offsets.
#![no_std]

pub mod boot;
pub mod hypercall;
pub mod layout;
pub mod linux;

pub use boot::{Area, AreaTable, BootInfo, ClockPage, KernelHeader};
pub use hypercall::{DOORBELL, Hypercall, HypercallPage, Segment};
