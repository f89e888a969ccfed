//! The results file: every raw trial of a comparison, and what is needed to judge and repeat it.
//! Every chart and table is made from this alone. Format: `docs/results.md`.

use serde::{Deserialize, Serialize};

pub mod density;
pub mod journal;

pub use crate::measure::host::{HostFacts, KvmFacts};
pub use crate::runtime::external::ExternalTool;
use crate::runtime::spec::Limits;
use crate::runtime::trial::Trial;

/// The format's version; a reader refuses a newer one.
pub const VERSION: u32 = 1;

/// The name under which the baseline runs a second time, as the A/A control.
pub const CONTROL: &str = "process-again";

/// The name of the baseline.
pub const BASELINE: &str = "process";

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// isobench's own version, with its git revision where known.
    pub tool: String,
    /// When it began, RFC 3339 with the offset from UTC.
    pub started: String,
    /// How long it took, in nanoseconds.
    pub duration_ns: u64,
    /// The exact command line.
    pub command: Vec<String>,
    /// Seed of the random order.
    pub seed: u64,
    /// What was planned.
    pub plan: Plan,
    /// Where it ran.
    pub host: HostFacts,
    /// Runtimes that could not take part.
    pub skipped: Vec<SkippedRuntime>,
    /// The outside tools among the runtimes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<ExternalTool>,
    /// True when it was stopped before its plan was done.
    pub interrupted: bool,
    /// Every trial, in the order in which they ran.
    pub trials: Vec<Trial>,
}

/// What a comparison set out to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Runtime names, the baseline first, [`CONTROL`] included.
    pub runtimes: Vec<String>,
    /// Workloads, in the order of the report.
    pub workloads: Vec<PlannedWorkload>,
    /// Warm-up rounds, not kept.
    pub warmup_rounds: u32,
    /// Time budget, in nanoseconds.
    pub budget_ns: u64,
    /// Limits of every sandbox.
    pub limits: Limits,
    /// The CPU that every sandbox was kept on, where one was.
    #[serde(default)]
    pub pinned_cpu: Option<u32>,
    /// Half the width of an interval, relative to its median, at which a run ends before its plan is
    /// done, where one was given.
    #[serde(default)]
    pub precision: Option<f64>,
}

/// One workload of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedWorkload {
    /// Its name.
    pub name: String,
    /// One clause: what it does.
    pub description: String,
    /// Its command line, `argv[0]` included, as text.
    pub argv: Vec<String>,
    /// What it measures.
    pub kind: WorkloadKind,
    /// SHA-256 of the program that every runtime ran, as hex.
    pub program_sha256: String,
    /// Rounds planned.
    pub rounds: u32,
}

/// What a workload is there to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// Start-up, footprint: it does nothing itself.
    Startup,
    /// Computing: no kernel needed.
    Cpu,
    /// Memory bandwidth, latency, first touch.
    Memory,
    /// System calls.
    Calls,
    /// A program of the user's.
    Own,
}

/// A runtime that took no part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRuntime {
    /// Its name.
    pub runtime: String,
    /// Why.
    pub reason: String,
    /// How to mend it.
    pub fix: String,
}
