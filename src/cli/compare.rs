//! `isobench compare`: the same workloads under several runtimes, a table, a report.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{
    RUNTIMES, SandboxArguments, program_failure, runtime, runtime_parser, share, workload_parser,
};
use super::language::LanguageArgument;
use super::{Failure, interrupt};
use crate::experiment::cold;
use crate::experiment::compare::{Candidate, Comparison, Progress, compare};
use crate::experiment::forecast::{Forecast, forecast};
use crate::experiment::plan::Effort;
use crate::experiment::suite;
use crate::language::{Language, text};
use crate::measure::page_cache::may_drop_all;
use crate::report::{self, Sources};
use crate::results::{Cold, SkippedRuntime, journal};
use crate::runtime::launcher::Launcher;
use crate::runtime::null::Null;
use crate::runtime::{Runtime, external, pin};
use crate::workload::catalogue;

/// Compare runtimes: the same workloads in each, in rounds of random order.
///
/// Prints a table and writes index.html, report.md and results.json.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArguments {
    /// Which runtimes, separated by commas; process is the baseline and always takes part
    ///
    /// By default ours. Outside tools take part when they are named, or all of them with --external.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = runtime_parser())]
    runtimes: Vec<String>,

    /// Also compare with every outside tool that works here (docker, podman, runc, bwrap, …)
    #[arg(long)]
    external: bool,

    /// Which built-in workloads, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = workload_parser(), conflicts_with = "command")]
    workloads: Vec<String>,

    /// Some ten seconds, for a first look
    #[arg(long, conflicts_with = "thorough")]
    quick: bool,

    /// Some minutes, for figures to be quoted
    #[arg(long)]
    thorough: bool,

    /// Seed of the random order; the report names the one that was used
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// End before the plan is done, when half of every interval's width is at most this share of its median
    #[arg(long, value_name = "PERCENT", value_parser = precision)]
    precision: Option<f64>,

    /// Keep all sandboxes on this CPU (and the launcher that makes them)
    #[arg(long, value_name = "CPU")]
    pin: Option<u32>,

    /// Pause between two rounds, so that the host cools down; the time budget does not count it
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s")]
    cool_down: Duration,

    /// Run every cell a second time in each round with a cold page cache: files drops the pages of the sandbox's
    /// own files, host (root only) those of the whole host
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "files")]
    cold: Option<ColdArgument>,

    /// Print the plan and how long it would take, from one trial of every cell, and keep nothing
    #[arg(long)]
    dry_run: bool,

    /// The folder to write the report to
    #[arg(long, value_name = "DIR", default_value = "reports/latest")]
    output: PathBuf,

    #[command(flatten)]
    language: LanguageArgument,

    #[command(flatten)]
    sandbox: SandboxArguments,

    /// Your own program as the workload, with its arguments
    #[arg(last = true, value_name = "PROGRAM [ARGUMENTS]")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ColdArgument {
    Files,
    Host,
}

const EXAMPLES: &str = "\
Examples:
  isobench compare
  isobench compare --quick --workloads noop,sha256
  isobench compare --quick --workloads noop --runtimes container,microvm,runc,docker
  isobench compare --runtimes container --thorough --seed 7 --output reports/container
  isobench compare --thorough --precision 2% --pin 1
  isobench compare --thorough --dry-run
  isobench compare --cold --cool-down 2s --root ./my-root -- /bin/app
  isobench compare --memory 64M -- ./my-static-program --its-option";

pub fn run(arguments: CompareArguments) -> Result<ExitCode, Failure> {
    let launcher = match arguments.pin {
        Some(cpu) => pin::on_cpu(cpu, Launcher::start).map_err(Failure::usage)?,
        None => Launcher::start(),
    }
    .map_err(Failure::failed)?;
    interrupt::install();
    let effort = match (arguments.quick, arguments.thorough) {
        (true, _) => Effort::Quick,
        (_, true) => Effort::Thorough,
        _ => Effort::Default,
    };
    let mut workloads = candidates(&arguments, effort)?;
    let cold = arguments.cold.map(cold_kind).transpose()?;
    if !arguments.dry_run {
        // Better to learn now than after a minute that the report cannot be written.
        report::file::prepare_folder(&arguments.output).map_err(Failure::failed)?;
    }
    // On the disk where the report goes: a folder for temporary files may be in memory, where nothing is cold.
    let on_disk = match cold {
        Some(_) => {
            let folder =
                tempfile::Builder::new().prefix(".isobench-cold-").tempdir_in(nearest(&arguments.output));
            let folder =
                folder.map_err(|error| Failure::failed(format!("a folder for cold programs: {error}")))?;
            cold::on_disk(&mut workloads, folder.path()).map_err(Failure::failed)?;
            Some(folder)
        }
        None => None,
    };
    let null = Null(&launcher);
    let ours = RUNTIMES.iter().map(|(name, _)| *name).filter(|name| wanted(&arguments.runtimes, name));
    let outside = external::names()
        .filter(|name| arguments.external || arguments.runtimes.iter().any(|wanted| wanted == name));
    let runtimes: Vec<_> = ours.chain(outside).map(|name| runtime(name, &launcher)).collect();
    let comparison = Comparison {
        runtimes: runtimes.iter().map(|runtime| &**runtime as &dyn Runtime).collect(),
        workloads,
        effort,
        seed: arguments.seed.unwrap_or_else(rand::random),
        command: std::env::args().collect(),
        journal: Some(arguments.output.join(journal::NAME)),
        pinned_cpu: arguments.pin,
        precision: arguments.precision,
        cool_down: arguments.cool_down,
        cold,
        null: Some(&null),
    };
    let progress = Reporter::new();
    if arguments.dry_run {
        let outcome = forecast(&comparison, &progress);
        progress.finish();
        if let Some(plan) = outcome.map_err(Failure::failed)? {
            print_plan(&plan, &comparison);
        }
        return Ok(
            interrupt::received().map_or(ExitCode::SUCCESS, |signal| ExitCode::from(128 + signal as u8))
        );
    }
    let outcome = compare(&comparison, &progress);
    drop(on_disk);
    progress.finish();
    let results = outcome.map_err(Failure::failed)?;
    let journal = arguments.output.join(journal::NAME);
    print_and_write((&results).into(), &arguments.output, arguments.language.get()).map_err(|failure| {
        match journal.exists() {
            true => Failure {
                message: format!("{}; what was measured is kept in {}", failure.message, journal.display()),
                ..failure
            },
            false => failure,
        }
    })?;
    // Its trials are in the results now.
    let _ = std::fs::remove_file(journal);
    let failed = results.trials.iter().filter(|trial| !trial.is_valid()).count();
    if failed > 0 {
        eprintln!("isobench: {failed} trials failed; the report names them");
    }
    Ok(match interrupt::received() {
        Some(signal) => ExitCode::from(128 + signal as u8),
        None if failed > 0 => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

fn cold_kind(argument: ColdArgument) -> Result<Cold, Failure> {
    match argument {
        ColdArgument::Files => Ok(Cold::Files),
        ColdArgument::Host if may_drop_all() => Ok(Cold::Host),
        ColdArgument::Host => Err(Failure::usage(
            "--cold=host: /proc/sys/vm/drop_caches cannot be written here; run as root, or use --cold=files",
        )),
    }
}

/// The folder itself, or of those it is in the nearest that is there.
fn nearest(folder: &Path) -> &Path {
    let there = folder.ancestors().find(|folder| folder.is_dir() && !folder.as_os_str().is_empty());
    there.unwrap_or(Path::new("."))
}

fn wanted(list: &[String], name: &str) -> bool {
    list.is_empty() || name == crate::results::BASELINE || list.iter().any(|wanted| wanted == name)
}

fn candidates(arguments: &CompareArguments, effort: Effort) -> Result<Vec<Candidate>, Failure> {
    if !arguments.command.is_empty() {
        let spec = arguments.sandbox.spec(&arguments.command)?;
        return Ok(vec![suite::own(spec, effort).map_err(program_failure)?]);
    }
    let template = arguments.sandbox.template()?;
    catalogue::BUILTINS
        .iter()
        .filter(|workload| match arguments.workloads.as_slice() {
            // What measures nothing is shown, not compared.
            [] => !matches!(workload.output, catalogue::Output::Findings),
            list => list.iter().any(|wanted| wanted == workload.name),
        })
        .map(|workload| suite::builtin(workload, effort, &template).map_err(Failure::failed))
        .collect()
}

/// What would be run. Skipped runtimes have been told already.
fn print_plan(plan: &Forecast, comparison: &Comparison<'_>) {
    let seed = comparison.seed;
    println!("Runtimes: {}", plan.runtimes.join(", "));
    println!("Rounds of each workload, in random order from seed {seed}:");
    for (workload, rounds) in &plan.workloads {
        println!("  {workload:<10} {rounds:>5}");
    }
    println!("Trials: {}, and one of every cell before them to warm up", plan.trials);
    if let Some(cold) = comparison.cold {
        println!("Every cell runs cold too in each round; dropped before is {}", cold.what());
    }
    let seconds = |time: std::time::Duration| format!("{:.1} s", time.as_secs_f64());
    println!(
        "Expected duration: about {}, with a budget of {}",
        seconds(plan.expected),
        seconds(plan.budget)
    );
}

/// A precision of nothing could never be reached.
fn precision(text: &str) -> Result<f64, String> {
    share(text).and_then(|share| if share > 0.0 { Ok(share) } else { Err("write more than 0%".to_owned()) })
}

/// Prints the table and writes the report.
pub fn print_and_write(sources: Sources<'_>, folder: &Path, language: Language) -> Result<(), Failure> {
    let written = report::render_all(sources, folder, language).map_err(Failure::failed)?;
    let style = report::terminal::Style::detect(&std::io::stdout());
    print!("{}", report::terminal::render(&report::summary::Summary::new(sources.results), language, style));
    println!("\n{}", text!(language, "terminal-report", path = written.html.display().to_string()));
    Ok(())
}

/// A progress bar on a terminal, plain lines elsewhere.
pub(super) struct Reporter {
    bar: Option<ProgressBar>,
}

impl Reporter {
    pub(super) fn new() -> Reporter {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Reporter { bar }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Reporter {
    fn skipped(&self, skipped: &SkippedRuntime) {
        eprintln!("isobench: {} takes no part: {}; {}", skipped.runtime, skipped.reason, skipped.fix);
    }

    fn trial(&self, done: usize, of: usize, runtime: &str, workload: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(of as u64);
                bar.set_position(done as u64);
                bar.set_message(format!("{runtime} {workload}"));
            }
            None if done > 0 && done.is_multiple_of((of / 5).max(1)) => {
                eprintln!("isobench: {done} of {of} trials")
            }
            None => {}
        }
    }

    fn warn(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("isobench: {message}")),
            None => eprintln!("isobench: {message}"),
        }
    }

    fn stop(&self) -> bool {
        interrupt::received().is_some()
    }
}
