//! External runtimes: outside tools that run the same workload, in the same rounds, under the same clocks.
//!
//! A trial is the tool's own command line, started by the launcher as runtime `process` starts a program: so the
//! clock begins where a user's would, and a tool that hangs is killed like any sandbox. What the tool needs
//! beforehand (a bundle, an image) is made by [`Runtime::prepare`], outside every clock, as one pulls an image
//! before one runs it. Each [`Tool`] is one small file; the plumbing is shared.
//!
//! What is left behind by a crash is found by the owner's mark in its name or label ([`owner`]) and removed at the next
//! start; nothing without such a mark is ever touched.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

mod bubblewrap;
mod bundle;
mod command;
mod engine;
mod facts;
mod nspawn;
mod oci;
mod owner;
mod rootfs;
mod scratch;
mod tool;

use super::launcher::{Kind, Launcher, OwnRuntime};
use super::session::{Watch, observe};
use super::spec::{LaunchSpec, Measure, Program, Stdio};
use super::trial::Exit;
use super::{Prepared, Runtime, RuntimeError, Sandbox, SandboxReport, Unavailable};
use crate::measure::clock::monotonic_ns;
use crate::measure::footprint::pss;
use crate::measure::processes::{named, tree};
use crate::workload::catalogue::expected_output;
use command::{CommandLine, find};
pub use facts::ExternalTool;
use scratch::Scratch;
use tool::{Job, Staged, Tool};

/// Every tool that can be compared with, in the order of the report.
const TOOLS: &[&dyn Tool] = &[
    &bubblewrap::Bubblewrap,
    &nspawn::Nspawn,
    &oci::RUNC,
    &oci::CRUN,
    &oci::RUNSC,
    &engine::PODMAN,
    &engine::DOCKER,
];

/// How long the trial run of a check may take: a daemon that starts up is slow, one that hangs is not waited for.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// The names of all external runtimes.
pub fn names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().map(|tool| tool.name())
}

/// The external runtime of this name, whose processes this launcher starts.
pub fn runtime<'l>(name: &str, launcher: &'l Launcher) -> Option<External<'l>> {
    let tool = *TOOLS.iter().find(|tool| tool.name() == name)?;
    Some(External { tool, process: launcher.runtime(Kind::Process) })
}

/// An outside tool as a runtime.
pub struct External<'l> {
    tool: &'static dyn Tool,
    process: OwnRuntime<'l>,
}

impl External<'_> {
    fn program(&self) -> Result<PathBuf, Unavailable> {
        find(self.tool.program()).ok_or_else(|| Unavailable {
            reason: format!("{} is not on PATH", self.tool.program()),
            fix: self.tool.how_to_install().to_owned(),
        })
    }

    fn version(&self) -> Result<String, Unavailable> {
        let program = self.program()?;
        let output =
            CommandLine::new(&program).arguments(self.tool.version_arguments()).run().map_err(|failure| {
                Unavailable {
                    reason: format!("{} is there but does not work: {failure}", program.display()),
                    fix: self.tool.how_to_install().to_owned(),
                }
            })?;
        Ok(output.lines().next().unwrap_or_default().trim().to_owned())
    }

    fn stage(&self, spec: &LaunchSpec) -> Result<ExternalPrepared<'_>, RuntimeError> {
        let program = self.program()?;
        let scratch = Scratch::new(self.tool.name())?;
        let root = rootfs::build(spec, scratch.path())?;
        let job = Job { tool: &program, spec, root: &root, scratch: scratch.path(), id: scratch.id() };
        let staged = self.tool.stage(&job)?;
        let (executable, words) =
            staged.run.executable().map_err(RuntimeError::step(format!("reading {}", program.display())))?;
        let argv = words.into_iter().map(c_string).collect::<Result<_, _>>()?;
        let env = std::env::vars_os()
            .map(|(name, value)| c_string([name, "=".into(), value].into_iter().collect()));
        let process = self.process.prepare(&LaunchSpec {
            argv,
            env: env.collect::<Result<_, _>>()?,
            timeout: spec.timeout,
            limits: spec.limits,
            measure: Measure::default(),
            once: spec.once,
            ..LaunchSpec::new(Program::HostFile(executable))
        })?;
        Ok(ExternalPrepared {
            tool: self.tool,
            process,
            staged,
            id: scratch.id().to_owned(),
            _scratch: scratch,
        })
    }

    /// Runs the smallest workload once: a tool may be there and yet not work.
    fn probe(&self) -> Result<(), Unavailable> {
        let unavailable = |reason: String| Unavailable { reason, fix: self.tool.how_to_mend().to_owned() };
        let name = "noop";
        let spec = LaunchSpec {
            argv: vec![c"noop".to_owned()],
            timeout: Some(PROBE_TIMEOUT),
            once: true,
            ..LaunchSpec::new(Program::Builtin(name.to_owned()))
        };
        let prepared = self.stage(&spec).map_err(|error| match error {
            RuntimeError::Unavailable(unavailable) => unavailable,
            other => unavailable(other.to_string()),
        })?;
        let observed = observe(&prepared, Watch::Input(&[]), &|| false)
            .map_err(|error| unavailable(error.to_string()))?;
        let said = command::own_words(&observed.stderr, &observed.stdout);
        match observed.report.exit {
            Exit::Code(0)
                if expected_output(name, None).is_some_and(|right| right.as_bytes() == observed.stdout) =>
            {
                Ok(())
            }
            Exit::Code(0) => Err(unavailable(format!("it ran {name} and printed something else: {said}"))),
            Exit::Timeout => Err(unavailable(format!("it hung: nothing for {} s", PROBE_TIMEOUT.as_secs()))),
            other => Err(unavailable(format!("it could not run {name} (status {}): {said}", other.status()))),
        }
    }
}

impl Runtime for External<'_> {
    fn name(&self) -> &str {
        self.tool.name()
    }

    fn check(&self) -> Result<Vec<String>, Unavailable> {
        let program = self.program()?;
        let version = self.version()?;
        scratch::sweep(self.tool, &program);
        self.tool.sweep(&program);
        self.probe()?;
        Ok(vec![format!("{version} ({})", program.display())])
    }

    fn host_files(&self, _spec: &LaunchSpec) -> Vec<PathBuf> {
        self.program().into_iter().collect()
    }

    fn prepare(&self, spec: &LaunchSpec) -> Result<Box<dyn Prepared + '_>, RuntimeError> {
        Ok(Box::new(self.stage(spec)?))
    }

    fn external(&self) -> Option<ExternalTool> {
        let daemons: Vec<i32> = self.tool.daemons().iter().flat_map(|name| named(name)).collect();
        Some(ExternalTool {
            runtime: self.tool.name().to_owned(),
            program: self.program().ok()?.display().to_string(),
            version: self.version().unwrap_or_default(),
            differences: self.tool.differences().iter().map(|one| (*one).to_owned()).collect(),
            daemon_pss_bytes: (!daemons.is_empty()).then(|| pss(&daemons).total_bytes),
        })
    }
}

fn c_string(word: OsString) -> Result<std::ffi::CString, RuntimeError> {
    std::ffi::CString::new(word.into_vec())
        .map_err(|_| RuntimeError::BadSpec("a word of the command holds a zero byte".into()))
}

/// A tool's command line, ready to be started over and over.
struct ExternalPrepared<'l> {
    tool: &'static dyn Tool,
    process: Box<dyn Prepared + 'l>,
    staged: Staged,
    id: String,
    _scratch: Scratch,
}

impl Prepared for ExternalPrepared<'_> {
    fn launch(&self, stdio: Stdio) -> Result<Box<dyn Sandbox + '_>, RuntimeError> {
        let process = self.process.launch(stdio)?;
        Ok(Box::new(ExternalSandbox { prepared: self, process, killed: Cell::new(false) }))
    }
}

impl Drop for ExternalPrepared<'_> {
    fn drop(&mut self) {
        for command in &self.staged.discard {
            // Best effort: what cannot be removed now is swept at the next start.
            let _ = command.run();
        }
    }
}

struct ExternalSandbox<'a> {
    prepared: &'a ExternalPrepared<'a>,
    process: Box<dyn Sandbox + 'a>,
    killed: Cell<bool>,
}

impl Sandbox for ExternalSandbox<'_> {
    fn requested_ns(&self) -> u64 {
        self.process.requested_ns()
    }

    fn processes(&self) -> Vec<i32> {
        let mut processes = self.process.processes();
        for first in self.prepared.tool.elsewhere(&self.prepared.staged, &self.prepared.id) {
            processes
                .extend(tree(first).into_iter().filter(|pid| !processes.contains(pid)).collect::<Vec<_>>());
        }
        processes
    }

    fn ended_fd(&self) -> BorrowedFd<'_> {
        self.process.ended_fd()
    }

    fn has_ended(&mut self) -> Result<bool, RuntimeError> {
        self.process.has_ended()
    }

    fn kill(&mut self) {
        self.killed.set(true);
        self.process.kill();
    }

    fn finish(self: Box<Self>) -> Result<SandboxReport, RuntimeError> {
        let mut report = self.process.finish()?;
        // The client alone was killed: what it had asked for lives on.
        if self.killed.get() || matches!(report.exit, Exit::Timeout | Exit::Signal(_)) {
            for command in &self.prepared.staged.remove {
                if let Err(failure) = command.run() {
                    report.notes.push(format!("after the kill, {failure}"));
                }
            }
            report.torn_down_ns = monotonic_ns();
        }
        // The launcher saw the tool's first instruction, not the workload's.
        report.entered_ns = None;
        report.cpu.guest_ns = None;
        Ok(report)
    }
}
