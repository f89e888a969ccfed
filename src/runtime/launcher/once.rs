//! One sandbox with the harness's own standard streams, for a harness that does nothing else meanwhile.
//!
//! The launcher is then a process that *shares* the harness's memory (`CLONE_VM`, clone(2)): nothing is copied, no message is
//! encoded, and the two hand over to each other only twice. It stays a process of its own, so that it outlives a
//! harness that is killed, and cleans up as ever.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use syscalls::{Sysno, raw};

use super::protocol::Kind;
use super::server::Server;
use crate::runtime::clone::{Stack, clone3_on_stack};
use crate::runtime::spec::{LaunchSpec, Stdio};
use crate::runtime::{RuntimeError, SandboxReport};

/// Room for all that a launcher does: as much as the first thread of a process has.
const STACK: NonZeroUsize = NonZeroUsize::new(8 << 20).unwrap();

/// What both processes see.
struct Shared<'a> {
    kind: Kind,
    spec: &'a LaunchSpec,
    /// Ends when the harness does; a byte in it asks to kill the sandbox.
    orders: BorrowedFd<'a>,
    /// Written by the launcher, read by the harness when that has ended.
    outcome: Option<Result<SandboxReport, RuntimeError>>,
}

/// Runs one sandbox of `spec` with this process's standard streams, to its end. `stop` is asked whenever a
/// signal interrupts the wait; `true` kills the sandbox.
///
/// The calling process has one thread, and `stop` must be async-signal-safe.
///
/// # Errors
/// When it could not be prepared or launched.
pub fn run_once(
    kind: Kind,
    spec: &LaunchSpec,
    stop: &dyn Fn() -> bool,
) -> Result<SandboxReport, RuntimeError> {
    let step = "starting the launcher process";
    let (orders, orderer) = pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::step(step))?;
    let mut stack = Stack::new(STACK).map_err(RuntimeError::step(step))?;
    let mut shared = Shared { kind, spec, orders: orders.as_fd(), outcome: None };
    let place = &raw mut shared;
    // SAFETY: this process has one thread, and `wait` keeps to raw system calls until the launcher has ended, which alone writes
    // to `shared` until then.
    unsafe {
        let (_, ended) = clone3_on_stack(0, None, &mut stack, launcher, place.cast_const().cast())
            .map_err(RuntimeError::step(step))?;
        wait(&ended, &orderer, stop);
    }
    // SAFETY: the launcher has ended; the pointer is to a living value of this frame.
    let outcome = unsafe { (*place).outcome.take() };
    outcome.unwrap_or_else(|| Err(super::lost("it ended without a word (killed?)".into()).into()))
}

/// Waits until the launcher has ended, and reaps it.
///
/// It shares our memory and may be in the middle of `malloc`, and our `errno` is its own: so nothing here allocates, and no
/// function of libc is called that could fail.
fn wait(launcher: &OwnedFd, orderer: &OwnedFd, stop: &dyn Fn() -> bool) {
    let mut ended = libc::pollfd { fd: launcher.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // Signals that the caller blocks come in here, and only here.
    let none: u64 = 0;
    let mut ordered = false;
    while ended.revents == 0 {
        // SAFETY: a descriptor and an order of one byte, both of this frame.
        unsafe {
            raw::syscall5(
                Sysno::ppoll as usize,
                (&raw mut ended) as usize,
                1,
                0,
                (&raw const none) as usize,
                size_of_val(&none),
            );
            if ended.revents == 0 && !ordered && stop() {
                ordered = true;
                raw::syscall3(Sysno::write as usize, orderer.as_raw_fd() as usize, c"k".as_ptr() as usize, 1);
            }
        }
    }
    // SAFETY: waits for the launcher, which is a zombie, and asks for nothing about it.
    unsafe {
        raw::syscall5(
            Sysno::waitid as usize,
            libc::P_PIDFD as usize,
            launcher.as_raw_fd() as usize,
            0,
            libc::WEXITED as usize,
            0,
        )
    };
}

/// # Safety
/// `shared` must point to a [`Shared`] that the harness leaves alone until this process has ended.
unsafe extern "C" fn launcher(shared: *const c_void) -> ! {
    // SAFETY: the caller's promise.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>().cast_mut() };
    shared.outcome = serve(shared);
    // SAFETY: ends this process at once; all else is the harness's.
    unsafe { libc::_exit(0) }
}

/// Nothing when the harness is gone: nobody asks any more.
fn serve(shared: &Shared<'_>) -> Option<Result<SandboxReport, RuntimeError>> {
    // SAFETY: it is open; this process has its own table of descriptors, in which nobody else closes it.
    let orders = unsafe { OwnedFd::from_raw_fd(shared.orders.as_raw_fd()) };
    let mut server = match Server::new(orders) {
        Ok(server) => server,
        Err(error) => return Some(Err(RuntimeError::step("starting the launcher process")(error))),
    };
    let outcome = follow(&mut server, shared).transpose();
    if !matches!(outcome, Some(Ok(_))) {
        server.kill_all();
    }
    outcome
}

fn follow(server: &mut Server, shared: &Shared<'_>) -> Result<Option<SandboxReport>, RuntimeError> {
    let recipe = server.prepare(shared.kind, shared.spec)?;
    let (number, _) = server.launch(recipe, shared.spec.measure, standard_streams()?)?;
    server.sweep();
    loop {
        let (ordered, ended) = server.wait().map_err(RuntimeError::step("waiting for the sandbox"))?;
        if ended.contains(&number) {
            return Ok(server.finish(number).map(|(_, report)| report));
        }
        server.kill_overdue();
        if ordered {
            match nix::unistd::read(shared.orders, &mut [0]) {
                Ok(1) => server.kill(number),
                _ => return Ok(None),
            }
        }
    }
}

fn standard_streams() -> Result<Stdio, RuntimeError> {
    let duplicate = |number: i32| {
        // SAFETY: borrowed for the call only; one that is closed is refused by the kernel.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        fd.try_clone_to_owned().map_err(RuntimeError::step("duplicating the standard streams"))
    };
    Ok(Stdio { stdin: duplicate(0)?, stdout: duplicate(1)?, stderr: duplicate(2)? })
}
