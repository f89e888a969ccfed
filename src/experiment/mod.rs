//! Experiments: what is run, in which order, and what is kept of it.

pub mod assemble;
pub mod cold;
pub mod compare;
pub mod density;
pub mod forecast;
pub mod maintenance;
pub mod plan;
pub mod precision;
pub mod suite;

/// What can keep an experiment from giving any result.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// The launcher, or a spec.
    #[error("{0}")]
    Runtime(#[from] crate::runtime::RuntimeError),
    /// Nothing is left to compare.
    #[error("no runtime can run here: {0}")]
    NothingRuns(String),
}
