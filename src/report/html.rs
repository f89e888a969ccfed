//! The page: one file for all languages.
//!
//! The body of the language asked for stands in the page as it is, and shows without any script; each other
//! one waits in a `template` element, which costs nothing until the reader switches to it.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, context};
use serde::Serialize;

use super::Sources;
use super::charts::{self, paint};
use super::density::DensitySummary;
use super::embed::{self, Embedded};
use super::error::ReportError;
use super::format::shell;
use super::minute::Minute;
use super::summary::{MARK, Summary};
use super::table::Table;
use super::timeline::Lanes;
use super::{quality, reference, tables, words};
use crate::language::{self, Language, text};

/// The templates. Names end in `.html`, so that everything is escaped unless it is marked safe.
const TEMPLATES: &[(&str, &str)] = &[
    // What every page shares: style sheet, macros for tables and figures.
    ("parts.html", include_str!("templates/parts.html")),
    ("style.css", include_str!("templates/style.css")),
    ("report.html", include_str!("templates/report.html")),
    ("body.html", include_str!("templates/body.html")),
    ("minute.html", include_str!("templates/minute.html")),
    ("waterfall.html", include_str!("templates/waterfall.html")),
    ("bench.html", include_str!("templates/bench.html")),
    ("density.html", include_str!("templates/density.html")),
    ("tables.html", include_str!("templates/tables.html")),
];

/// What a reader can do with the page.
const SCRIPT: &str = include_str!("templates/report.js");

/// The templates in a language: `t("key", name=value)` is the text of a key.
pub(super) fn templates(language: Language) -> Result<Environment<'static>, ReportError> {
    let mut templates = Environment::new();
    templates.set_keep_trailing_newline(true);
    for (name, source) in TEMPLATES {
        templates.add_template(name, source)?;
    }
    templates.add_function("t", move |key: &str, named: Kwargs| -> Result<String, minijinja::Error> {
        let mut arguments = Vec::new();
        for name in named.args() {
            let value: Value = named.get(name)?;
            let number = f64::try_from(value.clone()).ok().filter(|_| value.is_number());
            arguments.push((name, number.map_or_else(|| value.to_string().into(), Into::into)));
        }
        Ok(language::message(language, key, &arguments))
    });
    Ok(templates)
}

/// The page's content in one language.
#[derive(Serialize)]
struct Body {
    tag: &'static str,
    title: String,
    html: String,
}

/// Renders the page as one file that loads nothing. It opens in `first`.
pub fn render(summary: &Summary, sources: Sources<'_>, first: Language) -> Result<String, ReportError> {
    let embedded = embed::embed(sources.results, summary, embed::LIMIT);
    let density = sources.density.map(DensitySummary::new);
    let others = Language::ALL.into_iter().filter(|language| *language != first);
    let bodies: Vec<Body> = std::iter::once(first)
        .chain(others)
        .map(|language| body(summary, density.as_ref(), &embedded, language))
        .collect::<Result<_, _>>()?;
    let page = templates(first)?.get_template("report.html")?.render(context! {
        bodies,
        data => embedded.json,
        script => SCRIPT,
    })?;
    Ok(page)
}

fn body(
    summary: &Summary,
    density: Option<&DensitySummary>,
    embedded: &Embedded,
    language: Language,
) -> Result<Body, ReportError> {
    let scale = match density {
        Some(density) => charts::density::all(density, language)?,
        None => Vec::new(),
    };
    let figures = charts::all(summary, language)?;
    let lanes = Lanes::new(summary, language);
    let missing: Vec<String> = [
        ("start-up", text!(language, "missing-start-up")),
        ("phases", text!(language, "missing-phases")),
        ("memory", text!(language, "missing-memory")),
        ("computing", text!(language, "missing-computing")),
        ("work", text!(language, "missing-work")),
        ("exits", text!(language, "missing-exits")),
    ]
    .into_iter()
    .filter(|(id, _)| !summary.is_no_comparison() && !figures.iter().any(|figure| figure.id == *id))
    .filter(|(id, _)| *id != "phases" || lanes.is_none())
    .map(|(_, what)| what)
    .collect();
    let lists: Vec<Table> = [
        tables::crossings,
        quality::cold,
        tables::failures,
        tables::skipped,
        tables::notes,
        quality::trust,
        quality::opinions,
        quality::measuring,
        quality::checks,
    ]
    .map(|table| table(summary, language))
    .into();
    let mut chips: Vec<Option<usize>> =
        summary.headline.iter().map(|row| Some(paint::slot(&row.runtime))).collect();
    chips.push(None); // the noise floor
    let languages = Language::ALL.map(|one| {
        context! { tag => one.tag(), name => one.name(), current => one == language }
    });
    let html = templates(language)?.get_template("body.html")?.render(context! {
        languages,
        sections => sections(language),
        minute => Minute::new(summary, language),
        lanes,
        longest => words::longest_phases(summary, language),
        phases => tables::phases(summary, language),
        scale,
        unmeasured => unmeasured(!scale.is_empty(), language),
        tools => reference::tools(summary, language),
        references => reference::tables(summary, language),
        runtimes => runtimes(summary),
        raw_columns => raw_columns(language),
        host_line => words::host_line(&summary.host, language),
        run_line => words::run_line(summary, language),
        tool => summary.tool,
        interrupted => summary.interrupted,
        warnings => quality::host_warnings(summary, language),
        caveat => summary.kvm_caveat.as_ref().map(|caveat| words::kvm_caveat(caveat, language)),
        mark => MARK,
        headline => tables::headline(summary, language),
        is_no_comparison => summary.is_no_comparison(),
        chips,
        sentences => words::sentences(summary, language),
        figures,
        missing => missing.join(", "),
        lists,
        host => tables::host(summary, language),
        method => words::method(summary, language),
        command => shell(&summary.command),
        seed => summary.seed.to_string(),
        data_what => embedded.what.in_words(language),
    })?;
    Ok(Body { tag: language.tag(), title: text!(language, "page-title"), html })
}

/// A link of the bar at the top.
#[derive(Serialize)]
struct Section {
    id: &'static str,
    title: String,
}

fn sections(language: Language) -> Vec<Section> {
    [
        ("minute", text!(language, "minute-title")),
        ("start-up", text!(language, "column-start-up")),
        ("phases", text!(language, "section-phases")),
        ("replay", text!(language, "section-replay")),
        ("memory", text!(language, "column-memory")),
        ("computing", text!(language, "column-computing")),
        ("exits", text!(language, "section-crossings")),
        ("isolation", text!(language, "minute-isolation")),
        ("raw", text!(language, "page-raw")),
    ]
    .map(|(id, title)| Section { id, title })
    .into()
}

/// A part of the page for what this run did not measure.
#[derive(Serialize)]
struct Unmeasured {
    id: &'static str,
    title: String,
    text: String,
    command: &'static str,
}

/// What other experiments measure, or other runtimes would show.
fn unmeasured(has_scale: bool, language: Language) -> Vec<Unmeasured> {
    let isolation = Unmeasured {
        id: "isolation",
        title: text!(language, "isolation-title"),
        text: text!(language, "isolation-text"),
        command: "isobench run --runtime container -- probe",
    };
    let scale = Unmeasured {
        id: "scale",
        title: text!(language, "scale-title"),
        text: text!(language, "scale-text"),
        command: "isobench density && isobench report reports/latest/results.json --density reports/density/density.json",
    };
    [Some(isolation), (!has_scale).then_some(scale)].into_iter().flatten().collect()
}

/// A runtime that the reader can hide.
#[derive(Serialize)]
struct Shown {
    label: String,
    slot: usize,
}

/// Every runtime with a colour of its own; those that share one could not be told apart when hidden.
fn runtimes(summary: &Summary) -> Vec<Shown> {
    let slots: Vec<usize> = summary.runtimes.iter().map(|name| paint::slot(name)).collect();
    let alone = |slot: usize| slots.iter().filter(|other| **other == slot).count() == 1;
    let shown = summary.runtimes.iter().zip(&slots).filter(|(_, slot)| alone(**slot));
    shown.map(|(name, slot)| Shown { label: summary.label(name), slot: *slot }).collect()
}

/// Headings of the table that the script fills with raw trials.
fn raw_columns(language: Language) -> Vec<String> {
    vec![
        text!(language, "raw-round"),
        text!(language, "raw-counts"),
        text!(language, "column-entered"),
        text!(language, "column-first-output"),
        text!(language, "milestone-exited"),
        text!(language, "milestone-torn-down"),
        text!(language, "raw-user"),
        text!(language, "raw-system"),
    ]
}
