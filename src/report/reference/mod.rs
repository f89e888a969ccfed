//! Reference points: figures that others have published, each with its source, beside what this run measured
//! of the same quantity. The two are never mixed: other hardware, and often another clock.
//!
//! The figures stand in `points.json`; none is there without a source, and each says how much of its source was read.

use std::sync::LazyLock;

use serde::Deserialize;

use super::format::{bytes, count, duration, ratio};
use super::summary::{Headline, Summary};
use super::table::{Entry, NO_NUMBERS, Table};
use crate::language::{Language, optional, text};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// From a request, by some clock, until something of use runs.
    StartUp,
    /// The part of it inside the guest.
    GuestBoot,
    /// The part of it until a VM manager can be asked for a VM.
    Manager,
    /// Sandboxes made in a second.
    CreationRate,
    /// Memory of one sandbox.
    Memory,
    /// One system call.
    SystemCall,
    /// Time for the same computing work, relative to a plain process.
    Computing,
}

impl Quantity {
    const ALL: [Quantity; 7] = [
        Quantity::StartUp,
        Quantity::GuestBoot,
        Quantity::Manager,
        Quantity::CreationRate,
        Quantity::Memory,
        Quantity::SystemCall,
        Quantity::Computing,
    ];

    fn title(self, language: Language) -> String {
        match self {
            Quantity::StartUp => text!(language, "reference-start-up"),
            Quantity::GuestBoot => text!(language, "reference-guest-boot"),
            Quantity::Manager => text!(language, "reference-manager"),
            Quantity::CreationRate => text!(language, "reference-creation-rate"),
            Quantity::Memory => text!(language, "reference-memory"),
            Quantity::SystemCall => text!(language, "reference-system-call"),
            Quantity::Computing => text!(language, "reference-computing"),
        }
    }
}

/// How a figure is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A promise: not more than this.
    AtMost,
    /// A measurement.
    About,
    /// Measurements from one end to the other.
    Between,
}

/// How much of its source was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// The project's own document.
    Project,
    /// The paper's abstract.
    Abstract,
    /// Somebody who read the original quotes it.
    Quoted,
}

/// One published figure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// What was measured.
    pub system: String,
    /// It runs its workload in a virtual machine.
    pub is_virtual_machine: bool,
    /// Of it.
    pub quantity: Quantity,
    /// How the figure is meant.
    pub bound: Bound,
    /// The figure, or the lower end: nanoseconds, bytes, a ratio, or a number a second.
    pub low: f64,
    /// The upper end, with [`Bound::Between`].
    #[serde(default)]
    pub high: Option<f64>,
    /// What `low` counts.
    pub unit: Unit,
    /// From what to what: a key of the catalogue (`reference-clock-…`).
    pub clock: String,
    /// On what; empty where the source does not say.
    pub hardware: String,
    /// When it was published; none for a document that is kept up to date.
    pub year: Option<u16>,
    /// Where it stands.
    pub source: String,
    /// The same as a link.
    pub link: String,
    /// How much of the source was read.
    pub read: Read,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each variant is the unit of that name")]
pub enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
    Byte,
    Ratio,
    PerSecond,
}

/// All of them. The file is part of the program, and a test reads it.
static POINTS: LazyLock<Vec<Point>> =
    LazyLock::new(|| serde_json::from_str(include_str!("points.json")).unwrap_or_default());

/// The outside tools of this run: which they are, and what about them remains different.
pub fn tools(summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        text!(language, "reference-tools"),
        String::new(),
        &[
            text!(language, "column-runtime"),
            text!(language, "reference-column-version"),
            text!(language, "reference-column-differences"),
        ],
        &[text!(language, "reference-column-daemon")],
    );
    for tool in &summary.external {
        table.rows.push(vec![
            Entry::new(&tool.runtime),
            Entry::with(&tool.version, &tool.program),
            Entry::new(tool.differences.join("; ")),
            tool.daemon_pss_bytes.map_or_else(Entry::missing, |size| Entry::new(bytes(size as f64))),
        ]);
    }
    table
}

/// A table for every quantity: this run's rows, then the published ones.
pub fn tables(summary: &Summary, language: Language) -> Vec<Table> {
    Quantity::ALL.map(|quantity| table(quantity, summary, language)).into()
}

fn table(quantity: Quantity, summary: &Summary, language: Language) -> Table {
    let mut table = Table::new(
        quantity.title(language),
        String::new(),
        &[
            text!(language, "reference-column-system"),
            text!(language, "reference-column-here"),
            text!(language, "reference-column-published"),
            text!(language, "reference-column-source"),
        ],
        NO_NUMBERS,
    );
    let own = summary.headline.iter().filter_map(|row| {
        let (value, clock) = own(quantity, row, language)?;
        Some(vec![
            Entry::new(summary.label(&row.runtime)),
            Entry::with(value, clock),
            Entry::missing(),
            Entry::missing(),
        ])
    });
    table.rows.extend(own);
    let published = POINTS.iter().filter(|point| point.quantity == quantity).map(|point| {
        let clock = optional(language, &format!("reference-clock-{}", point.clock), None, &[])
            .unwrap_or_else(|| point.clock.clone());
        let mut source = Entry::new(point.source.clone());
        source.details.push(point.link.clone());
        source.details.push(read(point.read, language));
        let mut details = vec![clock];
        details.extend(Some(point.hardware.clone()).filter(|hardware| !hardware.is_empty()));
        details.extend(point.year.map(|year| year.to_string()));
        let value = Entry { text: value(point, language), details };
        vec![Entry::new(point.system.clone()), Entry::missing(), value, source]
    });
    table.rows.extend(published);
    table
}

fn value(point: &Point, language: Language) -> String {
    let shown = |value: f64| match point.unit {
        Unit::Nanoseconds => duration(value),
        Unit::Byte => bytes(value),
        Unit::Ratio => ratio(value),
        Unit::PerSecond => text!(language, "reference-per-second", count = count(value)),
    };
    match (point.bound, point.high) {
        (Bound::AtMost, _) => format!("≤ {}", shown(point.low)),
        (_, Some(high)) => format!("{} – {}", shown(point.low), shown(high)),
        (_, None) => shown(point.low),
    }
}

fn read(read: Read, language: Language) -> String {
    match read {
        Read::Project => text!(language, "reference-read-project"),
        Read::Abstract => text!(language, "reference-read-abstract"),
        Read::Quoted => text!(language, "reference-read-quoted"),
    }
}

/// This run's value of a quantity, and its clock.
fn own(quantity: Quantity, row: &Headline, language: Language) -> Option<(String, String)> {
    match quantity {
        Quantity::StartUp => {
            let measured = row.start_up.as_ref()?;
            Some((duration(measured.estimate.median), text!(language, "reference-clock-request_to_output")))
        }
        Quantity::Memory => {
            let overhead = row.memory.as_ref()?;
            Some((bytes(overhead.estimate.median), text!(language, "reference-clock-above_process")))
        }
        Quantity::Computing => {
            let relative = row.computing.as_ref()?;
            Some((ratio(relative.ratio), text!(language, "reference-clock-built_in")))
        }
        // Not in a comparison's headline: a timeline's phases, the density experiment and the table of work tell them.
        Quantity::GuestBoot | Quantity::Manager | Quantity::CreationRate | Quantity::SystemCall => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_figure_is_without_its_source() {
        let points: Vec<Point> =
            serde_json::from_str(include_str!("points.json")).expect("the file is well-formed");
        assert!(points.len() > 20 && points == *POINTS);
        for point in &points {
            let Point { system, source, link, low, high, .. } = point;
            assert!(!source.is_empty() && link.starts_with("https://"), "{system}");
            assert!(*low > 0.0 && high.is_none_or(|high| high > *low), "{system}");
            assert_eq!(high.is_some(), point.bound == Bound::Between, "{system}");
            for language in Language::ALL {
                let key = format!("reference-clock-{}", point.clock);
                assert!(
                    optional(language, &key, None, &[]).is_some(),
                    "{key} is missing in {}",
                    language.tag()
                );
            }
        }
    }
}
