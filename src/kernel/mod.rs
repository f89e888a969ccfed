//! Linux kernels for guests: what a kernel file is, and how it is unpacked.

pub mod error;
pub mod image;
pub mod unpack;
pub mod unpacked;

pub use error::KernelError;
pub use image::{Elf, KernelImage};
