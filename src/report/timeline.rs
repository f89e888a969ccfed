//! The phases of each runtime's median trial on one time axis, as the page draws and replays them.

use serde::Serialize;

use super::charts::paint;
use super::format::{count, duration};
use super::phases::{Explanation, explanation};
use super::summary::{Summary, Waterfall};
use crate::language::{Language, text};
use crate::runtime::trial::Phase;

/// Phases shown per runtime; of more, the longest.
const MOST: usize = 40;

/// A runtime this much slower than the fastest is cut off at first, or nothing of the others could be seen.
const CUT: f64 = 12.0;

/// All runtimes on one axis. Times in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lanes {
    /// One for each runtime.
    pub lanes: Vec<Lane>,
    /// Right end of the axis as it is first shown.
    pub span_us: f64,
    /// The last moment of all.
    pub end_us: f64,
    /// Remarks under the chart.
    pub notes: Vec<String>,
}

/// One runtime.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    /// Its name, marked where its KVM colours it.
    pub label: String,
    /// Number of its colour.
    pub slot: usize,
    /// Its phases in the order of their start.
    pub bars: Vec<Bar>,
    /// What happened when.
    pub milestones: Vec<Milestone>,
    /// First output, where the race ends; the last phase's end where there is none.
    pub finish_us: f64,
    /// The same in words.
    pub finish: String,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Begin.
    pub from_us: f64,
    /// End.
    pub to_us: f64,
    /// How long it takes.
    pub takes: String,
    /// When it begins and what share of the start-up it is, in words.
    pub place: String,
    /// What it is, where that is known.
    pub explanation: Option<Explanation>,
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Milestone {
    /// Its name.
    pub name: String,
    /// When.
    pub at_us: f64,
    /// The same in words.
    pub at: String,
}

impl Lanes {
    /// `None` where no trial has phases or a first output.
    pub fn new(summary: &Summary, language: Language) -> Option<Lanes> {
        let lanes: Vec<Lane> = summary
            .waterfalls
            .iter()
            .filter(|one| one.timeline.first_output_ns.is_some() || !one.timeline.phases.is_empty())
            .map(|one| lane(summary, one, language))
            .collect();
        let fastest = lanes.iter().map(|lane| lane.finish_us).fold(f64::INFINITY, f64::min);
        let near = lanes.iter().map(|lane| lane.finish_us).filter(|finish| *finish <= fastest * CUT);
        let span_us = near.fold(1.0, f64::max) * 1.02;
        let end_us = lanes.iter().map(|lane| lane.finish_us).fold(1.0, f64::max);
        (!lanes.is_empty()).then(|| Lanes { lanes, span_us, end_us, notes: notes(summary, language) })
    }
}

fn notes(summary: &Summary, language: Language) -> Vec<String> {
    let mut notes = Vec::new();
    let silent: Vec<String> = summary
        .waterfalls
        .iter()
        .filter(|one| one.timeline.phases.len() <= 1)
        .map(|one| summary.label(&one.runtime))
        .collect();
    if !silent.is_empty() {
        notes.push(text!(language, "waterfall-silent", runtimes = silent.join(", ")));
    }
    if summary.waterfalls.iter().any(|one| one.timeline.phases.len() > MOST) {
        notes.push(text!(language, "waterfall-longest", count = MOST));
    }
    notes
}

fn lane(summary: &Summary, waterfall: &Waterfall, language: Language) -> Lane {
    let timeline = &waterfall.timeline;
    let bars: Vec<Bar> =
        longest(&timeline.phases).into_iter().map(|phase| bar(waterfall, phase, language)).collect();
    let milestones = [
        (text!(language, "milestone-entered"), timeline.entered_ns),
        (text!(language, "milestone-first-output"), timeline.first_output_ns),
    ];
    let finish_us = timeline
        .first_output_ns
        .map(micros)
        .unwrap_or_else(|| bars.iter().map(|bar| bar.to_us).fold(0.0, f64::max));
    Lane {
        label: summary.label(&waterfall.runtime),
        slot: paint::slot(&waterfall.runtime),
        bars,
        milestones: milestones
            .into_iter()
            .filter_map(|(name, at)| {
                at.map(|ns| Milestone { name, at_us: micros(ns), at: duration(ns as f64) })
            })
            .collect(),
        finish_us,
        finish: duration(finish_us * 1e3),
    }
}

fn bar(waterfall: &Waterfall, phase: &Phase, language: Language) -> Bar {
    let end = phase.end_ns.max(phase.start_ns);
    let takes = (end - phase.start_ns) as f64;
    let begins = duration(phase.start_ns as f64);
    // A phase that goes on after the first output is no share of the start-up.
    let start_up = waterfall.timeline.first_output_ns.filter(|first| *first > 0 && end <= *first);
    let place = match start_up {
        Some(all) => {
            let percent = count((takes / all as f64 * 1000.0).round() / 10.0);
            text!(language, "waterfall-place-share", begins = begins, percent = percent)
        }
        None => text!(language, "waterfall-place", begins = begins),
    };
    Bar {
        name: phase.name.clone(),
        from_us: micros(phase.start_ns),
        to_us: micros(end),
        takes: duration(takes),
        place,
        explanation: explanation(&waterfall.runtime, &phase.name, language),
    }
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

fn longest(phases: &[Phase]) -> Vec<&Phase> {
    let mut phases: Vec<&Phase> = phases.iter().collect();
    phases.sort_by_key(|phase| std::cmp::Reverse(phase.end_ns.saturating_sub(phase.start_ns)));
    phases.truncate(MOST);
    phases.sort_by_key(|phase| phase.start_ns);
    phases
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Synthetic;
    use super::*;

    #[test]
    fn a_runtime_that_is_far_slower_does_not_squeeze_the_others() {
        let summary = Summary::new(&Synthetic::default().results());
        let lanes = Lanes::new(&summary, Language::English).unwrap();
        let docker = lanes.lanes.iter().find(|lane| lane.label == "docker").unwrap();
        assert!(docker.finish_us > lanes.span_us * 10.0 && lanes.end_us == docker.finish_us);
        let container = lanes.lanes.iter().find(|lane| lane.label == "container").unwrap();
        assert!(container.finish_us < lanes.span_us && container.bars.len() > 3);
        assert!(container.bars.is_sorted_by_key(|bar| bar.from_us));
        assert!(lanes.notes.iter().any(|note| note.contains("docker")));
    }

    #[test]
    fn absurd_times_make_a_lane() {
        let mut summary = Summary::new(&Synthetic::default().results());
        for waterfall in &mut summary.waterfalls {
            waterfall.timeline.phases.push(Phase { name: String::new(), start_ns: u64::MAX, end_ns: 0 });
            waterfall.timeline.first_output_ns = None;
        }
        let lanes = Lanes::new(&summary, Language::Korean).unwrap();
        assert!(lanes.lanes.iter().flat_map(|lane| &lane.bars).all(|bar| bar.to_us >= bar.from_us));
        assert!(lanes.span_us.is_finite());
        summary.waterfalls.clear();
        assert_eq!(Lanes::new(&summary, Language::English), None);
    }
}
