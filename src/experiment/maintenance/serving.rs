//! An instance is replaced while a client asks it questions at a fixed rate: what the client notices.
//!
//! The client keeps to its times whatever the answers do (an open loop): each request goes to the instance
//! that was there when it was due, and fails if there was none, however late the client is. It runs in a thread
//! of its own; the harness delivers, prepares, starts and stops meanwhile, as a supervisor would. An instance
//! that is to be stopped first answers what it was asked.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use super::error::MaintenanceError;
use crate::experiment::suite::environment;
use crate::image::{LoadOptions, Store};
use crate::measure::clock::{monotonic_ns, until};
use crate::results::maintenance::{ReplacementRound, Strategy};
use crate::runtime::spec::{LaunchSpec, Program, Stdio};
use crate::runtime::{Prepared, Runtime, RuntimeError, Sandbox};

/// Requests a second: few enough for a VM on a software KVM, where an answer can take a millisecond.
pub const RATE: u32 = 200;

/// Between two requests.
const PERIOD: Duration = Duration::from_millis(1000 / RATE as u64);

/// Requests before the replacement begins, and after it has ended.
const AROUND: u32 = 20;

/// An instance that is not ready after this time never will be.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_secs(2);

/// A version of the image, as instances run from it.
#[derive(Clone, Debug)]
pub struct Version {
    /// The image's name in the store.
    pub name: String,
    /// What an instance of this version answers with: the checksum of its application's file.
    pub answer: String,
}

/// What is replaced, and by what.
pub struct Scene<'a> {
    /// The store that the host runs from.
    pub store: &'a Store,
    /// The file whose content tells the versions apart, by its path in the image.
    pub app_file: &'a Path,
    /// The version that is there.
    pub old: &'a Version,
    /// The one that comes.
    pub new: &'a Version,
    /// The layout with the changed layer of the new version, as it has arrived.
    pub arrived: &'a Path,
}

/// The answer of a server whose file has this content: as `guest/workloads/src/bin/serve.rs` makes it.
pub fn answer_of(content: &[u8]) -> String {
    let sum = content.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29)
    });
    format!("{sum:016x}")
}

impl Scene<'_> {
    /// Replaces one instance, once.
    pub fn replace(
        &self,
        runtime: &dyn Runtime,
        strategy: Strategy,
    ) -> Result<ReplacementRound, MaintenanceError> {
        let root = self.store.root(&self.store.find(&self.old.name)?)?;
        let prepared = runtime.prepare(&self.spec(&root.path))?;
        let old = Instance::start(&*prepared, &self.old.answer)?;
        let route = Route::default();
        route.lead_to(Some(&old));
        let (answers, steps) = std::thread::scope(|scope| {
            let client = scope.spawn(|| ask(&route));
            std::thread::sleep(PERIOD * AROUND);
            let steps = match strategy {
                Strategy::Control => old.stop_after(&route).map(|()| Steps::default()),
                _ => self.switch(runtime, strategy, old, &route),
            };
            // Also after an error, when it may still lead to an instance that is gone.
            route.end();
            route.lead_to(None);
            let answers = client.join().unwrap_or_default();
            steps.map(|steps| (answers, steps))
        })?;
        let mut round = count(&answers, &self.new.answer, &self.old.answer, steps.arrived_ns);
        (round.deliver_ns, round.prepare_ns, round.switch_ns) =
            (steps.deliver_ns, steps.prepare_ns, steps.switch_ns);
        Ok(round)
    }

    fn spec(&self, root: &Path) -> LaunchSpec {
        let file = PathBuf::from("/").join(self.app_file);
        let file = std::ffi::CString::new(file.into_os_string().into_encoded_bytes()).unwrap_or_default();
        LaunchSpec {
            // It never answers so many.
            argv: vec![c"serve".to_owned(), c"1000000000".to_owned(), file],
            env: environment(),
            root: Some(root.to_owned()),
            timeout: Some(3 * PATIENCE),
            ..LaunchSpec::new(Program::Builtin("serve".into()))
        }
    }

    fn switch<'p>(
        &self,
        runtime: &dyn Runtime,
        strategy: Strategy,
        old: Instance<'p>,
        route: &Route,
    ) -> Result<Steps, MaintenanceError> {
        let arrived_ns = monotonic_ns();
        self.store.load(self.arrived, &LoadOptions::default())?;
        let root = self.store.root(&self.store.find(&self.new.name)?)?;
        let delivered_ns = monotonic_ns();
        let prepared = runtime.prepare(&self.spec(&root.path))?;
        let prepared_ns = monotonic_ns();
        let mut old = Some(old);
        if strategy == Strategy::StopStart
            && let Some(old) = old.take()
        {
            route.lead_to(None);
            old.stop(route)?;
        }
        let new = Instance::start(&*prepared, &self.new.answer)?;
        route.lead_to(Some(&new));
        let ready_ns = monotonic_ns();
        if let Some(old) = old {
            old.stop(route)?;
        }
        new.stop_after(route)?;
        Ok(Steps {
            arrived_ns,
            deliver_ns: delivered_ns - arrived_ns,
            prepare_ns: prepared_ns - delivered_ns,
            switch_ns: ready_ns - prepared_ns,
        })
    }
}

/// What the supervisor's steps took.
#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    arrived_ns: u64,
    deliver_ns: u64,
    prepare_ns: u64,
    switch_ns: u64,
}

/// Both ends of an instance's standard streams that are ours.
struct Connection {
    requests: File,
    answers: Mutex<BufReader<File>>,
}

/// Where requests go, and since when; nowhere while there is nobody to answer.
#[derive(Default)]
struct Route {
    since: Mutex<Vec<(u64, Option<Arc<Connection>>)>>,
    /// Every request that was due before is answered, or has failed.
    answered_before_ns: AtomicU64,
    ended: AtomicBool,
}

impl Route {
    fn lead_to(&self, instance: Option<&Instance<'_>>) {
        let connection = instance.map(|instance| instance.connection.clone());
        self.entries().push((monotonic_ns(), connection));
    }

    /// Where a request that is due at this time goes.
    fn at(&self, due_ns: u64) -> Option<Arc<Connection>> {
        let entries = self.entries();
        entries.iter().rev().find(|(since_ns, _)| *since_ns <= due_ns)?.1.clone()
    }

    /// Waits until every request is answered that was due while the route led elsewhere, and lets go of what
    /// it led to.
    fn drain(&self) {
        let Some(since_ns) = self.entries().last().map(|(since_ns, _)| *since_ns) else { return };
        while self.answered_before_ns.load(Ordering::Acquire) <= since_ns {
            std::thread::sleep(Duration::from_micros(100));
        }
        self.entries().retain(|(entry_ns, _)| *entry_ns >= since_ns);
    }

    /// No more requests.
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Option<Arc<Connection>>)>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running server.
struct Instance<'p> {
    sandbox: Box<dyn Sandbox + 'p>,
    connection: Arc<Connection>,
}

impl<'p> Instance<'p> {
    /// Starts one, and waits until it says that it is ready, with the right version.
    fn start(prepared: &'p dyn Prepared, answer: &str) -> Result<Instance<'p>, MaintenanceError> {
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::step("making a pipe"));
        let ((stdin, requests), (answers, stdout), (errors, stderr)) = (pipe()?, pipe()?, pipe()?);
        let sandbox = prepared.launch(Stdio { stdin, stdout, stderr })?;
        let connection = Connection {
            requests: File::from(requests),
            answers: Mutex::new(BufReader::new(File::from(answers))),
        };
        let ready = connection.line(PATIENCE).filter(|line| *line == format!("serve ready {answer}"));
        let instance = Instance { sandbox, connection: Arc::new(connection) };
        if ready.is_some() {
            return Ok(instance);
        }
        let report = instance.into_report()?;
        let said = said(errors);
        Err(MaintenanceError::Wrong(format!("the server did not start ({:?}): {said}", report.exit)))
    }

    /// Lets requests arrive for a while, then stops the client and it.
    fn stop_after(self, route: &Route) -> Result<(), MaintenanceError> {
        std::thread::sleep(PERIOD * AROUND);
        route.end();
        route.lead_to(None);
        self.stop(route)
    }

    /// Stops it, once requests go elsewhere, as a good supervisor does: what it was asked it still answers.
    /// Returns when nothing of it is left.
    fn stop(self, route: &Route) -> Result<(), MaintenanceError> {
        route.drain();
        self.into_report().map(drop)
    }

    fn into_report(self) -> Result<crate::runtime::SandboxReport, MaintenanceError> {
        // With the last holder of the connection its input ends.
        drop(self.connection);
        Ok(self.sandbox.finish()?)
    }
}

/// What is in the pipe, as one short line.
fn said(errors: OwnedFd) -> String {
    let mut text = Vec::new();
    let _ = File::from(errors).take(300).read_to_end(&mut text);
    String::from_utf8_lossy(&text)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

impl Connection {
    /// The next line, if it comes in time.
    fn line(&self, patience: Duration) -> Option<String> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.buffer().is_empty() {
            let mut fds = [PollFd::new(answers.get_ref().as_fd(), PollFlags::POLLIN)];
            let deadline_ns = monotonic_ns() + patience.as_nanos() as u64;
            loop {
                let left = PollTimeout::try_from(until(deadline_ns)).unwrap_or(PollTimeout::ZERO);
                match poll(&mut fds, left) {
                    Err(nix::errno::Errno::EINTR) => {}
                    Ok(1..) => break,
                    _ => return None,
                }
            }
        }
        let mut line = String::new();
        // A server writes each line at once.
        let read = (&mut *answers).take(1024).read_line(&mut line).ok()?;
        (read > 0 && line.ends_with('\n')).then(|| line.trim_end().to_owned())
    }

    /// Asks, and waits for the answer: the version that gave it.
    fn ask(&self, number: u64) -> Option<String> {
        (&self.requests).write_all(format!("{number}\n").as_bytes()).ok()?;
        loop {
            let line = self.line(ANSWER)?;
            let (version, answered) = line.split_once(' ')?;
            match answered.parse::<u64>().ok()? {
                answered if answered == number => return Some(version.to_owned()),
                // Late, to an earlier question.
                answered if answered < number => {}
                _ => return None,
            }
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
struct Answer {
    /// When the request was due.
    due_ns: u64,
    /// When the answer was there.
    at_ns: u64,
    /// The version that gave it; none for a request that failed.
    version: Option<String>,
}

/// Sends requests at their times until told that it is over.
fn ask(route: &Route) -> Vec<Answer> {
    let begin_ns = monotonic_ns();
    let mut answers = Vec::new();
    for number in 0u64.. {
        let due_ns = begin_ns + number * PERIOD.as_nanos() as u64;
        route.answered_before_ns.store(due_ns, Ordering::Release);
        std::thread::sleep(until(due_ns));
        // A request that was due before the end is still asked, however late.
        if route.ended.load(Ordering::Acquire) && route.at(due_ns).is_none() {
            break;
        }
        let version = route.at(due_ns).and_then(|connection| connection.ask(number));
        answers.push(Answer { due_ns, at_ns: monotonic_ns(), version });
    }
    route.answered_before_ns.store(u64::MAX, Ordering::Release);
    answers
}

fn count(answers: &[Answer], new: &str, old: &str, arrived_ns: u64) -> ReplacementRound {
    let is_right = |answer: &&Answer| answer.version.as_deref().is_some_and(|is| is == new || is == old);
    let right: Vec<&Answer> = answers.iter().filter(is_right).collect();
    let between = right.windows(2).map(|pair| match pair {
        [one, next] => next.due_ns - one.due_ns,
        _ => 0,
    });
    let taken = right.iter().map(|answer| answer.at_ns.saturating_sub(answer.due_ns));
    let first_new = answers.iter().find(|answer| answer.version.as_deref() == Some(new));
    ReplacementRound {
        serving_ns: first_new.map(|answer| answer.at_ns.saturating_sub(arrived_ns)),
        requests: answers.len() as u64,
        failed: (answers.len() - right.len()) as u64,
        outage_ns: between.max().unwrap_or(0),
        slowest_ns: taken.max().unwrap_or(0),
        ..ReplacementRound::default()
    }
}

/// The content of the file that tells the versions apart.
pub fn read_app_file(root: &Path, app_file: &Path) -> Result<Vec<u8>, MaintenanceError> {
    let shown = root.join(app_file);
    let read = |mut file: File| {
        let mut content = Vec::new();
        file.read_to_end(&mut content).map(|_| content)
    };
    let opened: io::Result<File> = crate::workload::rooted::open(root, app_file);
    opened.and_then(read).map_err(MaintenanceError::at("reading", &shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_gaps_are_what_the_client_saw() {
        let answer = |due_ns, version: Option<&str>| Answer {
            due_ns,
            at_ns: due_ns + due_ns / 10,
            version: version.map(str::to_owned),
        };
        let answers = [
            answer(10, Some("old")),
            answer(20, None),
            answer(30, Some("wrong")),
            answer(50, Some("new")),
            answer(60, Some("new")),
        ];
        let round = count(&answers, "new", "old", 15);
        assert_eq!((round.requests, round.failed), (5, 2));
        assert_eq!((round.outage_ns, round.slowest_ns, round.serving_ns), (40, 6, Some(40)));
        assert_eq!(count(&[], "new", "old", 0), ReplacementRound::default());
    }

    #[test]
    fn the_harness_knows_what_the_server_will_answer() {
        use std::os::fd::AsRawFd;
        use std::process::{Command, Stdio};

        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, b"some content").expect("written");
        let program = Program::Builtin("serve".into());
        let program = crate::workload::program::open_program(&program, None).expect("built in");
        let mut server = Command::new(format!("/proc/self/fd/{}", program.file.as_raw_fd()))
            .args(["3".as_ref(), file.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("runs");
        let asked = server.stdin.take().expect("piped").write_all(b"1\nhello\n3\n4\n");
        let output = server.wait_with_output().expect("ends by itself");
        assert!(output.status.success() && asked.is_ok());
        let version = answer_of(b"some content");
        let expected = format!("serve ready {version}\n{version} 1\n{version} hello\n{version} 3\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
