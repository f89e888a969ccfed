//! The report for a terminal: the headline table with bars, and whatever went wrong.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::format::plain;
use super::quality;
use super::summary::{MARK, Summary};
use super::table::Table;
use super::tables;
use super::words;
use crate::language::{Language, text};

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Use colours.
    pub colour: bool,
}

impl Style {
    /// Colours when the output is a terminal, unless `NO_COLOR` is set to anything (no-color.org).
    pub fn detect(output: &impl std::io::IsTerminal) -> Style {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style { colour: output.is_terminal() && !refused }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Cells of a bar.
const BAR: usize = 16;

/// A runtime this much slower than the fastest gets an arrow instead of a bar to scale, or nothing
/// of the others could be seen.
const CUT: f64 = 12.0;

/// Renders the comparison.
pub fn render(summary: &Summary, language: Language, style: Style) -> String {
    let mut page = String::new();
    let headline = tables::headline(summary, language);
    if let Some(maintenance) = summary.maintenance.as_ref() {
        for list in super::maintenance::tables::all(maintenance, language) {
            let _ = writeln!(page, "{}", style.bold(&list.title));
            table(&mut page, &list, &[], style);
            page.push('\n');
        }
    }
    if summary.is_no_comparison() {
        // Nothing was to be compared.
    } else if headline.rows.is_empty() {
        let _ = writeln!(page, "{}", text!(language, "terminal-no-trial"));
    } else {
        table(&mut page, &headline, &bars(summary), style);
        page.push('\n');
    }
    for sentence in words::sentences(summary, language) {
        let _ = writeln!(page, "{sentence}");
    }
    if let Some(caveat) = &summary.kvm_caveat {
        let caveat = words::kvm_caveat(caveat, language);
        let _ = writeln!(page, "\n{}", style.paint("33", &format!("{MARK} {caveat}")));
    }
    for warning in quality::host_warnings(summary, language) {
        let _ = writeln!(page, "{}", style.paint("33", &warning));
    }
    if summary.interrupted {
        let _ = writeln!(page, "\n{}", text!(language, "page-interrupted"));
    }
    for list in [tables::failures(summary, language), tables::skipped(summary, language)] {
        if !list.rows.is_empty() {
            let _ = writeln!(page, "\n{}", style.bold(&list.title));
            lines(&mut page, &list, language);
        }
    }
    page
}

/// Bars of the start-up times, one per row of the headline.
fn bars(summary: &Summary) -> Vec<String> {
    let medians: Vec<Option<f64>> =
        summary.headline.iter().map(|row| row.start_up.as_ref().map(|one| one.estimate.median)).collect();
    let fastest = medians.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let longest = medians.iter().flatten().copied().filter(|time| *time <= fastest * CUT).fold(0.0, f64::max);
    medians.into_iter().map(|median| median.map_or(String::new(), |time| bar(time, longest))).collect()
}

fn bar(value: f64, full: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if full <= 0.0 {
        return String::new();
    }
    if value > full {
        return format!("{}▶", "█".repeat(BAR - 1));
    }
    let eighths = ((value / full * (BAR * 8) as f64).round() as usize).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A table in aligned columns: a line of numbers, and under it dimmer lines of details.
pub(super) fn table(text: &mut String, table: &Table, bars: &[String], style: Style) {
    let width = |column: usize| {
        let own = table.rows.iter().filter_map(|row| row.get(column));
        let heading = length(&table.columns[column].name);
        own.flat_map(|entry| entry.details.iter().chain([&entry.text]))
            .map(|text| length(text))
            .fold(heading, usize::max)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&table.columns)
            .zip(&widths)
            .map(|((cell, column), width)| {
                let padding = " ".repeat(width.saturating_sub(length(cell)));
                if column.numeric { format!("{padding}{cell}") } else { format!("{cell}{padding}") }
            })
            .collect();
        padded.join("  ")
    };
    let heading = line(&mut table.columns.iter().map(|column| column.name.as_str()));
    let _ = writeln!(text, "{}", style.bold(heading.trim_end()));
    for (number, row) in table.rows.iter().enumerate() {
        let bar = bars.get(number).map_or("", String::as_str);
        let numbers = line(&mut row.iter().map(|entry| entry.text.as_str()));
        let _ = writeln!(text, "{}", format!("{numbers}  {}", style.paint("36", bar)).trim_end());
        for depth in 0..row.iter().map(|entry| entry.details.len()).max().unwrap_or(0) {
            let details =
                line(&mut row.iter().map(|entry| entry.details.get(depth).map_or("", String::as_str)));
            let _ = writeln!(text, "{}", style.dim(details.trim_end()));
        }
    }
}

/// Rows of words that a terminal shows; the rest is in the report.
const MOST: usize = 12;

/// A table of words, one row a line.
fn lines(page: &mut String, table: &Table, language: Language) {
    if table.rows.len() > MOST {
        let said = text!(language, "terminal-first-lines", all = table.rows.len(), shown = MOST);
        let _ = writeln!(page, "  {said}");
    }
    for row in table.rows.iter().take(MOST) {
        let cells: Vec<_> =
            row.iter().map(|entry| plain(&entry.text, 160)).filter(|cell| !cell.is_empty()).collect();
        let _ = writeln!(page, "  {}", cells.join("  "));
    }
}

/// Columns that a terminal takes for it: Korean letters take two.
fn length(text: &str) -> usize {
    text.width()
}
