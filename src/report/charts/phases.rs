//! Where the start-up time goes: the phases of each runtime's median trial on one time axis.

use plotters::prelude::*;

use super::super::error::ReportError;
use super::super::format::duration;
use super::super::summary::{Summary, Waterfall};
use super::super::{tables, words};
use super::Figure;
use super::paint::{INK, MUTED, Side, Size, draw, name, of_runtime, write};
use super::scale::{Frame, Scale};
use crate::language::{Language, text};
use crate::runtime::trial::Phase;

const ROW: i32 = 20;
const GAP: i32 = 14;

/// Phases shown per runtime; of more, the longest.
const MOST: usize = 24;

/// A runtime this much slower than the fastest is cut off, or nothing of the others could be seen.
const CUT: f64 = 12.0;

pub fn figure(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let (told, silent): (Vec<_>, Vec<_>) =
        summary.waterfalls.iter().partition(|one| one.timeline.phases.len() > 1);
    if told.is_empty() {
        return Ok(None);
    }
    let rows: Vec<(&Waterfall, Vec<&Phase>)> = told.into_iter().map(|one| (one, longest(one))).collect();
    let ends: Vec<f64> = rows.iter().map(|(one, phases)| end(one, phases)).collect();
    let fastest = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let limit = ends.iter().copied().filter(|end| *end <= fastest * CUT).fold(1.0, f64::max);
    let scale = Scale::linear(limit);
    let height: i32 = rows.iter().map(|(_, phases)| ROW * (phases.len() as i32 + 1) + GAP).sum();
    let frame = Frame { left: 170, right: 84, ..Frame::new(height) };
    let said = words::longest_phases(summary, language).join(" ");
    let alternative = format!("{}. {said}", text!(language, "table-phases"));
    let svg = draw(frame.height(), &alternative, |area| {
        frame.draw(area, &scale, duration)?;
        let mut y = frame.top + ROW / 2;
        for (waterfall, phases) in &rows {
            let colour = of_runtime(&waterfall.runtime);
            write(area, &name(&summary.label(&waterfall.runtime)), (2, y), Side::After, Size::Label, &INK)?;
            let bottom = y + ROW * phases.len() as i32 + ROW / 2;
            let milestones = [
                (waterfall.timeline.entered_ns, text!(language, "milestone-entered"), Side::Before),
                (waterfall.timeline.first_output_ns, text!(language, "milestone-first-output"), Side::After),
            ];
            for (at, what, side) in milestones {
                let Some(at) = at.map(|ns| ns as f64).filter(|ns| *ns <= limit) else { continue };
                let x = frame.x(&scale, at);
                area.draw(&PathElement::new([(x, y + ROW / 2), (x, bottom)], INK.mix(0.55).stroke_width(1)))?;
                // Two close milestones do not run into each other: one stands left of its line, one right.
                let x = if matches!(side, Side::Before) { x + 4 } else { x - 4 };
                write(area, &what, (x, y), side, Size::Small, &MUTED)?;
            }
            for phase in phases {
                y += ROW;
                let (start, end) = (phase.start_ns as f64, phase.end_ns.max(phase.start_ns) as f64);
                write(area, &name(&phase.name), (frame.left - 12, y), Side::Before, Size::Small, &MUTED)?;
                let (from, to) = (frame.x(&scale, start), frame.x(&scale, end));
                let bar = [(from, y - 7), (to.max(from + 2), y + 7)];
                area.draw(&Rectangle::new(bar, colour.filled()))?;
                let arrow = if end > limit { " →" } else { "" };
                let text = format!("{}{arrow}", duration(end - start));
                write(area, &text, (to.max(from + 2) + 6, y), Side::After, Size::Small, &INK)?;
            }
            y += ROW + GAP;
        }
        Ok(())
    })?;
    let mut caption = said;
    if !silent.is_empty() {
        let names: Vec<_> = silent.iter().map(|one| summary.label(&one.runtime)).collect();
        caption =
            format!("{caption} {}", text!(language, "chart-phases-silent", runtimes = names.join(", ")));
    }
    if rows.iter().any(|(one, phases)| one.timeline.phases.len() > phases.len()) {
        caption = format!("{caption} {}", text!(language, "chart-phases-longest", count = MOST));
    }
    Ok(Some(Figure {
        id: "phases",
        title: text!(language, "chart-phases"),
        caption,
        svg,
        tables: vec![tables::phases(summary, language)],
    }))
}

fn longest(waterfall: &Waterfall) -> Vec<&Phase> {
    let mut phases: Vec<&Phase> = waterfall.timeline.phases.iter().collect();
    phases.sort_by_key(|phase| std::cmp::Reverse(phase.end_ns.saturating_sub(phase.start_ns)));
    phases.truncate(MOST);
    phases.sort_by_key(|phase| phase.start_ns);
    phases
}

fn end(waterfall: &Waterfall, phases: &[&Phase]) -> f64 {
    let last = phases.iter().map(|phase| phase.end_ns).max().unwrap_or(0);
    let output = waterfall.timeline.first_output_ns.unwrap_or(0);
    // An absurd milestone must not squeeze the phases to nothing.
    if output as f64 > last as f64 * CUT { last as f64 } else { last.max(output) as f64 }
}
