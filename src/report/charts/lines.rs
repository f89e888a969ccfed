//! Lines over two axes: what changes as a number grows.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::error::ReportError;
use super::paint::{Area, GRID, INK, MUTED, Painted, Side, Size, WIDTH, draw, write};
use super::scale::Scale;
use plotters::coord::ranged1d::Ranged;

/// One axis.
pub struct Axis {
    /// From value to place.
    pub scale: Scale,
    /// A tick's label.
    pub format: fn(f64) -> String,
    /// What it is.
    pub title: String,
}

/// One line with what lies around it.
pub struct Line {
    /// Written at its end.
    pub name: String,
    /// Its colour.
    pub colour: RGBColor,
    /// The line, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Single readings, drawn as faint dots.
    pub dots: Vec<(f64, f64)>,
}

const HEIGHT: i32 = 340;
const LEFT: i32 = 84;
const RIGHT: i32 = 130;
const TOP: i32 = 30;
const BOTTOM: i32 = 52;

/// The least distance between two names at the right, in pixels.
const APART: i32 = 19;

/// Draws the lines; `alternative` tells the content to those who cannot see it.
pub fn lines(alternative: &str, x: &Axis, y: &Axis, lines: &[Line]) -> Result<String, ReportError> {
    draw(HEIGHT as u32, alternative, None, |area| {
        axes(area, x, y)?;
        let at = |point: &(f64, f64)| (x.pixel(point.0), y.height(point.1));
        let mut ends = Vec::new();
        for line in lines {
            for dot in &line.dots {
                area.draw(&Circle::new(at(dot), 1, line.colour.mix(0.3).filled()))?;
            }
            let path: Vec<(i32, i32)> = line.points.iter().map(at).collect();
            for point in path.iter().filter(|_| path.len() <= 12) {
                area.draw(&Circle::new(*point, 3, line.colour.filled()))?;
            }
            ends.extend(path.last().map(|(_, height)| (*height, line)));
            area.draw(&PathElement::new(path, line.colour.stroke_width(2)))?;
        }
        names(area, ends)
    })
}

impl Axis {
    fn pixel(&self, value: f64) -> i32 {
        self.scale.map(&value, (LEFT, WIDTH as i32 - RIGHT))
    }

    fn height(&self, value: f64) -> i32 {
        self.scale.map(&value, (HEIGHT - BOTTOM, TOP))
    }
}

fn axes(area: &Area, x: &Axis, y: &Axis) -> Painted {
    let (right, bottom) = (WIDTH as i32 - RIGHT, HEIGHT - BOTTOM);
    for tick in y.scale.ticks() {
        let height = y.height(tick);
        area.draw(&PathElement::new([(LEFT, height), (right, height)], GRID.stroke_width(1)))?;
        write(area, &(y.format)(tick), (LEFT - 8, height), Side::Before, Size::Small, &MUTED)?;
    }
    let centred = TextStyle::from(("sans-serif", 15.0).into_font())
        .color(&MUTED)
        .pos(Pos::new(HPos::Center, VPos::Center));
    for tick in x.scale.ticks() {
        let at = x.pixel(tick);
        area.draw(&PathElement::new([(at, bottom), (at, bottom + 4)], GRID.stroke_width(1)))?;
        area.draw_text(&(x.format)(tick), &centred, (at, bottom + 16))?;
    }
    area.draw_text(&x.title, &centred, ((LEFT + right) / 2, HEIGHT - 12))?;
    write(area, &y.title, (8, 12), Side::After, Size::Small, &MUTED)
}

/// Writes the names beside the ends of their lines, pushed apart where those are near.
fn names(area: &Area, mut ends: Vec<(i32, &Line)>) -> Painted {
    ends.sort_by_key(|(height, _)| *height);
    let mut free_from = i32::MIN;
    for (height, line) in ends {
        let place = height.max(free_from);
        free_from = place + APART;
        let left = WIDTH as i32 - RIGHT + 10;
        area.draw(&Circle::new((left, place), 4, line.colour.filled()))?;
        write(area, &line.name, (left + 9, place), Side::After, Size::Label, &INK)?;
    }
    Ok(())
}
