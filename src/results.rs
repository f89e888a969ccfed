//! The results file: every raw trial of a comparison, and what is needed to judge and repeat it.
//! Every chart and table is made from this alone. Format: `docs/results.md`.

use serde::{Deserialize, Serialize};

pub mod density;
pub mod journal;
pub mod maintenance;

pub use crate::measure::host::checks::{Check, Grade};
pub use crate::measure::host::during::During;
pub use crate::measure::host::{HostFacts, KvmFacts};
pub use crate::runtime::external::ExternalTool;
pub use crate::runtime::null::NAME as NULL;
use crate::runtime::spec::{Isolation, Limits};
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
    /// What the host did while it ran; missing where that was not looked at, or the run was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<During>,
    /// Every trial, in the order in which they ran. Those of [`NULL`] measure what measuring costs.
    pub trials: Vec<Trial>,
    /// The maintenance experiment, where it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Box<maintenance::Maintenance>>,
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
    /// Pause between two rounds, in nanoseconds, for a host to cool down.
    #[serde(default)]
    pub cool_down_ns: u64,
    /// Steps of building a container that were left out.
    #[serde(default)]
    pub without: Vec<Isolation>,
    /// What was dropped of the page cache before every second trial, where cold was compared with warm.
    #[serde(default)]
    pub cold: Option<Cold>,
}

/// How a page cache is made cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cold {
    /// The pages of the sandbox's own files: program, root, files shown in it, the guest's kernel.
    Files,
    /// The page cache of the whole host, with directory entries and inodes.
    Host,
}

impl Cold {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Cold::Files => "files",
            Cold::Host => "host",
        }
    }

    /// What it drops, in words.
    pub fn what(self) -> &'static str {
        match self {
            Cold::Files => {
                "the pages of the program, of the root and files shown in the sandbox, and of a guest's kernel \
                 (posix_fadvise), but no directory entries, and nothing that somebody maps"
            }
            Cold::Host => {
                "the page cache of the whole host, directory entries and inodes (/proc/sys/vm/drop_caches), but nothing \
                 that somebody maps, such as isobench itself"
            }
        }
    }
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
