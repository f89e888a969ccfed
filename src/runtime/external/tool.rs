//! What is asked of an outside tool.

use std::path::Path;

use super::command::CommandLine;
use super::rootfs::RootFilesystem;
use crate::runtime::RuntimeError;
use crate::runtime::spec::LaunchSpec;

/// An outside tool that can run a program in isolation.
pub(super) trait Tool: Sync {
    /// The runtime's name.
    fn name(&self) -> &'static str;
    /// The program, as found on PATH.
    fn program(&self) -> &'static str;
    /// One clause that tells how to get it.
    fn how_to_install(&self) -> &'static str;
    /// One clause for a tool that is there and fails.
    fn how_to_mend(&self) -> &'static str;
    /// What makes it print its version.
    fn version_arguments(&self) -> &'static [&'static str] {
        &["--version"]
    }
    /// What remains different from our container in spite of the same program, limits, network and streams.
    fn differences(&self) -> &'static [&'static str];
    /// Makes what a launch needs, outside every clock.
    fn stage(&self, job: &Job<'_>) -> Result<Staged, RuntimeError>;
    /// The first processes of the running sandbox that are no descendants of the tool's own.
    fn elsewhere(&self, _staged: &Staged, _id: &str) -> Vec<i32> {
        Vec::new()
    }
    /// Process names of daemons that are there whether a sandbox runs or not.
    fn daemons(&self) -> &'static [&'static str] {
        &[]
    }
    /// Removes from a folder of an isobench that has died what the tool has left running there.
    fn sweep_folder(&self, _program: &Path, _folder: &Path) {}
    /// Removes what an isobench that has died has left with the tool's daemon.
    fn sweep(&self, _program: &Path) {}
}

/// What is to be staged.
pub(super) struct Job<'a> {
    /// The tool's program.
    pub(super) tool: &'a Path,
    /// What is to run.
    pub(super) spec: &'a LaunchSpec,
    /// Where it runs.
    pub(super) root: &'a RootFilesystem,
    /// A folder for whatever the tool needs; it is removed with the job.
    pub(super) scratch: &'a Path,
    /// A name that no other sandbox has.
    pub(super) id: &'a str,
}

/// A job that can be launched many times, one after another.
pub(super) struct Staged {
    /// Runs it in the foreground, and removes it at its end.
    pub(super) run: CommandLine,
    /// Kills and removes a sandbox whose client has been killed.
    pub(super) remove: Vec<CommandLine>,
    /// Throws away what was staged.
    pub(super) discard: Vec<CommandLine>,
}
