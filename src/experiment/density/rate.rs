//! How fast sandboxes are made and removed, by one starter or several in parallel.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Density;
use crate::experiment::ExperimentError;
use crate::measure::clock::monotonic_ns;
use crate::measure::cpu::CpuTicks;
use crate::results::density::{Created, CreationRate};
use crate::runtime::launcher::{Kind, Launcher};
use crate::runtime::session::{Watch, observe};
use crate::runtime::spec::LaunchSpec;
use crate::runtime::{Runtime, RuntimeError};

/// The longest that one sandbox may take, where the user said nothing else.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Lets one thread for each of `launchers` make sandboxes for the planned time.
pub(super) fn measure(
    experiment: &Density<'_>,
    launchers: &mut [Launcher],
    kind: Kind,
) -> Result<CreationRate, ExperimentError> {
    let starters = launchers.len();
    let spec = &experiment.workload.spec;
    let spec = &LaunchSpec { timeout: spec.timeout.or(Some(TIMEOUT)), ..spec.clone() };
    let window = experiment.window;
    let stop = &|| experiment.progress.stop();
    let ready = &Barrier::new(starters + 1);
    let begin_ns = &AtomicU64::new(0);
    let (outcomes, cpu_busy) = std::thread::scope(|scope| {
        let threads: Vec<_> = launchers
            .iter_mut()
            .map(|launcher| scope.spawn(move || starter(launcher, kind, spec, window, ready, begin_ns, stop)))
            .collect();
        // Once all have made and removed one that does not count, all begin.
        ready.wait();
        let before = CpuTicks::read();
        begin_ns.store(monotonic_ns(), Ordering::Release);
        ready.wait();
        let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        (outcomes, before.zip(CpuTicks::read()).and_then(|(before, after)| after.busy_since(before)))
    });
    let mut rate = CreationRate {
        starters: starters as u32,
        window_ns: 0,
        created: Vec::new(),
        failed: 0,
        failure: None,
        cpu_busy,
    };
    for outcome in outcomes {
        let own = outcome.map_err(|_| {
            RuntimeError::step("starting sandboxes")(std::io::Error::other("a starter panicked"))
        })??;
        rate.window_ns = rate.window_ns.max(own.elapsed_ns);
        rate.created.extend(own.created);
        rate.failed += own.failed;
        rate.failure = rate.failure.or(own.failure);
    }
    Ok(rate)
}

/// What one starter did.
#[derive(Default)]
struct Own {
    created: Vec<Created>,
    elapsed_ns: u64,
    failed: u32,
    failure: Option<String>,
}

impl Own {
    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.failure.get_or_insert(why);
    }
}

fn starter(
    launcher: &mut Launcher,
    kind: Kind,
    spec: &LaunchSpec,
    window: Duration,
    ready: &Barrier,
    begin_ns: &AtomicU64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Own, RuntimeError> {
    let runtime = launcher.runtime(kind);
    let prepared = runtime.prepare(spec);
    if let Ok(prepared) = &prepared {
        // One that fails here fails again below, and is told there.
        let _ = observe(&**prepared, Watch::Input(&[]), stop);
    }
    // Whatever happened, the others wait for us.
    ready.wait();
    ready.wait();
    let prepared = prepared?;
    let begin_ns = begin_ns.load(Ordering::Acquire);
    let end_ns = begin_ns + window.as_nanos() as u64;
    let mut own = Own::default();
    while monotonic_ns() < end_ns && !stop() {
        match observe(&*prepared, Watch::Input(&[]), stop) {
            Ok(observed) if observed.report.exit.is_success() => own.created.push(Created {
                requested_ns: observed.requested_ns.saturating_sub(begin_ns),
                first_output_ns: observed.first_output_ns.map(|ns| ns.saturating_sub(begin_ns)),
                torn_down_ns: observed.report.torn_down_ns.saturating_sub(begin_ns),
            }),
            Ok(_) if stop() => break,
            Ok(observed) => own.fail(format!("it ended with {:?}", observed.report.exit)),
            Err(error) => own.fail(error.to_string()),
        }
        if own.failed > 0 && own.created.is_empty() && own.failed >= MOST_FAILURES {
            break;
        }
    }
    own.elapsed_ns = monotonic_ns().saturating_sub(begin_ns);
    Ok(own)
}

/// Failures after which a starter that has had no success gives up.
const MOST_FAILURES: u32 = 3;
