//! The density experiment: how many sandboxes live beside each other on this host, what each costs it, and how
//! fast they can be made.

use std::time::Duration;

mod alive;
mod rate;

use super::ExperimentError;
use super::compare::{Candidate, HOLD, Progress};
use crate::measure::clock::monotonic_ns;
use crate::results::density::{self, DensityPlan, DensityResults, RuntimeDensity};
use crate::results::{HostFacts, SkippedRuntime};
use crate::runtime::launcher::{Kind, Launcher};
use crate::runtime::spec::{LaunchSpec, Measure};
use crate::runtime::{Runtime, RuntimeError};

/// What to measure.
pub struct Density<'a> {
    /// Runtimes of ours; an other one's daemon decides itself how many it starts at once.
    pub runtimes: Vec<Kind>,
    /// What runs in every sandbox. To be kept alive, it must wait for the end of its standard input.
    pub workload: Candidate,
    /// Sandboxes to be alive at once; 0: none is kept.
    pub max: u32,
    /// Memory that the host keeps, in bytes.
    pub reserve_bytes: u64,
    /// Numbers of parallel starters to measure the creation rate with.
    pub starters: Vec<u32>,
    /// How long each of these measurements takes.
    pub window: Duration,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Told while it runs.
    pub progress: &'a (dyn Progress + Sync),
}

/// Runs it with these launchers: at least one, and as many as the most starters, since a launcher serves one request
/// at a time. Whatever was measured before a stop is in the results.
///
/// # Errors
/// When no runtime can run here, or the harness itself fails.
pub fn density(
    experiment: &Density<'_>,
    launchers: &mut [Launcher],
) -> Result<DensityResults, ExperimentError> {
    let started = jiff::Zoned::now();
    let begin_ns = monotonic_ns();
    let host = HostFacts::read();
    let plan = DensityPlan {
        runtimes: experiment.runtimes.iter().map(|kind| kind.name().to_owned()).collect(),
        workload: experiment.workload.planned.clone(),
        max: experiment.max,
        reserve_bytes: experiment.reserve_bytes,
        starters: experiment.starters.clone(),
        window_ns: experiment.window.as_nanos() as u64,
        limits: experiment.workload.spec.limits,
    };
    let mut skipped = Vec::new();
    let mut runtimes = Vec::new();
    for kind in &experiment.runtimes {
        if experiment.progress.stop() {
            break;
        }
        match check(experiment, launchers, *kind) {
            Ok(()) => runtimes.push(measure(experiment, launchers, *kind)?),
            Err(row) => {
                experiment.progress.skipped(&row);
                skipped.push(row);
            }
        }
    }
    if runtimes.is_empty() && !experiment.progress.stop() {
        let reasons: Vec<&str> = skipped.iter().map(|row| row.reason.as_str()).collect();
        return Err(ExperimentError::NothingRuns(reasons.join("; ")));
    }
    Ok(DensityResults {
        kind: density::Kind::Density,
        version: density::VERSION,
        tool: crate::VERSION.to_owned(),
        started: started.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        duration_ns: monotonic_ns() - begin_ns,
        command: experiment.command.clone(),
        plan,
        host,
        skipped,
        interrupted: experiment.progress.stop(),
        runtimes,
    })
}

/// A runtime that cannot run here, or cannot run this workload, takes no part.
fn check(experiment: &Density<'_>, launchers: &[Launcher], kind: Kind) -> Result<(), SkippedRuntime> {
    let Some(launcher) = launchers.first() else { return Ok(()) };
    let runtime = launcher.runtime(kind);
    let checked = runtime.check().map_err(RuntimeError::from);
    checked.and_then(|_| runtime.prepare(&experiment.workload.spec).map(drop)).map_err(|error| {
        let (reason, fix) = match error {
            RuntimeError::Unavailable(missing) => (missing.reason, missing.fix),
            other => (other.to_string(), "see isobench doctor".to_owned()),
        };
        SkippedRuntime { runtime: kind.name().to_owned(), reason, fix }
    })
}

fn measure(
    experiment: &Density<'_>,
    launchers: &mut [Launcher],
    kind: Kind,
) -> Result<RuntimeDensity, ExperimentError> {
    let mut measured = RuntimeDensity { runtime: kind.name().to_owned(), rates: Vec::new(), alive: None };
    for (done, starters) in experiment.starters.iter().enumerate() {
        if experiment.progress.stop() {
            return Ok(measured);
        }
        let (of, what) = (experiment.starters.len(), format!("creation rate, {starters} at once"));
        experiment.progress.trial(done, of, kind.name(), &what);
        let share = launchers.len().min(*starters as usize);
        measured.rates.push(rate::measure(experiment, &mut launchers[..share], kind)?);
    }
    if experiment.max > 0 && !experiment.progress.stop() {
        measured.alive = Some(alive::measure(experiment, launchers, kind)?);
    }
    Ok(measured)
}

/// The workload as one that waits: a built-in one does so when it is asked to.
fn waiting(workload: &Candidate, measure: Measure) -> LaunchSpec {
    let mut spec = LaunchSpec { measure, ..workload.spec.clone() };
    if workload.can_hold {
        spec.env.push(HOLD.to_owned());
        // It waits as long as we let it.
        spec.timeout = None;
    }
    spec
}
