//! OCI images: read, stored by content, put together as the root of a sandbox, compared, written.
//!
//! An *image* is everything that a program needs; a *layer* is a change to a file tree, shipped as a
//! tar archive. `docs/images.md` tells how the store is built and what is refused, and why.

mod attributes;
mod build;
mod changes;
mod compression;
mod digest;
mod error;
mod flatten;
mod guard;
mod layout;
mod load;
mod name;
mod pax;
mod pipeline;
mod run;
mod save;
mod source;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod unpack;
mod user;
mod whiteout;

pub(crate) use build::entries;
pub use build::{BuildOptions, Built, Containerfile, Progress, build};
pub use changes::{Efficiency, LayerChanges, TreeChanges, difference, efficiency};
pub use compression::{Compression, decompress};
pub use digest::Digest;
pub(crate) use digest::HashingWriter;
pub use error::ImageError;
pub(crate) use flatten::remove_tree;
pub use flatten::{Layer, flatten};
pub(crate) use layout::host_platform;
pub use load::{LoadOptions, Loaded};
pub use name::ImageName;
pub use run::{Command, Overrides};
pub use store::{Image, ImageLayer, RootInUse, Store};
pub use unpack::{UnpackError, Unpacked, unpack};
pub use user::identity;
