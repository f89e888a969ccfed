//! `isobench density`: how many sandboxes live beside each other, and how fast they are made.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::arguments::{SandboxArguments, kind, own_runtime_parser, program_failure, size, workload_parser};
use super::compare::Reporter;
use super::language::LanguageArgument;
use super::{Failure, interrupt};
use crate::experiment::density::{self, Density};
use crate::experiment::plan::Effort;
use crate::experiment::{compare::Candidate, suite};
use crate::language::Language;
use crate::measure::host_memory::HostMemory;
use crate::report;
use crate::report::density::DensitySummary;
use crate::results::density::DensityResults;
use crate::runtime::launcher::{Kind, Launcher};
use crate::runtime::open_files;
use crate::workload::catalogue;

/// Measure density: sandboxes alive at once, what each costs the host, and how fast they are made.
///
/// Starts them one after another and keeps them, until as many are alive as asked for or the host has no more room; and measures how many
/// are made and removed in a second by parallel starters. Writes index.html, report.md and density.json.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DensityArguments {
    /// Which runtimes, separated by commas; by default all
    #[arg(long = "runtime", alias = "runtimes", value_name = "LIST", value_delimiter = ',', value_parser = own_runtime_parser())]
    runtimes: Vec<String>,

    /// Sandboxes to keep alive at once; 0 measures the creation rate only
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=100_000))]
    max: u32,

    /// The built-in workload that they run
    #[arg(long, value_name = "NAME", default_value = "noop", value_parser = workload_parser(), conflicts_with = "command")]
    workload: String,

    /// Parallel starters for the creation rate, one measurement for each number; 0 measures none
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [1, 2, 4], value_parser = clap::value_parser!(u32).range(..=64))]
    starters: Vec<u32>,

    /// How long each measurement of the creation rate takes
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    window: Duration,

    /// Memory that the host keeps: no sandbox is started that would take of it; by default a tenth of all, at most 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    reserve: Option<u64>,

    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "reports/density")]
    output: PathBuf,

    #[command(flatten)]
    language: LanguageArgument,

    #[command(flatten)]
    sandbox: SandboxArguments,

    /// Your own program, with its arguments; to be kept alive, it must wait until its standard input ends
    #[arg(last = true, value_name = "PROGRAM [ARGUMENTS]")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  isobench density --runtime microvm --max 1000
  isobench density --runtime container,microvm --max 0 --starters 1,2,4,8 --window 5s
  isobench density --max 200 --starters 0 --memory 64M -- busybox cat";

pub fn run(arguments: DensityArguments) -> Result<ExitCode, Failure> {
    // Each sandbox takes descriptors of the harness and of its launcher.
    open_files::raise().map_err(Failure::failed)?;
    let starters: Vec<u32> = arguments.starters.iter().copied().filter(|starters| *starters > 0).collect();
    let launchers = starters.iter().copied().max().unwrap_or(1).max(launchers_for(arguments.max));
    let launchers: Result<Vec<_>, _> = (0..launchers).map(|_| Launcher::start()).collect();
    let mut launchers = launchers.map_err(Failure::failed)?;
    interrupt::install();
    report::file::prepare_folder(&arguments.output).map_err(Failure::failed)?;
    let progress = Reporter::new();
    let experiment = Density {
        runtimes: kinds(&arguments.runtimes),
        workload: candidate(&arguments)?,
        max: arguments.max,
        reserve_bytes: arguments.reserve.map_or_else(reserve, Ok)?,
        starters,
        window: arguments.window,
        command: std::env::args().collect(),
        progress: &progress,
    };
    let outcome = density::density(&experiment, &mut launchers);
    progress.finish();
    let results = outcome.map_err(Failure::failed)?;
    print_and_write(&results, &arguments.output, arguments.language.get())?;
    Ok(interrupt::received().map_or(ExitCode::SUCCESS, |signal| ExitCode::from(128 + signal as u8)))
}

/// So many launchers that each keeps some hundred sandboxes alive, as long as the launchers themselves are not many.
fn launchers_for(sandboxes: u32) -> u32 {
    sandboxes.div_ceil(100).clamp(1, 64)
}

/// Prints what it comes to and writes the report.
pub fn print_and_write(results: &DensityResults, folder: &Path, language: Language) -> Result<(), Failure> {
    let written = report::density::render_all(results, folder, language).map_err(Failure::failed)?;
    let style = report::terminal::Style::detect(&std::io::stdout());
    print!("{}", report::density::terminal(&DensitySummary::new(results), style, language));
    println!("\nReport: {}", written.html.display());
    Ok(())
}

/// In the order of the report, each once.
fn kinds(wanted: &[String]) -> Vec<Kind> {
    let all = super::arguments::RUNTIMES.iter().map(|(name, _)| *name);
    all.filter(|name| wanted.is_empty() || wanted.iter().any(|one| one == name)).map(kind).collect()
}

fn candidate(arguments: &DensityArguments) -> Result<Candidate, Failure> {
    if !arguments.command.is_empty() {
        let spec = arguments.sandbox.spec(&arguments.command)?;
        return suite::own(spec, Effort::Quick).map_err(program_failure);
    }
    let workload = catalogue::BUILTINS.iter().find(|workload| workload.name == arguments.workload);
    let workload = workload.ok_or_else(|| Failure::usage("no such workload"))?;
    suite::builtin(workload, Effort::Quick, &arguments.sandbox.template()?).map_err(Failure::failed)
}

/// A tenth of what there is, between 256 MiB and 2 GiB.
fn reserve() -> Result<u64, Failure> {
    let memory = HostMemory::read().map_err(Failure::failed)?;
    Ok((memory.available_bytes / 10).clamp(256 << 20, 2 << 30))
}
