//! The raw data inside the page: all of it where it is small, else as much as keeps the page light.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::summary::Summary;
use super::trials::counts;
use crate::language::{Language, text};
use crate::results::Results;

/// Most bytes of data in a page.
pub const LIMIT: usize = 1_200_000;

/// Data for a page.
pub struct Embedded {
    /// JSON without any `<`, so that nothing in it can end a script element.
    pub json: String,
    /// What it is, for the reader.
    pub what: Extent,
}

/// How much of the raw data there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The results file itself.
    Whole,
    /// One row of numbers per trial.
    Rows,
    /// The summary alone.
    Summary,
}

impl Extent {
    /// For the reader.
    pub fn in_words(self, language: Language) -> String {
        match self {
            Extent::Whole => text!(language, "data-whole"),
            Extent::Rows => text!(language, "data-rows"),
            Extent::Summary => text!(language, "data-summary"),
        }
    }
}

/// Embeds the results file itself; where that is too large, one row of numbers per trial; where even
/// that is, the summary. `limit` is in bytes and does not bind the summary.
pub fn embed(results: &Results, summary: &Summary, limit: usize) -> Embedded {
    let whole = || Some((capped(results, limit)?, Extent::Whole));
    let rows = || {
        // A row takes some 60 bytes, so this spares making rows that cannot fit.
        (results.trials.len() < limit / 30).then_some(())?;
        Some((capped(&rows(results), limit)?, Extent::Rows))
    };
    let (json, what) = whole().or_else(rows).unwrap_or_else(|| {
        (serde_json::to_string(summary).unwrap_or_else(|_| "null".to_owned()), Extent::Summary)
    });
    Embedded { json: json.replace('<', "\\u003c"), what }
}

/// `None` when the text would be longer than `limit` bytes; it is never made whole first.
fn capped(value: &impl serde::Serialize, limit: usize) -> Option<String> {
    struct Capped(Vec<u8>, usize);
    impl Write for Capped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut text = Capped(Vec::new(), limit);
    serde_json::to_writer(&mut text, value).ok()?;
    String::from_utf8(text.0).ok()
}

fn rows(results: &Results) -> Value {
    let mut names: Vec<&str> = Vec::new();
    let mut number = |name| {
        names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        })
    };
    let rows: Vec<Value> = results
        .trials
        .iter()
        .map(|trial| {
            let time = &trial.timeline;
            let footprint = trial.footprint.as_ref();
            json!([
                number(&trial.runtime),
                number(&trial.workload),
                trial.round,
                u8::from(counts(trial)),
                time.entered_ns,
                time.first_output_ns,
                time.exited_ns,
                time.torn_down_ns,
                trial.cpu.user_ns,
                trial.cpu.system_ns,
                trial.self_report.as_ref().map(|report| report.elapsed_ns),
                trial.self_report.as_ref().map(|report| report.work),
                footprint.and_then(|memory| memory.pss_peak_bytes),
                footprint.and_then(|memory| memory.cgroup_kernel_bytes),
            ])
        })
        .collect();
    json!({
        "columns": ["runtime (in names)", "workload (in names)", "round", "counts", "entered_ns", "first_output_ns", "exited_ns",
            "torn_down_ns", "user_ns", "system_ns", "elapsed_ns", "work", "pss_peak_bytes", "cgroup_kernel_bytes"],
        "names": names,
        "rows": rows,
        "tool": results.tool,
        "started": results.started,
        "command": results.command,
        "seed": results.seed,
        "host": results.host,
    })
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Synthetic;
    use super::*;

    #[test]
    fn what_does_not_fit_is_thinned_and_said_to_be() {
        let results = Synthetic { rounds: 8, hostile: true, ..Synthetic::default() }.results();
        let summary = Summary::new(&results);
        let embedded = |limit| {
            let embedded = embed(&results, &summary, limit);
            assert!(!embedded.json.contains('<'));
            (serde_json::from_str::<Value>(&embedded.json).unwrap(), embedded.what)
        };
        let (whole, what) = embedded(LIMIT);
        assert_eq!(serde_json::from_value::<Results>(whole).unwrap(), results);
        assert_eq!(what, Extent::Whole);
        let (rows, what) = embedded(80_000);
        assert_eq!(rows["rows"].as_array().unwrap().len(), results.trials.len());
        assert_eq!(rows["columns"].as_array().unwrap().len(), rows["rows"][0].as_array().unwrap().len());
        assert_eq!(what, Extent::Rows);
        let (medians, what) = embedded(1_000);
        assert!(medians["headline"].is_array() && what == Extent::Summary);
    }
}
