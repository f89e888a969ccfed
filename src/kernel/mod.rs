//! Linux kernels for guests: what a kernel file is, which ones there are, how one is fetched, kept and unpacked.

pub mod error;
pub mod fetch;
pub mod image;
pub mod known;
pub mod modules;
pub mod store;
pub mod unpack;
pub mod unpacked;

pub use error::KernelError;
pub use image::{Elf, KernelImage};
pub use store::Store;
