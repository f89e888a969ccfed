//! What can keep the experiment, or a part of it, from giving a result.

use std::io;
use std::path::{Path, PathBuf};

use crate::image::ImageError;
use crate::runtime::RuntimeError;

/// One line for the user.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// Too little disk.
    #[error(
        "{folder} has {free_mib} MiB free, but the experiment needs about {needed_mib} MiB there; free some, give a \
         smaller --size, or name a folder on another disk with --scratch"
    )]
    NoSpace {
        /// The folder for what is made on the way.
        folder: PathBuf,
        /// What is free there.
        free_mib: u64,
        /// What is needed.
        needed_mib: u64,
    },
    /// The image has nothing that could change.
    #[error("the image holds no file of 1 byte to {0} MiB that could be changed; take another image")]
    NothingToChange(u64),
    /// The image store, or the experiment's own.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// A sandbox.
    #[error("{0}")]
    Runtime(#[from] RuntimeError),
    /// Another program that makes file systems.
    #[error("{program}: {problem}")]
    Tool {
        /// Its name.
        program: &'static str,
        /// What is wrong with it, or what it said.
        problem: String,
    },
    /// What was made is not what it should be: a fault of isobench, or of the disk.
    #[error("{0}")]
    Wrong(String),
    /// A file operation failed.
    #[error("{step}: {source}")]
    Io {
        /// What was being done, and to what.
        step: String,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl MaintenanceError {
    /// For `map_err` on a file operation: a verb and a path.
    pub(super) fn at<E: Into<io::Error>>(verb: &str, path: &Path) -> impl FnOnce(E) -> MaintenanceError {
        let step = format!("{verb} {}", path.display());
        move |error| MaintenanceError::Io { step, source: error.into() }
    }
}
