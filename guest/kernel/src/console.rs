//! The standard streams, which the VMM holds.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::hypercall::{self, Segments};
use crate::memory::Memory;
use crate::syscall::Errno;

/// Whether descriptors 1 and 2 are what they were at the start.
static UNTOUCHED: AtomicBool = AtomicBool::new(true);

/// Says whether they still are.
pub fn set_untouched(untouched: bool) {
    UNTOUCHED.store(untouched, Ordering::Relaxed);
}

/// The most frequent write, in as few instructions as possible: to an untouched standard stream, from
/// memory that is mapped. `None`: it is not of that kind, and `write` is to do it.
#[inline(always)]
pub fn write_fast(stream: u64, address: u64, bytes: u64) -> Option<i64> {
    // As one comparison: 1 or 2.
    if !UNTOUCHED.load(Ordering::Relaxed) || stream.wrapping_sub(1) > 1 || bytes == 0 {
        return None;
    }
    Some(hypercall::user_write(stream, address, bytes)).filter(|written| *written >= 0)
}

/// Writes the program's memory to stream 1 or 2; like a pipe, it may take less than asked for.
pub fn write(memory: &mut Memory, stream: u64, address: u64, bytes: u64) -> Result<u64, Errno> {
    if bytes == 0 {
        return Ok(0);
    }
    let mut segments = Segments::new();
    memory.segments(&mut segments, address, bytes, false)?;
    segments.write(stream)
}

/// Reads standard input into the program's memory.
pub fn read(memory: &mut Memory, address: u64, bytes: u64) -> Result<u64, Errno> {
    if bytes == 0 {
        return Ok(0);
    }
    let mut segments = Segments::new();
    memory.segments(&mut segments, address, bytes, true)?;
    segments.read()
}

/// `writev` and `readv` on a standard stream.
pub fn vector(memory: &mut Memory, stream: u64, list: u64, count: u64) -> Result<u64, Errno> {
    if count > 1024 {
        return Err(Errno::EINVAL);
    }
    let mut segments = Segments::new();
    for index in 0..count {
        let [address, bytes] = memory.read::<[u64; 2]>(list.wrapping_add(16 * index))?;
        let done = match memory.segments(&mut segments, address, bytes, stream == 0) {
            Ok(done) => done,
            Err(_) if !segments.is_empty() => break,
            Err(errno) => return Err(errno),
        };
        if done < bytes {
            break;
        }
    }
    match (segments.is_empty(), stream) {
        (true, _) => Ok(0),
        (_, 0) => segments.read(),
        _ => segments.write(stream),
    }
}

/// `getrandom`.
pub fn random(memory: &mut Memory, address: u64, bytes: u64) -> Result<u64, Errno> {
    if bytes == 0 {
        return Ok(0);
    }
    let mut segments = Segments::new();
    memory.segments(&mut segments, address, bytes, true)?;
    segments.random()
}

/// Sleeps.
pub fn sleep(ns: u64) {
    if ns > 0 {
        hypercall::sleep(ns);
    }
}
