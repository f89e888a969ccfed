//! What went wrong, and what was left out.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::trials::CellTrials;
use crate::runtime::plausible::impossibility;
use crate::runtime::trial::{Exit, Trial};

/// Failed trials of one cell that failed for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Runtime name.
    pub runtime: String,
    /// Workload name.
    pub workload: String,
    /// Why.
    pub reason: String,
    /// How many trials.
    pub trials: usize,
    /// All trials of the cell.
    pub of: usize,
}

/// A remark of a runtime about its trials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Runtime name.
    pub runtime: String,
    /// What was left out or could not be done.
    pub text: String,
    /// Trials that say so.
    pub trials: usize,
}

/// Why a trial does not count, in one line; `None` when it does.
pub fn failure_reason(trial: &Trial) -> Option<String> {
    match &trial.exit {
        Exit::Code(0) => distrust(trial),
        Exit::Code(code) => Some(format!("ended with status {code}")),
        Exit::Signal(signal) => Some(match nix::sys::signal::Signal::try_from(*signal) {
            Ok(known) => format!("killed by {known}"),
            Err(_) => format!("killed by signal {signal}"),
        }),
        Exit::Timeout => Some("ran past its timeout".to_owned()),
        Exit::Death(death) => Some(death.message.clone()),
        Exit::LaunchFailed(why) => Some(format!("could not be launched: {why}")),
    }
}

/// Why a trial that ended well shows that its cell cannot be trusted, in one line: a wrong result, or one that cannot be.
pub fn distrust(trial: &Trial) -> Option<String> {
    if !trial.exit.is_success() {
        return None;
    }
    let wrong = trial.wrong_output.as_ref().map(|what| format!("wrong output: {what}"));
    wrong.or_else(|| impossibility(trial))
}

/// Failed trials by cell and reason.
pub(super) fn failures(grouped: &[CellTrials]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for cell in grouped {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for reason in cell.all.iter().filter_map(|trial| failure_reason(trial)) {
            *reasons.entry(reason).or_default() += 1;
        }
        if let Some(reason) = cell.invalid.as_ref().filter(|reason| !reasons.contains_key(*reason)) {
            reasons.insert(reason.clone(), cell.all.len());
        }
        failures.extend(reasons.into_iter().map(|(reason, trials)| Failure {
            runtime: cell.runtime.to_owned(),
            workload: cell.workload.to_owned(),
            reason,
            trials,
            of: cell.all.len(),
        }));
    }
    failures
}

/// Remarks of the runtimes, each once.
pub(super) fn notes(grouped: &[CellTrials]) -> Vec<Note> {
    let mut counts: Vec<Note> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for trial in grouped.iter().flat_map(|cell| &cell.all) {
        for text in &trial.notes {
            let place = *places.entry((&trial.runtime, text)).or_insert_with(|| {
                counts.push(Note { runtime: trial.runtime.clone(), text: text.clone(), trials: 0 });
                counts.len() - 1
            });
            counts[place].trials += 1;
        }
    }
    counts
}
