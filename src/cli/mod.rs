//! The command line: arguments and printing, nothing else.

use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

mod arguments;
mod compare;
mod density;
mod diff;
mod doctor;
mod export;
mod image;
mod interrupt;
mod kernel;
mod language;
mod maintain;
mod merge;
mod report;
mod run;
mod runs;
mod snapshot;
mod workloads;

/// Runs the same workload, byte for byte, in a container and in a KVM microVM, and measures what
/// isolation costs.
///
/// Without a command: isobench compare.
#[derive(Debug, Parser)]
#[command(name = "isobench", version = crate::VERSION, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: compare::CompareArguments,
}

const EXAMPLES: &str = "\
Examples:
  isobench                                     compare the built-in workloads, write reports/latest/
  isobench run --runtime microvm -- busybox echo hello
  isobench compare --quick -- ./my-program --its-option
  isobench doctor                              what can this host run, and if not, why not";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Compare(compare::CompareArguments),
    Density(density::DensityArguments),
    Merge(merge::MergeArguments),
    Report(report::ReportArguments),
    Diff(diff::DiffArguments),
    Doctor(doctor::DoctorArguments),
    Export(export::ExportArguments),
    Workloads(workloads::WorkloadsArguments),
    Image(image::ImageArguments),
    Kernel(kernel::KernelArguments),
    Snapshot(snapshot::SnapshotArguments),
    Ps(runs::PsArguments),
    Logs(runs::LogsArguments),
    Stop(runs::StopArguments),
    Kill(runs::KillArguments),
    Wait(runs::WaitArguments),
    Rm(runs::RmArguments),
    Maintain(maintain::MaintainArguments),
}

/// Parses the arguments, runs the command, and turns an error into one line and an exit status:
/// 2 for wrong usage, 1 for a failed run, 3 for a regression that `diff` found; `run` passes the program's own status through.
pub fn main() -> ExitCode {
    let outcome = match only_run() {
        Some(arguments) => run::run(arguments.unwrap_or_else(|error| refuse(error))),
        None => dispatch(Cli::try_parse().unwrap_or_else(|error| refuse(error))),
    };
    match outcome {
        Ok(status) => status,
        Err(failure) => {
            eprintln!("isobench: {}", failure.message);
            ExitCode::from(failure.status)
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        None => compare::run(cli.compare),
        Some(Command::Compare(arguments)) => compare::run(arguments),
        Some(Command::Run(arguments)) => run::run(arguments),
        Some(Command::Density(arguments)) => density::run(arguments),
        Some(Command::Merge(arguments)) => merge::run(arguments),
        Some(Command::Report(arguments)) => report::run(arguments),
        Some(Command::Diff(arguments)) => diff::run(arguments),
        Some(Command::Doctor(arguments)) => doctor::run(arguments),
        Some(Command::Image(arguments)) => image::run(arguments),
        Some(Command::Kernel(arguments)) => kernel::run(arguments),
        Some(Command::Snapshot(arguments)) => snapshot::run(arguments),
        Some(Command::Ps(arguments)) => runs::ps(arguments),
        Some(Command::Logs(arguments)) => runs::logs(arguments),
        Some(Command::Stop(arguments)) => runs::stop(arguments),
        Some(Command::Kill(arguments)) => runs::kill(arguments),
        Some(Command::Wait(arguments)) => runs::wait(arguments),
        Some(Command::Rm(arguments)) => runs::rm(arguments),
        Some(Command::Maintain(arguments)) => maintain::run(arguments),
        Some(Command::Export(arguments)) => export::run(arguments),
        Some(Command::Workloads(arguments)) => workloads::run(arguments),
    }
}

/// The arguments of `run`, where that is the command. To describe every command with all of its options to clap takes a
/// tenth of the time in which `run` makes a container: so it is described alone.
fn only_run() -> Option<Result<run::RunArguments, clap::Error>> {
    const RUN: &str = "run";
    std::env::args_os().nth(1).filter(|word| word == RUN)?;
    let run = run::RunArguments::augment_args(clap::Command::new(RUN));
    let parser = clap::Command::new("isobench").subcommand(run).subcommand_required(true);
    let parsed = parser.try_get_matches();
    Some(parsed.and_then(|mut matches| match matches.remove_subcommand() {
        Some((_, mut own)) => run::RunArguments::from_arg_matches_mut(&mut own),
        None => Err(clap::Error::new(clap::error::ErrorKind::MissingSubcommand)),
    }))
}

/// Ends with clap's own message (or the help that was asked for); but where the first word looks like
/// a mistyped command, says which, since to clap it might as well be an argument of `compare`.
fn refuse(error: clap::Error) -> ! {
    let first = std::env::args().nth(1).unwrap_or_default();
    let nearest = Cli::command()
        .get_subcommands()
        .map(|command| {
            (strsim::damerau_levenshtein(&first, command.get_name()), command.get_name().to_owned())
        })
        .min();
    match nearest {
        Some((distance, name))
            if error.kind() == clap::error::ErrorKind::UnknownArgument && (1..=3).contains(&distance) =>
        {
            eprintln!("isobench: no command {first}; did you mean {name}?");
            std::process::exit(2)
        }
        _ => error.exit(),
    }
}

/// An error on its way to the user.
#[derive(Debug)]
struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// A run that failed: status 1.
    fn failed(error: impl std::fmt::Display) -> Failure {
        Failure { message: error.to_string(), status: 1 }
    }

    /// Wrong usage: status 2.
    fn usage(error: impl std::fmt::Display) -> Failure {
        Failure { message: error.to_string(), status: 2 }
    }
}
