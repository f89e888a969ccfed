//! The report as Markdown, for logs and pull requests: the page's content without its charts.

use std::fmt::Write;

use super::format::{duration, shell};
use super::summary::{MARK, Summary};
use super::table::{Entry, Table};
use super::tables;
use super::words;

/// Renders the whole report.
pub fn render(summary: &Summary) -> String {
    let mut text = String::from("# What isolation costs on this machine\n\n");
    let mut paragraph = |content: String| {
        text.push_str(&content);
        text.push_str("\n\n");
    };
    paragraph(escape(&words::host_line(summary)));
    paragraph(escape(&format!(
        "{} · {} · {} trials in {}",
        summary.tool,
        summary.started,
        summary.trials,
        duration(summary.duration_ns as f64)
    )));
    if summary.interrupted {
        paragraph("**Interrupted**: the run was stopped before its plan was done.".to_owned());
    }
    words::sentences(summary).iter().for_each(|sentence| paragraph(escape(sentence)));
    if let Some(caveat) = &summary.kvm_caveat {
        paragraph(format!("> {MARK} {}", escape(caveat)));
    }
    summary.host.warnings.iter().for_each(|warning| paragraph(format!("> {}", escape(warning))));
    let all = [
        tables::headline,
        tables::start_up,
        tables::phases,
        tables::memory,
        |summary: &Summary| tables::work(summary, |_| true),
        tables::crossings,
        tables::exits,
        tables::failures,
        tables::skipped,
        tables::notes,
        tables::host,
    ];
    for table in all.map(|table| table(summary)).iter().filter(|table| !table.rows.is_empty()) {
        paragraph(markdown_table(table));
    }
    paragraph("## How it was measured".to_owned());
    words::method().iter().for_each(|sentence| paragraph(format!("- {}", escape(sentence))));
    paragraph("## Run it again".to_owned());
    paragraph(indented(&shell(&summary.command)));
    paragraph(escape(&format!("{}, seed {}.", summary.tool, summary.seed)));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

pub(super) fn markdown_table(table: &Table) -> String {
    let mut text = format!("## {}\n\n", table.title);
    if !table.note.is_empty() {
        let _ = write!(text, "{}\n\n", escape(&table.note));
    }
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    text.push_str(&line(table.columns.iter().map(|column| escape(&column.name)).collect()));
    text.push('\n');
    let rule = |numeric: bool| if numeric { "---:" } else { "---" }.to_owned();
    text.push_str(&line(table.columns.iter().map(|column| rule(column.numeric)).collect()));
    for row in &table.rows {
        text.push('\n');
        text.push_str(&line(row.iter().map(cell).collect()));
    }
    text
}

fn cell(entry: &Entry) -> String {
    if entry.details.is_empty() {
        return escape(&entry.text);
    }
    format!("{} ({})", escape(&entry.text), escape(&entry.details.join("; ")))
}

/// A code block by indentation, which no content can end.
fn indented(code: &str) -> String {
    format!("    {code}")
}

/// Text that Markdown shows as it is: no markup, no HTML, no new column. Underscores inside words are
/// harmless, and backslashes before them would only make names hard to read.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '[' | ']' | '\\' | '`' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    escaped
}
