//! Host memory of one sandbox, stacked by what it is.

use plotters::prelude::*;

use super::super::cell::{Cell, FootprintSummary};
use super::super::error::ReportError;
use super::super::format::bytes;
use super::super::summary::Summary;
use super::super::{tables, words};
use super::Figure;
use super::paint::{INK, MUTED, Side, Size, draw, name, of_runtime, write};
use super::scale::{Frame, Scale};
use crate::language::{Language, text};

const ROW: i32 = 52;

/// A part of a bar: what it is, how many bytes, how strong its colour.
type Part = (String, f64, f64);

pub fn figure(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let rows: Vec<(&Cell, Vec<Part>)> = summary
        .runtimes
        .iter()
        .filter_map(|runtime| sampled_cell(summary, runtime))
        .filter_map(|cell| Some((cell, parts(cell.footprint.as_ref()?, language))))
        .filter(|(_, parts)| !parts.is_empty())
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let total = |parts: &[Part]| parts.iter().map(|part| part.1).sum::<f64>();
    let scale = Scale::bytes(rows.iter().map(|(_, parts)| total(parts)).fold(0.0, f64::max));
    let frame = Frame::new(ROW * rows.len() as i32);
    let alternative = format!("{}. {}", text!(language, "table-memory"), words::memory(summary, language));
    let svg = draw(frame.height(), &alternative, None, |area| {
        frame.draw(area, &scale, bytes)?;
        for (row, (cell, parts)) in rows.iter().enumerate() {
            let middle = frame.top + ROW * row as i32 + ROW / 2 - 8;
            let label = name(&summary.label(&cell.runtime));
            write(area, &label, (frame.left - 12, middle), Side::Before, Size::Label, &INK)?;
            let mut sum = 0.0;
            for (_, size, strength) in parts {
                let (from, to) = (frame.x(&scale, sum), frame.x(&scale, sum + size));
                let colour = of_runtime(&cell.runtime).mix(*strength);
                area.draw(&Rectangle::new([(from, middle - 11), (to, middle + 11)], colour.filled()))?;
                sum += size;
            }
            let mut words: Vec<_> =
                parts.iter().map(|(what, size, _)| format!("{what} {}", bytes(*size))).collect();
            let given = cell.footprint.as_ref().and_then(|footprint| footprint.guest_configured);
            words.extend(given.map(|given| text!(language, "chart-memory-given", size = bytes(given))));
            write(area, &words.join(" · "), (frame.left + 2, middle + 21), Side::After, Size::Small, &MUTED)?;
            let at = (frame.to - frame.right + 12, middle);
            write(area, &bytes(total(parts)), at, Side::After, Size::Label, &INK)?;
        }
        Ok(())
    })?;
    Ok(Some(Figure {
        id: "memory",
        title: text!(language, "table-memory"),
        caption: text!(language, "chart-memory-caption"),
        svg,
        notes: Vec::new(),
        tables: vec![tables::memory(summary, language)],
    }))
}

fn sampled_cell<'a>(summary: &'a Summary, runtime: &str) -> Option<&'a Cell> {
    let start_up = summary.start_up_workload.as_deref().and_then(|workload| summary.cell(runtime, workload));
    start_up
        .filter(|cell| cell.footprint.is_some())
        .or_else(|| summary.cells.iter().find(|cell| cell.runtime == runtime && cell.footprint.is_some()))
}

fn parts(footprint: &FootprintSummary, language: Language) -> Vec<Part> {
    let median = |estimate: &Option<super::super::cell::Estimate>| estimate.as_ref().map(|one| one.median);
    let mut parts = Vec::new();
    match (median(&footprint.guest_touched), median(&footprint.vmm_pss), median(&footprint.pss_peak)) {
        (Some(guest), Some(own), _) => parts.extend([
            (text!(language, "part-guest-touched"), guest, 1.0),
            (text!(language, "part-vmm"), own, 0.6),
        ]),
        (_, _, Some(pss)) => parts.push((text!(language, "part-pss"), pss, 1.0)),
        _ => {}
    }
    if let Some(kernel) = median(&footprint.cgroup_kernel) {
        parts.push((text!(language, "part-kernel"), kernel, 0.3));
    }
    parts
}
