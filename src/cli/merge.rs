//! `isobench merge`: the results of many hosts in one report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::report::{file, merge::render_merged};

/// Show the results of many hosts side by side in one report; they are never averaged.
///
/// Writes index.html and report.md, and below them a report of each host.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MergeArguments {
    /// The results files, in the order of the rows
    #[arg(required = true, value_name = "FILE")]
    results: Vec<PathBuf>,

    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  isobench merge laptop.json server.json --output reports/both
  isobench merge fleet/*/results.json --output reports/fleet";

pub fn run(arguments: MergeArguments) -> Result<ExitCode, Failure> {
    let read = |path: &PathBuf| Ok((name(path), file::read(path).map_err(Failure::failed)?));
    let runs = arguments.results.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
    let merged = render_merged(&runs, &arguments.output).map_err(Failure::failed)?;
    println!("Report: {}", merged.html.display());
    Ok(ExitCode::SUCCESS)
}

/// What tells one file from the others: its own name, or that of its folder where all are called alike.
fn name(path: &Path) -> String {
    let own = path.file_stem().unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name);
    let telling = if own == "results" { folder.unwrap_or(own) } else { own };
    telling.to_string_lossy().into_owned()
}
