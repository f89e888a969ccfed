//! Sandboxes started one after another and kept alive, until as many are there as planned, or the host has no
//! more room.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use nix::unistd::pipe2;

use super::{Density, waiting};
use crate::experiment::ExperimentError;
use crate::measure::clock::{monotonic_ns, until};
use crate::measure::footprint::pss;
use crate::measure::room::{self, Limit};
use crate::results::density::{Alive, Ended, HostLimit, HostMemory, Resource, Sample, Start};
use crate::runtime::launcher::{Kind, Launcher};
use crate::runtime::spec::{LaunchSpec, Measure, Stdio};
use crate::runtime::trial::Exit;
use crate::runtime::{Prepared, Runtime, RuntimeError, Sandbox, SandboxReport};

/// How long the first sandbox may take to print something. One that is silent and alive then is taken for one that prints
/// nothing while it waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long any later one may take.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// The pause after the start of a sandbox that prints nothing, in which it may settle.
const SETTLING: Duration = Duration::from_millis(20);

/// How long sandboxes may take to end once their standard input has; then they are killed.
const GRACE: Duration = Duration::from_secs(10);

/// How long the host may take to give back what sandboxes had.
const CALM: Duration = Duration::from_secs(5);

/// Sandboxes whose memory is read at a sample.
const LOOKED_AT: usize = 8;

/// Sandboxes killed at once: more orders than the launcher's socket holds could block both sides.
const KILLED_AT_ONCE: usize = 32;

/// Descriptors and tasks that stay free for whatever else runs here.
const RESERVE_FILES: u64 = 32;
const RESERVE_TASKS: u64 = 256;

/// Starts them, looks at them, and tears all down. Each launcher has an equal share of them: what it keeps for each (descriptors,
/// mappings) is copied with every process that it makes.
pub(super) fn measure(
    experiment: &Density<'_>,
    launchers: &[Launcher],
    kind: Kind,
) -> Result<Alive, ExperimentError> {
    // A container has a cgroup anyway; others are put into one where memory is looked at.
    let footprint = Measure { footprint: kind != Kind::Container, ..Measure::default() };
    let share = (experiment.max as usize).div_ceil(launchers.len().max(1)).max(1);
    let runtimes: Vec<_> = launchers.iter().map(|launcher| launcher.runtime(kind)).collect();
    let prepare = |measure| {
        let spec = LaunchSpec { once: true, ..waiting(&experiment.workload, measure) };
        runtimes.iter().map(|runtime| runtime.prepare(&spec)).collect::<Result<Vec<_>, _>>()
    };
    let (plain, accounted) = (prepare(Measure::default())?, prepare(footprint)?);
    let stop = || experiment.progress.stop();
    let room = Room::new(experiment.reserve_bytes, launchers);
    let (stdin, hold) = pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::step("making a pipe"))?;
    let before = settled(&stop)?;
    let mut crowd =
        Crowd { stdin, living: Vec::new(), starts: Vec::new(), samples: Vec::new(), silent: false };
    let mut ended = Ended::Planned;
    for count in 1..=experiment.max {
        experiment.progress.trial(count as usize - 1, experiment.max as usize, kind.name(), "kept alive");
        if experiment.progress.stop() {
            ended = Ended::Interrupted;
            break;
        }
        if let Some(limit) = room.reached(count - 1) {
            ended = Ended::Limit(limit);
            break;
        }
        let is_sample = is_sample(count) || count == experiment.max;
        let is_accounted = is_sample && footprint.footprint;
        let prepared = if is_accounted { &accounted } else { &plain };
        let Some(prepared) = prepared.get((count as usize - 1) / share) else { break };
        if let Err(reason) = crowd.start(&**prepared, count, is_accounted, &stop)? {
            ended = reason;
            break;
        }
        if is_sample && let Err(reason) = crowd.look(count)? {
            ended = reason;
            break;
        }
    }
    let begin_ns = monotonic_ns();
    drop(hold);
    let (starts, samples) = crowd.tear_down(ended == Ended::Interrupted, &stop)?;
    let teardown_ns = monotonic_ns() - begin_ns;
    Ok(Alive { before, starts, samples, ended, teardown_ns, after: settled(&stop)? })
}

fn host_memory() -> Result<HostMemory, RuntimeError> {
    HostMemory::read().map_err(RuntimeError::step("reading the host's memory"))
}

/// The kernel gives back namespaces and cgroups when it finds the time; what it still holds of earlier sandboxes would
/// seem to be a gain while later ones are started. So: the first reading after which none shows more free, or the last within [`CALM`].
fn settled(stop: &dyn Fn() -> bool) -> Result<HostMemory, RuntimeError> {
    let deadline_ns = monotonic_ns() + CALM.as_nanos() as u64;
    let mut last = host_memory()?;
    let mut quiet = 0;
    while quiet < 5 && monotonic_ns() < deadline_ns && !stop() {
        std::thread::sleep(Duration::from_millis(100));
        let now = host_memory()?;
        quiet = if now.available_bytes > last.available_bytes + (1 << 20) { 0 } else { quiet + 1 };
        last = now;
    }
    Ok(last)
}

/// 1, 2, 5, 10, 20, 50, …
fn is_sample(count: u32) -> bool {
    let mut leading = count;
    while leading >= 10 && leading.is_multiple_of(10) {
        leading /= 10;
    }
    matches!(leading, 1 | 2 | 5)
}

/// What the host can still give.
struct Room {
    /// Each with what was free before the first sandbox, and what must stay free.
    limits: Vec<(Limit, u64, u64)>,
}

impl Room {
    fn new(reserve_bytes: u64, launchers: &[Launcher]) -> Room {
        let launchers = launchers.iter().map(|launcher| ("launcher", launcher.process_id()));
        let processes: Vec<_> = std::iter::once(("harness", std::process::id())).chain(launchers).collect();
        let limits = room::limits(&processes);
        let reserve = |limit: &Limit| match limit.resource {
            Resource::Memory => reserve_bytes,
            Resource::Files => RESERVE_FILES,
            Resource::Processes => RESERVE_TASKS,
        };
        let with_free = |limit: Limit| {
            let (free, reserve) = (limit.free()?, reserve(&limit));
            Some((limit, free, reserve))
        };
        Room { limits: limits.into_iter().filter_map(with_free).collect() }
    }

    /// The first limit that the next sandbox would come too near to, judged by what one of the `alive` has cost.
    fn reached(&self, alive: u32) -> Option<HostLimit> {
        self.limits.iter().find_map(|(limit, at_first, reserve)| {
            let free = limit.free()?;
            let one = at_first.saturating_sub(free) / u64::from(alive.max(1));
            (free < reserve.saturating_add(one)).then(|| HostLimit {
                resource: limit.resource,
                name: limit.name.clone(),
                free,
                reserve: *reserve,
            })
        })
    }
}

/// A living sandbox, with our end of its standard output.
struct Living<'l> {
    sandbox: Box<dyn Sandbox + 'l>,
    _output: OwnedFd,
}

/// All that live.
struct Crowd<'l> {
    /// The standard input of all: its one end is held by the caller, and so are they.
    stdin: OwnedFd,
    living: Vec<Living<'l>>,
    starts: Vec<Start>,
    samples: Vec<Sample>,
    /// The program prints nothing while it waits.
    silent: bool,
}

impl<'l> Crowd<'l> {
    /// Starts one and waits until it is up. What keeps it from living is the inner error.
    fn start(
        &mut self,
        prepared: &'l dyn Prepared,
        count: u32,
        accounted: bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<Result<(), Ended>, RuntimeError> {
        let (output, stdout) = pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::step("making a pipe"))?;
        let stdin = self.stdin.try_clone().map_err(RuntimeError::step("duplicating a pipe"))?;
        let stderr =
            File::options().write(true).open("/dev/null").map_err(RuntimeError::step("opening /dev/null"))?;
        let sandbox = match prepared.launch(Stdio { stdin, stdout, stderr: stderr.into() }) {
            Ok(sandbox) => sandbox,
            Err(error) => return Ok(Err(Ended::LaunchFailed(error.to_string()))),
        };
        let requested_ns = sandbox.requested_ns();
        let mut living = Living { sandbox, _output: output };
        let first_output_ns = match self.wait_until_up(&mut living, stop)? {
            Up::Output(at) => Some(at.saturating_sub(requested_ns)),
            Up::Silent => None,
            Up::Stopped => return Ok(Err(Ended::Interrupted)),
            Up::Late => {
                let seconds = LONG_PATIENCE.as_secs();
                return Ok(Err(Ended::LaunchFailed(format!("it printed nothing within {seconds} s"))));
            }
            Up::Ended => return Ok(Err(why_it_ended(living.sandbox.finish()?.exit))),
        };
        self.starts.push(Start {
            count,
            first_output_ns,
            entered_ns: None,
            available_bytes: host_memory()?.available_bytes,
            accounted,
            cgroup_peak_bytes: None,
            cgroup_kernel_bytes: None,
            guest_memory: None,
            exit: Exit::Code(0),
        });
        self.living.push(living);
        Ok(Ok(()))
    }

    fn wait_until_up(
        &mut self,
        living: &mut Living<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Up, RuntimeError> {
        let patience = match (self.silent, self.living.is_empty()) {
            (true, _) => SETTLING,
            (false, true) => PATIENCE,
            (false, false) => LONG_PATIENCE,
        };
        let deadline_ns = monotonic_ns() + patience.as_nanos() as u64;
        loop {
            let Living { sandbox, _output: output } = &*living;
            let [printed, told] = wait([output.as_fd(), sandbox.ended_fd()], until(deadline_ns))?;
            let now = monotonic_ns();
            if stop() {
                return Ok(Up::Stopped);
            }
            // Output that ends at once comes from a sandbox that has ended.
            if printed && read_some(&living._output)? {
                return Ok(Up::Output(now));
            }
            if (told || printed) && living.sandbox.has_ended()? {
                return Ok(Up::Ended);
            }
            if printed {
                // Its output is closed, its end not told yet: leave the CPU to those who are about to.
                std::thread::sleep(Duration::from_micros(200));
            }
            if now >= deadline_ns {
                self.silent |= self.living.is_empty();
                return Ok(if self.silent { Up::Silent } else { Up::Late });
            }
        }
    }

    /// Reads the memory of some of them, evenly chosen. One that has ended meanwhile is the inner error.
    fn look(&mut self, count: u32) -> Result<Result<(), Ended>, RuntimeError> {
        for living in &mut self.living {
            if living.sandbox.has_ended()? {
                return Ok(Err(Ended::SandboxEnded(
                    "one of them ended while it should wait; the list of starts tells how".into(),
                )));
            }
        }
        let step = self.living.len().div_ceil(LOOKED_AT).max(1);
        let (mut total, mut looked_at, mut processes) = (0u64, 0u32, 0u32);
        for living in self.living.iter().rev().step_by(step) {
            let read = pss(&living.sandbox.processes());
            if read.processes > 0 {
                total += read.total_bytes;
                processes += read.processes as u32;
                looked_at += 1;
            }
        }
        let pss_bytes = total / u64::from(looked_at.max(1));
        self.samples.push(Sample { count, pss_bytes, looked_at, processes, host: host_memory()? });
        Ok(Ok(()))
    }

    /// Waits for the end of all, whose standard input has ended, or kills them.
    fn tear_down(
        self,
        mut kill: bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Vec<Start>, Vec<Sample>), RuntimeError> {
        let Crowd { living, mut starts, samples, .. } = self;
        let deadline_ns = monotonic_ns() + GRACE.as_nanos() as u64;
        let mut living: Vec<_> = living.into_iter().map(|living| living.sandbox).collect();
        let mut starts_left = starts.iter_mut();
        while !living.is_empty() {
            let rest = living.split_off(living.len().min(KILLED_AT_ONCE));
            for sandbox in &mut living {
                while !kill && !sandbox.has_ended()? {
                    wait([sandbox.ended_fd()], until(deadline_ns))?;
                    kill = stop() || monotonic_ns() >= deadline_ns;
                }
            }
            for sandbox in living.iter_mut().filter(|_| kill) {
                sandbox.kill();
            }
            for sandbox in std::mem::replace(&mut living, rest) {
                let requested_ns = sandbox.requested_ns();
                let report = sandbox.finish()?;
                if let Some(start) = starts_left.next() {
                    note(start, requested_ns, report);
                }
            }
        }
        Ok((starts, samples))
    }
}

fn note(start: &mut Start, requested_ns: u64, report: SandboxReport) {
    start.entered_ns = report.entered_ns.map(|ns| ns.saturating_sub(requested_ns));
    start.cgroup_peak_bytes = report.cgroup_peak_bytes;
    start.cgroup_kernel_bytes = report.cgroup_kernel_bytes;
    start.guest_memory = report.guest_memory;
    start.exit = report.exit;
}

fn why_it_ended(exit: Exit) -> Ended {
    let how = match exit {
        Exit::LaunchFailed(reason) => return Ended::LaunchFailed(reason),
        Exit::Code(code) => format!("it ended with status {code}"),
        Exit::Signal(signal) => format!("signal {signal} killed it"),
        Exit::Timeout => "its timeout killed it".to_owned(),
        Exit::Death(death) => death.message,
    };
    Ended::SandboxEnded(format!(
        "{how}; only a program that waits until its standard input ends can be kept alive"
    ))
}

/// What became of a sandbox that was started.
enum Up {
    /// Its output arrived at this moment.
    Output(u64),
    /// It lives and prints nothing.
    Silent,
    /// It took too long.
    Late,
    /// It has ended.
    Ended,
    /// The user wants to stop.
    Stopped,
}

/// Waits until one of the descriptors can be read, at most for `timeout`; a signal ends the wait too.
fn wait<const N: usize>(fds: [BorrowedFd<'_>; N], timeout: Duration) -> Result<[bool; N], RuntimeError> {
    let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    match ppoll(&mut fds, Some(TimeSpec::from_duration(timeout)), Some(SigSet::empty())) {
        Ok(_) => Ok(fds.map(|fd| fd.any().unwrap_or(false))),
        Err(Errno::EINTR) => Ok([false; N]),
        Err(errno) => Err(RuntimeError::step("waiting for a sandbox")(errno)),
    }
}

/// Reads what is there; false at the end.
fn read_some(output: &OwnedFd) -> Result<bool, RuntimeError> {
    let mut file = File::from(output.try_clone().map_err(RuntimeError::step("duplicating a pipe"))?);
    let mut chunk = [0; 4096];
    file.read(&mut chunk).map(|read| read > 0).map_err(RuntimeError::step("reading a sandbox's output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_taken_at_round_counts() {
        let counts: Vec<u32> = (1..=1000).filter(|count| is_sample(*count)).collect();
        assert_eq!(counts, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]);
    }

    #[test]
    fn a_host_without_room_says_what_is_missing() {
        assert_eq!(Room::new(0, &[]).reached(0), None);
        let limit = Room::new(u64::MAX / 2, &[]).reached(0).unwrap();
        assert_eq!((limit.resource, limit.reserve), (Resource::Memory, u64::MAX / 2));
    }
}
