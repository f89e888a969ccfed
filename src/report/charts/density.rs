//! Start-up and memory against the number of sandboxes alive, and the creation rate against that of starters.

use super::super::density::{AliveSummary, DensitySummary, RuntimeSummary};
use super::super::error::ReportError;
use super::super::format::{bytes, count, duration};
use super::Figure;
use super::lines::{Axis, Line, lines};
use super::paint::of_runtime;
use super::scale::Scale;
use crate::language::{Language, text};
use crate::stats::{median, quantile};

/// Every chart for which there is data.
pub fn all(summary: &DensitySummary, language: Language) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for figure in [start_up, memory, rate] {
        figures.extend(figure(summary, language)?);
    }
    Ok(figures)
}

/// Points of a line through many dots.
const BLOCKS: usize = 25;

/// The most dots of a line; more tell nothing and make the page heavy.
const DOTS: usize = 500;

fn living(summary: &DensitySummary) -> impl Iterator<Item = (&RuntimeSummary, &AliveSummary)> {
    summary.runtimes.iter().filter_map(|one| Some((one, one.alive.as_ref()?)))
}

fn number_alive(lines: &[Line], language: Language) -> Axis {
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(1.0, f64::max);
    Axis { scale: Scale::linear(most), format: count, title: text!(language, "density-chart-alive") }
}

fn points(readings: &[(u32, f64)]) -> impl Iterator<Item = (f64, f64)> {
    readings.iter().map(|(count, value)| (f64::from(*count), *value))
}

fn thinned(readings: &[(u32, f64)]) -> Vec<(f64, f64)> {
    points(readings).step_by(readings.len().div_ceil(DOTS).max(1)).collect()
}

fn start_up(summary: &DensitySummary, language: Language) -> Result<Option<Figure>, ReportError> {
    let through = |readings: &[(u32, f64)]| {
        let block = |block: &[(u32, f64)]| {
            let (x, y): (Vec<f64>, Vec<f64>) = points(block).unzip();
            Some((median(&x)?, median(&y)?))
        };
        readings.chunks(readings.len().div_ceil(BLOCKS).max(1)).filter_map(block).collect::<Vec<_>>()
    };
    let all: Vec<Line> = living(summary)
        .filter(|(_, alive)| !alive.start_ups.is_empty())
        .map(|(one, alive)| Line {
            name: one.runtime.clone(),
            colour: of_runtime(&one.runtime),
            points: through(&alive.start_ups),
            dots: thinned(&alive.start_ups),
        })
        .collect();
    let values = || all.iter().flat_map(|line| &line.dots).map(|dot| dot.1);
    let Some(high) = quantile(&values().collect::<Vec<_>>(), 0.99) else { return Ok(None) };
    let low = values().fold(f64::INFINITY, f64::min);
    let y = Axis {
        scale: Scale::logarithmic(low, high * 1.3),
        format: duration,
        title: text!(language, "density-chart-start-up-axis"),
    };
    let svg = lines(
        &text!(language, "density-chart-start-up-alternative"),
        &number_alive(&all, language),
        &y,
        &all,
    )?;
    Ok(Some(Figure {
        id: "density-start-up",
        title: text!(language, "density-chart-start-up"),
        caption: text!(language, "density-chart-start-up-caption"),
        svg,
        notes: Vec::new(),
        tables: Vec::new(),
    }))
}

fn memory(summary: &DensitySummary, language: Language) -> Result<Option<Figure>, ReportError> {
    let all: Vec<Line> = living(summary)
        .filter(|(_, alive)| alive.taken.len() > 1)
        .map(|(one, alive)| Line {
            name: one.runtime.clone(),
            colour: of_runtime(&one.runtime),
            points: thinned(&alive.taken).into_iter().map(|(count, bytes)| (count, bytes.max(0.0))).collect(),
            dots: Vec::new(),
        })
        .collect();
    if all.is_empty() {
        return Ok(None);
    }
    let most = all.iter().flat_map(|line| &line.points).map(|point| point.1).fold(0.0, f64::max);
    let y = Axis {
        scale: Scale::bytes(most),
        format: bytes,
        title: text!(language, "density-chart-memory-axis"),
    };
    let svg =
        lines(&text!(language, "density-chart-memory-alternative"), &number_alive(&all, language), &y, &all)?;
    Ok(Some(Figure {
        id: "density-memory",
        title: text!(language, "density-chart-memory"),
        caption: text!(language, "density-chart-memory-caption"),
        svg,
        notes: Vec::new(),
        tables: Vec::new(),
    }))
}

fn rate(summary: &DensitySummary, language: Language) -> Result<Option<Figure>, ReportError> {
    let all: Vec<Line> = summary
        .runtimes
        .iter()
        .map(|one| Line {
            name: one.runtime.clone(),
            colour: of_runtime(&one.runtime),
            points: one
                .rates
                .iter()
                .filter_map(|rate| Some((f64::from(rate.starters), rate.per_second?)))
                .collect(),
            dots: Vec::new(),
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    if all.is_empty() {
        return Ok(None);
    }
    let values = || all.iter().flat_map(|line| &line.points);
    let most = values().map(|point| point.0).fold(1.0, f64::max);
    let x =
        Axis { scale: Scale::linear(most), format: count, title: text!(language, "density-chart-starters") };
    let (low, high) = (
        values().map(|point| point.1).fold(f64::INFINITY, f64::min),
        values().map(|point| point.1).fold(0.0, f64::max),
    );
    let y = Axis {
        scale: Scale::logarithmic(low * 0.7, high * 1.3),
        format: count,
        title: text!(language, "density-chart-rate-axis"),
    };
    let svg = lines(&text!(language, "density-chart-rate-alternative"), &x, &y, &all)?;
    Ok(Some(Figure {
        id: "creation-rate",
        title: text!(language, "density-chart-rate"),
        caption: text!(language, "density-chart-rate-caption"),
        svg,
        notes: Vec::new(),
        tables: Vec::new(),
    }))
}
