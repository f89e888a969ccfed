//! The results file of a density experiment: how many sandboxes live beside each other, what each costs
//! the host, and how fast they are made. Format: `docs/density.md` and `docs/density.schema.json`.

use serde::{Deserialize, Serialize};

use super::{HostFacts, PlannedWorkload, SkippedRuntime};
pub use crate::measure::host_memory::HostMemory;
pub use crate::measure::room::Resource;
use crate::runtime::spec::Limits;
use crate::runtime::trial::{Exit, GuestMemory};

/// The format's version; a reader refuses a newer one.
pub const VERSION: u32 = 1;

/// What tells this file from a comparison's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The only one.
    #[default]
    Density,
}

/// One experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DensityResults {
    /// What it is.
    pub kind: Kind,
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
    /// What was planned.
    pub plan: DensityPlan,
    /// Where it ran.
    pub host: HostFacts,
    /// Runtimes that could not take part.
    pub skipped: Vec<SkippedRuntime>,
    /// True when it was stopped before its plan was done.
    pub interrupted: bool,
    /// What each runtime showed, in the order in which they ran.
    pub runtimes: Vec<RuntimeDensity>,
}

/// What an experiment set out to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DensityPlan {
    /// Runtime names.
    pub runtimes: Vec<String>,
    /// What ran in every sandbox; [`PlannedWorkload::rounds`] says nothing here.
    pub workload: PlannedWorkload,
    /// Sandboxes to be alive at once.
    pub max: u32,
    /// Memory that the host keeps, in bytes: no sandbox is started that would take of it.
    pub reserve_bytes: u64,
    /// Numbers of parallel starters, one measurement of the creation rate for each.
    pub starters: Vec<u32>,
    /// How long each such measurement takes, in nanoseconds.
    pub window_ns: u64,
    /// Limits of every sandbox.
    pub limits: Limits,
}

/// What one runtime showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuntimeDensity {
    /// Its name.
    pub runtime: String,
    /// Creation rates, in the order of the plan.
    pub rates: Vec<CreationRate>,
    /// Sandboxes kept alive; none where that was not asked for, or not reached.
    pub alive: Option<Alive>,
}

/// Sandboxes started one after another and kept alive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alive {
    /// The host before the first one.
    pub before: HostMemory,
    /// Every start, the first one first.
    pub starts: Vec<Start>,
    /// Looks at memory, each while so many were alive.
    pub samples: Vec<Sample>,
    /// Why no more were started.
    pub ended: Ended,
    /// From the end of their common standard input until nothing of any was left, in nanoseconds.
    pub teardown_ns: u64,
    /// The host after that.
    pub after: HostMemory,
}

/// One sandbox that was started and kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// How many were alive with it.
    pub count: u32,
    /// Request → first output, in nanoseconds; none where the program prints nothing while it waits.
    pub first_output_ns: Option<u64>,
    /// Request → first instruction of the workload, in nanoseconds.
    pub entered_ns: Option<u64>,
    /// `MemAvailable` of the host once it was up, in bytes.
    pub available_bytes: u64,
    /// It was put into a cgroup of its own for accounting, which takes milliseconds: its times are no
    /// start-up times.
    pub accounted: bool,
    /// Most that was charged to its cgroup, in bytes, where it had one.
    pub cgroup_peak_bytes: Option<u64>,
    /// Kernel memory charged to its cgroup at its end, in bytes, where it had one.
    pub cgroup_kernel_bytes: Option<u64>,
    /// Guest memory (VM only).
    pub guest_memory: Option<GuestMemory>,
    /// How it ended.
    pub exit: Exit,
}

/// Memory while `count` sandboxes were alive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Sandboxes alive.
    pub count: u32,
    /// Mean over the sandboxes looked at of the sum of PSS of their processes, in bytes. Not all are looked
    /// at: reading it of each at every count would take a time that grows with the square of their number.
    pub pss_bytes: u64,
    /// How many were looked at.
    pub looked_at: u32,
    /// Processes of those.
    pub processes: u32,
    /// The host.
    pub host: HostMemory,
}

/// Why no more were started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// As many as planned are alive.
    Planned,
    /// The next one would have come too near to this limit of the host.
    Limit(HostLimit),
    /// The next one could not be started.
    LaunchFailed(String),
    /// A sandbox ended although it should wait.
    SandboxEnded(String),
    /// The user stopped it.
    Interrupted,
}

/// A limit of the host, or of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLimit {
    /// Of what.
    pub resource: Resource,
    /// Its name, as one finds it on the host.
    pub name: String,
    /// What was still free of it, in bytes, descriptors or tasks.
    pub free: u64,
    /// What must stay free.
    pub reserve: u64,
}

/// Sandboxes made and removed for some time by a number of starters in parallel, each of which makes the
/// next one when nothing of the last one is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreationRate {
    /// Starters.
    pub starters: u32,
    /// From the common begin to the end of the last one that began in the planned time, in nanoseconds.
    pub window_ns: u64,
    /// Every sandbox that was made and removed, in no particular order.
    pub created: Vec<Created>,
    /// Sandboxes that could not be started or did not end well.
    pub failed: u32,
    /// What was wrong with the first of those.
    pub failure: Option<String>,
    /// Share of the host's CPU time that was not idle meanwhile, 0–1; what others ran is in it too.
    pub cpu_busy: Option<f64>,
}

/// One sandbox of a creation rate. Times are in nanoseconds after the common begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Requested.
    pub requested_ns: u64,
    /// Its first output arrived.
    pub first_output_ns: Option<u64>,
    /// Nothing of it was left.
    pub torn_down_ns: u64,
}
