//! Runtime `container`: Linux namespaces, a root of its own, limits, no privileges.
//!
//! [`plan`] says what is to be done as a list of [`operation`]s; [`init`] does it in a cloned child.
//! `docs/container.md` tells what each step isolates, and what it costs.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

mod copy_tree;
mod host;
mod init;
mod operation;
mod plan;
mod seccomp;

use super::cgroup::{Cgroup, Place};
use super::clone::{Cloned, Stack, clone3, clone3_sharing_memory};
use super::launcher::recipe::{Ending, Launch, Recipe, Started};
use super::seccomp::Filter;
use super::spec::{FileMapping, Isolation, LaunchSpec, Limits, Program, Stdio};
use super::{RuntimeError, Unavailable};
use crate::runtime::board::Board;
use crate::runtime::pointers::Pointers;
use crate::runtime::trial::Exit;
use crate::workload::program::{memory_file, open_program, require_static};
use host::Host;
use init::{Afterwards, Setup, Workload};
use plan::{Command, Plan, Shown};

/// Whether containers work here, by building one and throwing it away. The notes tell what they
/// will lack.
///
/// # Errors
/// [`Unavailable`] with the setting or the right that is missing.
pub fn check() -> Result<Vec<String>, Unavailable> {
    let host = Host::look(false);
    let spec = LaunchSpec {
        without: [Isolation::Limits].into(),
        ..LaunchSpec::new(Program::Builtin(String::new()))
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

/// Whether overlayfs accepts this root, and this place for what is written: it does not take every file
/// system, nor overlays over overlays at will, nor an ordinary user on every kernel.
fn overlay_can_be_mounted(host: &Host, root: &Path, spec: &LaunchSpec) -> bool {
    let spec = LaunchSpec {
        without: Isolation::ALL
            .into_iter()
            .filter(|step| !matches!(step, Isolation::User | Isolation::Mount | Isolation::Root))
            .collect(),
        writes: spec.writes.clone(),
        root: Some(root.to_owned()),
        ..LaunchSpec::new(Program::Builtin(String::new()))
    };
    match Plan::new(&spec, host, None, Some(root), &[]) {
        Ok(plan) => !matches!(rehearse(&plan.until_root()), Err(Rehearsal::Failed(_))),
        Err(_) => true,
    }
}

/// Builds a container and ends it before any workload.
fn rehearse(plan: &Plan) -> Result<(), Rehearsal> {
    let failed = |error: nix::Error| Rehearsal::Failed(error.desc().into());
    let board = Board::new().map_err(failed)?;
    let launcher = own_pidfd().map_err(|error| Rehearsal::Failed(error.to_string()))?;
    let workload = Workload { opened: None, argv: Pointers::new(Vec::new()), env: Pointers::new(Vec::new()) };
    let setup = Setup {
        plan,
        filter: &seccomp::filter(),
        board: &board,
        launcher: launcher.as_fd(),
        join: &[],
        stdio: [-1; 3],
        workload: &workload,
        workload_stack: std::ptr::null_mut(),
        afterwards: Afterwards::CountSyscalls,
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
    let mut host = Host::look(spec.root.is_some());
    // First of all: opening it says what is wrong with it.
    let opened = open_program(&spec.program, spec.root.as_deref())?;
    let program = match &spec.program {
        Program::HostFile(path) => Some(resolve(path, "the program")?),
        Program::Builtin(_) | Program::InRoot(_) => None,
    };
    let root = spec.root.as_deref().map(|root| resolve(root, "the root")).transpose()?;
    if let Some(root) = &root {
        host.overlay = host.overlay && overlay_can_be_mounted(&host, root, spec);
    }
    let shown: Vec<Shown> = spec.files.iter().map(show).collect::<Result<_, _>>()?;
    let plan = Plan::new(spec, &host, program.as_deref(), root.as_deref(), &shown)?;
    if matches!(plan.command, Command::Path(_)) && root.is_none() && plan.has_own_root {
        require_static(&opened)?;
    }
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
    let stack = || Stack::new(STACK).map_err(RuntimeError::step("mapping a stack"));
    let mut recipe = ContainerRecipe {
        workload: Workload {
            opened: Some(opened.file.into()),
            argv: Pointers::new(spec.argv.clone()),
            env: Pointers::new(spec.env.clone()),
        },
        plan,
        filter: seccomp::filter(),
        launcher: own_pidfd().map_err(RuntimeError::step("opening a pidfd of the launcher"))?,
        place,
        limits: spec.limits,
        spare: None,
        notes,
        privileged: host.privileged,
        once: spec.once,
        init: memory_file("isobench-init", INIT)
            .map_err(RuntimeError::step("loading the container's init"))?
            .into(),
        stacks: [stack()?, stack()?],
    };
    recipe.make_spare();
    Ok(Box::new(recipe))
}

/// Room for the calls, and an error message, between a clone and an exec.
const STACK: NonZeroUsize = NonZeroUsize::new(64 << 10).unwrap();

/// What the first process becomes: `guest/init`.
static INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guest-init.elf"));

struct ContainerRecipe {
    plan: Plan,
    filter: Filter,
    workload: Workload,
    launcher: OwnedFd,
    /// Where groups are made; none: without limits.
    place: Option<Place>,
    limits: Limits,
    /// A group for the next launch, made while nothing was being timed.
    spare: Option<Cgroup>,
    notes: Vec<String>,
    privileged: bool,
    /// See [`LaunchSpec::once`].
    once: bool,
    init: OwnedFd,
    /// For the first process and for the workload's, until they execute their programs.
    stacks: [Stack; 2],
}

impl ContainerRecipe {
    fn make_spare(&mut self) {
        if let (Some(place), None) = (&self.place, &self.spare) {
            // If it fails now, so it will on the clock, where the error is told.
            self.spare = place.create_next(&self.limits).ok();
        }
    }

    /// The group made beforehand, or else, on the clock, a new one.
    fn cgroup(&mut self, board: &Board) -> Result<Option<Cgroup>, RuntimeError> {
        let Some(place) = &self.place else { return Ok(None) };
        if let Some(spare) = self.spare.take() {
            return Ok(Some(spare));
        }
        let cgroup = place.create_next(&self.limits).map_err(RuntimeError::step("making the cgroup"))?;
        board.phase("make cgroup");
        Ok(Some(cgroup))
    }
}

impl Recipe for ContainerRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        let stdio = above_standard(launch.stdio)?;
        let mut cgroup = self.cgroup(launch.board)?;
        let join: Vec<RawFd> =
            cgroup.iter().flat_map(Cgroup::join_files).map(|file| file.as_raw_fd()).collect();
        let (pipe, ending) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
            .map_err(RuntimeError::step("making a pipe for the container's end"))?;
        let [stack, workload_stack] = &mut self.stacks;
        let (lowest, size) = workload_stack.range();
        let setup = Setup {
            plan: &self.plan,
            filter: &self.filter,
            board: launch.board,
            launcher: self.launcher.as_fd(),
            join: &join,
            stdio: [&stdio.stdin, &stdio.stdout, &stdio.stderr].map(AsRawFd::as_raw_fd),
            workload: &self.workload,
            workload_stack: lowest.wrapping_byte_add(size),
            afterwards: match launch.measure.syscalls {
                true => Afterwards::CountSyscalls,
                false => {
                    Afterwards::BecomeInit { program: self.init.as_raw_fd(), ending: ending.as_raw_fd() }
                }
            },
        };
        let clone_into = cgroup.as_ref().and_then(Cgroup::clone_into);
        let flags = self.plan.namespaces;
        let cloned = match setup.afterwards {
            // SAFETY: this process has one thread; the child does system calls and plain stores, and
            // leaves by `_exit`.
            Afterwards::CountSyscalls => match unsafe { clone3(flags, clone_into) } {
                Ok(Cloned::Child) => init::run(&setup),
                Ok(Cloned::Parent { pid, pidfd }) => Ok((pid, pidfd)),
                Err(errno) => Err(errno),
            },
            // SAFETY: this process has one thread and waits, so that nobody changes `setup`; the new
            // one writes to nothing of ours but the board and its stacks.
            Afterwards::BecomeInit { .. } => unsafe {
                let setup = (&raw const setup).cast::<c_void>();
                let cloned = clone3_sharing_memory(flags, clone_into, stack, init::enter, setup);
                // It switched this off for the memory that we shared.
                libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
                cloned
            },
        };
        match cloned {
            Ok((pid, pidfd)) => {
                if let (Some(cgroup), Afterwards::BecomeInit { .. }) = (&mut cgroup, setup.afterwards) {
                    cgroup.close_entries();
                }
                let ending = Ending(Box::new(move |board| init::read_ending(&pipe, board)));
                Ok(Started { pid, pidfd, cgroup, ending: Some(ending) })
            }
            Err(errno) if !self.privileged => Err(host::why_no_user_namespace(errno as i32).into()),
            Err(errno) => Err(RuntimeError::step("making the container's first process")(errno)),
        }
    }

    fn restock(&mut self) {
        if !self.once {
            self.make_spare();
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
