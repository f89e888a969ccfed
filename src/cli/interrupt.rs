//! Ctrl-C and its kin: the first one asks for an orderly stop, a second one ends the process.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

static RECEIVED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: libc::c_int) {
    RECEIVED.store(signal, Ordering::Relaxed);
}

/// From now on SIGINT, SIGTERM and SIGHUP are delivered only while we wait for a sandbox, which they
/// interrupt: whoever asks [`received`] before it waits cannot miss one in between.
pub fn install() {
    // SA_RESETHAND, so that the second one of a kind ends the process.
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESETHAND, SigSet::empty());
    for signal in SIGNALS {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
        let _ = unsafe { sigaction(signal, &action) };
    }
    let _ = SigSet::from_iter(SIGNALS).thread_block();
}

/// The signal that asked us to stop, if one did.
pub fn received() -> Option<i32> {
    let noted = RECEIVED.load(Ordering::Relaxed);
    (noted != 0).then_some(noted).or_else(pending)
}

/// One that waits to be delivered.
fn pending() -> Option<i32> {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigpending writes a set to a valid place; an all-zero one is valid, should it fail.
    let set = unsafe {
        libc::sigpending(set.as_mut_ptr());
        set.assume_init()
    };
    // SAFETY: reads the valid set above.
    SIGNALS
        .into_iter()
        .map(|signal| signal as i32)
        .find(|signal| unsafe { libc::sigismember(&set, *signal) } == 1)
}
