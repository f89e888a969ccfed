//! `isobench report`: a report from a results file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::language::LanguageArgument;
use crate::report;

/// Make the report again from a results file.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  isobench report reports/latest/results.json\n  isobench report old.json --output reports/old\n  isobench report reports/latest/results.jsonl.partial   of a run that was killed"
)]
pub struct ReportArguments {
    /// The results file that a comparison wrote
    results: PathBuf,

    /// The folder to write index.html, report.md and results.json to
    #[arg(long, value_name = "DIR", default_value = "reports/latest")]
    output: PathBuf,

    /// Show in it how many sandboxes live at once, from the density.json that `isobench density` wrote
    #[arg(long, value_name = "FILE")]
    density: Option<PathBuf>,

    /// Show in it what images cost, from the results.json that `isobench maintain` wrote
    #[arg(long, value_name = "FILE")]
    maintenance: Option<PathBuf>,

    #[command(flatten)]
    language: LanguageArgument,
}

pub fn run(arguments: ReportArguments) -> Result<ExitCode, Failure> {
    match report::file::read(&arguments.results) {
        Ok(mut results) => {
            if let Some(path) = &arguments.maintenance {
                results.maintenance = report::file::read(path).map_err(Failure::failed)?.maintenance;
            }
            let density = arguments.density.as_deref().map(report::density::read).transpose();
            let density = density.map_err(Failure::failed)?;
            let sources = report::Sources { results: &results, density: density.as_ref() };
            super::compare::print_and_write(sources, &arguments.output, arguments.language.get())?;
        }
        Err(error @ report::ReportError::NotResults { .. }) => {
            // Perhaps those of the other experiment. If not, the first error says more.
            let results = report::density::read(&arguments.results).map_err(|other| match other {
                report::ReportError::NewerVersion { .. } => Failure::failed(other),
                _ => Failure::failed(error),
            })?;
            super::density::print_and_write(&results, &arguments.output, arguments.language.get())?;
        }
        Err(error) => return Err(Failure::failed(error)),
    }
    Ok(ExitCode::SUCCESS)
}
