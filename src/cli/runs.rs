//! `isobench ps`, `logs`, `stop`, `kill`, `wait` and `rm`: runs in the background.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::HumanDuration;
use nix::sys::signal::Signal;

use super::{Failure, interrupt};
use crate::image::Store;
use crate::runs::log::{Frame, Reader, Stream};
use crate::runs::supervise::HANDED_ON;
use crate::runs::{Run, Runs, RunsError, State, now_ms};

/// List the runs in the background
#[derive(Debug, Args)]
pub struct PsArguments {
    /// Those that have ended, too
    #[arg(long, short)]
    all: bool,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

/// Print what a run in the background says
#[derive(Debug, Args)]
pub struct LogsArguments {
    /// Go on until the run ends
    #[arg(long, short)]
    follow: bool,
    /// Its name, or the beginning of its identifier
    name: String,
}

/// Ask runs in the background to end (SIGTERM), then kill them
///
/// A virtual machine has no signals: it is switched off.
#[derive(Debug, Args)]
pub struct StopArguments {
    /// How long to wait before it is killed (500ms, 10s, …)
    #[arg(long, short, value_name = "TIME", default_value = "10s", value_parser = grace)]
    time: Duration,
    /// Names, or beginnings of identifiers
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Send a signal to runs in the background
#[derive(Debug, Args)]
pub struct KillArguments {
    /// KILL, TERM, INT, HUP, QUIT, USR1 or USR2
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL", value_parser = signal)]
    signal: Signal,
    /// Names, or beginnings of identifiers
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Wait until runs in the background have ended, and print their exit statuses
#[derive(Debug, Args)]
pub struct WaitArguments {
    /// Names, or beginnings of identifiers
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Forget runs in the background that have ended
#[derive(Debug, Args)]
pub struct RmArguments {
    /// Kill those that run
    #[arg(long, short)]
    force: bool,
    /// Names, or beginnings of identifiers
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

pub fn of_user() -> Result<Runs, Failure> {
    let store = Store::of_user().map_err(Failure::failed)?;
    Runs::open(store.folder()).map_err(Failure::failed)
}

pub fn ps(arguments: PsArguments) -> Result<ExitCode, Failure> {
    let mut runs = of_user()?.list().map_err(Failure::failed)?;
    runs.retain(|run| arguments.all || run.state == State::Running);
    if arguments.json {
        let all: Vec<_> =
            runs.iter().map(|run| serde_json::json!({ "run": run.record, "state": run.state })).collect();
        let text = serde_json::to_string_pretty(&all).map_err(Failure::failed)?;
        return print(&format!("{text}\n"));
    }
    let mut text = format!(
        "{:<12} {:<16} {:<10} {:<24} {:<26} {}\n",
        "ID", "NAME", "RUNTIME", "IMAGE", "STATUS", "COMMAND"
    );
    for run in &runs {
        let record = &run.record;
        let (name, image) = (record.name.as_deref().unwrap_or("-"), record.image.as_deref().unwrap_or("-"));
        let command: String = record.command.join(" ").chars().take(60).collect();
        let row = format!(
            "{:<12} {name:<16} {:<10} {image:<24} {:<26} {command}",
            record.id,
            record.runtime,
            status(run)
        );
        text.push_str(row.trim_end());
        text.push('\n');
    }
    print(&text)
}

fn status(run: &Run) -> String {
    let since = |ms: u64| HumanDuration(Duration::from_millis(now_ms().saturating_sub(ms)));
    match &run.state {
        State::Running => format!("Up {}", since(run.record.started_ms)),
        State::Exited(ended) => format!("Exited ({}) {} ago", ended.status, since(ended.at_ms)),
        State::Dead => "Dead".into(),
    }
}

pub fn logs(arguments: LogsArguments) -> Result<ExitCode, Failure> {
    let mut run = of_user()?.find(&arguments.name).map_err(Failure::failed)?;
    interrupt::install();
    let mut reader = Reader::open(run.folder());
    loop {
        // Looked at before the log is read: what it said last is then in it.
        run.look();
        while let Some(frame) = reader.next_frame().map_err(Failure::failed)? {
            say(&frame)?;
        }
        if !arguments.follow || run.state != State::Running || interrupt::received().is_some() {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if let State::Exited(ended) = &run.state
        && let Some(reason) = &ended.reason
    {
        eprintln!("isobench: {reason}");
    }
    Ok(ExitCode::SUCCESS)
}

/// How often a log that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn say(frame: &Frame) -> Result<(), Failure> {
    let said = match frame.stream {
        Stream::Output => {
            let mut output = std::io::stdout();
            output.write_all(&frame.bytes).and_then(|()| output.flush())
        }
        Stream::Errors => std::io::stderr().write_all(&frame.bytes),
    };
    said.map_err(Failure::failed)
}

pub fn stop(arguments: StopArguments) -> Result<ExitCode, Failure> {
    each(&arguments.names, |_, run| {
        if run.state == State::Running && !["process", "container"].contains(&run.record.runtime.as_str()) {
            let (name, runtime) = (run.shown(), &run.record.runtime);
            eprintln!(
                "isobench: {name}: no signal reaches a program in {runtime}: the sandbox is switched off"
            );
        }
        run.stop(arguments.time)
    })
}

pub fn kill(arguments: KillArguments) -> Result<ExitCode, Failure> {
    each(&arguments.names, |_, run| run.signal(arguments.signal))
}

pub fn rm(arguments: RmArguments) -> Result<ExitCode, Failure> {
    each(&arguments.names, |runs, run| runs.remove(run, arguments.force))
}

pub fn wait(arguments: WaitArguments) -> Result<ExitCode, Failure> {
    let runs = of_user()?;
    interrupt::install();
    for name in &arguments.names {
        let mut run = runs.find(name).map_err(Failure::failed)?;
        run.wait(&|| interrupt::received().is_some());
        run.look();
        match &run.state {
            State::Exited(ended) => print(&format!("{}\n", ended.status))?,
            State::Dead if !run.folder().exists() => {
                return Err(Failure::failed(format!("{name} has ended and was forgotten (--rm)")));
            }
            State::Dead => return Err(Failure::failed(format!("{name}: its supervisor was killed"))),
            State::Running => return Ok(ExitCode::from(1)),
        };
    }
    Ok(ExitCode::SUCCESS)
}

/// Does it to each run and prints its name, as Docker does. One that fails does not keep the others from it.
fn each(names: &[String], act: impl Fn(&Runs, &Run) -> Result<(), RunsError>) -> Result<ExitCode, Failure> {
    let runs = of_user()?;
    let mut failure = None;
    for name in names {
        match runs.find(name).and_then(|run| act(&runs, &run)) {
            Ok(()) => drop(print(&format!("{name}\n"))?),
            Err(error) => {
                if let Some(Failure { message, .. }) = failure.replace(Failure::failed(error)) {
                    eprintln!("isobench: {message}");
                }
            }
        }
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Docker writes a number of seconds; a time with its unit is as good.
fn grace(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    }
}

fn signal(text: &str) -> Result<Signal, String> {
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let known = HANDED_ON.into_iter().chain([Signal::SIGKILL]);
    let mut known = known
        .filter(|signal| signal.as_str() == format!("SIG{name}") || (*signal as i32).to_string() == name);
    known.next().ok_or_else(|| "KILL, TERM, INT, HUP, QUIT, USR1 and USR2 are handed on".to_owned())
}
