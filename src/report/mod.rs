//! The report of a comparison: a page, a Markdown file, a table for the terminal, and the results
//! file that they are made from.
//!
//! [`Results`] → [`Summary`] → [`tables`], [`charts`], [`words`] → the editions. Each edition is
//! made from the summary alone, so all say the same.

pub mod bench;
pub mod cell;
pub mod charts;
mod clean;
pub mod density;
pub mod diff;
mod embed;
mod error;
pub mod export;
pub mod failures;
pub mod file;
pub mod format;
mod html;
pub mod maintenance;
mod markdown;
pub mod merge;
pub mod minute;
pub mod phases;
pub mod quality;
pub mod reference;
pub mod summary;
#[doc(hidden)]
pub mod synthetic;
pub mod table;
pub mod tables;
pub mod terminal;
pub mod timeline;
mod trials;
pub mod words;

use std::io::Write;
use std::path::{Path, PathBuf};

pub use error::ReportError;
pub use summary::Summary;

use crate::language::Language;
use crate::results::Results;
use crate::results::density::DensityResults;

/// The files of one report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page, `index.html`: one file that needs no network.
    pub html: PathBuf,
    /// The same content as `report.md`.
    pub markdown: PathBuf,
    /// Every raw trial, `results.json`.
    pub results: PathBuf,
}

/// What a report is made from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// A comparison.
    pub results: &'a Results,
    /// How many sandboxes live at once on the same host, where that was measured.
    pub density: Option<&'a DensityResults>,
}

impl<'a> From<&'a Results> for Sources<'a> {
    fn from(results: &'a Results) -> Self {
        Sources { results, density: None }
    }
}

/// Writes `index.html`, `report.md` and `results.json` into `folder`, which is made where missing.
/// The page holds every language and opens in `language`, in which `report.md` is written.
/// Everything is drawn before anything is written, and each file appears whole or not at all.
pub fn render_all<'a>(
    sources: impl Into<Sources<'a>>,
    folder: &Path,
    language: Language,
) -> Result<Written, ReportError> {
    let sources = sources.into();
    let results = sources.results;
    let summary = Summary::new(results);
    let html = html::render(&summary, sources, language)?;
    let markdown = markdown::render(&summary, language);
    let written = Written {
        html: folder.join("index.html"),
        markdown: folder.join("report.md"),
        results: folder.join("results.json"),
    };
    // All three are on the disk before the first takes its place.
    let staged = [
        file::stage_results(&written.results, results)?,
        file::stage(&written.markdown, |out| out.write_all(markdown.as_bytes()))?,
        file::stage(&written.html, |out| out.write_all(html.as_bytes()))?,
    ];
    staged.into_iter().try_for_each(file::Staged::publish)?;
    Ok(written)
}

#[cfg(test)]
mod tests;
