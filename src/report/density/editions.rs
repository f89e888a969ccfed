//! The editions of a density report.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use minijinja::context;

use super::super::charts;
use super::super::error::ReportError;
use super::super::file;
use super::super::format::{duration, shell};
use super::super::html::templates;
use super::super::markdown::{escape, markdown_table};
use super::super::summary::MARK;
use super::super::terminal::{self as terminal_edition, Style};
use super::super::words;
use super::{DensitySummary, results_path, tables};
use crate::language::Language;
use crate::results::density::DensityResults;

/// The files of one report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub html: PathBuf,
    /// The same content as Markdown.
    pub markdown: PathBuf,
    /// Everything measured.
    pub results: PathBuf,
}

/// Writes `index.html`, `report.md` and `density.json` into `folder`, each whole or not at all.
///
/// # Errors
/// When a chart cannot be drawn or a file not written.
pub fn render_all(results: &DensityResults, folder: &Path) -> Result<Written, ReportError> {
    let summary = DensitySummary::new(results);
    let (page, text) = (html(&summary)?, markdown(&summary));
    let written = Written {
        html: folder.join("index.html"),
        markdown: folder.join("report.md"),
        results: results_path(folder),
    };
    let staged = [
        file::stage(&written.results, |out| {
            serde_json::to_writer(&mut *out, results)?;
            out.write_all(b"\n")
        })?,
        file::stage(&written.markdown, |out| out.write_all(text.as_bytes()))?,
        file::stage(&written.html, |out| out.write_all(page.as_bytes()))?,
    ];
    staged.into_iter().try_for_each(file::Staged::publish)?;
    Ok(written)
}

/// What ran, when, and for how long.
fn facts(summary: &DensitySummary) -> Vec<String> {
    let mut lines = vec![
        words::host_line(&summary.host, Language::English),
        format!(
            "{} · {} · {} in every sandbox · took {}",
            summary.tool,
            summary.started,
            summary.workload,
            duration(summary.duration_ns as f64)
        ),
    ];
    if summary.interrupted {
        lines.push("Interrupted: the run was stopped before its plan was done.".to_owned());
    }
    lines
}

fn caveats(summary: &DensitySummary) -> Vec<String> {
    let marked = summary
        .kvm_caveat
        .iter()
        .map(|caveat| format!("{MARK} {}", words::kvm_caveat(caveat, Language::English)));
    marked.chain(summary.host.warnings.iter().cloned()).collect()
}

fn html(summary: &DensitySummary) -> Result<String, ReportError> {
    Ok(templates(Language::English)?.get_template("density.html")?.render(context! {
        title => tables::TITLE,
        lines => facts(summary),
        caveats => caveats(summary),
        sentences => tables::sentences(summary),
        headline => tables::alive(summary),
        figures => charts::density::all(summary)?,
        tables => [tables::memory(summary), tables::rates(summary)],
        command => shell(&summary.command),
    })?)
}

/// Renders the whole as Markdown.
pub fn markdown(summary: &DensitySummary) -> String {
    let mut text = format!("# {}\n\n", tables::TITLE);
    for line in facts(summary).iter().chain(&tables::sentences(summary)) {
        let _ = write!(text, "{}\n\n", escape(line));
    }
    for caveat in caveats(summary) {
        let _ = write!(text, "> {}\n\n", escape(&caveat));
    }
    for table in tables::all(summary).iter().filter(|table| !table.rows.is_empty()) {
        let _ = write!(text, "{}\n\n", markdown_table(table));
    }
    let _ = write!(text, "## Run it again\n\n    {}\n", shell(&summary.command));
    text
}

/// Renders it for a terminal.
pub fn terminal(summary: &DensitySummary, style: Style) -> String {
    let mut text = String::new();
    for table in [tables::alive(summary), tables::rates(summary)] {
        if !table.rows.is_empty() {
            let _ = writeln!(text, "{}", style.bold(&table.title));
            terminal_edition::table(&mut text, &table, &[], style);
            text.push('\n');
        }
    }
    for line in tables::sentences(summary).iter().chain(&caveats(summary)) {
        let _ = writeln!(text, "{line}");
    }
    if summary.interrupted {
        text.push_str("\nInterrupted: the plan was not done.\n");
    }
    text
}
