//! The null runtime: a sandbox that is nothing, observed as every other one is. Whatever its trials show is
//! the cost of measuring: pipes, the request to the launcher and its answer, waking up, reading the output.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::launcher::Launcher;
use super::spec::{LaunchSpec, Stdio};
use super::trial::{CpuTime, Crossings, Exit};
use super::{Prepared, Runtime, RuntimeError, Sandbox, SandboxReport, Unavailable};
use crate::measure::clock::monotonic_ns;

/// Its name in every result.
pub const NAME: &str = "null";

/// Nothing, by way of a launcher.
pub struct Null<'l>(pub &'l Launcher);

impl Runtime for Null<'_> {
    fn name(&self) -> &str {
        NAME
    }

    fn check(&self) -> Result<Vec<String>, Unavailable> {
        Ok(Vec::new())
    }

    fn prepare(&self, _: &LaunchSpec) -> Result<Box<dyn Prepared + '_>, RuntimeError> {
        Ok(Box::new(NullPrepared(self.0)))
    }
}

struct NullPrepared<'l>(&'l Launcher);

impl Prepared for NullPrepared<'_> {
    fn launch(&self, stdio: Stdio) -> Result<Box<dyn Sandbox + '_>, RuntimeError> {
        // It has ended before we know: the read end of a pipe without a writer is readable.
        let (ended, _) =
            nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(RuntimeError::step("making a pipe"))?;
        let (requested_ns, written_ns) = self.0.null(stdio)?;
        Ok(Box::new(NullSandbox { ended, requested_ns, written_ns }))
    }
}

struct NullSandbox {
    ended: OwnedFd,
    requested_ns: u64,
    written_ns: u64,
}

impl Sandbox for NullSandbox {
    fn requested_ns(&self) -> u64 {
        self.requested_ns
    }

    fn processes(&self) -> Vec<i32> {
        Vec::new()
    }

    fn ended_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    fn has_ended(&mut self) -> Result<bool, RuntimeError> {
        Ok(true)
    }

    fn kill(&mut self) {}

    fn finish(self: Box<Self>) -> Result<SandboxReport, RuntimeError> {
        Ok(SandboxReport {
            exit: Exit::Code(0),
            phases: Vec::new(),
            spawned_ns: None,
            entered_ns: None,
            exited_ns: Some(self.written_ns),
            torn_down_ns: monotonic_ns(),
            cpu: CpuTime::default(),
            crossings: Crossings::default(),
            guest_memory: None,
            guest_clock: None,
            cgroup_peak_bytes: None,
            cgroup_kernel_bytes: None,
            boot_log: None,
            notes: Vec::new(),
        })
    }
}
