//! `isobench export`: the raw trials for other tools.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Failure;
use crate::report::{export, file};

/// Write the raw trials as CSV or JSON lines, for a spreadsheet, R or pandas.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArguments {
    /// The results file that a comparison wrote
    results: PathBuf,

    /// csv: a row per trial, without the phases; jsonl: each trial whole, one a line
    #[arg(long, value_enum)]
    format: Format,

    /// The file to write; standard output where none is given
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  isobench export reports/latest/results.json --format csv --output trials.csv
  isobench export reports/latest/results.json --format jsonl | head -1";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

pub fn run(arguments: ExportArguments) -> Result<ExitCode, Failure> {
    let results = file::read(&arguments.results).map_err(Failure::failed)?;
    let write = |out: &mut dyn Write| match arguments.format {
        Format::Csv => export::csv(&results.trials, out),
        Format::Jsonl => export::jsonl(&results.trials, out),
    };
    match &arguments.output {
        Some(path) => file::write_whole(path, |out| write(out)).map_err(Failure::failed)?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            match write(&mut out).and_then(|()| out.flush()) {
                // Whoever reads has had enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                outcome => outcome.map_err(|error| Failure::failed(format!("standard output: {error}")))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
