//! `isobench run`: one program in one sandbox.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::SigSet;
use nix::unistd::pipe2;
use serde::Serialize;

use super::arguments::{self, RUNTIMES, SandboxArguments, program_failure, runtime_parser};
use super::{Failure, interrupt};
use crate::experiment::assemble;
use crate::image::{ImageError, Overrides, RootInUse, Store, identity};
use crate::runs::Claim;
use crate::runs::supervise::{self, Answer, Side};
use crate::runtime::launcher::{Launcher, run_once};
use crate::runtime::session::{Watch, observe};
use crate::runtime::snapshot;
use crate::runtime::spec::{LaunchSpec, Measure, Stdio};
use crate::runtime::trial::{Crossings, Exit, Trial};
use crate::runtime::{Prepared, RuntimeError, Sandbox, SandboxReport};

/// Run one program in one sandbox.
///
/// Standard streams and the exit status pass through, as with docker run: 128 + N for a death by
/// signal N, 124 for a timeout, 125 when the sandbox failed, 126 when the program cannot run, 127
/// when there is no such program.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArguments {
    /// How to run it
    #[arg(long, value_name = "RUNTIME", default_value = "container", value_parser = runtime_parser())]
    runtime: String,

    #[command(flatten)]
    sandbox: SandboxArguments,

    /// Run in an image of the store (see isobench image); the command is then the image's own by default
    #[arg(long, value_name = "NAME[:TAG]", conflicts_with = "root")]
    image: Option<String>,

    /// Clone a snapshot that isobench snapshot save has written; what follows -- replaces its program's arguments
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["image", "root", "runtime", "cpus", "memory", "files", "without"]
    )]
    from_snapshot: Option<PathBuf>,
    /// Run this program instead of the image's entry point; with "", none
    #[arg(long, value_name = "PROGRAM", requires = "image")]
    entrypoint: Option<OsString>,

    /// Run as this user of the sandbox, by number or as its /etc/passwd names it
    #[arg(long, short = 'u', value_name = "USER[:GROUP]")]
    user: Option<String>,

    /// Start in this folder of the sandbox
    #[arg(long, short = 'w', value_name = "DIR")]
    workdir: Option<PathBuf>,

    /// Go on in the background, and print the run's identifier (see isobench ps, logs, stop and rm)
    #[arg(long, short = 'd', conflicts_with = "json")]
    detach: bool,

    /// What to call a run in the background
    #[arg(long, value_name = "NAME", requires = "detach")]
    name: Option<String>,

    /// Forget a run in the background when it has ended
    #[arg(long, requires = "detach")]
    rm: bool,

    /// Capture the output and print everything measured as one JSON document
    #[arg(long)]
    json: bool,

    /// Show the log of a linuxvm's kernel, with its own timestamps, and the timeline
    #[arg(long, short)]
    verbose: bool,

    /// The program (a path, a name on PATH, or a built-in workload) and its arguments
    #[arg(last = true, required_unless_present_any = ["image", "from_snapshot"], value_name = "PROGRAM [ARGUMENTS]")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  isobench run -- busybox sh -c 'echo I am process $$'
  isobench run --runtime microvm --file notes.txt:/notes.txt -- busybox wc /notes.txt
  isobench run --runtime container --without net,seccomp --json -- noop
  isobench run --image busybox -- sh -c 'cat /etc/passwd'
  isobench run -d --name web --image busybox -- httpd -f   then isobench ps, logs web, stop web, rm web
  isobench run --runtime microvm --memory 64M --timeout 5s -- ./my-static-program";

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    trial: Trial,
    stdout: String,
    stderr: String,
}

pub fn run(mut arguments: RunArguments) -> Result<ExitCode, Failure> {
    if arguments.detach {
        return detached(&arguments);
    }
    // Where there is nothing to do for us while it runs, the launcher need not be a copy of us.
    let is_own = RUNTIMES.iter().any(|(name, _)| *name == arguments.runtime);
    let alone = is_own
        && !arguments.json
        && !arguments.verbose
        && !std::io::IsTerminal::is_terminal(&std::io::stdin());
    let launcher = (!alone).then(Launcher::start).transpose().map_err(Failure::failed)?;
    if let Some(path) = &arguments.from_snapshot {
        arguments.runtime = runtime_of_clones(path)?;
    }
    // While `_root` lives, nobody removes the image's files.
    let (spec, _root, notes) = spec(&arguments)?;
    for note in notes {
        eprintln!("isobench: {note}");
    }
    let measure = Measure { boot_log: arguments.verbose, ..spec.measure };
    let spec = LaunchSpec { once: true, measure, ..spec };
    interrupt::install();
    let Some(launcher) = launcher else { return run_alone(&arguments, &spec) };
    let runtime = arguments::runtime(&arguments.runtime, &launcher);
    let prepared = runtime.prepare(&spec).map_err(launch_failure)?;
    if arguments.json { capture(&arguments, &*prepared) } else { pass_through(&*prepared, arguments.verbose) }
}

fn run_alone(arguments: &RunArguments, spec: &LaunchSpec) -> Result<ExitCode, Failure> {
    let stop = || interrupt::received().is_some();
    let report = run_once(arguments::kind(&arguments.runtime), spec, &stop).map_err(launch_failure)?;
    explain(&report);
    let status = interrupt::received().map_or_else(|| report.exit.status(), |signal| 128 + signal);
    Ok(ExitCode::from(status as u8))
}

/// The runtime that clones this snapshot.
fn runtime_of_clones(path: &Path) -> Result<String, Failure> {
    let refused = |reason: String| Failure {
        message: format!("the snapshot {} {reason}", path.display()),
        status: 126,
    };
    let header = snapshot::peek(path).map_err(|error| refused(error.to_string()))?;
    let name = format!("{}-clone", header.runtime);
    match RUNTIMES.iter().any(|(known, _)| *known == name) {
        true => Ok(name),
        false => Err(refused(format!("is of a runtime that is not known here ({:.40?})", header.runtime))),
    }
}

/// The caller prints what the supervisor tells; the supervisor stays.
fn detached(arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let folder = std::env::current_dir().map_err(Failure::failed)?;
    match supervise::detach().map_err(Failure::failed)? {
        Side::Caller(Answer::Started(id, notes)) => {
            for note in notes {
                eprintln!("isobench: {note}");
            }
            writeln!(std::io::stdout(), "{id}").map_err(Failure::failed)?;
            Ok(ExitCode::SUCCESS)
        }
        Side::Caller(Answer::Failed(status, message)) => Err(Failure { message, status }),
        Side::Supervisor(ready) => {
            // What the user wrote is meant from where the user is.
            match std::env::set_current_dir(folder)
                .map_err(Failure::failed)
                .and_then(|()| supervisor(arguments))
            {
                Err(failure) => ready.failed(failure.status, &failure.message),
                Ok(Supervisor { launcher, spec, root: _root, claim, notes }) => {
                    let runtime = arguments::runtime(&arguments.runtime, &launcher);
                    let prepared =
                        runtime.prepare(&LaunchSpec { once: true, ..spec }).map_err(launch_failure);
                    let outcome = match prepared {
                        Err(failure) => {
                            ready.failed(failure.status, &failure.message);
                            Err(())
                        }
                        Ok(prepared) => supervise::supervise(&*prepared, &claim, ready, &notes).map_err(drop),
                    };
                    if outcome.is_err() || arguments.rm {
                        // Its caller has been told why; what cannot be removed is swept later.
                        let _ = claim.discard();
                    }
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What a supervisor works with.
struct Supervisor {
    launcher: Launcher,
    spec: LaunchSpec,
    root: Option<RootInUse>,
    claim: Claim,
    notes: Vec<String>,
}

fn supervisor(arguments: &RunArguments) -> Result<Supervisor, Failure> {
    let launcher = Launcher::start().map_err(Failure::failed)?;
    let (spec, root, notes) = spec(arguments)?;
    let words = spec.argv.iter().map(|word| word.to_string_lossy().escape_debug().to_string()).collect();
    let claim = super::runs::of_user()?
        .claim(arguments.name.clone(), &arguments.runtime, arguments.image.clone(), words)
        .map_err(|error| Failure { message: error.to_string(), status: 125 })?;
    Ok(Supervisor { launcher, spec, root, claim, notes })
}

/// What to launch; with the root of the image, where there is one, and what is to be told.
fn spec(arguments: &RunArguments) -> Result<(LaunchSpec, Option<RootInUse>, Vec<String>), Failure> {
    let (mut spec, root) = match (&arguments.image, &arguments.from_snapshot) {
        (None, None) => (arguments.sandbox.spec(&arguments.command)?, None),
        (None, Some(path)) => (arguments.sandbox.spec_from_snapshot(path, &arguments.command)?, None),
        (Some(name), _) => {
            let (spec, root) = in_image(arguments, name)?;
            (spec, Some(root))
        }
    };
    if arguments.image.is_none() {
        spec.working_dir = arguments.workdir.as_ref().map(|folder| PathBuf::from("/").join(folder));
        let folder = arguments.sandbox.root.as_deref();
        let user = arguments.user.as_deref().map(|user| identity(folder, user)).transpose();
        spec.user = user.map_err(|message| Failure { message, status: 126 })?;
    }
    if arguments.runtime == "process" && (spec.user.is_some() || spec.working_dir.is_some()) {
        return Err(Failure::usage("--user and --workdir need a sandbox: use --runtime container"));
    }
    let mut notes = Vec::new();
    if arguments.runtime != "container" && spec.user.take().is_some_and(|user| user.uid != 0) {
        notes.push(format!("{} knows no users: the program runs as root of its sandbox", arguments.runtime));
    }
    Ok((spec, root, notes))
}

fn in_image(arguments: &RunArguments, name: &str) -> Result<(LaunchSpec, RootInUse), Failure> {
    let failed = |error: ImageError| Failure { message: error.to_string(), status: 125 };
    if arguments.runtime == "process" {
        return Err(Failure::usage("an image needs a root of its own: use --runtime container or microvm"));
    }
    let store = Store::of_user().map_err(failed)?;
    let image = store.find(name).map_err(failed)?;
    let root = store.root(&image).map_err(failed)?;
    let overrides = Overrides {
        words: arguments.command.clone(),
        entrypoint: arguments.entrypoint.clone(),
        user: arguments.user.clone(),
        working_dir: arguments.workdir.clone(),
    };
    Ok((arguments.sandbox.spec_in_image(&image, &root.path, &overrides)?, root))
}

/// A spec that cannot be run is the program's fault, anything else the sandbox's.
fn launch_failure(error: RuntimeError) -> Failure {
    match error {
        RuntimeError::BadSpec(_) | RuntimeError::NoSuchProgram(_) => program_failure(error),
        other => Failure { message: other.to_string(), status: 125 },
    }
}

fn capture(arguments: &RunArguments, prepared: &dyn Prepared) -> Result<ExitCode, Failure> {
    let mut input = Vec::new();
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        std::io::stdin().read_to_end(&mut input).map_err(Failure::failed)?;
    }
    let watch = Watch::Input(&input);
    let observed = observe(prepared, watch, &|| interrupt::received().is_some()).map_err(launch_failure)?;
    let word = arguments.command.first().map(|word| word.to_string_lossy().into_owned());
    let snapshot = arguments.from_snapshot.as_ref().map(|path| path.display().to_string());
    let name = snapshot.or(word).or_else(|| arguments.image.clone()).unwrap_or_default();
    let trial = assemble::trial(&arguments.runtime, &name, 0, &observed, watch, None);
    let status = trial.exit.status();
    let document = Document {
        trial,
        stdout: String::from_utf8_lossy(&observed.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&observed.stderr).into_owned(),
    };
    let text = serde_json::to_string_pretty(&document).map_err(Failure::failed)?;
    writeln!(std::io::stdout(), "{text}").map_err(Failure::failed)?;
    Ok(ExitCode::from(status as u8))
}

fn pass_through(prepared: &dyn Prepared, verbose: bool) -> Result<ExitCode, Failure> {
    let duplicate = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map_err(Failure::failed);
    let stdin = std::io::stdin();
    // A sandbox is in a process group of its own, which may not read the terminal: we read it instead.
    let (stdin, feeder) = if std::io::IsTerminal::is_terminal(&stdin) {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(Failure::failed)?;
        (reader, Some(writer))
    } else {
        (duplicate(stdin.as_fd())?, None)
    };
    let stdio = Stdio {
        stdin,
        stdout: duplicate(std::io::stdout().as_fd())?,
        stderr: duplicate(std::io::stderr().as_fd())?,
    };
    let mut sandbox = prepared.launch(stdio).map_err(launch_failure)?;
    let requested_ns = sandbox.requested_ns();
    let stopped_by = wait(&mut *sandbox, feeder)?;
    let report = sandbox.finish().map_err(launch_failure)?;
    if verbose {
        tell_all(&report, requested_ns);
    }
    explain(&report);
    let status = stopped_by.map_or_else(|| report.exit.status(), |signal| 128 + signal);
    Ok(ExitCode::from(status as u8))
}

/// Waits for the end; the signal that made us kill it, if one did.
fn wait(sandbox: &mut dyn Sandbox, mut feeder: Option<OwnedFd>) -> Result<Option<i32>, Failure> {
    let mut stopped_by = None;
    while !sandbox.has_ended().map_err(launch_failure)? {
        let stdin = std::io::stdin();
        let mut fds = vec![PollFd::new(sandbox.ended_fd(), PollFlags::POLLIN)];
        if feeder.is_some() {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        let outcome = ppoll(&mut fds, None, Some(SigSet::empty()));
        let typed = fds.get(1).is_some_and(|fd| fd.any().unwrap_or(false));
        drop(fds);
        if let (None, Some(signal)) = (stopped_by, interrupt::received()) {
            stopped_by = Some(signal);
            sandbox.kill();
        }
        match outcome {
            Ok(_) if typed => feeder = feeder.and_then(feed),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    Ok(stopped_by)
}

/// Hands on what was typed; gives the pipe back unless either side has come to its end.
fn feed(pipe: OwnedFd) -> Option<OwnedFd> {
    let mut typed = [0; 4096];
    let read = nix::unistd::read(std::io::stdin(), &mut typed).ok().filter(|read| *read > 0)?;
    let mut rest = &typed[..read];
    while !rest.is_empty() {
        match nix::unistd::write(&pipe, rest) {
            Ok(written) => rest = &rest[written..],
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
    Some(pipe)
}

/// The kernel's log, then what took how long.
fn tell_all(report: &SandboxReport, requested_ns: u64) {
    for line in report.boot_log.iter().flat_map(|log| log.lines()) {
        eprintln!("isobench: log: {line}");
    }
    let ms = |ns: u64| ns as f64 / 1e6;
    for phase in &report.phases {
        let (start, end) =
            (phase.start_ns.saturating_sub(requested_ns), phase.end_ns.saturating_sub(requested_ns));
        eprintln!(
            "isobench: {:>10.3} ms  {:>9.3} ms  {}",
            ms(start),
            ms(end.saturating_sub(start)),
            phase.name
        );
    }
    eprintln!("isobench: {:>10.3} ms  torn down", ms(report.torn_down_ns.saturating_sub(requested_ns)));
}

/// One line for every way to end that the program itself could not tell about.
fn explain(report: &SandboxReport) {
    match &report.exit {
        Exit::Death(death) => eprintln!("isobench: {}", death.message),
        Exit::LaunchFailed(reason) => eprintln!("isobench: the sandbox could not be built: {reason}"),
        Exit::Timeout => eprintln!("isobench: killed after the timeout; give more time with --timeout"),
        Exit::Code(_) | Exit::Signal(_) => {}
    }
    if !report.exit.is_success() {
        if let Some(advice) = missing_calls(&report.crossings) {
            eprintln!("isobench: {advice}");
        }
        for note in &report.notes {
            eprintln!("isobench: {note}");
        }
    }
}

fn missing_calls(crossings: &Crossings) -> Option<String> {
    let names: Vec<&str> = crossings.missing_calls.iter().map(|call| call.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the program made system calls that the tiny guest kernel lacks: {}; run it with --runtime container, \
             or in a full Linux guest",
            names.join(", ")
        )
    })
}
