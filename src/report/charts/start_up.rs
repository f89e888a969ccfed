//! Start-up: the share of trials that had started by each time, and every trial as a dot.

use plotters::prelude::*;

use super::super::cell::Cell;
use super::super::error::ReportError;
use super::super::format::duration;
use super::super::summary::Summary;
use super::super::{tables, words};
use super::Figure;
use super::paint::{Area, GRID, INK, MUTED, Painted, Side, Size, draw, name, of_runtime, write};
use super::scale::{Frame, Scale};
use crate::language::{Language, text};

const ROW: i32 = 40;

/// Top and bottom of the panel of shares, and the room under it.
const TOP: i32 = 8;
const SHARES: i32 = 170;
const GAP: i32 = 16;

pub fn figure(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let cells: Vec<_> = summary.start_up_cells().filter(|cell| !cell.start_up_points.is_empty()).collect();
    let points = || cells.iter().flat_map(|cell| &cell.start_up_points).copied();
    if cells.is_empty() {
        return Ok(None);
    }
    let scale = Scale::logarithmic(points().fold(f64::INFINITY, f64::min), points().fold(0.0, f64::max));
    let frame = Frame { top: SHARES + GAP, ..Frame::new(SHARES + GAP + ROW * cells.len() as i32) };
    let alternative =
        text!(language, "chart-start-up-alternative", said = words::start_up(summary, language));
    let svg = draw(frame.height(), &alternative, frame.axis(&scale, "time"), |area| {
        Frame { top: TOP, ..Frame::new(frame.bottom - TOP) }.draw(area, &scale, duration)?;
        share_axis(area, &frame)?;
        for (row, cell) in cells.iter().enumerate() {
            let middle = frame.top + ROW * row as i32 + ROW / 2;
            let colour = of_runtime(&cell.runtime);
            share_curve(area, &frame, &scale, cell)?;
            write(
                area,
                &name(&summary.label(&cell.runtime)),
                (frame.left - 12, middle),
                Side::Before,
                Size::Label,
                &INK,
            )?;
            let Some(first) = &cell.first_output else { continue };
            let x = frame.x(&scale, first.estimate.median);
            area.draw(&Rectangle::new([(x - 1, middle - 17), (x + 1, middle + 17)], INK.filled()))?;
            let value = duration(first.estimate.median);
            write(area, &value, (frame.to - frame.right + 12, middle), Side::After, Size::Label, &INK)?;
            for (number, point) in cell.start_up_points.iter().enumerate() {
                // Dots of near values stand apart in height: multiples of the golden ratio spread evenly.
                let spread = (number as f64 * 0.618_034).fract() - 0.5;
                let at = (frame.x(&scale, *point), middle + (spread * f64::from(ROW) * 0.55) as i32);
                area.draw(&Circle::new(at, 3, colour.mix(0.38).filled()))?;
            }
        }
        Ok(())
    })?;
    let mut caption = text!(language, "chart-start-up-caption");
    if cells.iter().any(is_thinned) {
        caption = format!("{caption} {}", text!(language, "chart-start-up-thinned"));
    }
    Ok(Some(Figure {
        id: "start-up",
        title: text!(language, "chart-start-up"),
        caption,
        svg,
        notes: Vec::new(),
        tables: vec![tables::start_up(summary, language)],
    }))
}

/// The height of a share of the trials.
fn share(share: f64) -> i32 {
    SHARES - (share * f64::from(SHARES - TOP)) as i32
}

fn share_axis(area: &Area, frame: &Frame) -> Painted {
    for quarter in 0..=4 {
        let y = share(f64::from(quarter) / 4.0);
        area.draw(&PathElement::new([(frame.left, y), (frame.to - frame.right, y)], GRID.stroke_width(1)))?;
        let percent = format!("{} %", quarter * 25);
        write(area, &percent, (frame.left - 12, y), Side::Before, Size::Small, &MUTED)?;
    }
    Ok(())
}

/// The empirical distribution: at each time, the share of trials that had started by then.
fn share_curve(area: &Area, frame: &Frame, scale: &Scale, cell: &Cell) -> Painted {
    let trials = cell.start_up_points.len() as f64;
    let mut corners = Vec::new();
    for (number, point) in cell.start_up_points.iter().enumerate() {
        let x = frame.x(scale, *point);
        corners.extend([(x, share(number as f64 / trials)), (x, share((number + 1) as f64 / trials))]);
    }
    area.draw(&PathElement::new(corners, of_runtime(&cell.runtime).stroke_width(2)))?;
    Ok(())
}

fn is_thinned(cell: &&Cell) -> bool {
    cell.first_output.as_ref().is_some_and(|first| first.estimate.n > cell.start_up_points.len())
}
