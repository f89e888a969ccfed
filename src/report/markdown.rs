//! The report as Markdown, for logs and pull requests: the page's content without its charts.

use std::fmt::Write;

use super::format::shell;
use super::minute::Minute;
use super::quality;
use super::summary::{MARK, Summary};
use super::table::{Entry, Table};
use super::tables;
use super::words;
use crate::language::{Language, text};

/// Renders the whole report.
pub fn render(summary: &Summary, language: Language) -> String {
    let mut page = format!("# {}\n\n", text!(language, "page-heading"));
    let mut paragraph = |content: String| {
        page.push_str(&content);
        page.push_str("\n\n");
    };
    paragraph(escape(&words::host_line(&summary.host, language)));
    paragraph(escape(&words::run_line(summary, language)));
    if summary.interrupted {
        paragraph(format!("**{}**", text!(language, "page-interrupted")));
    }
    words::sentences(summary, language).iter().for_each(|sentence| paragraph(escape(sentence)));
    if let Some(caveat) = &summary.kvm_caveat {
        paragraph(format!("> {MARK} {}", escape(&words::kvm_caveat(caveat, language))));
    }
    quality::host_warnings(summary, language).iter().for_each(|one| paragraph(format!("> {}", escape(one))));
    let all = [
        |summary: &Summary, language| Minute::new(summary, language).table(language),
        tables::headline,
        tables::start_up,
        tables::phases,
        tables::memory,
        |summary: &Summary, language| tables::work(summary, language, |_| true),
        tables::crossings,
        tables::exits,
        quality::cold,
        tables::failures,
        tables::skipped,
        tables::notes,
        quality::trust,
        quality::opinions,
        quality::measuring,
        quality::checks,
        tables::host,
    ];
    let maintenance = summary.maintenance.iter();
    let maintenance = maintenance.flat_map(|summary| super::maintenance::tables::all(summary, language));
    let all = all.map(|table| table(summary, language)).into_iter().chain(maintenance);
    for table in all.filter(|table| !table.rows.is_empty()) {
        paragraph(markdown_table(&table));
    }
    paragraph(format!("## {}", text!(language, "page-method")));
    words::method(summary, language).iter().for_each(|sentence| paragraph(format!("- {}", escape(sentence))));
    paragraph(format!("## {}", text!(language, "page-again")));
    paragraph(indented(&shell(&summary.command)));
    paragraph(escape(&text!(language, "page-seed", tool = &summary.tool, seed = summary.seed.to_string())));
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

pub(super) fn markdown_table(table: &Table) -> String {
    let mut lines = format!("## {}\n\n", table.title);
    if !table.note.is_empty() {
        let _ = write!(lines, "{}\n\n", escape(&table.note));
    }
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    lines.push_str(&line(table.columns.iter().map(|column| escape(&column.name)).collect()));
    lines.push('\n');
    let rule = |numeric: bool| if numeric { "---:" } else { "---" }.to_owned();
    lines.push_str(&line(table.columns.iter().map(|column| rule(column.numeric)).collect()));
    for row in &table.rows {
        lines.push('\n');
        lines.push_str(&line(row.iter().map(cell).collect()));
    }
    lines
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
