//! Why a kernel cannot be used.

use std::io;
use std::path::Path;

/// What is wrong with a kernel, or with the place where it is kept.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The file is no kernel for these guests.
    #[error("{file} {problem}")]
    NotAKernel {
        /// The file.
        file: String,
        /// What is wrong with it, in one clause, and what would be right.
        problem: String,
    },
    /// None could be fetched.
    #[error("{0}")]
    Fetch(String),
    /// The operating system refused something.
    #[error("{step}: {source}")]
    Io {
        /// What was being done, and to what.
        step: String,
        /// The reason.
        source: io::Error,
    },
}

impl KernelError {
    /// For `map_err` on a step with a file.
    pub fn at(step: &str, path: &Path) -> impl FnOnce(io::Error) -> KernelError {
        let step = format!("{step} {}", path.display());
        move |source| KernelError::Io { step, source }
    }
}

impl From<KernelError> for crate::runtime::RuntimeError {
    fn from(error: KernelError) -> Self {
        match error {
            KernelError::Io { step, source } => crate::runtime::RuntimeError::Failed { step, source },
            other => crate::runtime::RuntimeError::BadSpec(other.to_string()),
        }
    }
}
