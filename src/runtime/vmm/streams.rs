//! What the guest asks of the host beyond memory: its standard streams, sleep, random bytes. The data go
//! straight between guest memory and the host's files.

use std::io::{Error, Result};

use guest_abi::Segment;

use super::guest_memory::GuestMemory;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Host addresses of segments, for readv(2) and writev(2). The memory stays mapped for as long as the VMM lives.
fn vectors(memory: &GuestMemory, segments: &[Segment]) -> Result<Vec<libc::iovec>> {
    let mut vectors = Vec::with_capacity(segments.len());
    for segment in segments {
        let slice = memory.slice(*segment)?;
        vectors.push(libc::iovec { iov_base: slice.ptr_guard_mut().as_ptr().cast(), iov_len: slice.len() });
    }
    Ok(vectors)
}

/// Repeats a call that a signal interrupted, or whose file was not ready although it does not block.
pub(crate) fn retry(fd: i32, events: i16, mut call: impl FnMut() -> isize) -> Result<u64> {
    loop {
        let result = call();
        if result >= 0 {
            return Ok(result as u64);
        }
        let error = Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EAGAIN) => {
                poll(fd, events, -1)?;
            }
            _ => return Err(error),
        }
    }
}

pub(crate) fn poll(fd: i32, events: i16, timeout_ms: i32) -> Result<bool> {
    let mut file = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one valid pollfd.
    match unsafe { libc::poll(&mut file, 1, timeout_ms) } {
        -1 => Err(Error::last_os_error()),
        ready => Ok(ready > 0),
    }
}

/// Writes segments to stream 1 or 2; it may take less than all.
pub fn write(memory: &GuestMemory, stream: i32, segments: &[Segment]) -> Result<u64> {
    let vectors = vectors(memory, segments)?;
    // SAFETY: the vectors name guest memory, whose content is the guest's own affair.
    retry(stream, libc::POLLOUT, || unsafe { libc::writev(stream, vectors.as_ptr(), vectors.len() as i32) })
}

/// Fills segments from standard input.
pub fn read(memory: &GuestMemory, segments: &[Segment]) -> Result<u64> {
    let vectors = vectors(memory, segments)?;
    // SAFETY: the vectors name guest memory, into which the guest wants the data.
    retry(0, libc::POLLIN, || unsafe { libc::readv(0, vectors.as_ptr(), vectors.len() as i32) })
}

/// Waits for standard input to be readable (or to have ended).
pub fn poll_stdin(timeout_ns: u64) -> Result<u64> {
    let timeout_ms = if timeout_ns == u64::MAX {
        -1
    } else {
        i32::try_from(timeout_ns.div_ceil(1_000_000)).unwrap_or(i32::MAX)
    };
    loop {
        match poll(0, libc::POLLIN, timeout_ms) {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            other => return other.map(u64::from),
        }
    }
}

/// Fills segments with random bytes.
pub fn random(memory: &GuestMemory, segments: &[Segment]) -> Result<u64> {
    let mut filled = 0;
    for vector in vectors(memory, segments)? {
        // SAFETY: the vector names guest memory.
        let got = retry(-1, 0, || unsafe { libc::getrandom(vector.iov_base, vector.iov_len, 0) })?;
        filled += got;
        if got < vector.iov_len as u64 {
            break;
        }
    }
    Ok(filled)
}

/// Sleeps.
pub fn sleep(ns: u64) {
    let mut left =
        libc::timespec { tv_sec: (ns / NS_PER_SECOND) as i64, tv_nsec: (ns % NS_PER_SECOND) as i64 };
    // SAFETY: both are valid; an interrupted sleep writes what is left.
    while unsafe { libc::nanosleep(&left, &mut left) } == -1
        && Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
}
