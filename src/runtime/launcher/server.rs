//! The launcher process's loop: it starts, watches, times out, reaps and cleans up sandboxes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{Pid, setpgid};

use super::protocol::{self, Kind, MESSAGE_MAX, Reply, Request};
use super::recipe::{Launch, Recipe, Started};
use crate::measure::clock::{monotonic_ns, until};
use crate::measure::processes;
use crate::runtime::board::Board;
use crate::runtime::cgroup::{self, Cgroup};
use crate::runtime::spec::{Isolation, LaunchSpec, Limits, Measure, Stdio};
use crate::runtime::trial::{CpuTime, Crossings, Exit};
use crate::runtime::{RuntimeError, SandboxReport, Unavailable, container, linuxvm, microvm, process};

/// Serves the harness until it is gone; then kills what runs, cleans up, and ends the process.
pub fn serve(socket: OwnedFd) -> ! {
    let status = match Server::new(socket).and_then(Server::run) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("isobench: the launcher process failed: {error}");
            1
        }
    };
    // SAFETY: ends this process at once; the exit handlers belong to the harness it was forked from.
    unsafe { libc::_exit(status) }
}

/// What wakes the launcher up is asked of an epoll instance, whose cost does not grow with the number of
/// sandboxes that are alive, as that of poll(2) does.
pub(super) struct Server {
    socket: OwnedFd,
    events: Epoll,
    buffer: Vec<u8>,
    recipes: HashMap<u32, Prepared>,
    sandboxes: BTreeMap<u32, Running>,
    /// When which sandbox is to be killed.
    deadlines: BTreeSet<(u64, u32)>,
    next: u32,
    /// What earlier launchers left behind is gone.
    swept: bool,
}

/// Marks the socket among the events; sandboxes have higher numbers.
const SOCKET: u32 = 0;

/// Events taken at once.
const EVENTS: usize = 64;

struct Prepared {
    kind: Kind,
    /// A daemon of its sandboxes can outlive them: there is no pid namespace whose end would be its own.
    leaves_orphans: bool,
    recipe: Box<dyn Recipe>,
    timeout: Option<Duration>,
    limits: Limits,
}

struct Running {
    kind: Kind,
    recipe: u32,
    board: Board,
    started: Started,
    requested_ns: u64,
    deadline_ns: Option<u64>,
    /// Killed by us for this reason, whatever the processes say afterwards.
    killed: Option<Exit>,
}

impl Server {
    pub(super) fn new(socket: OwnedFd) -> std::io::Result<Server> {
        close_all_but(&socket);
        // A Ctrl-C is for the harness, which then asks us to stop. Neither call can fail for a process
        // that leads no session; if one did, the sandboxes would die a little earlier.
        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
        // Orphans of a workload without a pid namespace become our children, so that none is lost.
        let _ = prctl::set_child_subreaper(true);
        for ignored in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGTTOU] {
            // SAFETY: ignoring a signal runs no handler.
            let _ = unsafe { signal(ignored, SigHandler::SigIgn) };
        }
        let events = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        events.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, SOCKET.into()))?;
        Ok(Server {
            socket,
            events,
            buffer: vec![0; MESSAGE_MAX],
            recipes: HashMap::new(),
            sandboxes: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next: SOCKET + 1,
            swept: false,
        })
    }

    fn run(mut self) -> std::io::Result<()> {
        let outcome = self.serve();
        self.kill_all();
        outcome
    }

    fn serve(&mut self) -> std::io::Result<()> {
        loop {
            let (request, ended) = self.wait()?;
            for number in ended {
                self.end(number)?;
            }
            self.kill_overdue();
            if request {
                let Some((request, fds)) = protocol::receive(self.socket.as_fd(), &mut self.buffer)? else {
                    return Ok(());
                };
                self.answer(request, fds)?;
            }
        }
    }

    /// Sleeps until something happens: is there a request, and which sandboxes have ended?
    pub(super) fn wait(&self) -> std::io::Result<(bool, Vec<u32>)> {
        let timeout = match self.deadlines.first() {
            // Rounded up, so that the loop does not spin through the last millisecond.
            Some((deadline, _)) => EpollTimeout::try_from(until(*deadline) + Duration::from_millis(1))
                .unwrap_or(EpollTimeout::MAX),
            None => EpollTimeout::NONE,
        };
        let mut events = [EpollEvent::empty(); EVENTS];
        let happened = match self.events.wait(&mut events, timeout) {
            Err(nix::errno::Errno::EINTR) => 0,
            other => other?,
        };
        let numbers = || events[..happened].iter().map(|event| event.data() as u32);
        Ok((numbers().any(|number| number == SOCKET), numbers().filter(|number| *number != SOCKET).collect()))
    }

    fn answer(&mut self, request: Request, fds: Vec<OwnedFd>) -> std::io::Result<()> {
        let reply = match request {
            Request::Check(kind) => Reply::Checked(check(kind).map_err(|error| (error.reason, error.fix))),
            Request::Prepare(kind, spec) => match self.prepare(kind, &spec) {
                Ok(number) => Reply::Prepared(number),
                Err(error) => Reply::Failed(error.into()),
            },
            Request::Launch(recipe, measure) => {
                match streams(fds).and_then(|stdio| self.launch(recipe, measure, stdio)) {
                    Ok((number, pid)) => Reply::Started(number, pid),
                    Err(error) => Reply::Failed(error.into()),
                }
            }
            Request::Null => match null(fds) {
                Ok(written_ns) => Reply::Null(written_ns),
                Err(error) => Reply::Failed(error.into()),
            },
            Request::Kill(number) => {
                self.kill(number);
                return Ok(());
            }
            Request::Signal(number, signal) => {
                if let Some(running) = self.sandboxes.get_mut(&number) {
                    running.signal(signal);
                }
                return Ok(());
            }
            Request::Forget(recipe) => {
                self.recipes.remove(&recipe);
                return Ok(());
            }
        };
        self.send(&reply)?;
        if matches!(reply, Reply::Started(..)) {
            self.sweep();
        }
        Ok(())
    }

    /// Removes what earlier launchers left behind, once: while the first workload runs there is time for it.
    pub(super) fn sweep(&mut self) {
        if !self.swept {
            cgroup::sweep_stale();
            self.swept = true;
        }
    }

    /// Makes a recipe and gives it a number.
    pub(super) fn prepare(&mut self, kind: Kind, spec: &LaunchSpec) -> Result<u32, RuntimeError> {
        let recipe = prepare(kind, spec)?;
        let number = self.number();
        let leaves_orphans = leaves_orphans(kind, spec);
        let prepared = Prepared { kind, leaves_orphans, recipe, timeout: spec.timeout, limits: spec.limits };
        self.recipes.insert(number, prepared);
        Ok(number)
    }

    /// A harness that is gone is noticed at the next read.
    fn send(&self, reply: &Reply) -> std::io::Result<()> {
        match protocol::send(self.socket.as_fd(), reply, &[]) {
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => Ok(()),
            other => other,
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Starts a sandbox; its number, and the host's number of its first process.
    pub(super) fn launch(
        &mut self,
        recipe: u32,
        measure: Measure,
        stdio: Stdio,
    ) -> Result<(u32, i32), RuntimeError> {
        let requested_ns = monotonic_ns();
        let number = self.number();
        let Some(prepared) = self.recipes.get_mut(&recipe) else {
            return Err(RuntimeError::BadSpec(format!("no recipe {recipe}")));
        };
        let board = Board::new().map_err(RuntimeError::step("mapping the board"))?;
        let mut started = prepared.recipe.start(Launch { stdio, board: &board, measure })?;
        if measure.footprint && started.cgroup.is_none() {
            started.cgroup = account(started.pid, &prepared.limits);
        }
        // Whoever is cloned from now on has no use for it.
        board.keep_from_forks();
        let (pid, kind) = (started.pid, prepared.kind);
        let deadline_ns =
            prepared.timeout.map(|timeout| requested_ns.saturating_add(timeout.as_nanos() as u64));
        let watched = self.events.add(&started.pidfd, EpollEvent::new(EpollFlags::EPOLLIN, number.into()));
        let running = Running { kind, recipe, board, started, requested_ns, deadline_ns, killed: None };
        if let Err(errno) = watched {
            running.discard();
            return Err(RuntimeError::step("watching the sandbox's first process")(errno));
        }
        self.deadlines.extend(deadline_ns.map(|deadline| (deadline, number)));
        self.sandboxes.insert(number, running);
        Ok((number, pid))
    }

    pub(super) fn kill(&mut self, number: u32) {
        if let Some(running) = self.sandboxes.get_mut(&number) {
            running.kill(Exit::Signal(libc::SIGKILL));
        }
    }

    pub(super) fn kill_overdue(&mut self) {
        let now = monotonic_ns();
        while let Some((deadline, number)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(deadline, number));
            if let Some(running) = self.sandboxes.get_mut(&number) {
                running.kill(Exit::Timeout);
            }
        }
    }

    fn end(&mut self, number: u32) -> std::io::Result<()> {
        let Some((recipe, report)) = self.finish(number) else { return Ok(()) };
        self.send(&Reply::Ended(number, Box::new(report)))?;
        if let Some(prepared) = self.recipes.get_mut(&recipe) {
            prepared.recipe.restock();
        }
        Ok(())
    }

    /// Removes what is left of a sandbox that has ended; the number of its recipe, and what happened.
    pub(super) fn finish(&mut self, number: u32) -> Option<(u32, SandboxReport)> {
        let running = self.sandboxes.remove(&number)?;
        if let Some(deadline) = running.deadline_ns {
            self.deadlines.remove(&(deadline, number));
        }
        // A copy of the descriptor in a process that is just being cloned would keep it in the set.
        let _ = self.events.delete(&running.started.pidfd);
        let recipe = running.recipe;
        let mut report = running.end();
        if self.recipes.get(&recipe).is_none_or(|prepared| prepared.leaves_orphans) {
            self.kill_orphans();
        }
        if let Some(prepared) = self.recipes.get(&recipe) {
            report.notes.extend(prepared.recipe.notes());
        }
        Some((recipe, report))
    }

    pub(super) fn kill_all(&mut self) {
        // All are killed before the first is waited for.
        for running in self.sandboxes.values_mut() {
            running.kill(Exit::Signal(libc::SIGKILL));
        }
        for (_, running) in std::mem::take(&mut self.sandboxes) {
            running.end();
        }
        self.kill_orphans();
        // What recipes keep ready (cgroups) is theirs to remove.
        self.recipes.clear();
    }

    /// Kills the children of ours that are no sandbox's first process: daemons that a workload
    /// without a pid namespace left behind.
    fn kill_orphans(&self) {
        let known: HashSet<libc::pid_t> =
            self.sandboxes.values().map(|running| running.started.pid).collect();
        for pid in processes::children(std::process::id() as i32) {
            if !known.contains(&pid) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                reap(pid);
            }
        }
    }
}

impl Running {
    fn kill(&mut self, reason: Exit) {
        self.killed.get_or_insert(reason);
        let pid = Pid::from_raw(self.started.pid);
        // Either may be gone already. The group first: its leader may not have made it yet.
        let _ = kill(Pid::from_raw(-self.started.pid), Signal::SIGKILL);
        let _ = kill(pid, Signal::SIGKILL);
        if let Some(cgroup) = &self.started.cgroup {
            cgroup.kill();
        }
    }

    /// Kills it and removes what was made for it, when nobody will ask how it ended.
    fn discard(mut self) {
        self.kill(Exit::Signal(libc::SIGKILL));
        self.end();
    }

    fn signal(&mut self, signal: i32) {
        match self.kind {
            // A child of ours that nobody has reaped: its number is still its own.
            Kind::Process => signal_process(self.started.pid, signal),
            Kind::Container => {
                // The first child of the first process; others are orphans that it has adopted. One that has
                // just ended has left its number to nobody: its parent is about to end, too.
                if let Some(program) = processes::children(self.started.pid).first() {
                    signal_process(*program, signal);
                }
            }
            _ => self.kill(Exit::Signal(signal)),
        }
    }

    /// Reaps the first process, removes what was made for it, and puts the report together.
    fn end(self) -> SandboxReport {
        let (status, cpu) = reap(self.started.pid);
        // What is left of its process group has no leader any more and nobody to wait for it.
        let _ = kill(Pid::from_raw(-self.started.pid), Signal::SIGKILL);
        let ended_ns = monotonic_ns();
        let mut notes = Vec::new();
        let mut usage = CgroupUsage::default();
        if let Some(cgroup) = self.started.cgroup {
            usage = CgroupUsage::read(&cgroup);
            if let Err(error) = cgroup.remove() {
                notes.push(format!("its cgroup could not be removed: {error}"));
            }
        }
        if let Some(ending) = self.started.ending {
            (ending.0)(&self.board);
        }
        let vm = self.board.report();
        let [spawned_ns, entered_ns, exited_ns] = self.board.milestones();
        let said = self.board.exit();
        let exit = self.killed.unwrap_or_else(|| exit_of(said, status, self.kind));
        if usage.oom_killed {
            notes.push("the memory limit killed it (cgroup out of memory); give more with --memory".into());
        }
        let mut report = SandboxReport {
            exit,
            phases: self.board.phases(self.requested_ns),
            spawned_ns,
            entered_ns,
            exited_ns: exited_ns.or(Some(ended_ns)),
            torn_down_ns: 0,
            cpu,
            crossings: Crossings { host_syscalls: self.board.host_syscalls(), ..Crossings::default() },
            guest_memory: None,
            boot_log: Some(self.board.console_text()).filter(|log| !log.is_empty()),
            guest_clock: None,
            cgroup_peak_bytes: usage.peak,
            cgroup_kernel_bytes: usage.kernel,
            notes,
        };
        if let Some(vm) = vm {
            report.cpu.guest_ns = Some(vm.guest_ns);
            report.crossings.vm_exits = vm.vm_exits;
            report.crossings.kvm_stats = vm.kvm_stats;
            report.crossings.guest_syscalls = vm.guest_syscalls;
            report.crossings.missing_calls = vm.missing_calls;
            report.guest_memory = vm.memory;
            report.guest_clock = vm.guest_clock;
            report.notes.extend(vm.notes);
        }
        report.torn_down_ns = monotonic_ns();
        report
    }
}

/// Does at once what a sandbox's program would do: one line of output.
fn null(fds: Vec<OwnedFd>) -> Result<u64, RuntimeError> {
    let Ok([_stdin, stdout, _stderr]) = <[OwnedFd; 3]>::try_from(fds) else {
        return Err(RuntimeError::BadSpec("a launch needs three standard streams".into()));
    };
    nix::unistd::write(&stdout, b"null\n").map_err(RuntimeError::step("writing a line"))?;
    Ok(monotonic_ns())
}

/// One that is gone, or a number that is no signal, is nobody's loss.
fn signal_process(pid: libc::pid_t, signal: i32) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, signal) };
}

/// What the processes said counts; where they said nothing, how the first one ended.
fn exit_of(said: Option<Exit>, status: i32, kind: Kind) -> Exit {
    match said {
        Some(exit) => exit,
        None if libc::WIFSIGNALED(status) && kind != Kind::Process => {
            Exit::LaunchFailed(format!("its first process was killed by signal {}", libc::WTERMSIG(status)))
        }
        None if libc::WIFSIGNALED(status) => Exit::Signal(libc::WTERMSIG(status)),
        None if kind == Kind::Process => Exit::Code(libc::WEXITSTATUS(status)),
        None => Exit::LaunchFailed(format!(
            "its first process ended with status {} and said nothing",
            libc::WEXITSTATUS(status)
        )),
    }
}

/// Waits for a child of ours; its status and its CPU time, the children it waited for included.
fn reap(pid: libc::pid_t) -> (i32, CpuTime) {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are valid for the writes that wait4(2) makes.
        let reaped = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
        if reaped != -1 || nix::errno::Errno::last() != nix::errno::Errno::EINTR {
            break;
        }
    }
    // SAFETY: zeroed before the call, which is a valid rusage.
    let usage = unsafe { usage.assume_init() };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    (status, CpuTime { user_ns: ns(usage.ru_utime), system_ns: ns(usage.ru_stime), guest_ns: None })
}

#[derive(Default)]
struct CgroupUsage {
    peak: Option<u64>,
    kernel: Option<u64>,
    oom_killed: bool,
}

impl CgroupUsage {
    fn read(cgroup: &Cgroup) -> CgroupUsage {
        CgroupUsage {
            peak: cgroup.memory_peak(),
            kernel: cgroup.memory_kernel(),
            oom_killed: cgroup.was_oom_killed(),
        }
    }
}

/// Puts an already running sandbox into a cgroup of its own, for accounting only. Where that is not
/// possible the trial goes without these columns.
fn account(pid: libc::pid_t, limits: &Limits) -> Option<Cgroup> {
    let unlimited = Limits { memory_bytes: u64::MAX, pids: u32::MAX, ..*limits };
    let cgroup = Cgroup::create(&unlimited).ok()?;
    match cgroup.add(pid) {
        Ok(()) => Some(cgroup),
        Err(_) => {
            let _ = cgroup.remove();
            None
        }
    }
}

/// Closes what was inherited from the harness, but for the standard streams: another launcher's socket above all, whose other end
/// would not notice when the harness dies.
fn close_all_but(socket: &OwnedFd) {
    let kept = socket.as_raw_fd();
    for (first, last) in [(3, kept - 1), (kept.max(2) + 1, libc::c_int::MAX)] {
        if first <= last {
            // SAFETY: nothing of this process, which has just been forked to serve this socket, uses any other
            // descriptor.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

fn streams(fds: Vec<OwnedFd>) -> Result<Stdio, RuntimeError> {
    match <[OwnedFd; 3]>::try_from(fds) {
        Ok([stdin, stdout, stderr]) => Ok(Stdio { stdin, stdout, stderr }),
        Err(_) => Err(RuntimeError::BadSpec("a launch needs three standard streams".into())),
    }
}

/// A microVM's only process is its VMM; a container's end with its first one, in a pid namespace.
fn leaves_orphans(kind: Kind, spec: &LaunchSpec) -> bool {
    match kind {
        Kind::Process => true,
        Kind::Container => spec.without.contains(&Isolation::Pid),
        Kind::Microvm | Kind::MicrovmClone | Kind::Linuxvm | Kind::LinuxvmClone => false,
    }
}

fn check(kind: Kind) -> Result<Vec<String>, Unavailable> {
    match kind {
        Kind::Process => Ok(Vec::new()),
        Kind::Container => container::check(),
        Kind::Microvm | Kind::MicrovmClone => microvm::check(),
        Kind::Linuxvm | Kind::LinuxvmClone => linuxvm::check(),
    }
}

fn prepare(kind: Kind, spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    match kind {
        Kind::Process => process::prepare(spec),
        Kind::Container => container::prepare(spec),
        Kind::Microvm => microvm::prepare(spec),
        Kind::Linuxvm => linuxvm::prepare(spec),
        Kind::LinuxvmClone => linuxvm::prepare_clone(spec),
        Kind::MicrovmClone => microvm::prepare_clone(spec),
    }
}
