//! The launcher: a small process, forked before the harness grows, that alone makes sandboxes.
//!
//! It is small so that every `clone` copies little; single-threaded so that `PR_SET_PDEATHSIG`
//! means what it says and no lock is held across a fork; and apart from the harness so that it
//! outlives it: when the harness dies, even by `kill -9`, its end of the socket closes and the
//! launcher kills every sandbox and removes their cgroups before it leaves.
//!
//! ```text
//! harness ── Request, stdin+stdout+stderr ──▶ launcher ── clone ──▶ sandbox's processes
//!    ◀────────────── Reply ──────────────────    ◀── board (shared memory), pidfd ──┘
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, setsockopt, shutdown, socketpair, sockopt,
};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

mod once;
mod protocol;
pub mod recipe;
mod server;

pub use once::run_once;
pub use protocol::Kind;
use protocol::{MESSAGE_MAX, Reply, Request};

use super::spec::{LaunchSpec, Measure, Stdio};
use super::trial::Phase;
use super::{Prepared, Runtime, RuntimeError, Sandbox, SandboxReport, Unavailable};
use crate::measure::clock::monotonic_ns;

/// The harness's end.
#[derive(Debug)]
pub struct Launcher {
    socket: OwnedFd,
    process: Pid,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    buffer: Vec<u8>,
    /// Reports that arrived while another answer was awaited.
    ended: HashMap<u32, SandboxReport>,
}

impl Launcher {
    /// Forks the launcher. Call it first thing, while the process is small and has one thread.
    ///
    /// # Errors
    /// When the operating system refuses a socket pair or a process.
    pub fn start() -> Result<Launcher, RuntimeError> {
        let step = "starting the launcher process";
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(RuntimeError::step(step))?;
        for socket in [&ours, &theirs] {
            // A packet must fit whole into the send buffer. Where the limit of the host forbids it,
            // longer messages are refused one by one.
            let _ = setsockopt(socket, sockopt::SndBuf, &(2 * MESSAGE_MAX));
        }
        // SAFETY: the caller has one thread, so that no lock is held by another one for ever in the
        // child; the child runs the server and never returns from it.
        match unsafe { fork() }.map_err(RuntimeError::step(step))? {
            ForkResult::Child => {
                drop(ours);
                server::serve(theirs)
            }
            ForkResult::Parent { child } => {
                let state = State { buffer: vec![0; MESSAGE_MAX], ended: HashMap::new() };
                Ok(Launcher { socket: ours, process: child, state: RefCell::new(state) })
            }
        }
    }

    /// One of our runtimes, served by this launcher.
    pub fn runtime(&self, kind: Kind) -> OwnRuntime<'_> {
        OwnRuntime { launcher: self, kind }
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.process.as_raw().unsigned_abs()
    }

    /// Lets the launcher write one line to `stdio`; returns when it was asked, and when it had written.
    ///
    /// # Errors
    /// When the launcher is gone, or nobody reads the line.
    pub(super) fn null(&self, stdio: Stdio) -> Result<(u64, u64), RuntimeError> {
        let fds = [&stdio.stdin, &stdio.stdout, &stdio.stderr].map(AsRawFd::as_raw_fd);
        let requested_ns = monotonic_ns();
        self.send(&Request::Null, &fds)?;
        drop(stdio);
        match self.answer()? {
            Reply::Null(written_ns) => Ok((requested_ns, written_ns)),
            other => Err(lost(format!("it answered {other:?}")).into()),
        }
    }

    fn send(&self, request: &Request, fds: &[i32]) -> Result<(), RuntimeError> {
        protocol::send(self.socket.as_fd(), request, fds).map_err(|error| {
            let too_long = error.raw_os_error() == Some(libc::EMSGSIZE);
            if too_long && matches!(request, Request::Prepare(..)) {
                return RuntimeError::BadSpec(
                    "arguments and environment are longer than 256 KiB; pass less".into(),
                );
            }
            RuntimeError::Failed { step: "asking the launcher".into(), source: error }
        })
    }

    /// The next answer that is not a report.
    fn answer(&self) -> Result<Reply, RuntimeError> {
        loop {
            if let Some(reply) = self.receive()? {
                return Ok(reply);
            }
        }
    }

    /// Receives one message; a report is put aside and gives `None`.
    fn receive(&self) -> Result<Option<Reply>, RuntimeError> {
        let step = "waiting for the launcher";
        let state = &mut *self.state.borrow_mut();
        let (reply, _) = protocol::receive::<Reply>(self.socket.as_fd(), &mut state.buffer)
            .map_err(RuntimeError::step(step))?
            .ok_or_else(|| RuntimeError::Failed {
                step: step.into(),
                source: std::io::Error::other("it is gone (killed?); start isobench again"),
            })?;
        match reply {
            Reply::Ended(sandbox, report) => {
                state.ended.insert(sandbox, *report);
                Ok(None)
            }
            Reply::Failed(error) => Err(error.into()),
            reply => Ok(Some(reply)),
        }
    }

    fn readable(&self) -> bool {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..))
    }
}

impl Drop for Launcher {
    /// Waits until the launcher has cleaned up and is gone.
    fn drop(&mut self) {
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
        while waitpid(self.process, None) == Err(Errno::EINTR) {}
    }
}

/// A runtime of ours: the launcher builds its sandboxes.
#[derive(Debug)]
pub struct OwnRuntime<'l> {
    launcher: &'l Launcher,
    kind: Kind,
}

impl Runtime for OwnRuntime<'_> {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn check(&self) -> Result<Vec<String>, Unavailable> {
        let asked = self.launcher.send(&Request::Check(self.kind), &[]).and_then(|()| self.launcher.answer());
        match asked {
            Ok(Reply::Checked(Ok(notes))) => Ok(notes),
            Ok(Reply::Checked(Err((reason, fix)))) => Err(Unavailable { reason, fix }),
            Ok(other) => Err(lost(format!("it answered {other:?}"))),
            Err(error) => Err(lost(error.to_string())),
        }
    }

    fn host_files(&self, spec: &LaunchSpec) -> Vec<PathBuf> {
        match self.kind {
            Kind::Linuxvm => crate::runtime::linuxvm::host_files(spec),
            _ => Vec::new(),
        }
    }

    fn prepare(&self, spec: &LaunchSpec) -> Result<Box<dyn Prepared + '_>, RuntimeError> {
        self.launcher.send(&Request::Prepare(self.kind, Box::new(spec.clone())), &[])?;
        match self.launcher.answer()? {
            Reply::Prepared(recipe) => {
                Ok(Box::new(OwnPrepared { launcher: self.launcher, recipe, measure: spec.measure }))
            }
            other => Err(lost(format!("it answered {other:?}")).into()),
        }
    }
}

fn lost(what: String) -> Unavailable {
    Unavailable { reason: format!("the launcher process failed: {what}"), fix: "start isobench again".into() }
}

struct OwnPrepared<'l> {
    launcher: &'l Launcher,
    recipe: u32,
    measure: Measure,
}

impl Prepared for OwnPrepared<'_> {
    fn launch(&self, stdio: Stdio) -> Result<Box<dyn Sandbox + '_>, RuntimeError> {
        let fds = [&stdio.stdin, &stdio.stdout, &stdio.stderr].map(AsRawFd::as_raw_fd);
        let requested_ns = monotonic_ns();
        self.launcher.send(&Request::Launch(self.recipe, self.measure), &fds)?;
        drop(stdio);
        match self.launcher.answer()? {
            Reply::Started(number, pid) => Ok(Box::new(OwnSandbox {
                launcher: self.launcher,
                number,
                pid,
                requested_ns,
                finished: false,
            })),
            other => Err(lost(format!("it answered {other:?}")).into()),
        }
    }
}

impl Drop for OwnPrepared<'_> {
    fn drop(&mut self) {
        // A launcher that is gone has forgotten it already.
        let _ = self.launcher.send(&Request::Forget(self.recipe), &[]);
    }
}

struct OwnSandbox<'l> {
    launcher: &'l Launcher,
    number: u32,
    pid: i32,
    requested_ns: u64,
    finished: bool,
}

impl OwnSandbox<'_> {
    fn report(&mut self) -> Result<SandboxReport, RuntimeError> {
        self.finished = true;
        loop {
            if let Some(report) = self.launcher.state.borrow_mut().ended.remove(&self.number) {
                return Ok(report);
            }
            if let Some(other) = self.launcher.receive()? {
                return Err(lost(format!("it answered {other:?}")).into());
            }
        }
    }
}

impl Sandbox for OwnSandbox<'_> {
    fn requested_ns(&self) -> u64 {
        self.requested_ns
    }

    fn processes(&self) -> Vec<i32> {
        crate::measure::processes::tree(self.pid)
    }

    fn ended_fd(&self) -> BorrowedFd<'_> {
        self.launcher.socket.as_fd()
    }

    fn has_ended(&mut self) -> Result<bool, RuntimeError> {
        while self.launcher.readable() {
            if let Some(other) = self.launcher.receive()? {
                return Err(lost(format!("it answered {other:?}")).into());
            }
        }
        Ok(self.launcher.state.borrow().ended.contains_key(&self.number))
    }

    fn kill(&mut self) {
        // A launcher that is gone has killed it already.
        let _ = self.launcher.send(&Request::Kill(self.number), &[]);
    }

    fn signal(&mut self, signal: i32) {
        // A launcher that is gone has killed it already.
        let _ = self.launcher.send(&Request::Signal(self.number, signal), &[]);
    }

    fn finish(mut self: Box<Self>) -> Result<SandboxReport, RuntimeError> {
        let mut report = self.report()?;
        // From the harness's call to the launcher's first move.
        if let Some(first) = report.phases.first() {
            let (start_ns, end_ns) = (self.requested_ns, first.start_ns.max(self.requested_ns));
            report.phases.insert(0, Phase { name: "request".into(), start_ns, end_ns });
        }
        Ok(report)
    }
}

impl Drop for OwnSandbox<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.kill();
            let _ = self.report();
        }
    }
}
