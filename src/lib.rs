//! isobench: the same workload, byte for byte, in a container and in a microVM, measured.

pub mod measure;
pub mod report;
pub mod results;
pub mod runtime;
pub mod stats;
