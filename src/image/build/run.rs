//! `RUN`: a command in a container over the image so far; what it changes becomes the layer.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;

use super::entries::Entries;
use super::snapshot;
use crate::image::user;
use crate::runtime::launcher::{Kind, Launcher};
use crate::runtime::spec::{LaunchSpec, Limits, Program, Stdio};
use crate::runtime::trial::Exit;
use crate::runtime::{Runtime, RuntimeError};
use crate::workload::program::find_in_root;

/// Processes and threads that a step may have; compilers start many.
const PROCESSES: u32 = 4096;

/// A container to run steps in.
pub(super) struct Runner<'a> {
    pub(super) launcher: &'a Launcher,
    /// Bytes of memory that a step may use.
    pub(super) memory: u64,
    /// Asked whenever a signal comes; `true` kills the step.
    pub(super) stop: &'a dyn Fn() -> bool,
}

/// What to run.
pub(super) struct Command<'a> {
    pub(super) words: &'a [String],
    /// `NAME=value`.
    pub(super) env: &'a [String],
    pub(super) working_dir: &'a str,
    /// As `USER` says it.
    pub(super) user: &'a str,
}

impl Runner<'_> {
    /// Runs it over `root`, which stays as it is; `scratch`, an empty folder, takes the changes.
    ///
    /// # Errors
    /// When it could not be run, or did not succeed, in words.
    pub(super) fn run(
        &self,
        command: &Command<'_>,
        root: &Path,
        scratch: &Path,
        latest: u64,
    ) -> Result<(Entries, Vec<String>), String> {
        let spec = self.spec(command, root, scratch)?;
        let failed = |error: RuntimeError| error.to_string();
        let runtime = self.launcher.runtime(Kind::Container);
        let prepared = runtime.prepare(&spec).map_err(failed)?;
        let mut sandbox = prepared.launch(streams().map_err(|error| error.to_string())?).map_err(failed)?;
        while !sandbox.has_ended().map_err(failed)? {
            let mut fds = [PollFd::new(sandbox.ended_fd(), PollFlags::POLLIN)];
            let outcome = ppoll(&mut fds, None, Some(SigSet::empty()));
            if (self.stop)() {
                sandbox.kill();
            }
            match outcome {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.desc().to_owned()),
            }
        }
        let report = sandbox.finish().map_err(failed)?;
        match report.exit {
            Exit::Code(0) => {}
            Exit::Code(status) => return Err(format!("it ended with status {status}")),
            Exit::Signal(signal) => return Err(format!("signal {signal} ended it")),
            Exit::Timeout => return Err("it took too long".into()),
            Exit::LaunchFailed(reason) => return Err(reason),
            Exit::Death(death) => return Err(death.message),
        }
        let (overlay, copy) = (scratch.join("upper"), scratch.join("copy"));
        let entries = match copy.is_dir() {
            true => snapshot::of_difference(&copy, root, latest),
            false => snapshot::of_overlay(&overlay, root, latest),
        };
        let mut entries = entries.map_err(|error| format!("reading its changes: {error}"))?;
        if !nix::unistd::Uid::effective().is_root() {
            // The only user of the container is us.
            entries.values_mut().for_each(|entry| entry.owner = (0, 0));
        }
        Ok((entries, report.notes))
    }

    fn spec(&self, command: &Command<'_>, root: &Path, scratch: &Path) -> Result<LaunchSpec, String> {
        let text = |text: &str| CString::new(text).map_err(|_| "a zero byte in a command".to_owned());
        let name = command.words.first().ok_or("a command is needed")?;
        let path =
            command.env.iter().rev().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or_default();
        let working_dir = PathBuf::from(command.working_dir);
        let program = find_in_root(&OsString::from(name), root, OsStr::new(path), &working_dir)
            .map_err(|error| error.to_string())?;
        let identity = match command.user {
            "" => None,
            user => Some(user::identity(Some(root), user)?),
        };
        Ok(LaunchSpec {
            argv: command.words.iter().map(|word| text(word)).collect::<Result<_, _>>()?,
            env: command.env.iter().map(|variable| text(variable)).collect::<Result<_, _>>()?,
            limits: Limits { memory_bytes: self.memory, pids: PROCESSES, ..Limits::default() },
            root: Some(root.to_owned()),
            writes: Some(scratch.to_owned()),
            working_dir: Some(working_dir),
            user: identity,
            once: true,
            ..LaunchSpec::new(Program::InRoot(match program {
                Program::InRoot(path) => path,
                _ => return Err(format!("{name}: not a program of the image")),
            }))
        })
    }
}

/// Nothing to read; what it says goes where our own messages go.
fn streams() -> std::io::Result<Stdio> {
    let errors = || -> std::io::Result<OwnedFd> { std::io::stderr().as_fd().try_clone_to_owned() };
    Ok(Stdio { stdin: File::open("/dev/null")?.into(), stdout: errors()?, stderr: errors()? })
}

/// An empty folder for the changes of one step.
pub(super) fn scratch(folder: &Path) -> std::io::Result<()> {
    for part in ["upper", "work"] {
        fs::create_dir_all(folder.join(part))?;
    }
    Ok(())
}
