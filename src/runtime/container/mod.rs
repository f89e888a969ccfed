//! Runtime `container`: Linux namespaces, a root of its own, limits, no privileges.
//!
//! [`plan`] says what is to be done as a list of [`operation`]s; [`init`] does it in a cloned child.
//! `docs/container.md` tells what each step isolates, and what it costs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

mod host;
mod init;
mod operation;
mod plan;
mod seccomp;

use super::cgroup::{Cgroup, Place};
use super::clone::{Cloned, clone3};
use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::{FileMapping, Isolation, LaunchSpec, Limits, Program, Stdio};
use super::{RuntimeError, Unavailable};
use crate::runtime::board::Board;
use crate::runtime::trial::Exit;
use crate::workload::program::open_program;
use host::Host;
use init::{Pointers, Setup, Workload};
use plan::{Plan, Shown};
use seccomp::Filter;

/// Whether containers work here, by building one and throwing it away. The notes tell what they
/// will lack.
///
/// # Errors
/// [`Unavailable`] with the setting or the right that is missing.
pub fn check() -> Result<Vec<String>, Unavailable> {
    let host = Host::look();
    let spec = LaunchSpec {
        program: Program::Builtin(String::new()),
        argv: Vec::new(),
        env: Vec::new(),
        limits: Limits::default(),
        timeout: None,
        files: Vec::new(),
        root: None,
        without: [Isolation::Limits].into(),
        measure: Default::default(),
    };
    let no = |reason: String| Unavailable { reason, fix: "see docs/container.md".into() };
    let plan = Plan::new(&spec, &host, None, None, &[]).map_err(|error| no(error.to_string()))?;
    rehearse(&plan).map_err(|failure| match failure {
        Rehearsal::Refused(errno) => host::why_no_user_namespace(errno),
        Rehearsal::Failed(step) if host.privileged => no(format!("no container can be made: {step}")),
        Rehearsal::Failed(step) => {
            let why = host::why_no_user_namespace(libc::EPERM);
            Unavailable { reason: format!("{} ({step})", why.reason), fix: why.fix }
        }
    })?;
    let mut notes = Vec::new();
    match Place::discover() {
        Ok(place) => notes.extend(missing_limits(&place)),
        Err(reason) => notes.push(no_cgroup(&reason)),
    }
    if !host.privileged {
        notes.push("runs in a user namespace, as an ordinary user".into());
    }
    Ok(notes)
}

fn no_cgroup(reason: &str) -> String {
    format!("no cgroup can be had ({reason}): containers run without limits")
}

fn missing_limits(place: &Place) -> Option<String> {
    let missing = place.missing();
    (!missing.is_empty()).then(|| {
        format!(
            "{} offers no {} controller: that limit is not applied",
            place.describe(),
            missing.join(" or ")
        )
    })
}

enum Rehearsal {
    /// The clone itself, with this error number.
    Refused(i32),
    /// A step.
    Failed(String),
}

/// Builds a container and ends it before any workload.
fn rehearse(plan: &Plan) -> Result<(), Rehearsal> {
    let failed = |error: nix::Error| Rehearsal::Failed(error.desc().into());
    let board = Board::new().map_err(failed)?;
    let launcher = own_pidfd().map_err(|error| Rehearsal::Failed(error.to_string()))?;
    let workload = Workload { opened: None, argv: Pointers::new(Vec::new()), env: Pointers::new(Vec::new()) };
    let setup = Setup {
        plan,
        filter: &Filter::compile(),
        board: &board,
        launcher: launcher.as_fd(),
        join: &[],
        stdio: [-1; 3],
        workload: &workload,
        dumpable: false,
        count_syscalls: false,
    };
    // SAFETY: the child does system calls and plain stores, and leaves by `_exit`.
    match unsafe { clone3(plan.namespaces, None) } {
        Err(errno) => Err(Rehearsal::Refused(errno as i32)),
        Ok(Cloned::Child) => init::rehearse(&setup),
        Ok(Cloned::Parent { pid, .. }) => {
            let mut status = 0;
            // SAFETY: waits for the child just made, and writes one integer of this frame.
            unsafe { libc::waitpid(pid, &mut status, 0) };
            match board.exit() {
                Some(Exit::LaunchFailed(step)) => Err(Rehearsal::Failed(step)),
                _ if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 => Ok(()),
                _ => Err(Rehearsal::Failed("its first process died".into())),
            }
        }
    }
}

/// Opens, plans and compiles whatever all launches of `spec` share.
///
/// # Errors
/// [`RuntimeError::BadSpec`] where the spec asks for what cannot be.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    let host = Host::look();
    let program = match &spec.program {
        Program::HostFile(path) => Some(resolve(path, "the program")?),
        Program::Builtin(_) | Program::InRoot(_) => None,
    };
    let root = spec.root.as_deref().map(|root| resolve(root, "the root")).transpose()?;
    let shown: Vec<Shown> = spec.files.iter().map(show).collect::<Result<_, _>>()?;
    let plan = Plan::new(spec, &host, program.as_deref(), root.as_deref(), &shown)?;
    // Opening it also says, before anything runs, what is wrong with it.
    let opened = open_program(&spec.program, spec.root.as_deref())?;
    let mut notes = plan.notes.clone();
    let place = if spec.without.contains(&Isolation::Limits) {
        None
    } else {
        let place = Place::discover();
        notes.extend(place.as_ref().err().map(|reason| no_cgroup(reason)));
        let place = place.ok();
        notes.extend(place.as_ref().and_then(missing_limits));
        place
    };
    Ok(Box::new(ContainerRecipe {
        workload: Workload {
            opened: Some(opened.file.into()),
            argv: Pointers::new(spec.argv.clone()),
            env: Pointers::new(spec.env.clone()),
        },
        plan,
        filter: Filter::compile(),
        launcher: own_pidfd().map_err(RuntimeError::step("opening a pidfd of the launcher"))?,
        place,
        limits: spec.limits,
        notes,
        privileged: host.privileged,
    }))
}

struct ContainerRecipe {
    plan: Plan,
    filter: Filter,
    workload: Workload,
    launcher: OwnedFd,
    /// Where groups are made; none: without limits.
    place: Option<Place>,
    limits: Limits,
    notes: Vec<String>,
    privileged: bool,
}

impl Recipe for ContainerRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        let stdio = above_standard(launch.stdio)?;
        let cgroup = self
            .place
            .as_ref()
            .map(|place| place.create_next(&self.limits))
            .transpose()
            .map_err(RuntimeError::step("making the cgroup"))?;
        let join: Vec<RawFd> =
            cgroup.iter().flat_map(Cgroup::join_files).map(|file| file.as_raw_fd()).collect();
        let setup = Setup {
            plan: &self.plan,
            filter: &self.filter,
            board: launch.board,
            launcher: self.launcher.as_fd(),
            join: &join,
            stdio: [&stdio.stdin, &stdio.stdout, &stdio.stderr].map(AsRawFd::as_raw_fd),
            workload: &self.workload,
            // As root one may read any process's accounts.
            dumpable: launch.measure.footprint && !self.privileged,
            count_syscalls: launch.measure.syscalls,
        };
        let clone_into = cgroup.as_ref().and_then(Cgroup::clone_into);
        // SAFETY: this process has one thread; the child does system calls and plain stores, and
        // leaves by `_exit`.
        match unsafe { clone3(self.plan.namespaces, clone_into) } {
            Ok(Cloned::Child) => init::run(&setup),
            Ok(Cloned::Parent { pid, pidfd }) => Ok(Started { pid, pidfd, cgroup }),
            Err(errno) if !self.privileged => Err(host::why_no_user_namespace(errno as i32).into()),
            Err(errno) => Err(RuntimeError::step("making the container's first process")(errno)),
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// The streams with numbers above 2, so that giving them their final numbers overwrites none.
fn above_standard(stdio: Stdio) -> Result<Stdio, RuntimeError> {
    let above = |fd: OwnedFd| {
        if fd.as_raw_fd() > 2 {
            return Ok(fd);
        }
        // SAFETY: duplicates a descriptor that is open; the new one is nobody else's.
        unsafe {
            match libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) {
                -1 => Err(io::Error::last_os_error()),
                new => Ok(OwnedFd::from_raw_fd(new)),
            }
        }
    };
    let step = "duplicating the standard streams";
    Ok(Stdio {
        stdin: above(stdio.stdin).map_err(RuntimeError::step(step))?,
        stdout: above(stdio.stdout).map_err(RuntimeError::step(step))?,
        stderr: above(stdio.stderr).map_err(RuntimeError::step(step))?,
    })
}

/// The path without symbolic links: it is looked up once the container has a root of its own, where
/// the host's absolute links lead elsewhere.
fn resolve(path: &Path, what: &str) -> Result<PathBuf, RuntimeError> {
    path.canonicalize().map_err(|error| RuntimeError::BadSpec(format!("{what} {}: {error}", path.display())))
}

fn show(mapping: &FileMapping) -> Result<Shown, RuntimeError> {
    let host = resolve(&mapping.host, "the file")?;
    Ok(Shown { folder: host.is_dir(), guest: mapping.guest.clone(), host })
}

fn own_pidfd() -> io::Result<OwnedFd> {
    // SAFETY: the kernel makes a new descriptor, which is nobody else's.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd as RawFd)),
        }
    }
}
