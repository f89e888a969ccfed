//! isobench: the same workload, byte for byte, in a container and in a microVM, measured.

pub mod cli;
pub mod experiment;
pub mod image;
pub mod kernel;
pub mod language;
pub mod measure;
pub mod report;
pub mod results;
pub mod runs;
pub mod runtime;
pub mod stats;
pub mod workload;

/// This version, with the git revision where the build knew it.
pub const VERSION: &str = env!("ISOBENCH_VERSION");
