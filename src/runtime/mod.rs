//! Runtimes: ways to run a workload, behind one contract.
//!
//! *check* whether it works here, *prepare* what every launch of one spec shares (outside every
//! clock, as an image is pulled before it is run), *launch* a sandbox, *finish* it: wait, reap,
//! tear down. Dropping a sandbox kills it and tears it down too.
//!
//! The runtimes of ours are built by the [`launcher`], a small process of its own.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

pub mod board;
pub mod cgroup;
pub mod clone;
pub mod container;
pub mod external;
pub mod launcher;
pub mod linuxvm;
pub mod microvm;
pub mod null;
pub mod open_files;
pub mod pin;
pub mod plausible;
pub mod pointers;
pub mod process;
pub mod seccomp;
pub mod session;
pub mod snapshot;
pub mod spec;
pub mod syscall_count;
pub mod trial;
pub mod virtio;
pub mod vmm;

#[allow(unused_imports, reason = "named by the documentation")]
use crate::measure::clock;
use external::ExternalTool;
use spec::{LaunchSpec, Stdio};
use trial::{CpuTime, Crossings, Exit, GuestClock, GuestMemory, Phase};

/// Why a runtime cannot run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {fix}")]
pub struct Unavailable {
    /// What is missing, in one clause.
    pub reason: String,
    /// The command or setting that mends it, in one clause.
    pub fix: String,
}

/// What went wrong before a workload could run.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The host lacks something.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// What the user asked for cannot be run (a bad program, a bad mapping, …).
    #[error("{0}")]
    BadSpec(String),
    /// There is no program of that name.
    #[error("{0}")]
    NoSuchProgram(String),
    /// A step failed.
    #[error("{step}: {source}")]
    Failed {
        /// What was being done, and to what.
        step: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

impl RuntimeError {
    /// For `map_err` on a step of ours.
    pub fn step<E: Into<std::io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> RuntimeError {
        move |error| RuntimeError::Failed { step: step.into(), source: error.into() }
    }
}

/// One way to run a workload.
pub trait Runtime {
    /// Its name on the command line and in every result.
    fn name(&self) -> &str;
    /// Whether it works on this host; what it could not do although it works is a list of notes.
    fn check(&self) -> Result<Vec<String>, Unavailable>;
    /// Files of the host that a launch of `spec` reads beside those that the spec names, such as a guest's kernel or
    /// an outside tool: what a cold start does not find in the page cache.
    fn host_files(&self, _spec: &LaunchSpec) -> Vec<PathBuf> {
        Vec::new()
    }
    /// Does, outside every clock, what all launches of `spec` share.
    fn prepare(&self, spec: &LaunchSpec) -> Result<Box<dyn Prepared + '_>, RuntimeError>;
    /// For an outside tool: which one it is, and what about it remains different. Ours are told by the report's version.
    fn external(&self) -> Option<ExternalTool> {
        None
    }
}

/// A spec that can be launched many times.
pub trait Prepared {
    /// Launches one sandbox. The request is the moment of this call.
    fn launch(&self, stdio: Stdio) -> Result<Box<dyn Sandbox + '_>, RuntimeError>;
}

/// A running sandbox.
pub trait Sandbox {
    /// When it was requested, on [`clock::monotonic_ns`].
    fn requested_ns(&self) -> u64;
    /// Its host processes, for memory accounting.
    fn processes(&self) -> Vec<i32>;
    /// Becomes readable when the sandbox has ended, and perhaps at other times: ask [`Sandbox::has_ended`].
    fn ended_fd(&self) -> BorrowedFd<'_>;
    /// Whether it has ended; does not wait.
    fn has_ended(&mut self) -> Result<bool, RuntimeError>;
    /// Kills it; [`Sandbox::finish`] then returns soon.
    fn kill(&mut self);
    /// Sends this signal to its program. Where there is no program that could get one, as in a virtual
    /// machine, kills it.
    fn signal(&mut self, _signal: i32) {
        self.kill();
    }
    /// Waits for its end, tears everything down and tells what happened.
    fn finish(self: Box<Self>) -> Result<SandboxReport, RuntimeError>;
}

/// What a runtime tells about one finished sandbox. Times are on [`clock::monotonic_ns`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SandboxReport {
    /// How it ended.
    pub exit: Exit,
    /// Named phases.
    pub phases: Vec<Phase>,
    /// Its first process exists.
    pub spawned_ns: Option<u64>,
    /// First workload instruction.
    pub entered_ns: Option<u64>,
    /// The workload ended.
    pub exited_ns: Option<u64>,
    /// Nothing of it is left.
    pub torn_down_ns: u64,
    /// CPU time of its processes.
    pub cpu: CpuTime,
    /// Boundary crossings.
    pub crossings: Crossings,
    /// Guest memory (VM only).
    pub guest_memory: Option<GuestMemory>,
    /// The guest's clock beside the host's (VM only).
    pub guest_clock: Option<GuestClock>,
    /// Peak memory charged to its cgroup, in bytes, where it had one.
    pub cgroup_peak_bytes: Option<u64>,
    /// Kernel memory charged to its cgroup, in bytes, where it had one.
    pub cgroup_kernel_bytes: Option<u64>,
    /// What was left out or could not be done.
    pub notes: Vec<String>,
    /// What a guest's Linux wrote to its log or console.
    pub boot_log: Option<String>,
}
