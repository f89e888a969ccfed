//! The page.

use minijinja::{Environment, context};

use super::charts::{self, paint};
use super::error::ReportError;
use super::format::{duration, shell};
use super::summary::{MARK, Summary};
use super::table::Table;
use super::tables;
use super::{embed, words};
use crate::results::Results;

const REPORT: &str = include_str!("template.html");
const BENCH: &str = include_str!("bench.html");
const DENSITY: &str = include_str!("density.html");
const TABLES: &str = include_str!("tables.html");

/// What every page shares: style sheet and the macro for tables.
const PARTS: &str = include_str!("parts.html");

/// The templates. Names end in `.html`, so that everything is escaped unless it is marked safe.
pub(super) fn templates() -> Result<Environment<'static>, ReportError> {
    let mut templates = Environment::new();
    templates.set_keep_trailing_newline(true);
    templates.add_template("parts.html", PARTS)?;
    templates.add_template("report.html", REPORT)?;
    templates.add_template("bench.html", BENCH)?;
    templates.add_template("density.html", DENSITY)?;
    templates.add_template("tables.html", TABLES)?;
    Ok(templates)
}

/// Renders the page as one file that loads nothing.
pub fn render(summary: &Summary, results: &Results) -> Result<String, ReportError> {
    let figures = charts::all(summary)?;
    let missing: Vec<&str> = [
        ("start-up", "start-up times"),
        ("phases", "phases of the start-up"),
        ("memory", "memory"),
        ("computing", "computing"),
        ("work", "memory work and system calls"),
        ("exits", "VM exits"),
    ]
    .into_iter()
    .filter(|(id, _)| !figures.iter().any(|figure| figure.id == *id))
    .map(|(_, what)| what)
    .collect();
    let lists: Vec<Table> = [tables::crossings, tables::failures, tables::skipped, tables::notes]
        .map(|table| table(summary))
        .into();
    let embedded = embed::embed(results, summary, embed::LIMIT);
    let mut chips: Vec<Option<usize>> =
        summary.headline.iter().map(|row| Some(paint::slot(&row.runtime))).collect();
    chips.push(None); // the noise floor
    Ok(templates()?.get_template("report.html")?.render(context! {
        host_line => words::host_line(summary),
        tool => summary.tool,
        started => summary.started,
        took => duration(summary.duration_ns as f64),
        trials => summary.trials,
        interrupted => summary.interrupted,
        warnings => summary.host.warnings,
        caveat => summary.kvm_caveat,
        mark => MARK,
        headline => tables::headline(summary),
        chips,
        sentences => words::sentences(summary),
        figures,
        missing => missing.join(", "),
        lists,
        host => tables::host(summary),
        method => words::method(),
        command => shell(&summary.command),
        seed => summary.seed,
        data_what => embedded.what,
        data => embedded.json,
    })?)
}
