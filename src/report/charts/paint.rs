//! The canvas and its colours.
//!
//! `plotters` knows only fixed colours, and a page that is dark at night needs others. So charts are
//! drawn in stand-in colours that no chart would use, and [`draw`] replaces them by the page's own:
//! text follows the page's text, and each runtime has one CSS variable for all charts.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::Serialize;

use super::super::error::ReportError;
use super::super::format::plain;

/// Width of every chart, in CSS pixels at full size.
pub const WIDTH: u32 = 720;

/// Text and axes.
pub const INK: RGBColor = RGBColor(1, 1, 1);
/// Text of lesser weight.
pub const MUTED: RGBColor = RGBColor(1, 1, 2);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(1, 1, 3);
/// The noise floor.
pub const BAND: RGBColor = RGBColor(1, 1, 4);

/// Runtimes with a colour of their own; any other shares the last one.
const COLOURED: &[&str] = &[
    "process",
    "container",
    "microvm",
    "linuxvm",
    "docker",
    "podman",
    "runc",
    "crun",
    "bwrap",
    "qemu",
    "firecracker",
    "microvm-clone",
    "linuxvm-clone",
];

/// The colour of a runtime, the same in every chart.
pub fn of_runtime(runtime: &str) -> RGBColor {
    RGBColor(2, slot(runtime) as u8, 2)
}

/// The number in the name of the CSS variable `--runtime-N`.
pub fn slot(runtime: &str) -> usize {
    COLOURED.iter().position(|known| *known == runtime).unwrap_or(COLOURED.len())
}

/// A drawing area on an SVG in memory.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Whatever a painter's step fails with.
pub type Painted = Result<(), Box<dyn Error>>;

/// The horizontal axis, for the page's script to read values off under the pointer.
#[derive(Serialize)]
pub struct Axis {
    /// Pixel of the low end.
    pub left: i32,
    /// Pixel of the high end.
    pub right: i32,
    /// Value at the low end.
    pub low: f64,
    /// Value at the high end.
    pub high: f64,
    /// Equal distances are equal factors.
    pub logarithmic: bool,
    /// `time` for nanoseconds, or what follows the number.
    pub unit: &'static str,
}

/// Draws a chart of [`WIDTH`] × `height`; `alternative` tells its content to those who cannot see it.
pub fn draw(
    height: u32,
    alternative: &str,
    axis: Option<Axis>,
    paint: impl FnOnce(&Area) -> Painted,
) -> Result<String, ReportError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let failed = |error: Box<dyn Error>| ReportError::Drawing(error.to_string());
        paint(&area).map_err(failed)?;
        area.present().map_err(|error| failed(error.into()))?;
    }
    for (stand_in, colour) in
        [(INK, "currentColor"), (MUTED, "var(--muted)"), (GRID, "var(--line)"), (BAND, "var(--band)")]
    {
        svg = svg.replace(&quoted_hex(stand_in), &format!("\"{colour}\""));
    }
    for number in 0..=COLOURED.len() {
        let stand_in = RGBColor(2, number as u8, 2);
        svg = svg.replace(&quoted_hex(stand_in), &format!("\"var(--runtime-{number})\""));
    }
    let label = minijinja::HtmlEscape(alternative);
    let axis = axis.and_then(|axis| serde_json::to_string(&axis).ok());
    let axis = axis.map_or(String::new(), |axis| format!(" data-axis=\"{}\"", minijinja::HtmlEscape(&axis)));
    Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\"{axis} "), 1))
}

/// As `plotters` writes it. With its quotes it cannot occur in a text, where quotes are escaped.
fn quoted_hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("\"#{red:02X}{green:02X}{blue:02X}\"")
}

/// Size of a text.
#[derive(Clone, Copy)]
pub enum Size {
    /// Names and values.
    Label,
    /// Everything beside them.
    Small,
}

impl Size {
    fn pixels(self) -> f64 {
        // plotters divides by 1.24 on its way to SVG.
        match self {
            Size::Label => 17.0,
            Size::Small => 15.0,
        }
    }
}

/// Where a text stands relative to its point; it is always centred in height.
#[derive(Clone, Copy)]
pub enum Side {
    /// It ends at the point.
    Before,
    /// It begins at the point.
    After,
}

/// Writes a text at a point in pixels, cut to a length that fits.
pub fn write(area: &Area, text: &str, at: (i32, i32), side: Side, size: Size, colour: &RGBColor) -> Painted {
    let anchor = match side {
        Side::Before => HPos::Right,
        Side::After => HPos::Left,
    };
    let style = TextStyle::from(("sans-serif", size.pixels()).into_font())
        .color(colour)
        .pos(Pos::new(anchor, VPos::Center));
    area.draw_text(&plain(text, 96), &style, at)?;
    Ok(())
}

/// A text cut for the column of names at the left.
pub fn name(text: &str) -> String {
    plain(text, 22).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_page_and_texts_are_escaped() {
        let svg = draw(40, "a \"chart\" <b>", None, |area| {
            write(area, "<script>\"#010101\"", (5, 5), Side::After, Size::Label, &INK)?;
            area.draw(&Rectangle::new([(0, 0), (9, 9)], of_runtime("microvm").filled()))?;
            Ok(())
        })
        .unwrap();
        assert!(svg.contains("var(--runtime-2)") && svg.contains("currentColor"), "{svg}");
        assert!(!svg.contains("<script>") && !svg.contains("<b>") && !svg.contains("fill=\"#"), "{svg}");
        assert!(svg.contains("role=\"img\""));
    }
}
