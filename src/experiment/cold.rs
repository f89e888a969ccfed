//! Cold starts: what a launch reads is not in the page cache. Cold and warm are two levels of one factor:
//! every round has a trial of each cell with either.
//!
//! Preparing is off every clock (`docs/method.md`), but it is where a VMM reads its program, its kernel and
//! its files. So in such a comparison each trial, cold or warm, is prepared anew and tells how long that took.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::compare::Candidate;
use crate::measure::page_cache::{Dropped, drop_all, drop_files, files_below};
use crate::results::Cold;
use crate::runtime::spec::{LaunchSpec, Program};
use crate::runtime::{Runtime, RuntimeError};
use crate::workload::program::embedded;

/// Gives every built-in workload, which otherwise lives in memory, a file below `folder` to be read from.
///
/// # Errors
/// When it cannot be written.
pub fn on_disk(workloads: &mut [Candidate], folder: &Path) -> Result<(), RuntimeError> {
    for workload in workloads {
        let Program::Builtin(name) = &workload.spec.program else { continue };
        let Some(bytes) = embedded(name) else { continue };
        let path = folder.join(name);
        fs::write(&path, bytes)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            .map_err(RuntimeError::step(format!("writing {}", path.display())))?;
        workload.spec.program = Program::HostFile(path);
    }
    Ok(())
}

/// The files that launching `spec` under `runtime` reads.
pub(super) fn files(runtime: &dyn Runtime, spec: &LaunchSpec) -> Vec<PathBuf> {
    let mut files = runtime.host_files(spec);
    if let Program::HostFile(path) = &spec.program {
        files.push(path.clone());
    }
    files.extend(spec.files.iter().map(|mapping| mapping.host.clone()));
    files.extend(spec.root.iter().flat_map(|root| files_below(root)));
    files
}

/// Makes the page cache cold for these files.
///
/// # Errors
/// When the host's cache may not be dropped.
pub(super) fn drop_cache(cold: Cold, files: &[PathBuf]) -> Result<Dropped, RuntimeError> {
    match cold {
        Cold::Files => Ok(drop_files(files)),
        Cold::Host => drop_all(files).map_err(RuntimeError::step("dropping the host's page cache")),
    }
}
