//! What can go wrong with a results file or a report.

use std::io;
use std::path::{Path, PathBuf};

/// A results file that cannot be read, or a report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no such file.
    #[error("{path}: no such file; give the results.json that `isobench compare` wrote", path = .0.display())]
    Missing(PathBuf),
    /// The file could not be read.
    #[error("{path}: cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file ends too early.
    #[error("{path}: ends in the middle of a value (line {line}), so it was cut off; copy it again or repeat the run", path = .path.display())]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Where it ends.
        line: usize,
    },
    /// The file is not JSON.
    #[error("{path}: not JSON at line {line}, column {column}; give a results.json of isobench", path = .path.display())]
    NotJson {
        /// Which file.
        path: PathBuf,
        /// Line of the offending byte, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// The file is JSON but not a results file.
    #[error("{path}: JSON, but not results of isobench ({detail}); give a results.json of isobench", path = .path.display())]
    NotResults {
        /// Which file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// The file comes from a later isobench.
    #[error("{path}: written in format {found}, and this isobench reads up to {known}; use a newer isobench", path = .path.display())]
    NewerVersion {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest one known here.
        known: u32,
    },
    /// Nothing may be written there.
    #[error("{path}: {source}; give a folder that you may write to", path = .path.display())]
    NotWritable {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No space left; what was there before is untouched.
    #[error("{path}: the disk is full; free some space or give a folder on another disk (nothing there was changed)", path = .0.display())]
    DiskFull(PathBuf),
    /// There is nothing of criterion's there.
    #[error("{path}: no results of criterion; run `cargo bench` first", path = .0.display())]
    NoBenchmarks(PathBuf),
    /// A file of criterion's does not read as one.
    #[error("{path}: not an estimate of criterion ({detail}); run `cargo bench` again", path = .path.display())]
    NotCriterion {
        /// Which file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// A chart or a page could not be drawn.
    #[error("cannot draw the report: {0}; please report this with the results.json")]
    Drawing(String),
}

impl ReportError {
    /// The error for a failed write to `path`.
    pub(super) fn writing(path: &Path, source: io::Error) -> ReportError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ReportError::DiskFull(path.to_owned())
            }
            _ => ReportError::NotWritable { path: path.to_owned(), source },
        }
    }
}

impl From<minijinja::Error> for ReportError {
    fn from(error: minijinja::Error) -> Self {
        ReportError::Drawing(format!("{error:#}"))
    }
}
