//! Benchmarks of one group side by side, with their intervals.

use plotters::prelude::*;

use super::super::bench::Benchmark;
use super::super::error::ReportError;
use super::super::format::duration;
use super::Figure;
use super::paint::{INK, Side, Size, draw, name, of_runtime, write};
use super::scale::{Frame, Scale};

const ROW: i32 = 26;
const GAP: i32 = 10;

/// Beyond this factor between the extremes, bars from 0 would hide the small ones.
const LINEAR_UP_TO: f64 = 12.0;

/// Draws one group; `marked` puts the mark at virtual machines.
pub fn figure(title: &str, members: &[&Benchmark], marked: bool) -> Result<Figure, ReportError> {
    let low = members.iter().map(|one| one.low).fold(f64::INFINITY, f64::min);
    let high = members.iter().map(|one| one.high).fold(0.0, f64::max);
    let logarithmic = low > 0.0 && high / low > LINEAR_UP_TO;
    let scale = if logarithmic { Scale::logarithmic(low, high) } else { Scale::linear(high) };
    let gaps = members.windows(2).filter(|pair| pair[0].what != pair[1].what).count() as i32;
    let frame = Frame { left: 190, ..Frame::new(ROW * members.len() as i32 + GAP * gaps) };
    let said =
        members.iter().take(8).map(|one| format!("{} {} {}", one.runtime, one.what, duration(one.median)));
    let alternative = format!("{title}: {}.", said.collect::<Vec<_>>().join(", "));
    let svg = draw(frame.height(), &alternative, frame.axis(&scale, "time"), |area| {
        frame.draw(area, &scale, duration)?;
        let mut y = frame.top + ROW / 2;
        let mut before: Option<&str> = None;
        for one in members {
            if before.is_some_and(|what| what != one.what) {
                y += GAP;
            }
            if before != Some(&one.what) && !one.what.is_empty() {
                write(area, &name(&one.what), (2, y), Side::After, Size::Label, &INK)?;
            }
            before = Some(&one.what);
            write(area, &name(&one.label(marked)), (frame.left - 12, y), Side::Before, Size::Small, &INK)?;
            let (from, to) = (frame.x(&scale, one.low), frame.x(&scale, one.high));
            let (start, middle) = (frame.from + frame.left, frame.x(&scale, one.median));
            let colour = of_runtime(&one.runtime);
            if !logarithmic {
                area.draw(&Rectangle::new([(start, y - 8), (middle, y + 8)], colour.mix(0.8).filled()))?;
            }
            area.draw(&PathElement::new([(from, y), (to, y)], INK.stroke_width(2)))?;
            for end in [from, to] {
                area.draw(&PathElement::new([(end, y - 4), (end, y + 4)], INK.stroke_width(2)))?;
            }
            if logarithmic {
                area.draw(&Circle::new((middle, y), 5, colour.filled()))?;
            }
            write(
                area,
                &duration(one.median),
                (frame.to - frame.right + 12, y),
                Side::After,
                Size::Label,
                &INK,
            )?;
            y += ROW;
        }
        Ok(())
    })?;
    let axis = if logarithmic { "The axis is logarithmic." } else { "Bars begin at 0." };
    Ok(Figure {
        id: "",
        title: title.to_owned(),
        caption: format!("Medians with 95 % intervals, by criterion. {axis}"),
        svg,
        notes: Vec::new(),
        tables: Vec::new(),
    })
}
