//! Start-up: every trial a dot, the median a bar.

use plotters::prelude::*;

use super::super::cell::Cell;
use super::super::error::ReportError;
use super::super::format::duration;
use super::super::summary::Summary;
use super::super::{tables, words};
use super::Figure;
use super::paint::{INK, Side, Size, draw, name, of_runtime, write};
use super::scale::{Frame, Scale};
use crate::language::{Language, text};

const ROW: i32 = 40;

pub fn figure(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let cells: Vec<_> = summary.start_up_cells().filter(|cell| !cell.start_up_points.is_empty()).collect();
    let points = || cells.iter().flat_map(|cell| &cell.start_up_points).copied();
    if cells.is_empty() {
        return Ok(None);
    }
    let scale = Scale::logarithmic(points().fold(f64::INFINITY, f64::min), points().fold(0.0, f64::max));
    let frame = Frame::new(ROW * cells.len() as i32);
    let alternative =
        text!(language, "chart-start-up-alternative", said = words::start_up(summary, language));
    let svg = draw(frame.height(), &alternative, |area| {
        frame.draw(area, &scale, duration)?;
        for (row, cell) in cells.iter().enumerate() {
            let middle = frame.top + ROW * row as i32 + ROW / 2;
            let colour = of_runtime(&cell.runtime);
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
        tables: vec![tables::start_up(summary, language)],
    }))
}

fn is_thinned(cell: &&Cell) -> bool {
    cell.first_output.as_ref().is_some_and(|first| first.estimate.n > cell.start_up_points.len())
}
