//! A comparison of two runs for a terminal, as Markdown and as a page.

use std::fmt::Write;

use minijinja::context;

use super::super::error::ReportError;
use super::super::format::{bytes, duration, plain, ratio_range, work_time};
use super::super::html::templates;
use super::super::markdown::{escape, markdown_table};
use super::super::table::{Entry, NO_NUMBERS, Table};
use super::super::terminal::{self, Style};
use super::super::words::verdict_of_time;
use super::{Diff, Finding, Metric, Row, Side};
use crate::language::Language;
use crate::stats::{Change, Verdict};

const TITLE: &str = "What changed between two runs";

const NOTE: &str = "Change: the typical after ÷ before over all pairs of trials (Hodges and Lehmann), with its 95 % interval. \
     A verdict rests on the Mann–Whitney test, corrected over all rows by Holm's method, and needs a change beyond the noise: \
     the A/A control of either run, and what the plain process has changed by.";

/// For a terminal.
pub fn terminal(diff: &Diff, limit: Option<f64>, style: Style) -> String {
    let mut text = String::new();
    for line in lines(diff) {
        let _ = writeln!(text, "{}", style.dim(&line));
    }
    text.push('\n');
    for table in tables(diff).iter().filter(|table| !table.rows.is_empty()) {
        let _ = writeln!(text, "{}", style.bold(&table.title));
        terminal::table(&mut text, table, &[], style);
        text.push('\n');
    }
    let _ = writeln!(text, "{}", conclusion(diff, limit));
    text
}

/// For a pull request.
pub fn markdown(diff: &Diff, limit: Option<f64>) -> String {
    let mut text = format!("# {TITLE}\n\n**{}**\n\n", escape(&conclusion(diff, limit)));
    for line in lines(diff) {
        let _ = write!(text, "{}\n\n", escape(&line));
    }
    for table in tables(diff).iter().filter(|table| !table.rows.is_empty()) {
        let _ = write!(text, "{}\n\n", markdown_table(table));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// As a page that loads nothing.
pub fn html(diff: &Diff, limit: Option<f64>) -> Result<String, ReportError> {
    Ok(templates(Language::English)?.get_template("tables.html")?.render(context! {
        title => TITLE,
        lines => lines(diff),
        caveats => [conclusion(diff, limit)],
        tables => tables(diff),
    })?)
}

/// The outcome in a sentence.
pub fn conclusion(diff: &Diff, limit: Option<f64>) -> String {
    let judged = diff.judged();
    if judged == 0 {
        return "Nothing could be compared.".to_owned();
    }
    let changed = |verdict: Verdict| {
        diff.rows
            .iter()
            .filter(|row| matches!(row.finding, Finding::Compared { verdict: own, .. } if own == verdict))
            .count()
    };
    let (worse, better) = (changed(Verdict::Larger), changed(Verdict::Smaller));
    let mut text = format!(
        "Of {judged} figures, {worse} got worse and {better} better; the others show no measurable difference."
    );
    if let Some(limit) = limit {
        let regressions = diff.regressions(limit);
        let limit = percent(limit);
        match regressions.as_slice() {
            [] => {
                let _ = write!(text, " None got worse by more than {limit}.");
            }
            rows => {
                let names: Vec<String> = rows
                    .iter()
                    .map(|row| format!("{} of {} {}", row.metric.name(), row.runtime, row.workload))
                    .collect();
                let _ = write!(text, " Worse by more than {limit}: {}.", names.join(", "));
            }
        }
    }
    text
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1e3).round() / 10.0)
}

fn lines(diff: &Diff) -> Vec<String> {
    let of = |name: &str, side: &Side| {
        let cut_short = if side.interrupted { " · interrupted" } else { "" };
        format!("{name}: {} · {} · {}{cut_short}", side.tool, side.started, side.host)
    };
    let mut lines = vec![of("Before", &diff.before), of("After", &diff.after)];
    let waived: Vec<String> = diff
        .obstacles
        .iter()
        .filter(|obstacle| diff.despite.contains(&obstacle.kind))
        .map(ToString::to_string)
        .collect();
    if !waived.is_empty() {
        lines.push(format!("Compared all the same: {}", waived.join("; ")));
    }
    lines
}

fn tables(diff: &Diff) -> [Table; 2] {
    let mut compared = Table::new(
        "Changes",
        NOTE,
        &["Runtime", "Workload", "Figure"],
        &["Before", "After", "Change", "Noise", "Verdict"],
    );
    let mut others = Table::new("Not comparable", "", &["Runtime", "Workload", "Figure", "Why"], NO_NUMBERS);
    for row in &diff.rows {
        let names = [&row.runtime, &row.workload, row.metric.name()].map(Entry::new);
        match &row.finding {
            Finding::Compared { change, before, after, noise, verdict } => {
                let cells = [
                    Entry::with(value(row, *before), format!("n = {}", change.before)),
                    Entry::with(value(row, *after), format!("n = {}", change.after)),
                    changed(change),
                    if *noise > 1.0 {
                        Entry::new(format!("±{}", percent(noise - 1.0)))
                    } else {
                        Entry::missing()
                    },
                    Entry::new(words(row.metric, *verdict)),
                ];
                compared.rows.push(names.into_iter().chain(cells).collect());
            }
            Finding::NotComparable(why) => {
                others.rows.push(names.into_iter().chain([Entry::new(plain(why, 400))]).collect());
            }
        }
    }
    [compared, others]
}

fn value(row: &Row, value: f64) -> String {
    match row.metric {
        Metric::StartUp | Metric::Teardown => duration(value),
        Metric::WorkTime => work_time(value),
        Metric::Memory => bytes(value),
    }
}

fn changed(change: &Change) -> Entry {
    let signed = |ratio: f64| format!("{:+.1} %", (ratio - 1.0) * 100.0);
    // From doubling on, percents are harder to read than a factor.
    let text = if (0.5..2.0).contains(&change.ratio) {
        signed(change.ratio).replace('-', "−")
    } else {
        super::super::format::ratio(change.ratio)
    };
    match change.interval {
        Some(interval) => Entry::with(text, ratio_range(interval.low, interval.high)),
        None => Entry::with(text, "no interval"),
    }
}

fn words(metric: Metric, verdict: Verdict) -> String {
    match (metric, verdict) {
        (Metric::Memory, Verdict::Larger) => "more".to_owned(),
        (Metric::Memory, Verdict::Smaller) => "less".to_owned(),
        (_, Verdict::TooFewRounds) => "too few trials to tell".to_owned(),
        (_, verdict) => verdict_of_time(verdict, Language::English),
    }
}
