//! The summary: what a results file says, in numbers. Every edition of the report is made from it
//! alone, so that all of them say the same.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::cell::{self, Cell, Measured, Overhead, Relative};
use super::clean;
use super::failures::{self, Failure, Note};
use super::format::plain;
use super::maintenance::MaintenanceSummary;
use super::quality::Quality;
use super::trials::{self, ByRound, CellTrials};
use crate::measure::host::SOFTWARE_EMULATION;
use crate::results::{
    BASELINE, CONTROL, Cold, During, ExternalTool, HostFacts, NULL, PlannedWorkload, Results, SkippedRuntime,
    WorkloadKind,
};
use crate::runtime::trial::{Timeline, Trial};
use crate::stats::{Interval, paired_ratio};

/// Runtimes of our own, in the report's order; others follow as planned.
const ORDER: &[&str] =
    &[BASELINE, CONTROL, "container", "microvm", "microvm-clone", "linuxvm", "linuxvm-clone"];

/// Runtimes that are known to be virtual machines even where a trial does not show it.
pub(super) const VIRTUAL_MACHINES: &[&str] =
    &["microvm", "microvm-clone", "linuxvm", "linuxvm-clone", "qemu", "firecracker"];

/// The mark of numbers that the KVM backend colours.
pub const MARK: &str = "†";

/// One row of the headline: a runtime in four numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headline {
    /// Runtime name.
    pub runtime: String,
    /// Request → first output of the start-up workload, in nanoseconds.
    pub start_up: Option<Measured>,
    /// Exit → nothing left, of the start-up workload, in nanoseconds.
    pub teardown: Option<Measured>,
    /// Host memory above the baseline's, in bytes.
    pub memory: Option<Overhead>,
    /// Time for the same computing work, relative to the baseline: the geometric mean over the
    /// CPU workloads of each round.
    pub computing: Option<Relative>,
}

/// The median trial of a runtime's start-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waterfall {
    /// Runtime name.
    pub runtime: String,
    /// Its timeline.
    pub timeline: Timeline,
}

/// What a results file says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// isobench's version.
    pub tool: String,
    /// RFC 3339.
    pub started: String,
    /// In nanoseconds.
    pub duration_ns: u64,
    /// Command line.
    pub command: Vec<String>,
    /// Seed of the order.
    pub seed: u64,
    /// The plan was cut short.
    pub interrupted: bool,
    /// Trials in the file.
    pub trials: usize,
    /// Host.
    pub host: HostFacts,
    /// Runtimes in the report's order, without the control.
    pub runtimes: Vec<String>,
    /// Workloads in the report's order.
    pub workloads: Vec<PlannedWorkload>,
    /// The workload whose start-up, teardown and memory make the headline.
    pub start_up_workload: Option<String>,
    /// Headline, one row per runtime.
    pub headline: Vec<Headline>,
    /// The control's headline: the noise floor.
    pub control: Option<Headline>,
    /// Every cell, by runtime, then workload; the control's included.
    pub cells: Vec<Cell>,
    /// One median trial per runtime.
    pub waterfalls: Vec<Waterfall>,
    /// Failed trials.
    pub failures: Vec<Failure>,
    /// Runtimes that took no part.
    pub skipped: Vec<SkippedRuntime>,
    /// The outside tools among the runtimes.
    pub external: Vec<ExternalTool>,
    /// Remarks of the runtimes.
    pub notes: Vec<Note>,
    /// Runtimes that are virtual machines.
    pub virtual_machines: Vec<String>,
    /// What colours every number of a virtual machine here; `None` on plain hardware KVM.
    pub kvm_caveat: Option<KvmCaveat>,
    /// How far the numbers can be trusted.
    pub quality: Quality,
    /// What the host did during the run.
    pub during: Option<During>,
    /// What was dropped before the cold trials.
    pub cold: Option<Cold>,
    /// The maintenance experiment, where it was made.
    pub maintenance: Option<MaintenanceSummary>,
}

impl Summary {
    /// Summarises `results`.
    pub fn new(results: &Results) -> Summary {
        let grouped = group(results);
        let workloads = workloads(results, &grouped);
        let kinds: HashMap<&str, WorkloadKind> =
            workloads.iter().map(|workload| (workload.name.as_str(), workload.kind)).collect();
        let find = |runtime: &str, workload: &str| {
            grouped.iter().find(|cell| cell.runtime == runtime && cell.workload == workload)
        };
        let cells: Vec<Cell> = grouped
            .iter()
            .map(|own| {
                let kind = kinds.get(own.workload).copied().unwrap_or(WorkloadKind::Own);
                let (baseline, control) = (find(BASELINE, own.workload), find(CONTROL, own.workload));
                Cell::new(own, kind, baseline, control)
            })
            .collect();
        let mut runtimes: Vec<String> = Vec::new();
        for own in &grouped {
            if own.runtime != CONTROL && !runtimes.iter().any(|known| known == own.runtime) {
                runtimes.push(own.runtime.to_owned());
            }
        }
        let start_up_workload = start_up_workload(&workloads, &cells);
        let computing = computing(&grouped, &kinds);
        let headline = |runtime: &str| headline(runtime, start_up_workload.as_deref(), &cells, &computing);
        let maintenance = results.maintenance.as_deref().map(MaintenanceSummary::new);
        let mut virtual_machines: Vec<String> =
            runtimes.iter().filter(|name| is_virtual_machine(name, &grouped)).cloned().collect();
        for kernel in maintenance.iter().flat_map(|maintenance| &maintenance.kernels) {
            if VIRTUAL_MACHINES.contains(&kernel.runtime.as_str())
                && !virtual_machines.contains(&kernel.runtime)
            {
                virtual_machines.push(kernel.runtime.clone());
            }
        }
        let mut summary = Summary {
            tool: results.tool.clone(),
            started: results.started.clone(),
            duration_ns: results.duration_ns,
            command: results.command.clone(),
            seed: results.seed,
            interrupted: results.interrupted,
            trials: results.trials.len(),
            host: results.host.clone(),
            headline: runtimes.iter().map(|runtime| headline(runtime)).collect(),
            control: grouped.iter().any(|cell| cell.runtime == CONTROL).then(|| headline(CONTROL)),
            waterfalls: waterfalls(&runtimes, start_up_workload.as_deref(), &grouped),
            failures: failures::failures(&grouped),
            skipped: results.skipped.clone(),
            external: results.external.clone(),
            notes: failures::notes(&grouped),
            quality: Quality::new(results, &grouped, &cells, start_up_workload.as_deref()),
            during: results.during,
            cold: results.plan.cold,
            kvm_caveat: KvmCaveat::of(&results.host).filter(|_| !virtual_machines.is_empty()),
            runtimes,
            workloads,
            start_up_workload,
            cells,
            virtual_machines,
            maintenance,
        };
        clean::names(&mut summary);
        summary
    }

    /// True when the results are of something else than a comparison, and so hold no trial.
    pub fn is_no_comparison(&self) -> bool {
        self.trials == 0 && self.maintenance.is_some()
    }

    /// The cell of a runtime and a workload.
    pub fn cell(&self, runtime: &str, workload: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.runtime == runtime && cell.workload == workload)
    }

    /// The start-up cell of every runtime that has one.
    pub fn start_up_cells(&self) -> impl Iterator<Item = &Cell> {
        let workload = self.start_up_workload.as_deref();
        self.runtimes.iter().filter_map(move |runtime| self.cell(runtime, workload?))
    }

    /// True when `runtime`'s numbers bear the mark.
    pub fn is_marked(&self, runtime: &str) -> bool {
        self.kvm_caveat.is_some() && self.virtual_machines.iter().any(|name| name == runtime)
    }

    /// The runtime's name as shown, marked where the KVM backend colours its numbers.
    pub fn label(&self, runtime: &str) -> String {
        if self.is_marked(runtime) { format!("{runtime} {MARK}") } else { runtime.to_owned() }
    }
}

/// Trials by cell: runtimes in the report's order, workloads as planned.
pub(super) fn group(results: &Results) -> Vec<CellTrials<'_>> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut cells: Vec<CellTrials> = Vec::new();
    for trial in &results.trials {
        if trial.runtime == NULL || trial.is_cold() {
            continue;
        }
        let key = (trial.runtime.as_str(), trial.workload.as_str());
        let place = *places.entry(key).or_insert_with(|| {
            cells.push(CellTrials {
                runtime: key.0,
                workload: key.1,
                all: Vec::new(),
                invalid: emulated(&results.host, key.0),
            });
            cells.len() - 1
        });
        let cell = &mut cells[place];
        cell.invalid = cell.invalid.take().or_else(|| failures::distrust(trial));
        cell.all.push(trial);
    }
    let rank =
        |name: &str, known: Vec<&str>| known.iter().position(|known| *known == name).unwrap_or(usize::MAX);
    let plan = &results.plan;
    let planned_runtimes = || plan.runtimes.iter().map(String::as_str).collect();
    let planned_workloads = || plan.workloads.iter().map(|workload| workload.name.as_str()).collect();
    cells.sort_by_cached_key(|cell| {
        (
            rank(cell.runtime, ORDER.to_vec()),
            rank(cell.runtime, planned_runtimes()),
            cell.runtime,
            rank(cell.workload, planned_workloads()),
            cell.workload,
        )
    });
    cells
}

/// Why a virtual machine's figures say nothing on a host whose own CPU is emulated by software: what passes for
/// KVM there is an emulation of it.
fn emulated(host: &HostFacts, runtime: &str) -> Option<String> {
    let is_emulated = host.hypervisor.as_deref() == Some(SOFTWARE_EMULATION);
    (is_emulated && VIRTUAL_MACHINES.contains(&runtime)).then(|| {
        format!("impossible: this host is itself emulated ({SOFTWARE_EMULATION}), so KVM here is software emulation")
    })
}

/// The planned workloads, and any that only the trials name.
fn workloads(results: &Results, grouped: &[CellTrials]) -> Vec<PlannedWorkload> {
    let mut workloads = results.plan.workloads.clone();
    for cell in grouped {
        if !workloads.iter().any(|workload| workload.name == cell.workload) {
            workloads.push(PlannedWorkload {
                name: cell.workload.to_owned(),
                description: "not in the plan".to_owned(),
                argv: Vec::new(),
                kind: WorkloadKind::Own,
                program_sha256: String::new(),
                rounds: 0,
            });
        }
    }
    workloads
}

/// The workload made for start-up, or else the first that shows any.
fn start_up_workload(workloads: &[PlannedWorkload], cells: &[Cell]) -> Option<String> {
    let has_start_up = |workload: &&PlannedWorkload| {
        cells.iter().any(|cell| cell.workload == workload.name && cell.first_output.is_some())
    };
    workloads
        .iter()
        .filter(has_start_up)
        .find(|workload| workload.kind == WorkloadKind::Startup)
        .or_else(|| workloads.iter().find(has_start_up))
        .map(|workload| workload.name.clone())
}

fn headline(
    runtime: &str,
    start_up_workload: Option<&str>,
    cells: &[Cell],
    computing: &BTreeMap<String, Relative>,
) -> Headline {
    let own = || cells.iter().filter(|cell| cell.runtime == runtime);
    let start_up = start_up_workload.and_then(|workload| own().find(|cell| cell.workload == workload));
    let overhead = |cell: &Cell| cell.footprint.as_ref()?.overhead.clone();
    Headline {
        runtime: runtime.to_owned(),
        start_up: start_up.and_then(|cell| cell.first_output.clone()),
        teardown: start_up.and_then(|cell| cell.teardown.clone()),
        memory: start_up.and_then(overhead).or_else(|| own().find_map(overhead)),
        computing: computing.get(runtime).cloned(),
    }
}

/// Per runtime: the time for the same computing work relative to the baseline. A round's score is
/// the geometric mean of its ratios to the baseline over the CPU workloads that both ran in it.
fn computing(grouped: &[CellTrials], kinds: &HashMap<&str, WorkloadKind>) -> BTreeMap<String, Relative> {
    let mut times: BTreeMap<&str, BTreeMap<&str, ByRound>> = BTreeMap::new();
    for cell in grouped.iter().filter(|cell| kinds.get(cell.workload) == Some(&WorkloadKind::Cpu)) {
        let series = trials::by_round(&cell.timed(), cell::work_time);
        times.entry(cell.runtime).or_default().insert(cell.workload, series);
    }
    // Without one of its workloads a runtime's score is of another make-up.
    let is_broken = |runtime: &str| {
        let of_cpu = |cell: &&CellTrials| kinds.get(cell.workload) == Some(&WorkloadKind::Cpu);
        grouped.iter().filter(of_cpu).any(|cell| cell.runtime == runtime && cell.invalid.is_some())
    };
    times.retain(|runtime, _| !is_broken(runtime));
    let Some(baseline) = times.get(BASELINE) else { return BTreeMap::new() };
    // Per round, the sum of the logarithms of both, over the workloads that both have.
    let scores = |own: &BTreeMap<&str, ByRound>| {
        let mut sums: BTreeMap<u32, (f64, f64, f64)> = BTreeMap::new();
        for (workload, base) in baseline {
            for (round, base) in base {
                if let Some(own) = own.get(workload).and_then(|series| series.get(round)) {
                    let sum = sums.entry(*round).or_default();
                    *sum = (sum.0 + own.ln(), sum.1 + base.ln(), sum.2 + 1.0);
                }
            }
        }
        // Rounds with fewer workloads than others are of another make-up and would bias the median.
        let most = sums.values().map(|sum| sum.2).fold(0.0, f64::max);
        sums.retain(|_, sum| sum.2 == most);
        let series = |value: fn(&(f64, f64, f64)) -> f64| -> ByRound {
            sums.iter().map(|(round, sum)| (*round, (value(sum) / sum.2).exp())).collect()
        };
        (series(|sum| sum.0), series(|sum| sum.1))
    };
    let floor: Option<Interval> = times.get(CONTROL).and_then(|control| {
        let (own, base) = scores(control);
        paired_ratio(&trials::pairs(&own, &base))?.interval
    });
    times
        .iter()
        .filter(|(runtime, _)| **runtime != BASELINE)
        .filter_map(|(runtime, own)| {
            let (own, base) = scores(own);
            let floor = floor.as_ref().filter(|_| *runtime != CONTROL);
            Some(((*runtime).to_owned(), cell::relative(&own, &base, floor)?))
        })
        .collect()
}

fn waterfalls(runtimes: &[String], workload: Option<&str>, grouped: &[CellTrials]) -> Vec<Waterfall> {
    let of_runtime = |runtime: &String| {
        let cell = grouped.iter().find(|cell| cell.runtime == *runtime && Some(cell.workload) == workload)?;
        let mut timed: Vec<(f64, &Trial)> =
            cell.timed().into_iter().filter_map(|trial| Some((cell::first_output(trial)?, trial))).collect();
        timed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middle = timed.get(timed.len() / 2)?.1;
        Some(Waterfall { runtime: runtime.clone(), timeline: middle.timeline.clone() })
    };
    runtimes.iter().filter_map(of_runtime).collect()
}

fn is_virtual_machine(runtime: &str, grouped: &[CellTrials]) -> bool {
    let shows_it = |trial: &&Trial| trial.cpu.guest_ns.is_some() || !trial.crossings.vm_exits.is_empty();
    VIRTUAL_MACHINES.contains(&runtime)
        || grouped.iter().any(|cell| cell.runtime == runtime && cell.all.iter().any(shows_it))
}

/// Why the numbers of a virtual machine are not what plain hardware KVM gives. Each holds the backend's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KvmCaveat {
    /// The backend is not known.
    Unknown,
    /// A software backend, on a host that is itself a virtual machine.
    SoftwareNested(String),
    /// A software backend.
    Software(String),
    /// Hardware KVM inside a virtual machine.
    Nested(String),
}

impl KvmCaveat {
    /// What colours the numbers of virtual machines on `host`; `None` on plain hardware KVM.
    pub fn of(host: &HostFacts) -> Option<KvmCaveat> {
        let Some(kvm) = &host.kvm else { return Some(KvmCaveat::Unknown) };
        let backend = plain(&kvm.backend, 60).into_owned();
        match (kvm.software, kvm.nested) {
            (true, true) => Some(KvmCaveat::SoftwareNested(backend)),
            (true, false) => Some(KvmCaveat::Software(backend)),
            (false, true) => Some(KvmCaveat::Nested(backend)),
            (false, false) => None,
        }
    }
}
