//! `isobench diff`: what changed between two runs.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Failure;
use super::arguments::share;
use crate::report::diff::{self, Despite, Diff};
use crate::report::{file, terminal::Style};

/// Compare two runs: what changed, with intervals, and what is only noise.
///
/// Exit status 3 tells of a regression beyond --fail-above; 1, that with --fail-above nothing could be
/// compared, since a gate that judges nothing must not let everything through.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiffArguments {
    /// The results file of the run before
    before: PathBuf,

    /// The results file of the run after
    after: PathBuf,

    /// End with status 3 when a figure got worse by more than this, and that is not noise
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    fail_above: Option<f64>,

    /// Compare although the runs differ in this; may be repeated, or separated by commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = PossibleValuesParser::new(Despite::ALL.map(|(name, _)| name)))]
    despite: Vec<String>,

    /// Also write the comparison as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Also write the comparison as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  isobench diff before.json after.json
  isobench diff main.json branch.json --fail-above 10% --markdown comment.md
  isobench diff old.json new.json --despite kernel,version --html diff.html";

/// A figure got worse beyond the limit.
const REGRESSION: u8 = 3;

pub fn run(arguments: DiffArguments) -> Result<ExitCode, Failure> {
    let before = file::read(&arguments.before).map_err(Failure::failed)?;
    let after = file::read(&arguments.after).map_err(Failure::failed)?;
    let waived =
        |(name, kind): (&str, Despite)| arguments.despite.iter().any(|wanted| wanted == name).then_some(kind);
    let despite: Vec<Despite> = Despite::ALL.into_iter().filter_map(waived).collect();
    let diff = Diff::new(&before, &after, &despite);
    let limit = arguments.fail_above;

    if let Some(path) = &arguments.markdown {
        let text = diff::markdown(&diff, limit);
        file::write_whole(path, |out| out.write_all(text.as_bytes())).map_err(Failure::failed)?;
    }
    if let Some(path) = &arguments.html {
        let page = diff::html(&diff, limit).map_err(Failure::failed)?;
        file::write_whole(path, |out| out.write_all(page.as_bytes())).map_err(Failure::failed)?;
    }
    print!("{}", diff::terminal(&diff, limit, Style::detect(&std::io::stdout())));
    match limit {
        Some(limit) if !diff.regressions(limit).is_empty() => Ok(ExitCode::from(REGRESSION)),
        Some(_) if diff.judged() == 0 => Err(Failure::failed(
            "nothing could be compared, so --fail-above judges nothing; the table says why",
        )),
        _ => Ok(ExitCode::SUCCESS),
    }
}
