//! VM exits by reason: how many, and how long the VMM took over them.

use plotters::prelude::*;

use super::super::cell::{Cell, ExitSummary};
use super::super::error::ReportError;
use super::super::format::{count, duration};
use super::super::summary::Summary;
use super::super::tables;
use super::Figure;
use super::paint::{Area, INK, MUTED, Painted, Side, Size, WIDTH, draw, name, of_runtime, write};
use super::scale::{Frame, Scale};
use crate::language::{Language, text};

const ROW: i32 = 24;
const TOP: i32 = 26;

/// Reasons shown per runtime; of more, the most frequent.
const MOST: usize = 12;

/// One of the two panels: its heading, the number it shows, how that is written.
type Panel = (String, fn(&ExitSummary) -> f64, fn(f64) -> String);

pub fn figure(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let rows: Vec<(&Cell, &ExitSummary)> = summary
        .start_up_cells()
        .flat_map(|cell| cell.exits.iter().take(MOST).map(move |exit| (cell, exit)))
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let several = rows.iter().any(|(cell, _)| cell.runtime != rows[0].0.runtime);
    let height = TOP + ROW * rows.len() as i32;
    let panels: [Panel; 2] = [
        (text!(language, "column-exits"), |exit| exit.count, count),
        (text!(language, "chart-time-in-vmm"), |exit| exit.handled_ns, duration),
    ];
    let middle = WIDTH as i32 / 2 + 70;
    let frames = [
        Frame { left: 170, right: 70, to: middle, top: TOP, ..Frame::new(height) },
        Frame { left: 14, right: 76, from: middle, top: TOP, ..Frame::new(height) },
    ];
    let most =
        rows.iter().map(|(cell, exit)| format!("{}: {} {}", cell.runtime, count(exit.count), exit.reason));
    let most = most.take(4).collect::<Vec<_>>().join("; ");
    let alternative = text!(language, "chart-exits-alternative", most = most);
    let svg = draw(frames[0].height(), &alternative, None, |area| {
        for (frame, panel) in frames.iter().zip(&panels) {
            draw_panel(area, frame, panel, &rows)?;
        }
        for (row, (cell, exit)) in rows.iter().enumerate() {
            let y = TOP + ROW * row as i32 + ROW / 2;
            let label = if several {
                format!("{} {}", summary.label(&cell.runtime), exit.reason)
            } else {
                exit.reason.clone()
            };
            write(area, &name(&label), (frames[0].left - 12, y), Side::Before, Size::Small, &INK)?;
        }
        if !several {
            write(
                area,
                &name(&summary.label(&rows[0].0.runtime)),
                (2, TOP / 2),
                Side::After,
                Size::Label,
                &INK,
            )?;
        }
        Ok(())
    })?;
    Ok(Some(Figure {
        id: "exits",
        title: text!(language, "table-exits"),
        caption: text!(language, "chart-exits-caption"),
        svg,
        notes: Vec::new(),
        tables: vec![tables::exits(summary, language)],
    }))
}

fn draw_panel(
    area: &Area,
    frame: &Frame,
    (title, value, format): &Panel,
    rows: &[(&Cell, &ExitSummary)],
) -> Painted {
    let scale = Scale::linear(rows.iter().map(|(_, exit)| value(exit)).fold(0.0, f64::max));
    frame.draw(area, &scale, *format)?;
    write(area, title, (frame.from + frame.left, TOP / 2), Side::After, Size::Small, &MUTED)?;
    for (row, (cell, exit)) in rows.iter().enumerate() {
        let y = TOP + ROW * row as i32 + ROW / 2;
        let (from, to) = (frame.x(&scale, 0.0), frame.x(&scale, value(exit)));
        let bar = [(from, y - 8), (to.max(from + 1), y + 8)];
        area.draw(&Rectangle::new(bar, of_runtime(&cell.runtime).filled()))?;
        write(area, &format(value(exit)), (to + 6, y), Side::After, Size::Small, &INK)?;
    }
    Ok(())
}
