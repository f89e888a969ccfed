//! A folder of one job, removed with it; one that a crash has left is found by its name.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::owner;
use super::tool::Tool;
use crate::runtime::RuntimeError;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A private folder.
pub(super) struct Scratch {
    folder: TempDir,
    id: String,
}

impl Scratch {
    pub(super) fn new(tool: &str) -> Result<Scratch, RuntimeError> {
        let id = format!("{}-{tool}-{}", owner::mark(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::Builder::new()
            .prefix(&format!("{id}-"))
            .tempdir()
            .map_err(RuntimeError::step("making a temporary folder"))?;
        Ok(Scratch { folder, id })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A name that no other job of any living isobench has.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// Removes the folders of this tool's jobs whose isobench has died, with what runs in them.
pub(super) fn sweep(tool: &dyn Tool, program: &Path) {
    for folder in stale(&std::env::temp_dir(), tool.name()) {
        tool.sweep_folder(program, &folder);
        // Another user's folder does not let us.
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn stale(place: &Path, tool: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            owner::is_stale(&name) && name.split('-').nth(3) == Some(tool)
        })
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_job_and_a_dead_ones_is_found() {
        let place = tempfile::tempdir().unwrap();
        let scratch = Scratch::new("runc").unwrap();
        let path = scratch.path().to_owned();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
        // No process has this number: it is beyond the largest (PID_MAX_LIMIT).
        let dead = place.path().join("isobench-4194305-7-runc-0-abc");
        let other_tool = place.path().join("isobench-4194305-7-crun-0-abc");
        for folder in [&dead, &other_tool] {
            std::fs::create_dir(folder).unwrap();
        }
        assert_eq!(stale(place.path(), "runc"), [dead]);
    }
}
