//! Charts, one file each: drawn by `plotters` as SVG, and made to follow the page's colours.

pub(super) mod bench;
pub(super) mod density;
mod exits;
mod lines;
mod maintenance;
mod memory;
pub(super) mod paint;
mod scale;
mod start_up;
mod work;

use serde::Serialize;

use super::error::ReportError;
use super::summary::{MARK, Summary};
use super::table::Table;
use super::words;
use crate::language::Language;

/// A chart with everything a reader needs who cannot see it.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Anchor in the page.
    pub id: &'static str,
    /// Heading.
    pub title: String,
    /// What it shows and why it looks so.
    pub caption: String,
    /// SVG, with a text alternative.
    pub svg: String,
    /// What explains what it shows, one remark each.
    pub notes: Vec<Note>,
    /// The data behind it.
    pub tables: Vec<Table>,
}

/// A remark on one thing in a chart.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// What it is on.
    pub term: String,
    /// The remark.
    pub text: String,
}

/// Every chart for which there is data, in the report's order.
pub fn all(summary: &Summary, language: Language) -> Result<Vec<Figure>, ReportError> {
    let charts = [
        start_up::figure,
        memory::figure,
        work::computing,
        work::other,
        exits::figure,
        maintenance::shipping,
        maintenance::storage,
        maintenance::replacing,
    ];
    let mut figures = Vec::new();
    for chart in charts {
        if let Some(mut figure) = chart(summary, language)? {
            if let Some(caveat) = summary.kvm_caveat.as_ref().filter(|_| figure.svg.contains(MARK)) {
                figure.caption.push_str(&format!(" {MARK} {}", words::kvm_caveat(caveat, language)));
            }
            figures.push(figure);
        }
    }
    Ok(figures)
}
