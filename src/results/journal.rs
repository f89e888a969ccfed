//! What was measured so far, on the disk while a comparison runs: a harness that is killed loses at most
//! the trial that it was in.
//!
//! The first line is the results with no trial yet; each line after it is one trial. A line is handed to
//! the kernel by one write as soon as its trial has ended, between two trials, where no clock runs. That
//! survives any death of the harness; a power cut may cost what the kernel had not yet written to the disk.

use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Results;
use crate::runtime::trial::Trial;

/// Its name, beside the results.
pub const NAME: &str = "results.jsonl.partial";

/// Where a journal that is there already goes when a new run begins.
const KEPT: &str = "results.jsonl.partial.old";

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// One line after the first.
#[derive(Serialize)]
struct Line<'a> {
    /// Nanoseconds since the run began.
    elapsed_ns: u64,
    trial: &'a Trial,
}

/// The same, read back.
#[derive(Deserialize)]
struct OwnedLine {
    elapsed_ns: u64,
    trial: Trial,
}

impl Journal {
    /// Begins the journal at `path` with everything that is known of a run before its first trial. One
    /// that a killed run has left there is kept under another name, which is returned.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(path: &Path, header: &Results) -> io::Result<(Journal, Option<PathBuf>)> {
        let kept = path.with_file_name(KEPT);
        let kept = match fs::rename(path, &kept) {
            Ok(()) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut journal = Journal { path: path.to_owned(), file: File::create(path)? };
        journal.line(header)?;
        Ok((journal, kept))
    }

    /// Adds a trial.
    ///
    /// # Errors
    /// When it cannot be written; what was written before stays readable.
    pub fn append(&mut self, elapsed_ns: u64, trial: &Trial) -> io::Result<()> {
        self.line(&Line { elapsed_ns, trial })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn line(&mut self, content: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(content)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

/// Reads what a journal holds after its first line, whose content is `results`. A last line that is not
/// whole is passed over: its trial was being written when the harness died. After results that hold their
/// trials themselves nothing may follow.
///
/// # Errors
/// When the input cannot be read, or a whole line is no trial.
pub fn read_trials(mut results: Results, lines: &mut dyn BufRead) -> io::Result<Results> {
    let mut line = Vec::new();
    let is_journal = results.trials.is_empty();
    loop {
        line.clear();
        let end = lines.read_until(b'\n', &mut line)? == 0;
        let is_blank = line.trim_ascii().is_empty();
        if !is_journal && !is_blank {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "something follows the results"));
        }
        if end || line.last() != Some(&b'\n') {
            return Ok(results);
        }
        if is_blank {
            continue;
        }
        let OwnedLine { elapsed_ns, trial } = serde_json::from_slice(&line)?;
        results.duration_ns = elapsed_ns;
        results.trials.push(trial);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::synthetic::Synthetic;

    fn written(results: &Results, path: &Path) {
        let header = Results { trials: Vec::new(), duration_ns: 0, ..results.clone() };
        let (mut journal, _) = Journal::create(path, &header).unwrap();
        for (number, trial) in results.trials.iter().enumerate() {
            journal.append(number as u64 + 1, trial).unwrap();
        }
    }

    #[test]
    fn a_journal_that_was_left_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let results = Synthetic { rounds: 1, ..Synthetic::default() }.results();
        let (_, none) = Journal::create(&path, &results).unwrap();
        assert_eq!(none, None);
        let first = fs::read(&path).unwrap();
        let (_, kept) = Journal::create(&path, &results).unwrap();
        assert_eq!(fs::read(kept.unwrap()).unwrap(), first);
        assert!(Journal::create(&folder.path().join("none").join(NAME), &results).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Cut anywhere after its first line, a journal gives back every trial whose line is whole.
        #[test]
        fn a_journal_cut_anywhere_loses_at_most_one_trial(cut in 0.0..1.0f64, hostile: bool) {
            let results = Synthetic { rounds: 2, hostile, ..Synthetic::default() }.results();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(NAME);
            written(&results, &path);
            let bytes = fs::read(&path).unwrap();
            let header = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let end = header + ((bytes.len() - header) as f64 * cut) as usize;
            fs::write(&path, &bytes[..end]).unwrap();
            let whole = bytes[header..end].iter().filter(|byte| **byte == b'\n').count();
            let back = crate::report::file::read(&path).unwrap();
            prop_assert_eq!(&back.trials[..], &results.trials[..whole]);
            prop_assert_eq!(back.duration_ns, whole as u64);
        }
    }
}
