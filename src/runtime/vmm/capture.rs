//! Takes a snapshot: a VMM of its own boots the VM, stops it, and writes what it has become.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use guest_abi::layout::{PAGE, physical};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::guest_memory::GuestMemory;
use super::process::{self, Failed};
use super::resident::Resident;
use crate::runtime::RuntimeError;
use crate::runtime::board::Board;
use crate::runtime::launcher::recipe::{Launch, Started};
use crate::runtime::snapshot::{Header, Snapshot, blank_file, extents, format};
use crate::runtime::spec::{Measure, Stdio};
use crate::runtime::trial::Exit;

const STEP: &str = "taking the snapshot";

/// Runs `life` in a process of its own, which writes the snapshot to its standard output ([`write()`]) within
/// `most_ms` milliseconds, and ends with 0. The caller has one thread.
///
/// # Errors
/// Why the VM did not get ready.
pub fn run(
    most_ms: u16,
    life: impl FnOnce(&Launch<'_>) -> Result<i32, Failed>,
) -> Result<Snapshot, RuntimeError> {
    let file = blank_file().map_err(RuntimeError::step(STEP))?;
    let null = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let stdio = Stdio {
        stdin: null().map_err(RuntimeError::step(STEP))?,
        stdout: file.try_clone().map_err(RuntimeError::step(STEP))?.into(),
        stderr: null().map_err(RuntimeError::step(STEP))?,
    };
    let board = Board::new().map_err(RuntimeError::step("mapping the board"))?;
    let launch = Launch { stdio, board: &board, measure: Measure::default() };
    let Started { pid, pidfd, .. } = process::start(&launch, life)?;
    let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    let in_time = matches!(poll(&mut ended, PollTimeout::from(most_ms)), Ok(1..));
    // SAFETY: kills and reaps a child of ours that nobody else waits for; it may have ended already.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    let reason = match board.exit() {
        Some(Exit::Code(0)) => match Snapshot::adopt(file) {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => format!("what was written {error}"),
        },
        Some(Exit::LaunchFailed(reason)) => reason,
        Some(Exit::Death(death)) => death.message,
        _ if !in_time => "the VM did not get ready in time".to_owned(),
        _ => "the VMM ended without a word".to_owned(),
    };
    Err(RuntimeError::step(STEP)(std::io::Error::other(reason)))
}

/// Writes the snapshot to standard output: `header` with what guest memory holds. Parts of it that are `mapped`
/// from files are looked at whole; elsewhere, what is resident.
///
/// # Errors
/// The system's reason.
pub fn write(
    mut header: Header,
    memory: &GuestMemory,
    mapped: impl Iterator<Item = Range<u64>>,
    resident: &Resident,
) -> std::io::Result<()> {
    header.extents = extents::of_pages(filled_pages(memory, mapped, resident)?);
    // SAFETY: the descriptor is ours, and is never closed by this.
    let output = ManuallyDrop::new(unsafe { File::from_raw_fd(1) });
    let mut writer = format::Writer::begin(BufWriter::with_capacity(1 << 18, &*output), &header)?;
    let mut content = [0; PAGE as usize];
    for extent in &header.extents {
        for page in (extent.offset..extent.offset + extent.bytes).step_by(PAGE as usize) {
            memory.read(physical(page), &mut content)?;
            writer.pages(&content)?;
        }
    }
    writer.finish()
}

/// Offsets of the pages that are not all zero, in order.
fn filled_pages(
    memory: &GuestMemory,
    mapped: impl Iterator<Item = Range<u64>>,
    resident: &Resident,
) -> std::io::Result<BTreeSet<u64>> {
    let (base, bytes) = memory.host_range();
    let touched = resident.stretches(base, bytes)?.into_iter().map(|(from, to)| from - base..to - base);
    let mut filled = BTreeSet::new();
    let mut content = [0; PAGE as usize];
    for page in mapped.chain(touched).flat_map(|range| range.step_by(PAGE as usize)) {
        memory.read(physical(page), &mut content)?;
        if content != [0; PAGE as usize] {
            filled.insert(page);
        }
    }
    Ok(filled)
}
