//! The comparison: the same workloads under several runtimes, in rounds of random order.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::plan::{Effort, LEAST_ROUNDS, Step, order};
use super::{ExperimentError, assemble, cold, precision};
use crate::measure::clock::{monotonic_ns, thread_cpu_ns};
use crate::measure::host::during::Reading;
use crate::results::journal::Journal;
use crate::results::{
    self, BASELINE, CONTROL, Cold, HostFacts, NULL, Plan, PlannedWorkload, Results, SkippedRuntime,
};
use crate::runtime::session::{Watch, observe, pause};
use crate::runtime::spec::{LaunchSpec, Measure};
use crate::runtime::trial::{PageCache, Trial};
use crate::runtime::{Prepared, Runtime, RuntimeError};

/// The environment variable that makes a built-in workload wait for the end of its standard input
/// before it exits, so that its memory can be read while it is there.
pub const HOLD: &std::ffi::CStr = c"ISOBENCH_HOLD=1";

/// One workload to compare.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What the results say about it.
    pub planned: PlannedWorkload,
    /// How to launch it.
    pub spec: LaunchSpec,
    /// The standard output of a right result, where known.
    pub expected: Option<String>,
    /// It honours [`HOLD`].
    pub can_hold: bool,
}

/// What to compare.
pub struct Comparison<'a> {
    /// The runtimes, the baseline first.
    pub runtimes: Vec<&'a dyn Runtime>,
    /// The workloads.
    pub workloads: Vec<Candidate>,
    /// How much.
    pub effort: Effort,
    /// Seed of the order.
    pub seed: u64,
    /// The command line, for the record.
    pub command: Vec<String>,
    /// Where the trials so far are kept while it runs; the caller removes it.
    pub journal: Option<PathBuf>,
    /// The CPU that the launcher, and so every sandbox, is kept on; for the record.
    pub pinned_cpu: Option<u32>,
    /// End when every interval is this narrow, see [`precision`].
    pub precision: Option<f64>,
    /// Pause between two rounds.
    pub cool_down: Duration,
    /// Compare a cold page cache with a warm one, see [`cold`].
    pub cold: Option<Cold>,
    /// The runtime that does nothing: a trial of it in every round tells what measuring costs.
    pub null: Option<&'a dyn Runtime>,
}

/// What the caller is told while it runs.
pub trait Progress {
    /// A runtime takes no part.
    fn skipped(&self, skipped: &SkippedRuntime);
    /// So many of so many trials are done; the next one is this.
    fn trial(&self, done: usize, of: usize, runtime: &str, workload: &str);
    /// Something that the user should know, but that does not end the run.
    fn warn(&self, message: &str);
    /// True when the user wants to stop.
    fn stop(&self) -> bool;
}

/// A (runtime, workload) pair, ready to be launched.
pub(super) struct Cell<'a> {
    pub(super) runtime: &'a str,
    pub(super) workload: &'a Candidate,
    pub(super) plain: Box<dyn Prepared + 'a>,
    source: &'a dyn Runtime,
    /// A VM's calls go to its own kernel, which counts them in every trial.
    pub(super) counts_syscalls: bool,
}

impl<'a> Cell<'a> {
    fn new(runtime: &'a dyn Runtime, name: &'a str, workload: &'a Candidate) -> Result<Self, RuntimeError> {
        let plain = runtime.prepare(&workload.spec)?;
        let counts_syscalls = matches!(name, "process" | "container");
        Ok(Cell { runtime: name, workload, plain, source: runtime, counts_syscalls })
    }

    fn footprint(&self) -> Result<Box<dyn Prepared + 'a>, RuntimeError> {
        let mut spec = self.workload.spec.clone();
        spec.measure = Measure { footprint: true, boot_log: true, ..Measure::default() };
        if self.workload.can_hold {
            spec.env.push(HOLD.to_owned());
        }
        self.prepare_once(spec)
    }

    fn syscalls(&self) -> Result<Box<dyn Prepared + 'a>, RuntimeError> {
        let measure = Measure { syscalls: true, ..Measure::default() };
        self.prepare_once(LaunchSpec { measure, ..self.workload.spec.clone() })
    }

    /// For one trial: every recipe that the launcher keeps makes each sandbox a copy of more.
    fn prepare_once(&self, spec: LaunchSpec) -> Result<Box<dyn Prepared + 'a>, RuntimeError> {
        self.source.prepare(&LaunchSpec { once: true, ..spec })
    }
}

/// Runs it. Whatever was measured before a stop is in the results.
///
/// # Errors
/// When no runtime can run here, or the harness itself fails.
pub fn compare(comparison: &Comparison<'_>, progress: &dyn Progress) -> Result<Results, ExperimentError> {
    let started = jiff::Zoned::now();
    let begin_ns = monotonic_ns();
    let host = HostFacts::read();
    let (cells, names, skipped) = prepare(comparison, progress)?;
    let workloads = comparison.workloads.len();

    let rounds: Vec<u32> = comparison.workloads.iter().map(|workload| workload.planned.rounds).collect();
    let steps = order(names.len(), &rounds, comparison.cold.is_some(), comparison.seed);
    let first = comparison.workloads.first().map(|workload| &workload.spec);
    let mut results = Results {
        version: results::VERSION,
        tool: crate::VERSION.to_owned(),
        started: started.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        duration_ns: 0,
        command: comparison.command.clone(),
        seed: comparison.seed,
        external: comparison
            .runtimes
            .iter()
            .filter(|runtime| names.iter().any(|name| name == runtime.name()))
            .filter_map(|runtime| runtime.external())
            .collect(),
        plan: Plan {
            runtimes: names,
            workloads: comparison.workloads.iter().map(|workload| workload.planned.clone()).collect(),
            warmup_rounds: 1,
            budget_ns: comparison.effort.budget().as_nanos() as u64,
            limits: first.map(|spec| spec.limits).unwrap_or_default(),
            pinned_cpu: comparison.pinned_cpu,
            precision: comparison.precision,
            cool_down_ns: comparison.cool_down.as_nanos() as u64,
            without: first.map(|spec| spec.without.iter().copied().collect()).unwrap_or_default(),
            cold: comparison.cold,
        },
        host,
        skipped,
        // Until it has come to its end, which a killed run never does.
        interrupted: true,
        during: None,
        trials: Vec::new(),
        maintenance: None,
    };
    let before = Reading::take();
    let journal = comparison.journal.as_deref().and_then(|path| begin_journal(path, &results, progress));
    let mut run =
        Run { cells: &cells, workloads, progress, begin_ns, journal, trials: Vec::new(), interrupted: false };
    run.warm_up()?;
    run.footprints(comparison.effort)?;
    run.count_syscalls()?;
    run.rounds(&steps, comparison, begin_ns)?;
    (results.trials, results.interrupted) = (run.trials, run.interrupted);
    results.duration_ns = monotonic_ns() - begin_ns;
    results.during = Some(before.until_now());
    Ok(results)
}

/// A run that can keep no journal is still worth its report.
fn begin_journal(path: &Path, header: &Results, progress: &dyn Progress) -> Option<Journal> {
    match Journal::create(path, header) {
        Ok((journal, None)) => Some(journal),
        Ok((journal, Some(kept))) => {
            progress.warn(&format!(
                "an earlier run here was killed; what it had measured is kept as {kept}, which isobench report reads",
                kept = kept.display()
            ));
            Some(journal)
        }
        Err(error) => {
            progress.warn(&format!(
                "{path}: {error}; a run that is killed will leave nothing",
                path = path.display()
            ));
            None
        }
    }
}

pub(super) type PreparedCells<'a> = (Vec<Cell<'a>>, Vec<String>, Vec<SkippedRuntime>);

/// Makes every cell ready. A runtime that cannot run here, or cannot run one of the workloads, is
/// left out whole, so that every round stays complete.
pub(super) fn prepare<'a>(
    comparison: &'a Comparison<'a>,
    progress: &dyn Progress,
) -> Result<PreparedCells<'a>, ExperimentError> {
    let mut cells = Vec::new();
    let mut names = Vec::new();
    let mut skipped = Vec::new();
    for runtime in &comparison.runtimes {
        let mut rows = vec![runtime.name()];
        if runtime.name() == BASELINE {
            rows.push(CONTROL);
        }
        match runtime.check().map_err(RuntimeError::from).and_then(|_| {
            rows.iter()
                .flat_map(|name| {
                    comparison.workloads.iter().map(move |workload| Cell::new(*runtime, name, workload))
                })
                .collect::<Result<Vec<_>, _>>()
        }) {
            Ok(ready) => {
                cells.extend(ready);
                names.extend(rows.into_iter().map(str::to_owned));
            }
            Err(error) => {
                let (reason, fix) = match error {
                    RuntimeError::Unavailable(missing) => (missing.reason, missing.fix),
                    other => (other.to_string(), "see isobench doctor".to_owned()),
                };
                let row = SkippedRuntime { runtime: runtime.name().to_owned(), reason, fix };
                progress.skipped(&row);
                skipped.push(row);
            }
        }
    }
    if names.is_empty() {
        let reasons: Vec<&str> = skipped.iter().map(|row| row.reason.as_str()).collect();
        return Err(ExperimentError::NothingRuns(reasons.join("; ")));
    }
    Ok((cells, names, skipped))
}

struct Run<'a> {
    cells: &'a [Cell<'a>],
    workloads: usize,
    progress: &'a dyn Progress,
    begin_ns: u64,
    journal: Option<Journal>,
    trials: Vec<Trial>,
    interrupted: bool,
}

impl Run<'_> {
    /// One trial of every cell that is not kept: page cache, CPU clock and branch predictors settle.
    fn warm_up(&mut self) -> Result<(), ExperimentError> {
        for (index, cell) in self.cells.iter().enumerate() {
            if self.stopped() {
                return Ok(());
            }
            self.progress.trial(index, self.cells.len(), cell.runtime, "warm-up");
            // A cell that fails here fails again in its trials, and is told there.
            let _ = observe(&*cell.plain, Watch::Input(&[]), &|| self.progress.stop());
        }
        Ok(())
    }

    /// Memory is sampled in trials of its own, since looking disturbs the clock.
    fn footprints(&mut self, effort: Effort) -> Result<(), ExperimentError> {
        let trials = |cell: &Cell<'_>| effort.footprint_trials(cell.workload.planned.kind);
        for round in 0..self.cells.iter().map(trials).max().unwrap_or(0) {
            for cell in self.cells.iter().filter(|cell| round < trials(cell)) {
                let watch =
                    if cell.workload.can_hold { Watch::HoldAndSampleMemory } else { Watch::SampleMemory };
                if !self.trial(cell, cell.footprint().as_deref(), watch, round)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// System calls are counted once a cell: they do not vary, and counting slows each of them.
    fn count_syscalls(&mut self) -> Result<(), ExperimentError> {
        for cell in self.cells.iter().filter(|cell| cell.counts_syscalls) {
            if !self.trial(cell, cell.syscalls().as_deref(), Watch::Input(&[]), 0)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn rounds(
        &mut self,
        steps: &[Step],
        comparison: &Comparison<'_>,
        begin_ns: u64,
    ) -> Result<(), ExperimentError> {
        let mut random = StdRng::seed_from_u64(comparison.seed.wrapping_add(1));
        let null = comparison.null.zip(comparison.workloads.first());
        let null = null.and_then(|(null, workload)| null.prepare(&workload.spec).ok());
        let budget_ns = comparison.effort.budget().as_nanos() as u64;
        let mut cooled_ns = 0;
        let mut rounds = vec![0; self.workloads];
        for (index, step) in steps.iter().enumerate() {
            let begins_round = index == 0 || steps[index - 1].round != step.round;
            if begins_round {
                let spent_ns = monotonic_ns() - begin_ns - cooled_ns;
                let enough = rounds.iter().all(|rounds| *rounds >= LEAST_ROUNDS);
                if spent_ns > 2 * budget_ns || enough && spent_ns > budget_ns || self.is_precise(comparison) {
                    break;
                }
                if index > 0 && !comparison.cool_down.is_zero() {
                    let since_ns = monotonic_ns();
                    pause(comparison.cool_down, &|| self.progress.stop());
                    // Cooling down is no work: the budget does not count it.
                    cooled_ns += monotonic_ns() - since_ns;
                }
                if let Some(null) = &null
                    && !self.null_trial(&**null, step.round)
                {
                    break;
                }
            }
            if step.runtime == 0 && !step.cold {
                rounds[step.workload] += 1;
            }
            let cell = &self.cells[step.runtime * self.workloads + step.workload];
            self.progress.trial(index, steps.len(), cell.runtime, &cell.workload.planned.name);
            sleep(comparison.effort.longest_gap().mul_f64(random.random::<f64>()));
            let goes_on = match comparison.cold {
                None => self.trial(cell, Ok(&*cell.plain), Watch::Input(&[]), step.round)?,
                Some(kind) => self.cache_trial(cell, step.cold.then_some(kind), step.round)?,
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn is_precise(&self, comparison: &Comparison<'_>) -> bool {
        let Some(target) = comparison.precision else { return false };
        let planned: Vec<_> = comparison.workloads.iter().map(|workload| workload.planned.clone()).collect();
        precision::is_reached(&self.trials, &planned, target)
    }

    fn stopped(&mut self) -> bool {
        self.interrupted |= self.progress.stop();
        self.interrupted
    }

    /// A trial of the null runtime; false when the user wants to stop.
    fn null_trial(&mut self, null: &dyn Prepared, round: u32) -> bool {
        let begin_ns = thread_cpu_ns();
        let observed = observe(null, Watch::Input(&[]), &|| self.progress.stop());
        let harness_ns = Some(thread_cpu_ns().saturating_sub(begin_ns));
        if self.stopped() {
            return false;
        }
        let trial = match observed {
            Ok(observed) => assemble::trial(NULL, NULL, round, &observed, Watch::Input(&[]), None),
            Err(error) => assemble::failed(NULL, NULL, round, &error),
        };
        self.keep(Trial { harness_ns, ..trial });
        true
    }

    /// Prepares a cell anew, with a cold page cache where one is asked for, and runs one trial; false when
    /// the user wants to stop.
    fn cache_trial(
        &mut self,
        cell: &Cell<'_>,
        kind: Option<Cold>,
        round: u32,
    ) -> Result<bool, ExperimentError> {
        let files = cold::files(cell.source, &cell.workload.spec);
        let dropped = kind.map(|kind| cold::drop_cache(kind, &files)).transpose()?.unwrap_or_default();
        let begin_ns = monotonic_ns();
        let prepared = cell.prepare_once(cell.workload.spec.clone());
        let page_cache = PageCache {
            cold: kind.is_some(),
            dropped_bytes: dropped.dropped_bytes,
            kept_bytes: dropped.kept_bytes,
            preparation_ns: monotonic_ns() - begin_ns,
        };
        self.trial_with(cell, prepared.as_deref(), Watch::Input(&[]), round, Some(page_cache))
    }

    /// Runs one trial and keeps it; false when the user wants to stop (that trial is not kept).
    fn trial(
        &mut self,
        cell: &Cell<'_>,
        prepared: Result<&(dyn Prepared + '_), &RuntimeError>,
        watch: Watch<'_>,
        round: u32,
    ) -> Result<bool, ExperimentError> {
        self.trial_with(cell, prepared, watch, round, None)
    }

    fn trial_with(
        &mut self,
        cell: &Cell<'_>,
        prepared: Result<&(dyn Prepared + '_), &RuntimeError>,
        watch: Watch<'_>,
        round: u32,
        page_cache: Option<PageCache>,
    ) -> Result<bool, ExperimentError> {
        if self.stopped() {
            return Ok(false);
        }
        let begin_ns = thread_cpu_ns();
        let workload = cell.workload;
        let name = &workload.planned.name;
        // One sandbox that cannot be had is a failed trial, not the end of the comparison.
        let failed = |error: &RuntimeError| assemble::failed(cell.runtime, name, round, error);
        let trial = match prepared.map(|prepared| observe(prepared, watch, &|| self.progress.stop())) {
            Ok(Ok(observed)) => {
                let expected = workload.expected.as_deref();
                assemble::trial(cell.runtime, name, round, &observed, watch, expected)
            }
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(error),
        };
        let harness_ns = Some(thread_cpu_ns().saturating_sub(begin_ns));
        if self.stopped() {
            return Ok(false);
        }
        self.keep(Trial { harness_ns, page_cache, ..trial });
        Ok(true)
    }

    fn keep(&mut self, trial: Trial) {
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.append(monotonic_ns() - self.begin_ns, &trial)
        {
            let path = journal.path().display();
            self.progress
                .warn(&format!("{path}: {error}; from here on a run that is killed loses its trials"));
            self.journal = None;
        }
        self.trials.push(trial);
    }
}

/// The longest a built-in workload may take before it counts as hung.
pub const TRIAL_TIMEOUT: Duration = Duration::from_secs(60);
