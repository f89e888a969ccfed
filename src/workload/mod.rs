//! What runs inside a sandbox: the built-in workloads, and checks of the user's own program.

pub mod catalogue;
pub mod elf;
#[cfg(test)]
mod golden_tests;
pub mod program;
pub(crate) mod rooted;
pub mod self_report;
