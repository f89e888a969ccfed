//! The process that goes on when the command has ended: it starts the sandbox, keeps what it says, hands
//! signals on to it, and writes down how it ended.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, chdir, fork, pipe2, setsid};

use super::control::KILL;
use super::log::{Log, Stream};
use super::{Claim, now_ms};
use crate::runtime::spec::Stdio;
use crate::runtime::trial::Exit;
use crate::runtime::{Prepared, RuntimeError, Sandbox};

/// Signals that are handed on to the program.
pub const HANDED_ON: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// The two processes after [`detach`].
pub enum Side {
    /// The command that the user gave: what the supervisor says first.
    Caller(Answer),
    /// The new process.
    Supervisor(Ready),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The sandbox runs; the identifier of the run, and what else is to be said.
    Started(String, Vec<String>),
    /// It does not; the exit status and the message.
    Failed(u8, String),
}

/// Tells the caller, once.
pub struct Ready(File);

/// Makes the process that will supervise. Call it first thing, while the process has one thread.
///
/// The new process leads a session of its own, and has let go of the caller's streams and folder: whoever
/// reads the caller's output would else wait for the run to end.
pub fn detach() -> io::Result<Side> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: the caller has one thread, so that no lock is held by another one for ever in the child.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => {
            drop(writer);
            Ok(Side::Caller(answer(File::from(reader))))
        }
        ForkResult::Child => {
            drop(reader);
            setsid()?;
            chdir("/")?;
            let nothing = File::options().read(true).write(true).open("/dev/null")?;
            for stream in 0..3 {
                // SAFETY: plain descriptors, the second of which is one of the standard streams.
                if unsafe { libc::dup2(nothing.as_raw_fd(), stream) } < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(Side::Supervisor(Ready(writer.into())))
        }
    }
}

/// One line: the status, the identifier or the message, and notes, between tabs. The launcher that the new
/// process makes holds the pipe open too, so that its end is not waited for.
fn answer(mut pipe: File) -> Answer {
    let mut line = Vec::new();
    let mut byte = [0];
    while pipe.read_exact(&mut byte).is_ok() && byte != *b"\n" {
        line.extend(byte);
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    let mut fields = line.split('\t').map(str::to_owned);
    match (fields.next().as_deref().map(str::parse), fields.next()) {
        (Some(Ok(0)), Some(id)) => Answer::Started(id, fields.collect()),
        (Some(Ok(status)), Some(message)) => Answer::Failed(status, message),
        _ => Answer::Failed(125, "the supervising process died".into()),
    }
}

impl Ready {
    /// The sandbox runs.
    pub fn started(self, id: &str, notes: &[String]) {
        let fields: Vec<&str> = [id].into_iter().chain(notes.iter().map(String::as_str)).collect();
        self.say(0, &fields);
    }

    /// It does not.
    pub fn failed(self, status: u8, message: &str) {
        self.say(status.max(1), &[message]);
    }

    /// A caller that is gone need not know.
    fn say(mut self, status: u8, fields: &[&str]) {
        let fields: Vec<String> = fields.iter().map(|field| field.replace(['\t', '\n'], " ")).collect();
        let _ = self.0.write_all(format!("{status}\t{}\n", fields.join("\t")).as_bytes());
    }
}

/// Launches the sandbox, tells the caller, and stays until it has ended.
///
/// # Errors
/// When it could not be launched; the caller is told, too.
pub fn supervise(
    prepared: &dyn Prepared,
    claim: &Claim,
    ready: Ready,
    notes: &[String],
) -> Result<(), RuntimeError> {
    let failed = |step: &'static str| move |error: io::Error| RuntimeError::step(step)(error);
    let launched = launch(prepared).and_then(|launched| {
        Ok((launched, Log::create(claim.folder()).map_err(failed("making its log"))?, signals()?))
    });
    let (mut launched, mut log, mut signals) = match launched {
        Ok(all) => all,
        Err(error) => {
            ready.failed(125, &error.to_string());
            return Err(error);
        }
    };
    // The sandbox has started where the user was; we need not keep that folder busy.
    let _ = chdir("/");
    ready.started(&claim.record.id, notes);
    while !launched.sandbox.has_ended()? {
        launched.wait(&mut log, &mut signals)?;
    }
    launched.drain(&mut log);
    let report = launched.sandbox.finish()?;
    let reason = match &report.exit {
        Exit::Death(death) => Some(death.message.clone()),
        Exit::LaunchFailed(reason) => Some(format!("the sandbox could not be built: {reason}")),
        Exit::Timeout => Some("killed after the timeout".into()),
        Exit::Code(_) | Exit::Signal(_) => None,
    };
    claim.end(report.exit.status(), reason).map_err(|error| RuntimeError::BadSpec(error.to_string()))
}

struct Launched<'a> {
    sandbox: Box<dyn Sandbox + 'a>,
    streams: [(Stream, Option<File>); 2],
}

fn launch(prepared: &dyn Prepared) -> Result<Launched<'_>, RuntimeError> {
    let pipe = || -> Result<(OwnedFd, OwnedFd), RuntimeError> {
        pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::step("making a pipe"))
    };
    let ((output, stdout), (errors, stderr)) = (pipe()?, pipe()?);
    let stdin = File::open("/dev/null").map_err(RuntimeError::step("opening /dev/null"))?.into();
    let sandbox = prepared.launch(Stdio { stdin, stdout, stderr })?;
    let streams = [(Stream::Output, output), (Stream::Errors, errors)].map(|(stream, fd)| {
        let file = File::from(fd);
        let _ = nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        (stream, Some(file))
    });
    Ok(Launched { sandbox, streams })
}

/// From now on they are read, and do nothing else.
fn signals() -> Result<SignalFd, RuntimeError> {
    let set = SigSet::from_iter(HANDED_ON.into_iter().chain([KILL]));
    let taken = set
        .thread_block()
        .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK));
    taken.map_err(RuntimeError::step("taking signals"))
}

impl Launched<'_> {
    fn wait(&mut self, log: &mut Log, signals: &mut SignalFd) -> Result<(), RuntimeError> {
        {
            let mut fds = vec![
                PollFd::new(self.sandbox.ended_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            let open = self.streams.iter().filter_map(|(_, file)| file.as_ref());
            fds.extend(open.map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN)));
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(RuntimeError::step("waiting for the sandbox")(errno)),
            }
        }
        self.read(log);
        while let Ok(Some(signal)) = signals.read_signal() {
            match Signal::try_from(signal.ssi_signo as i32) {
                Ok(KILL) | Err(_) => self.sandbox.kill(),
                Ok(signal) => self.sandbox.signal(signal as i32),
            }
        }
        Ok(())
    }

    /// Reads once from each stream; true when there may be more.
    fn read(&mut self, log: &mut Log) -> bool {
        let mut more = false;
        for (stream, open) in &mut self.streams {
            let Some(file) = open else { continue };
            let mut chunk = [0; 64 << 10];
            match file.read(&mut chunk) {
                Ok(0) => *open = None,
                Ok(read) => {
                    more = true;
                    // On a full disk the program goes on, and is not heard.
                    let _ = log.write(*stream, now_ms(), chunk.get(..read).unwrap_or_default());
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => *open = None,
            }
        }
        more
    }

    fn drain(&mut self, log: &mut Log) {
        while self.read(log) {}
    }
}
