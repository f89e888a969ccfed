//! The built-in workloads in each runtime.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};
use isobench::experiment::plan::Effort;
use isobench::experiment::suite;
use isobench::experiment::{assemble, compare::Candidate};
use isobench::results::WorkloadKind;
use isobench::runtime::launcher::{Kind, Launcher};
use isobench::runtime::session::{Watch, observe};
use isobench::runtime::spec::{LaunchSpec, Program};
use isobench::runtime::trial::Trial;
use isobench::runtime::{Prepared, Runtime};
use isobench::workload::catalogue;

const KINDS: [Kind; 3] = [Kind::Process, Kind::Container, Kind::Microvm];

/// What runs in a clone runs as fast as in its original: only the start is another.
const STARTING: [Kind; 4] = [Kind::Process, Kind::Container, Kind::Microvm, Kind::MicrovmClone];

/// A spec with nothing special about it.
pub fn template() -> LaunchSpec {
    LaunchSpec { env: suite::environment(), ..LaunchSpec::new(Program::Builtin(String::new())) }
}

pub fn candidate(name: &str, effort: Effort) -> Candidate {
    let workload = catalogue::find(name).expect("a built-in workload");
    suite::builtin(workload, effort, &template()).expect("its program can be read")
}

/// Request → first output.
pub fn startup(criterion: &mut Criterion, launcher: &Launcher) {
    let mut group = criterion.benchmark_group("startup");
    let noop = candidate("noop", Effort::Quick);
    for kind in STARTING {
        bench_cell(&mut group, launcher, kind, &noop, |trial| trial.timeline.first_output_ns);
    }
    group.finish();
}

/// The workloads' own times.
pub fn work(criterion: &mut Criterion, launcher: &Launcher, quick: bool) {
    let groups =
        [("cpu", WorkloadKind::Cpu), ("memory", WorkloadKind::Memory), ("crossings", WorkloadKind::Calls)];
    for (name, wanted) in groups {
        let mut group = criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat);
        for workload in
            catalogue::BUILTINS.iter().filter(|workload| workload.kind == wanted && workload.name != "probe")
        {
            let effort = if quick { Effort::Quick } else { Effort::Default };
            let candidate = candidate(workload.name, effort);
            for kind in KINDS {
                bench_cell(&mut group, launcher, kind, &candidate, |trial| {
                    trial.self_report.as_ref().map(|report| report.elapsed_ns)
                });
            }
        }
        group.finish();
    }
}

/// One bar: `clock` picks the time out of each trial. A runtime that cannot run here is left out, aloud.
fn bench_cell(
    group: &mut BenchmarkGroup<'_, WallTime>,
    launcher: &Launcher,
    kind: Kind,
    candidate: &Candidate,
    clock: impl Fn(&Trial) -> Option<u64>,
) {
    let runtime = launcher.runtime(kind);
    let workload = &candidate.planned.name;
    let prepared = match runtime
        .check()
        .map_err(|missing| missing.to_string())
        .and_then(|_| runtime.prepare(&candidate.spec).map_err(|error| error.to_string()))
    {
        Ok(prepared) => prepared,
        Err(reason) => {
            println!("SKIPPED {} {workload}: {reason}", runtime.name());
            return;
        }
    };
    let id = match candidate.planned.kind {
        WorkloadKind::Startup => BenchmarkId::from_parameter(runtime.name()),
        _ => BenchmarkId::new(workload, runtime.name()),
    };
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations).map(|_| time(&*prepared, runtime.name(), candidate, &clock)).sum()
        });
    });
}

fn time(
    prepared: &dyn Prepared,
    runtime: &str,
    candidate: &Candidate,
    clock: &impl Fn(&Trial) -> Option<u64>,
) -> Duration {
    let watch = Watch::Input(&[]);
    let observed = observe(prepared, watch, &|| false).expect("the sandbox starts");
    let name = &candidate.planned.name;
    let trial = assemble::trial(runtime, name, 0, &observed, watch, candidate.expected.as_deref());
    assert!(trial.is_valid(), "{name} in {runtime} failed: {:?} {:?}", trial.exit, trial.wrong_output);
    Duration::from_nanos(clock(&trial).unwrap_or_else(|| panic!("{name} in {runtime} told no time")))
}
