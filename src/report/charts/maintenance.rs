//! Maintenance: what is shipped, what is stored, and what a client notices of a replacement, layers and disk
//! images side by side.

use plotters::prelude::*;

use super::super::error::ReportError;
use super::super::format::{bytes, duration};
use super::super::maintenance::tables::FORMS;
use super::super::maintenance::{ImageSummary, MaintenanceSummary, tables, words};
use super::super::summary::Summary;
use super::super::table::Table;
use super::Figure;
use super::paint::{GRID, INK, Side, Size, draw, of_runtime, write};
use super::scale::{Frame, Scale};
use crate::language::{Language, text};
use crate::results::maintenance::{Cause, Form, Strategy};

const ROW: i32 = 24;
const HEADING: i32 = 30;

/// One bar.
struct Bar {
    label: String,
    value: f64,
    colour: RGBColor,
}

/// Bars under a heading.
type Group = (String, Vec<Bar>);

/// The colour of what runs from this form.
fn colour(form: Form) -> RGBColor {
    of_runtime(match form {
        Form::Layers | Form::LayersAndAbove | Form::LayersDifference => "container",
        _ => "linuxvm",
    })
}

/// Bytes over the wire, by change and form.
pub fn shipping(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let Some((maintenance, image)) = largest(summary) else { return Ok(None) };
    let groups: Vec<Group> = [Cause::AppFile, Cause::Dependency, Cause::Base]
        .into_iter()
        .map(|cause| {
            let bars = FORMS.into_iter().filter_map(|form| {
                let value = image.shipment(form, cause)?.bytes as f64;
                Some(Bar { label: words::form(form, language), value, colour: colour(form) })
            });
            (words::cause(cause, language), bars.collect())
        })
        .collect();
    let figure = Drawn {
        id: "shipping",
        title: text!(language, "maintenance-shipments"),
        caption: text!(language, "maintenance-shipments-caption", size = bytes(image.bytes as f64)),
        tables: vec![
            tables::shipments(maintenance, language),
            tables::builds(maintenance, language),
            tables::roll_backs(maintenance, language),
            tables::images(maintenance, language),
            tables::left_out(maintenance, language),
        ],
    };
    figure.draw(&groups, Scale::logarithmic_bytes, bytes)
}

/// Disk of many instances, by form.
pub fn storage(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let Some((maintenance, image)) = largest(summary) else { return Ok(None) };
    let bars = image.storage.iter().map(|stored| Bar {
        label: words::form(stored.form, language),
        value: stored.bytes(maintenance.instances),
        colour: colour(stored.form),
    });
    let figure = Drawn {
        id: "storage",
        title: text!(language, "maintenance-storage", count = maintenance.instances),
        caption: text!(language, "maintenance-storage-caption", size = bytes(image.bytes as f64)),
        tables: vec![tables::storage(maintenance, language)],
    };
    figure.draw(&[(String::new(), bars.collect())], |_, high| Scale::bytes(high), bytes)
}

/// Time without service, by runtime and way of replacing.
pub fn replacing(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let Some((maintenance, image)) = largest(summary) else { return Ok(None) };
    let groups: Vec<Group> = [Strategy::Control, Strategy::StopStart, Strategy::Rolling]
        .into_iter()
        .map(|strategy| {
            let bars = image.replacements.iter().filter(|one| one.strategy == strategy).filter_map(|one| {
                let label = summary.label(&one.runtime);
                Some(Bar { label, value: one.outage.as_ref()?.median, colour: of_runtime(&one.runtime) })
            });
            (words::strategy(strategy, language), bars.collect())
        })
        .collect();
    let figure = Drawn {
        id: "replacing",
        title: text!(language, "maintenance-replacements"),
        caption: text!(language, "maintenance-replacements-caption"),
        tables: vec![tables::replacements(maintenance, language), tables::kernels(maintenance, language)],
    };
    figure.draw(&groups, |_, high| Scale::linear(high), duration)
}

fn largest(summary: &Summary) -> Option<(&MaintenanceSummary, &ImageSummary)> {
    let maintenance = summary.maintenance.as_ref()?;
    Some((maintenance, maintenance.largest()?))
}

/// A figure without its chart.
struct Drawn {
    id: &'static str,
    title: String,
    caption: String,
    tables: Vec<Table>,
}

impl Drawn {
    /// Draws the groups that are not empty; `scale` is made of the least and the greatest value.
    fn draw(
        self,
        groups: &[Group],
        scale: fn(f64, f64) -> Scale,
        format: fn(f64) -> String,
    ) -> Result<Option<Figure>, ReportError> {
        let groups: Vec<&Group> = groups.iter().filter(|(_, bars)| !bars.is_empty()).collect();
        let all = || groups.iter().flat_map(|(_, bars)| bars);
        if groups.is_empty() {
            return Ok(None);
        }
        let low = all().map(|bar| bar.value).fold(f64::INFINITY, f64::min);
        let scale = scale(low, all().map(|bar| bar.value).fold(0.0, f64::max));
        let logarithmic = scale.is_logarithmic();
        let headings = groups.iter().filter(|(heading, _)| !heading.is_empty()).count() as i32;
        let frame = Frame { left: 215, ..Frame::new(ROW * all().count() as i32 + HEADING * headings) };
        let said: Vec<String> = groups
            .iter()
            .map(|(heading, bars)| {
                let bars: Vec<String> =
                    bars.iter().map(|bar| format!("{} {}", bar.label, format(bar.value))).collect();
                format!("{heading}: {}", bars.join(", "))
            })
            .collect();
        let alternative = format!("{}. {}", self.title, said.join(". "));
        let svg = draw(frame.height(), &alternative, None, |area| {
            frame.draw(area, &scale, format)?;
            let mut y = frame.top;
            for (heading, bars) in &groups {
                if !heading.is_empty() {
                    write(area, heading, (2, y + HEADING / 2), Side::After, Size::Label, &INK)?;
                    y += HEADING;
                }
                for bar in bars {
                    let middle = y + ROW / 2;
                    let at = (frame.left - 12, middle);
                    write(area, &bar.label, at, Side::Before, Size::Small, &INK)?;
                    let (from, to) = (frame.from + frame.left, frame.x(&scale, bar.value));
                    if logarithmic {
                        // The length of a bar would mean nothing.
                        area.draw(&PathElement::new([(from, middle), (to, middle)], GRID.stroke_width(1)))?;
                        area.draw(&Circle::new((to, middle), 6, bar.colour.filled()))?;
                    } else {
                        let shape = [(from, middle - 7), (to.max(from + 1), middle + 7)];
                        area.draw(&Rectangle::new(shape, bar.colour.mix(0.85).filled()))?;
                    }
                    let at = (frame.to - frame.right + 12, middle);
                    write(area, &format(bar.value), at, Side::After, Size::Label, &INK)?;
                    y += ROW;
                }
            }
            Ok(())
        })?;
        let Drawn { id, title, caption, tables } = self;
        let tables = tables.into_iter().filter(|table| !table.rows.is_empty()).collect();
        Ok(Some(Figure { id, title, caption, svg, notes: Vec::new(), tables }))
    }
}
