//! How many files a process may have open at once.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The soft limit before [`raise`]; 0 where nothing was raised.
static BEFORE: AtomicU64 = AtomicU64::new(0);

/// Lets this process, and the launchers that it starts from now on, have as many files open as the hard limit allows: each
/// living sandbox takes a few. Workloads get the limit that there was before: a program that uses `select(2)` fails
/// beyond 1,024. Returns the limit that holds now.
///
/// # Errors
/// When the limit cannot be read; one that cannot be raised stays.
pub fn raise() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        BEFORE.store(soft, Ordering::Relaxed);
        return Ok(hard);
    }
    Ok(soft)
}

/// In a workload's process before it executes its program: undoes [`raise`]. Async-signal-safe.
pub fn restore() {
    let soft = BEFORE.load(Ordering::Relaxed);
    if soft == 0 {
        return;
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: reads into, then sets from, a valid structure of this frame; lowering a soft limit is always allowed.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = soft.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
