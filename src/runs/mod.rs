//! Detached runs: sandboxes that go on when the command that started them has ended.
//!
//! Each has a folder of its own and a supervising process, which holds the folder's lock as long as it lives.
//! Whether a run is going on is asked of the kernel (flock(2)), and never of a process id alone, which
//! another process may have by now.
//!
//! ```text
//! $XDG_DATA_HOME/isobench/runs/ID/run.json     what runs, since when
//!                                 lock         locked by the supervisor; holds its process id
//!                                 log, log.1   what it said, see [`log`]
//!                                 ended.json   how it ended
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

mod control;
pub mod log;
pub mod supervise;

use control::Supervisor;

/// What can go wrong with runs: one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// No run of this name or identifier.
    #[error("no such run: {0}; `isobench ps -a` lists them")]
    NoSuchRun(String),
    /// The name is taken.
    #[error("the name {0} is taken; choose another, or remove that run with `isobench rm {0}`")]
    NameTaken(String),
    /// Not a name that a run can have.
    #[error(
        "{0}: not a name for a run; letters, digits, `_`, `.` and `-` make one, and it begins with a letter"
    )]
    BadName(String),
    /// A run that goes on cannot be removed.
    #[error("{0} is running; stop it first with `isobench stop {0}`, or remove it with --force")]
    Running(String),
    /// A run that has ended takes no signal.
    #[error("{0} is not running")]
    NotRunning(String),
    /// It does not end.
    #[error("{0} does not end, although it was killed; look at its processes")]
    DoesNotEnd(String),
    /// A file operation failed.
    #[error("{step}: {source}")]
    Io {
        /// What was being done.
        step: String,
        /// The operating system's reason.
        source: io::Error,
    },
}

fn failed<E: Into<io::Error>>(verb: &str, path: &Path) -> impl FnOnce(E) -> RunsError {
    let step = format!("{verb} {}", path.display());
    move |error| RunsError::Io { step, source: error.into() }
}

/// What a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Twelve hex digits.
    pub id: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// The runtime.
    pub runtime: String,
    /// The image, where there is one.
    pub image: Option<String>,
    /// The program and its arguments, made printable.
    pub command: Vec<String>,
    /// Milliseconds since 1970.
    pub started_ms: u64,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// As a shell tells it.
    pub status: i32,
    /// Why, where the status does not say it.
    pub reason: Option<String>,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// Where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Going on.
    Running,
    /// Over.
    Exited(Ended),
    /// Its supervisor was killed, and the sandbox with it.
    Dead,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it is.
    pub record: Record,
    /// Where it stood when it was looked at.
    pub state: State,
    folder: PathBuf,
}

/// All runs of a user.
#[derive(Debug)]
pub struct Runs {
    folder: PathBuf,
}

/// A run in the making: its folder is locked by this process.
pub struct Claim {
    /// What it is.
    pub record: Record,
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Run {
    /// Its name, or else its identifier.
    pub fn shown(&self) -> &str {
        self.record.name.as_deref().unwrap_or(&self.record.id)
    }

    /// Looks again where it stands.
    pub fn look(&mut self) {
        self.state = state(&self.folder);
    }

    /// The folder of its log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sends a signal to its program; [`Signal::SIGKILL`] kills the sandbox as a whole. To a virtual machine
    /// any signal means that.
    pub fn signal(&self, signal: Signal) -> Result<(), RunsError> {
        let supervisor =
            Supervisor::of(&self.folder).ok_or_else(|| RunsError::NotRunning(self.shown().into()))?;
        supervisor.send(signal).map_err(failed("signalling the supervisor of", &self.folder))
    }

    /// Asks it to end (SIGTERM), and kills it after `grace`. One that has ended is left as it is.
    pub fn stop(&self, grace: Duration) -> Result<(), RunsError> {
        let Some(supervisor) = Supervisor::of(&self.folder) else { return Ok(()) };
        let signalling = || failed::<io::Error>("signalling the supervisor of", &self.folder);
        supervisor.send(Signal::SIGTERM).map_err(signalling())?;
        if !supervisor.wait(grace) {
            supervisor.send(Signal::SIGKILL).map_err(signalling())?;
            if !supervisor.wait(AFTER_KILL) {
                return Err(RunsError::DoesNotEnd(self.shown().into()));
            }
        }
        Ok(())
    }

    /// Waits for its end, if `stop` does not say `true` first.
    pub fn wait(&self, stop: &dyn Fn() -> bool) {
        while let Some(supervisor) = Supervisor::of(&self.folder) {
            if supervisor.wait(Duration::from_millis(200)) || stop() {
                return;
            }
        }
    }
}

/// A sandbox that was killed is gone by then, teardown included.
const AFTER_KILL: Duration = Duration::from_secs(30);

impl Runs {
    /// Those below the data folder `data`, where the images are, too.
    pub fn open(data: &Path) -> Result<Runs, RunsError> {
        let folder = data.join("runs");
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&folder).map_err(failed("making", &folder))?;
        Ok(Runs { folder })
    }

    /// Every run, the youngest first.
    pub fn list(&self) -> Result<Vec<Run>, RunsError> {
        let mut runs = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed("reading", &self.folder))?.flatten() {
            let folder = entry.path();
            // Not those that are being made or removed.
            if let Some(record) = record(&folder).filter(|record| folder.ends_with(&record.id)) {
                runs.push(Run { record, state: state(&folder), folder });
            }
        }
        runs.sort_by_key(|run| std::cmp::Reverse((run.record.started_ms, run.record.id.clone())));
        Ok(runs)
    }

    /// The run of this name, or whose identifier begins so.
    pub fn find(&self, name: &str) -> Result<Run, RunsError> {
        let runs = self.list()?;
        if let Some(run) = runs.iter().find(|run| run.record.name.as_deref() == Some(name)) {
            return Ok(run.clone());
        }
        let mut matching = runs.iter().filter(|run| name.len() >= 2 && run.record.id.starts_with(name));
        match (matching.next(), matching.next()) {
            (Some(run), None) => Ok(run.clone()),
            _ => Err(RunsError::NoSuchRun(name.chars().take(80).flat_map(char::escape_debug).collect())),
        }
    }

    /// A new run for this process to supervise; it is seen from now on.
    pub fn claim(
        &self,
        name: Option<String>,
        runtime: &str,
        image: Option<String>,
        command: Vec<String>,
    ) -> Result<Claim, RunsError> {
        if let Some(name) = name.as_ref().filter(|name| !is_good_name(name)) {
            return Err(RunsError::BadName(name.chars().take(80).flat_map(char::escape_debug).collect()));
        }
        let _changing = self.lock()?;
        let runs = self.list()?;
        if let Some(taken) =
            name.as_ref().filter(|name| runs.iter().any(|run| run.record.name.as_ref() == Some(*name)))
        {
            return Err(RunsError::NameTaken(taken.clone()));
        }
        let id = loop {
            let id = format!("{:012x}", rand::random::<u64>() >> 16);
            if runs.iter().all(|run| run.record.id != id) {
                break id;
            }
        };
        let record = Record { id, name, runtime: runtime.into(), image, command, started_ms: now_ms() };
        let new = self.folder.join(format!("{NEW}{}", record.id));
        fs::DirBuilder::new().mode(0o700).create(&new).map_err(failed("making", &new))?;
        let path = new.join(LOCK);
        let mut file = File::create(&path).map_err(failed("making", &path))?;
        write!(file, "{}", std::process::id()).map_err(failed("writing", &path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| failed("locking", &path)(errno))?;
        let text = serde_json::to_vec_pretty(&record).unwrap_or_default();
        fs::write(new.join(RECORD), text).map_err(failed("writing", &new))?;
        let folder = self.folder.join(&record.id);
        fs::rename(&new, &folder).map_err(failed("making", &folder))?;
        Ok(Claim { record, folder, _lock: lock })
    }

    /// Removes what is known of a run; with `force`, kills it first.
    pub fn remove(&self, run: &Run, force: bool) -> Result<(), RunsError> {
        if let Some(supervisor) = Supervisor::of(&run.folder) {
            if !force {
                return Err(RunsError::Running(run.shown().into()));
            }
            supervisor.send(Signal::SIGKILL).map_err(failed("signalling the supervisor of", &run.folder))?;
            if !supervisor.wait(AFTER_KILL) {
                return Err(RunsError::DoesNotEnd(run.shown().into()));
            }
        }
        let _changing = self.lock()?;
        remove_folder(&self.folder, &run.folder)
    }

    /// Waits until nobody else adds or removes, and sweeps what those have left who were killed.
    fn lock(&self) -> Result<Flock<File>, RunsError> {
        let path = self.folder.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = Flock::lock(file.map_err(failed("opening", &path))?, FlockArg::LockExclusive)
            .map_err(|(_, errno)| failed("locking", &path)(errno))?;
        for entry in fs::read_dir(&self.folder).map_err(failed("reading", &self.folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_left = name.starts_with(GONE) || name.starts_with(NEW);
            if is_left && !is_locked(&entry.path()) {
                fs::remove_dir_all(entry.path()).map_err(failed("sweeping", &entry.path()))?;
            }
        }
        Ok(lock)
    }
}

impl Claim {
    /// The folder of the run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes down how it ended.
    pub fn end(&self, status: i32, reason: Option<String>) -> Result<(), RunsError> {
        let ended = Ended { status, reason, at_ms: now_ms() };
        let path = self.folder.join(ENDED);
        let new = self.folder.join(format!("{NEW}{ENDED}"));
        let text = serde_json::to_vec_pretty(&ended).unwrap_or_default();
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(failed("writing", &path))
    }

    /// Removes all traces of the run.
    pub fn discard(self) -> Result<(), RunsError> {
        let runs = Runs { folder: self.folder.parent().unwrap_or(Path::new("/")).to_owned() };
        let _changing = runs.lock()?;
        remove_folder(&runs.folder, &self.folder)
    }
}

const RECORD: &str = "run.json";
const LOCK: &str = "lock";
const ENDED: &str = "ended.json";
/// What the names of folders begin with that are being made, and that are being removed.
const NEW: &str = ".new-";
const GONE: &str = ".gone-";

/// Moves it out of sight before removing it: killed in between, it is not there in part.
fn remove_folder(runs: &Path, folder: &Path) -> Result<(), RunsError> {
    let gone = runs.join(format!("{GONE}{}", folder.file_name().unwrap_or_default().display()));
    match fs::rename(folder, &gone) {
        // Somebody else has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("removing", folder)(error)),
        Ok(()) => fs::remove_dir_all(&gone).map_err(failed("removing", &gone)),
    }
}

fn record(folder: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()
}

fn state(folder: &Path) -> State {
    // In this order: one that ends meanwhile is found ended.
    if is_locked(folder) {
        return State::Running;
    }
    let ended = fs::read(folder.join(ENDED)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    ended.map_or(State::Dead, State::Exited)
}

fn is_locked(folder: &Path) -> bool {
    let Ok(file) = File::open(folder.join(LOCK)) else { return false };
    matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
}

fn is_good_name(name: &str) -> bool {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(good)
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until `fd` is readable; false after the time.
fn readable(fd: &OwnedFd, patience: Duration) -> bool {
    use std::os::fd::AsFd;
    let until = std::time::Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) if left.is_zero() => return false,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests;
