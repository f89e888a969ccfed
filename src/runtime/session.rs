//! One sandbox from launch to teardown with its output captured, on the harness's clock.
//! The same code serves every runtime, ours or external.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::sys::time::TimeSpec;
use nix::unistd::pipe2;

use super::spec::Stdio;
use super::{Prepared, RuntimeError, Sandbox, SandboxReport};
use crate::measure::clock::{monotonic_ns, until};
use crate::measure::footprint::{Pss, pss};

/// How much of each output stream is kept; the rest is read and counted only.
const KEPT_BYTES: usize = 16 << 20;

/// How often the memory of a sandbox is sampled that does not wait for us.
const SAMPLE_EVERY: Duration = Duration::from_millis(2);

/// What the sandbox reads, and whether its memory is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch<'a> {
    /// Standard input is these bytes, then its end.
    Input(&'a [u8]),
    /// Memory is sampled over and over while it runs; standard input is empty.
    SampleMemory,
    /// The workload prints a line and then waits for the end of its standard input
    /// (`ISOBENCH_HOLD`): memory is read once, while it waits.
    HoldAndSampleMemory,
}

/// What the harness saw of one sandbox.
#[derive(Debug)]
pub struct Observed {
    /// When it was requested, on [`monotonic_ns`].
    pub requested_ns: u64,
    /// When the first byte of standard output arrived.
    pub first_output_ns: Option<u64>,
    /// Standard output, at most 16 MiB of it.
    pub stdout: Vec<u8>,
    /// Standard error, at most 16 MiB of it.
    pub stderr: Vec<u8>,
    /// Bytes of output beyond what was kept.
    pub dropped_bytes: u64,
    /// Largest sample of the processes' memory.
    pub pss_peak: Option<Pss>,
    /// Last sample.
    pub pss_steady: Option<Pss>,
    /// What the runtime says.
    pub report: SandboxReport,
}

/// Launches one sandbox, captures its output, waits for its end.
/// `stop` is asked before the first wait and whenever a signal interrupts one; `true` kills the
/// sandbox. A caller that wants no signal lost blocks it: it is let in while we wait.
///
/// # Errors
/// When it could not be launched. A workload that fails is no error: see [`SandboxReport::exit`].
pub fn observe(
    prepared: &dyn Prepared,
    watch: Watch<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Observed, RuntimeError> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::step("making a pipe"));
    let ((stdin, input), (output, stdout), (errors, stderr)) = (pipe()?, pipe()?, pipe()?);
    let mut input = Input::new(input, watch);
    let mut output = Stream::new(output);
    let mut errors = Stream::new(errors);

    let mut sandbox = prepared.launch(Stdio { stdin, stdout, stderr })?;
    let mut samples = Samples::default();
    loop {
        let timeout = match watch {
            Watch::SampleMemory => Some(TimeSpec::from_duration(SAMPLE_EVERY)),
            _ => None,
        };
        let ready = wait(&*sandbox, &input, &output, &errors, timeout)?;
        if ready.interrupted && stop() {
            sandbox.kill();
        }
        if ready.output {
            output.read();
        }
        if ready.errors {
            errors.read();
        }
        if ready.input {
            input.feed();
        }
        let held = watch == Watch::HoldAndSampleMemory && input.is_open() && output.has_line();
        if held || watch == Watch::SampleMemory {
            samples.add(pss(&sandbox.processes()));
        }
        if held {
            input.close();
        }
        if ready.ended && sandbox.has_ended()? {
            break;
        }
    }
    let requested_ns = sandbox.requested_ns();
    let report = sandbox.finish()?;
    output.drain();
    errors.drain();
    Ok(Observed {
        requested_ns,
        first_output_ns: output.first_ns,
        dropped_bytes: output.dropped + errors.dropped,
        stdout: output.kept,
        stderr: errors.kept,
        pss_peak: samples.peak,
        pss_steady: samples.last,
        report,
    })
}

/// Waits for `time`. Signals that the caller blocks come in, and `stop` is asked then: true ends the wait early.
pub fn pause(time: Duration, stop: &dyn Fn() -> bool) {
    let deadline_ns = monotonic_ns().saturating_add(time.as_nanos() as u64);
    loop {
        let left = until(deadline_ns);
        if left.is_zero() || stop() {
            return;
        }
        // A signal ends it early, and then `stop` knows.
        let _ = ppoll(&mut [], Some(TimeSpec::from_duration(left)), Some(SigSet::empty()));
    }
}

#[derive(Default)]
struct Ready {
    interrupted: bool,
    ended: bool,
    output: bool,
    errors: bool,
    input: bool,
}

fn wait(
    sandbox: &dyn Sandbox,
    input: &Input<'_>,
    output: &Stream,
    errors: &Stream,
    timeout: Option<TimeSpec>,
) -> Result<Ready, RuntimeError> {
    let input = input.file.as_ref().filter(|_| input.wants_to_write());
    let files = [
        (output.file.as_ref(), PollFlags::POLLIN),
        (errors.file.as_ref(), PollFlags::POLLIN),
        (input, PollFlags::POLLOUT),
    ];
    let mut fds = vec![PollFd::new(sandbox.ended_fd(), PollFlags::POLLIN)];
    let indices = files.map(|(file, flags)| {
        file.map(|file| {
            fds.push(PollFd::new(file.as_fd(), flags));
            fds.len() - 1
        })
    });
    // Signals that the caller blocks come in here, and only here.
    match ppoll(&mut fds, timeout, Some(SigSet::empty())) {
        Ok(_) => {}
        Err(nix::errno::Errno::EINTR) => return Ok(Ready { interrupted: true, ..Ready::default() }),
        Err(error) => return Err(RuntimeError::step("waiting for a sandbox")(error)),
    }
    let ready = |index: Option<usize>| {
        index.and_then(|index| fds.get(index)).is_some_and(|fd| fd.any().unwrap_or(false))
    };
    Ok(Ready {
        interrupted: false,
        ended: ready(Some(0)),
        output: ready(indices[0]),
        errors: ready(indices[1]),
        input: ready(indices[2]),
    })
}

#[derive(Default)]
struct Samples {
    peak: Option<Pss>,
    last: Option<Pss>,
}

impl Samples {
    /// A sample of processes that are gone already tells nothing.
    fn add(&mut self, sample: Pss) {
        if sample.processes > 0 {
            self.last = Some(sample);
            if self.peak.is_none_or(|peak| peak.total_bytes < sample.total_bytes) {
                self.peak = Some(sample);
            }
        }
    }
}

/// Our end of the sandbox's standard input.
struct Input<'a> {
    file: Option<File>,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn new(fd: OwnedFd, watch: Watch<'a>) -> Input<'a> {
        let file = File::from(fd);
        match watch {
            Watch::Input([]) | Watch::SampleMemory => Input { file: None, rest: &[] },
            Watch::Input(rest) => {
                // A write must not block, since we are also the one who reads the output.
                let _ = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
                Input { file: Some(file), rest }
            }
            Watch::HoldAndSampleMemory => Input { file: Some(file), rest: &[] },
        }
    }

    fn is_open(&self) -> bool {
        self.file.is_some()
    }

    fn wants_to_write(&self) -> bool {
        !self.rest.is_empty()
    }

    fn close(&mut self) {
        self.file = None;
    }

    /// Writes what fits; closes at the end, or when nobody reads any more.
    fn feed(&mut self) {
        let Some(file) = &mut self.file else { return };
        match file.write(self.rest) {
            Ok(written) => self.rest = &self.rest[written..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => self.rest = &[],
        }
        if self.rest.is_empty() {
            self.close();
        }
    }
}

/// Our end of one of its output streams.
struct Stream {
    file: Option<File>,
    kept: Vec<u8>,
    dropped: u64,
    first_ns: Option<u64>,
}

impl Stream {
    fn new(fd: OwnedFd) -> Stream {
        let file = File::from(fd);
        let _ = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        Stream { file: Some(file), kept: Vec::new(), dropped: 0, first_ns: None }
    }

    fn has_line(&self) -> bool {
        self.kept.contains(&b'\n')
    }

    /// Reads once; true when there may be more. The stream is closed at its end.
    fn read(&mut self) -> bool {
        let arrived_ns = monotonic_ns();
        let Some(file) = &mut self.file else { return false };
        let mut chunk = [0; 64 << 10];
        match file.read(&mut chunk) {
            Ok(0) => self.file = None,
            Ok(read) => {
                self.first_ns.get_or_insert(arrived_ns);
                let kept = read.min(KEPT_BYTES - self.kept.len());
                self.kept.extend_from_slice(&chunk[..kept]);
                self.dropped += (read - kept) as u64;
                return true;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.file = None,
        }
        false
    }

    /// Takes what is still in the pipe. A process that outlived the sandbox and holds the other end
    /// open is not waited for.
    fn drain(&mut self) {
        while self.read() {}
    }
}
