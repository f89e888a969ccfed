//! The report of a density experiment: a page, Markdown and a terminal's text, all made from one summary.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ReportError;
use super::summary::{KvmCaveat, VIRTUAL_MACHINES};
use crate::results::density::{Alive, CreationRate, DensityResults, Ended, RuntimeDensity, Start, VERSION};
use crate::results::{HostFacts, SkippedRuntime};
use crate::stats::{Interval, median, median_interval, quantile};

mod editions;
mod tables;

pub use editions::{Written, markdown, render_all, terminal};

/// The name of the results file.
pub const NAME: &str = "density.json";

/// What a density experiment says, in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct DensitySummary {
    /// isobench's version.
    pub tool: String,
    /// RFC 3339.
    pub started: String,
    /// In nanoseconds.
    pub duration_ns: u64,
    /// Command line.
    pub command: Vec<String>,
    /// What ran in every sandbox, in words.
    pub workload: String,
    /// Sandboxes asked for.
    pub max: u32,
    /// The plan was cut short.
    pub interrupted: bool,
    /// Host.
    pub host: HostFacts,
    /// One for each runtime, in the order in which they ran.
    pub runtimes: Vec<RuntimeSummary>,
    /// Runtimes that took no part.
    pub skipped: Vec<SkippedRuntime>,
    /// What colours every number of a virtual machine here.
    pub kvm_caveat: Option<KvmCaveat>,
}

/// One runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeSummary {
    /// Its name.
    pub runtime: String,
    /// It is a virtual machine.
    pub is_virtual_machine: bool,
    /// Those kept alive.
    pub alive: Option<AliveSummary>,
    /// Creation rates.
    pub rates: Vec<RateSummary>,
}

/// Sandboxes kept alive.
#[derive(Clone, Debug, PartialEq)]
pub struct AliveSummary {
    /// How many.
    pub count: u32,
    /// Why no more.
    pub ended: Ended,
    /// Median start-up of the first tenth, in nanoseconds.
    pub first: Option<f64>,
    /// Median start-up of the last tenth, in nanoseconds.
    pub last: Option<f64>,
    /// The program prints nothing while it waits: its start-up is request → first instruction.
    pub silent: bool,
    /// Fall of `MemAvailable` from the first to the last sandbox, over their number, in bytes.
    pub host_bytes: Option<f64>,
    /// The same over blocks of starts: median and its interval.
    pub slope_bytes: Option<(f64, Interval)>,
    /// Kernel memory charged to one's cgroup, median, in bytes.
    pub cgroup_kernel_bytes: Option<f64>,
    /// Peak charged to one's cgroup, median, in bytes.
    pub cgroup_peak_bytes: Option<f64>,
    /// Guest memory touched, median, in bytes.
    pub guest_touched_bytes: Option<f64>,
    /// By number alive.
    pub rows: Vec<MemoryRow>,
    /// Number alive and start-up in nanoseconds, of every start that counts for it.
    pub start_ups: Vec<(u32, f64)>,
    /// Number alive and fall of `MemAvailable` since before the first, in bytes.
    pub taken: Vec<(u32, f64)>,
    /// Sandboxes that did not end with 0, and how the first of them ended.
    pub bad_ends: Option<(usize, String)>,
    /// Until nothing of them was left, in nanoseconds.
    pub teardown_ns: u64,
}

/// Memory while so many were alive, for each of them, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryRow {
    /// Number alive.
    pub count: u32,
    /// Fall of `MemAvailable` ÷ count.
    pub host: f64,
    /// Mean PSS.
    pub pss: f64,
    /// Growth of the kernel's objects, page tables, stacks and per-CPU memory ÷ count.
    pub kernel: f64,
}

/// One creation rate.
#[derive(Clone, Debug, PartialEq)]
pub struct RateSummary {
    /// Parallel starters.
    pub starters: u32,
    /// Made and removed.
    pub created: usize,
    /// For each second; none where none was made, or where the figures contradict each other.
    pub per_second: Option<f64>,
    /// Request → nothing left, median, in nanoseconds.
    pub latency: Option<f64>,
    /// The same, 95 % are faster.
    pub latency_95: Option<f64>,
    /// Request → first output, median, in nanoseconds.
    pub first_output: Option<f64>,
    /// Throughput × mean latency: how many existed at once on average, by Little's law.
    pub existing: f64,
    /// Share of the CPUs' time that was not idle.
    pub cpu_busy: Option<f64>,
    /// Failed.
    pub failed: u32,
    /// Why the first failed.
    pub failure: Option<String>,
}

/// How far rounding and clocks may carry [`RateSummary::existing`] beyond the number of starters.
const TOLERANCE: f64 = 1.02;

impl RateSummary {
    fn new(rate: &CreationRate) -> RateSummary {
        let since = |end: u64, begin: u64| end.saturating_sub(begin) as f64;
        let latencies: Vec<f64> =
            rate.created.iter().map(|one| since(one.torn_down_ns, one.requested_ns)).collect();
        let outputs: Vec<f64> = rate
            .created
            .iter()
            .filter_map(|one| Some(since(one.first_output_ns?, one.requested_ns)))
            .collect();
        let window = rate.window_ns.max(1) as f64;
        let existing = latencies.iter().sum::<f64>() / window;
        let is_possible = existing <= f64::from(rate.starters) * TOLERANCE;
        let per_second = latencies.len() as f64 / window * 1e9;
        RateSummary {
            starters: rate.starters,
            created: latencies.len(),
            per_second: Some(per_second).filter(|rate| is_possible && *rate > 0.0),
            latency: median(&latencies),
            latency_95: quantile(&latencies, 0.95),
            first_output: median(&outputs),
            existing,
            cpu_busy: rate.cpu_busy.filter(|share| share.is_finite()),
            failed: rate.failed,
            failure: rate.failure.clone(),
        }
    }

    /// Little's law forbids these figures: more sandboxes at once than starters to make them.
    pub fn is_impossible(&self) -> bool {
        self.existing > f64::from(self.starters) * TOLERANCE
    }
}

impl AliveSummary {
    fn new(alive: &Alive) -> AliveSummary {
        let silent = alive.starts.iter().all(|start| start.first_output_ns.is_none());
        let start_ups: Vec<(u32, f64)> = alive
            .starts
            .iter()
            .filter(|start| !start.accounted)
            .filter_map(|start| {
                let ns = if silent { start.entered_ns } else { start.first_output_ns };
                Some((start.count, ns? as f64))
            })
            .collect();
        let tenth = start_ups.len().div_ceil(10).max(5).min(start_ups.len());
        let middle = |some: &[(u32, f64)]| median(&some.iter().map(|(_, ns)| *ns).collect::<Vec<_>>());
        let before = alive.before.available_bytes as f64;
        let taken: Vec<(u32, f64)> =
            alive.starts.iter().map(|start| (start.count, before - start.available_bytes as f64)).collect();
        let of = |value: fn(&Start) -> Option<u64>| {
            let values: Vec<f64> = alive.starts.iter().filter_map(value).map(|bytes| bytes as f64).collect();
            median(&values)
        };
        let bad: Vec<_> = alive.starts.iter().filter(|start| !start.exit.is_success()).collect();
        AliveSummary {
            count: alive.starts.len() as u32,
            ended: alive.ended.clone(),
            first: middle(&start_ups[..tenth]),
            last: middle(&start_ups[start_ups.len() - tenth..]),
            silent,
            host_bytes: taken.last().map(|(count, bytes)| bytes / f64::from((*count).max(1))),
            slope_bytes: slope(&taken),
            cgroup_kernel_bytes: of(|start| start.cgroup_kernel_bytes),
            cgroup_peak_bytes: of(|start| start.cgroup_peak_bytes),
            guest_touched_bytes: of(|start| start.guest_memory.map(|memory| memory.touched_bytes)),
            rows: rows(alive),
            start_ups,
            taken,
            bad_ends: bad.first().map(|first| (bad.len(), format!("{:?}", first.exit))),
            teardown_ns: alive.teardown_ns,
        }
    }
}

/// Blocks of starts, enough for an interval.
const BLOCKS: usize = 20;

/// Host memory for one sandbox, from blocks of consecutive starts: median and its exact interval. Blocks, since one
/// reading of `MemAvailable` is far coarser than one sandbox; and falls within a block, since what others on the host do drifts
/// from block to block, which a line fitted through all readings would take for precision.
fn slope(taken: &[(u32, f64)]) -> Option<(f64, Interval)> {
    let size = taken.len() / BLOCKS.min(taken.len() / 5).max(1);
    let ends: Vec<f64> = std::iter::once(0.0)
        .chain(taken.chunks_exact(size.max(1)).filter_map(|block| Some(block.last()?.1)))
        .collect();
    let falls: Vec<f64> = ends.windows(2).map(|pair| (pair[1] - pair[0]) / size as f64).collect();
    Some((median(&falls)?, median_interval(&falls)?))
}

fn rows(alive: &Alive) -> Vec<MemoryRow> {
    let kernel = |memory: &crate::results::density::HostMemory| {
        [memory.slab_bytes, memory.page_table_bytes, memory.kernel_stack_bytes, memory.per_cpu_bytes]
            .iter()
            .map(|bytes| *bytes as f64)
            .sum::<f64>()
    };
    alive
        .samples
        .iter()
        .map(|sample| {
            let count = f64::from(sample.count.max(1));
            let fall = alive.before.available_bytes as f64 - sample.host.available_bytes as f64;
            MemoryRow {
                count: sample.count,
                host: fall / count,
                pss: sample.pss_bytes as f64,
                kernel: (kernel(&sample.host) - kernel(&alive.before)) / count,
            }
        })
        .collect()
}

impl DensitySummary {
    /// Summarises `results`.
    pub fn new(results: &DensityResults) -> DensitySummary {
        let is_vm = |runtime: &str| VIRTUAL_MACHINES.contains(&runtime);
        let summarise = |one: &RuntimeDensity| RuntimeSummary {
            runtime: one.runtime.clone(),
            is_virtual_machine: is_vm(&one.runtime),
            alive: one.alive.as_ref().map(AliveSummary::new),
            rates: one.rates.iter().map(RateSummary::new).collect(),
        };
        DensitySummary {
            tool: results.tool.clone(),
            started: results.started.clone(),
            duration_ns: results.duration_ns,
            command: results.command.clone(),
            workload: super::format::shell(&results.plan.workload.argv),
            max: results.plan.max,
            interrupted: results.interrupted,
            host: results.host.clone(),
            runtimes: results.runtimes.iter().map(summarise).collect(),
            skipped: results.skipped.clone(),
            kvm_caveat: KvmCaveat::of(&results.host)
                .filter(|_| results.runtimes.iter().any(|one| is_vm(&one.runtime))),
        }
    }
}

/// Reads a density experiment's results.
///
/// # Errors
/// When it is none, or of a later format.
pub fn read(path: &Path) -> Result<DensityResults, ReportError> {
    let bad = |detail: String| ReportError::NotResults { path: path.to_owned(), detail };
    let file =
        File::open(path).map_err(|source| ReportError::Unreadable { path: path.to_owned(), source })?;
    let document: serde_json::Value =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| bad(error.to_string()))?;
    let found = document.get("version").and_then(serde_json::Value::as_u64);
    let is_density = document.get("kind").and_then(serde_json::Value::as_str) == Some("density");
    match found {
        Some(found) if is_density && found > VERSION.into() => {
            Err(ReportError::NewerVersion { path: path.to_owned(), found, known: VERSION })
        }
        _ => DensityResults::deserialize(document).map_err(|error| bad(error.to_string())),
    }
}

/// Where the results file is.
fn results_path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

#[cfg(test)]
mod tests;
