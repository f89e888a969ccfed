//! Time for the same work relative to the baseline, with intervals and the noise floor.

use plotters::prelude::*;

use super::super::cell::Relative;
use super::super::error::ReportError;
use super::super::format::ratio;
use super::super::summary::Summary;
use super::super::table::Table;
use super::super::{tables, words};
use super::paint::{Area, BAND, INK, MUTED, Painted, Side, Size, draw, name, of_runtime, write};
use super::scale::{Frame, Scale};
use super::{Figure, Note};
use crate::language::{Language, optional, text};
use crate::results::{BASELINE, CONTROL, WorkloadKind};
use crate::stats::Interval;

const LINE: i32 = 20;
const GAP: i32 = 12;

struct Group<'a> {
    workload: &'a str,
    floor: Option<Interval>,
    points: Vec<(&'a str, &'a Relative)>,
}

/// Computing alone, where differences are small, on an axis of its own.
pub fn computing(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let alternative = words::computing(summary, language);
    let tables = vec![tables::work(summary, language, is_computing)];
    let heading = ("computing", text!(language, "chart-computing"));
    figure(summary, language, heading, is_computing, &alternative, tables)
}

/// Memory, system calls and programs of the user's.
pub fn other(summary: &Summary, language: Language) -> Result<Option<Figure>, ReportError> {
    let alternative = text!(language, "chart-see-table");
    let tables = vec![tables::work(summary, language, |kind| !is_computing(kind))];
    let heading = ("work", text!(language, "chart-work"));
    figure(summary, language, heading, |kind| !is_computing(kind), &alternative, tables)
}

fn is_computing(kind: WorkloadKind) -> bool {
    kind == WorkloadKind::Cpu
}

fn figure(
    summary: &Summary,
    language: Language,
    (id, title): (&'static str, String),
    of_kind: fn(WorkloadKind) -> bool,
    alternative: &str,
    tables: Vec<Table>,
) -> Result<Option<Figure>, ReportError> {
    let workloads = summary.workloads.iter().filter(|workload| of_kind(workload.kind));
    let groups: Vec<Group> = workloads.filter_map(|workload| group(summary, &workload.name)).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let ends = || {
        let of_point = |relative: &Relative| match relative.interval {
            Some(interval) => [interval.low, interval.high],
            None => [relative.ratio; 2],
        };
        let points = groups.iter().flat_map(|group| &group.points).flat_map(move |(_, one)| of_point(one));
        points
            .chain(groups.iter().filter_map(|group| group.floor).flat_map(|floor| [floor.low, floor.high]))
            .chain([1.0])
    };
    let (low, high) = (ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max));
    let scale =
        if high / low > 2.5 { Scale::logarithmic(low.max(1e-6), high) } else { Scale::around(low, high) };
    let height = groups.iter().map(|group| LINE * group.points.len() as i32 + GAP).sum();
    let frame = Frame { left: 110, right: 180, ..Frame::new(height) };
    let alternative = text!(language, "chart-work-alternative", title = &title, said = alternative);
    let svg = draw(frame.height(), &alternative, frame.axis(&scale, "×"), |area| {
        frame.draw(area, &scale, ratio)?;
        let mut y = frame.top + GAP / 2;
        for group in &groups {
            let bottom = y + LINE * group.points.len() as i32;
            if let Some(floor) = group.floor {
                let (from, to) = (frame.x(&scale, floor.low), frame.x(&scale, floor.high));
                area.draw(&Rectangle::new([(from, y), (to.max(from + 2), bottom)], BAND.filled()))?;
            }
            let middle = (y + bottom) / 2;
            write(area, &name(group.workload), (frame.left - 12, middle), Side::Before, Size::Label, &INK)?;
            for (line, (runtime, relative)) in group.points.iter().enumerate() {
                point(area, &frame, &scale, summary, (runtime, relative), y + LINE * line as i32 + LINE / 2)?;
            }
            y = bottom + GAP;
        }
        let one = frame.x(&scale, 1.0);
        area.draw(&PathElement::new([(one, frame.top), (one, frame.bottom)], INK.mix(0.7).stroke_width(1)))?;
        Ok(())
    })?;
    Ok(Some(Figure {
        id,
        title,
        caption: if high / low > 2.5 {
            format!("{} {}", text!(language, "chart-work-caption"), text!(language, "axis-logarithmic"))
        } else {
            text!(language, "chart-work-caption")
        },
        svg,
        notes: explanations(&groups, language),
        tables,
    }))
}

/// What explains each workload's difference, or that there should be none.
fn explanations(groups: &[Group], language: Language) -> Vec<Note> {
    groups
        .iter()
        .filter_map(|group| {
            let key = format!("workload-{}", group.workload);
            let text = optional(language, &key, Some("explains"), &[])?;
            Some(Note { term: group.workload.to_owned(), text })
        })
        .collect()
}

fn group<'a>(summary: &'a Summary, workload: &'a str) -> Option<Group<'a>> {
    let relative = |runtime: &str| summary.cell(runtime, workload)?.work_time.as_ref()?.relative.as_ref();
    let others = summary.runtimes.iter().filter(|runtime| *runtime != BASELINE);
    let points: Vec<_> = others.filter_map(|runtime| Some((runtime.as_str(), relative(runtime)?))).collect();
    let floor = relative(CONTROL).and_then(|one| one.interval);
    (!points.is_empty()).then_some(Group { workload, floor, points })
}

fn point(
    area: &Area,
    frame: &Frame,
    scale: &Scale,
    summary: &Summary,
    (runtime, relative): (&str, &Relative),
    y: i32,
) -> Painted {
    let colour = of_runtime(runtime);
    if let Some(interval) = relative.interval {
        let (from, to) = (frame.x(scale, interval.low), frame.x(scale, interval.high));
        area.draw(&PathElement::new([(from, y), (to, y)], colour.stroke_width(2)))?;
        for end in [from, to] {
            area.draw(&PathElement::new([(end, y - 4), (end, y + 4)], colour.stroke_width(2)))?;
        }
    }
    area.draw(&Circle::new((frame.x(scale, relative.ratio), y), 5, colour.filled()))?;
    let at = (frame.to - frame.right + 12, y);
    write(area, &name(&summary.label(runtime)), at, Side::After, Size::Small, &MUTED)?;
    write(area, &ratio(relative.ratio), (frame.to - 2, y), Side::Before, Size::Small, &INK)
}
