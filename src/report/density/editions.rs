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
use crate::language::{Language, text};
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

/// Writes `index.html`, `report.md` and `density.json` into `folder`, in one language, each whole or not at all.
///
/// # Errors
/// When a chart cannot be drawn or a file not written.
pub fn render_all(
    results: &DensityResults,
    folder: &Path,
    language: Language,
) -> Result<Written, ReportError> {
    let summary = DensitySummary::new(results);
    let (page, text) = (html(&summary, language)?, markdown(&summary, language));
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
fn facts(summary: &DensitySummary, language: Language) -> Vec<String> {
    let time = duration(summary.duration_ns as f64);
    let ran = text!(language, "density-facts", workload = &summary.workload, time = time);
    let mut lines = vec![
        words::host_line(&summary.host, language),
        format!("{} · {} · {ran}", summary.tool, summary.started),
    ];
    if summary.interrupted {
        lines.push(text!(language, "page-interrupted"));
    }
    lines
}

fn caveats(summary: &DensitySummary, language: Language) -> Vec<String> {
    let caveat =
        summary.kvm_caveat.iter().map(|caveat| format!("{MARK} {}", words::kvm_caveat(caveat, language)));
    caveat.chain(words::warnings(&summary.host, language)).collect()
}

fn html(summary: &DensitySummary, language: Language) -> Result<String, ReportError> {
    Ok(templates(language)?.get_template("density.html")?.render(context! {
        tag => language.tag(),
        title => text!(language, "density-title"),
        lines => facts(summary, language),
        caveats => caveats(summary, language),
        sentences => tables::sentences(summary, language),
        headline => tables::alive(summary, language),
        figures => charts::density::all(summary, language)?,
        tables => [tables::memory(summary, language), tables::rates(summary, language)],
        command => shell(&summary.command),
    })?)
}

/// Renders the whole as Markdown.
pub fn markdown(summary: &DensitySummary, language: Language) -> String {
    let mut text = format!("# {}\n\n", text!(language, "density-title"));
    for line in facts(summary, language).iter().chain(&tables::sentences(summary, language)) {
        let _ = write!(text, "{}\n\n", escape(line));
    }
    for caveat in caveats(summary, language) {
        let _ = write!(text, "> {}\n\n", escape(&caveat));
    }
    for table in tables::all(summary, language).iter().filter(|table| !table.rows.is_empty()) {
        let _ = write!(text, "{}\n\n", markdown_table(table));
    }
    let _ = write!(text, "## {}\n\n    {}\n", text!(language, "page-again"), shell(&summary.command));
    text
}

/// Renders it for a terminal.
pub fn terminal(summary: &DensitySummary, style: Style, language: Language) -> String {
    let mut text = String::new();
    for table in [tables::alive(summary, language), tables::rates(summary, language)] {
        if !table.rows.is_empty() {
            let _ = writeln!(text, "{}", style.bold(&table.title));
            terminal_edition::table(&mut text, &table, &[], style);
            text.push('\n');
        }
    }
    for line in tables::sentences(summary, language).iter().chain(&caveats(summary, language)) {
        let _ = writeln!(text, "{line}");
    }
    if summary.interrupted {
        let _ = writeln!(text, "\n{}", text!(language, "page-interrupted"));
    }
    text
}
