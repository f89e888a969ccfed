//! The board: a few pages shared by the launcher and the processes of one sandbox.
//!
//! A sandbox's processes write their progress here, with plain stores and nothing allocated, so it
//! may be used after `clone` and before `execve`; whatever was written survives their death. The
//! launcher reads it after the end, and trusts nothing in it: a VMM taken over by its guest can
//! write lies here, but cannot make the reader fail.
//!
//! ```text
//! +0        Header   counters, milestones, how it ended, a message
//! +1 KiB    phases   PHASES slots of 40 bytes
//! +1 page   report   JSON of a VmReport, written once by a VMM that ended in good order
//! +31 pages console  the last bytes of a guest's console, as a ring
//! ```

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use serde::{Deserialize, Serialize};

use super::trial::{Death, DeathCause, Exit, ExitCount, GuestClock, GuestMemory, MissingCall, Phase};
use crate::measure::clock::monotonic_ns;

const PAGE: usize = 4096;
const PHASES: usize = 64;
const NAME: usize = 32;
const MESSAGE: usize = 512;
const REPORT: usize = 30 * PAGE;
const CONSOLE: usize = 16 * PAGE;
const SIZE: usize = PAGE + REPORT + CONSOLE;
/// Header and phases share a page: each page costs a sandbox a fault.
const PHASES_AT: usize = 1024;

#[repr(C)]
struct Header {
    phase_count: AtomicU32,
    outcome: AtomicU32,
    code: AtomicI32,
    cause: AtomicU32,
    has_address: AtomicU32,
    message_len: AtomicU32,
    report_len: AtomicU32,
    _pad: u32,
    address: AtomicU64,
    spawned_ns: AtomicU64,
    entered_ns: AtomicU64,
    exited_ns: AtomicU64,
    host_syscalls: AtomicU64,
    console_bytes: AtomicU64,
    message: [AtomicU8; MESSAGE],
}

#[repr(C)]
struct Slot {
    end_ns: AtomicU64,
    name: [AtomicU8; NAME],
}

const _: () = assert!(size_of::<Header>() <= PHASES_AT && PHASES_AT + size_of::<Slot>() * PHASES <= PAGE);
const _: () = assert!(PHASES_AT.is_multiple_of(align_of::<Slot>()));

const OUTCOME_NONE: u32 = 0;
const OUTCOME_CODE: u32 = 1;
const OUTCOME_SIGNAL: u32 = 2;
const OUTCOME_DEATH: u32 = 3;
const OUTCOME_LAUNCH_FAILED: u32 = 4;

/// What a VMM tells about its VM once the guest has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VmReport {
    /// Exits to the VMM, by reason.
    pub vm_exits: Vec<ExitCount>,
    /// KVM's own counters, VM and vCPU, from `KVM_GET_STATS_FD`.
    pub kvm_stats: std::collections::BTreeMap<String, u64>,
    /// System calls that the guest kernel served, where it counts them.
    pub guest_syscalls: Option<u64>,
    /// Calls answered with `ENOSYS`.
    pub missing_calls: Vec<MissingCall>,
    /// Guest memory, in bytes, where it was looked at.
    pub memory: Option<GuestMemory>,
    /// Time spent inside `KVM_RUN`, in nanoseconds.
    pub guest_ns: u64,
    /// The guest's clock beside the host's, where the VMM can read it.
    pub guest_clock: Option<GuestClock>,
    /// Anything the user should know about this trial.
    pub notes: Vec<String>,
}

/// The shared pages. Dropping it unmaps them in this process only.
#[derive(Debug)]
pub struct Board {
    base: NonNull<c_void>,
}

// SAFETY: all that lies in the mapping is made of atomics, and it stays mapped as long as the board lives.
unsafe impl Sync for Board {}

impl Board {
    /// Maps a fresh board; a process forked from now on shares it.
    pub fn new() -> nix::Result<Board> {
        let size = const { NonZeroUsize::new(SIZE).unwrap() };
        // SAFETY: a new anonymous mapping at an address the kernel picks overlaps nothing.
        let base = unsafe {
            mmap_anonymous(None, size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED)?
        };
        Ok(Board { base })
    }

    /// Leaves it out of the memory of processes that are cloned from now on: one that is cloned while a
    /// thousand sandboxes are alive would get a copy of a thousand mappings (madvise(2), `MADV_DONTFORK`).
    pub fn keep_from_forks(&self) {
        // SAFETY: advises on our own whole mapping. A refusal costs time, nothing else.
        unsafe { libc::madvise(self.base.as_ptr(), SIZE, libc::MADV_DONTFORK) };
    }

    fn header(&self) -> &Header {
        // SAFETY: the mapping is page aligned, zeroed, at least a page long and lives as long as `self`;
        // Header is made of atomics (and one unused integer), for which every bit pattern is valid.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    fn slots(&self) -> &[Slot; PHASES] {
        // SAFETY: the part of the first page behind the header; as above.
        unsafe { self.base.byte_add(PHASES_AT).cast::<[Slot; PHASES]>().as_ref() }
    }

    fn report_bytes(&self) -> &[AtomicU8; REPORT] {
        // SAFETY: the mapping from the second page to its end; as above.
        unsafe { self.base.byte_add(PAGE).cast::<[AtomicU8; REPORT]>().as_ref() }
    }

    fn console_ring(&self) -> &[AtomicU8; CONSOLE] {
        // SAFETY: the mapping behind the report, to its end; as above.
        unsafe { self.base.byte_add(PAGE + REPORT).cast::<[AtomicU8; CONSOLE]>().as_ref() }
    }

    /// A guest's console says something; only the last 64 KiB are kept.
    pub fn console(&self, bytes: &[u8]) {
        let written = &self.header().console_bytes;
        let mut at = written.load(Ordering::Relaxed);
        for byte in bytes {
            self.console_ring()[at as usize % CONSOLE].store(*byte, Ordering::Relaxed);
            at = at.wrapping_add(1);
        }
        written.store(at, Ordering::Release);
    }

    /// Forgets what the console has said.
    pub fn clear_console(&self) {
        self.header().console_bytes.store(0, Ordering::Release);
    }

    /// What the console has said last, as text that may be shown: control characters are left out.
    pub fn console_text(&self) -> String {
        let written = self.header().console_bytes.load(Ordering::Acquire);
        let kept = written.min(CONSOLE as u64);
        let bytes: Vec<u8> = (0..kept)
            .map(|index| written.wrapping_sub(kept).wrapping_add(index))
            .map(|at| self.console_ring()[at as usize % CONSOLE].load(Ordering::Relaxed))
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        text.chars().filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control()).collect()
    }

    /// Notes that the phase `name` ends now; it began where the one before it ended.
    /// Names longer than 32 bytes are cut; phases beyond the 64th are dropped.
    pub fn phase(&self, name: &str) {
        self.phase_at(name, monotonic_ns());
    }

    /// As [`Board::phase`], for a moment read before.
    pub fn phase_at(&self, name: &str, end_ns: u64) {
        let index = self.header().phase_count.fetch_add(1, Ordering::AcqRel) as usize;
        if let Some(slot) = self.slots().get(index) {
            store_bytes(&slot.name, name.as_bytes());
            slot.end_ns.store(end_ns, Ordering::Release);
        }
    }

    /// The sandbox's first process runs.
    pub fn spawned(&self) {
        self.header().spawned_ns.store(monotonic_ns(), Ordering::Release);
    }

    /// The workload's first instruction runs about now.
    pub fn entered(&self) {
        self.entered_at(monotonic_ns());
    }

    /// As [`Board::entered`], for a moment read before.
    pub fn entered_at(&self, ns: u64) {
        self.header().entered_ns.store(ns, Ordering::Release);
    }

    /// The workload ended about now.
    pub fn exited(&self) {
        self.exited_at(monotonic_ns());
    }

    /// The workload ended at this moment, on `CLOCK_MONOTONIC`.
    pub fn exited_at(&self, ns: u64) {
        self.header().exited_ns.store(ns, Ordering::Release);
    }

    /// How many system calls the workload has made of the host kernel.
    pub fn count_host_syscalls(&self, count: u64) {
        self.header().host_syscalls.store(count, Ordering::Release);
    }

    /// The workload ended by itself with this status.
    pub fn end_with_code(&self, code: i32) {
        self.header().code.store(code, Ordering::Relaxed);
        self.header().outcome.store(OUTCOME_CODE, Ordering::Release);
    }

    /// A signal ended the workload.
    pub fn end_with_signal(&self, signal: i32) {
        self.header().code.store(signal, Ordering::Relaxed);
        self.header().outcome.store(OUTCOME_SIGNAL, Ordering::Release);
    }

    /// The VM or its workload died.
    pub fn end_with_death(&self, cause: DeathCause, address: Option<u64>, message: &str) {
        let header = self.header();
        header.cause.store(cause as u32, Ordering::Relaxed);
        header.has_address.store(address.is_some().into(), Ordering::Relaxed);
        header.address.store(address.unwrap_or(0), Ordering::Relaxed);
        self.set_message(message);
        header.outcome.store(OUTCOME_DEATH, Ordering::Release);
    }

    /// The sandbox could not be built: `step` failed with `errno` (0: none). Allocates nothing.
    pub fn launch_failed(&self, step: &str, errno: i32) {
        self.set_message(step);
        self.header().code.store(errno, Ordering::Relaxed);
        self.header().outcome.store(OUTCOME_LAUNCH_FAILED, Ordering::Release);
    }

    fn set_message(&self, message: &str) {
        let stored = store_bytes(&self.header().message, message.as_bytes());
        self.header().message_len.store(stored as u32, Ordering::Relaxed);
    }

    /// Publishes a VMM's last report; one that is too long is dropped.
    pub fn publish(&self, report: &VmReport) {
        let Ok(bytes) = serde_json::to_vec(report) else { return };
        if bytes.len() <= REPORT {
            let stored = store_bytes(self.report_bytes(), &bytes);
            self.header().report_len.store(stored as u32, Ordering::Release);
        }
    }

    /// How it ended, if a process of the sandbox said so.
    pub fn exit(&self) -> Option<Exit> {
        let header = self.header();
        let code = header.code.load(Ordering::Relaxed);
        match header.outcome.load(Ordering::Acquire) {
            OUTCOME_NONE => None,
            OUTCOME_CODE => Some(Exit::Code(code & 0xff)),
            OUTCOME_SIGNAL => Some(Exit::Signal(code & 0x7f)),
            OUTCOME_LAUNCH_FAILED if code == 0 => Some(Exit::LaunchFailed(self.message())),
            OUTCOME_LAUNCH_FAILED => {
                let errno = nix::errno::Errno::from_raw(code);
                Some(Exit::LaunchFailed(format!("{}: {} ({errno:?})", self.message(), errno.desc())))
            }
            _ => Some(Exit::Death(Death {
                cause: DeathCause::from_number(header.cause.load(Ordering::Relaxed)),
                address: (header.has_address.load(Ordering::Relaxed) != 0)
                    .then(|| header.address.load(Ordering::Relaxed)),
                message: self.message(),
            })),
        }
    }

    fn message(&self) -> String {
        load_text(&self.header().message, self.header().message_len.load(Ordering::Relaxed) as usize)
    }

    /// The phases so far; each begins where the one before it ended, the first at `begin_ns`.
    /// Times are on `CLOCK_MONOTONIC`.
    pub fn phases(&self, begin_ns: u64) -> Vec<Phase> {
        let count = (self.header().phase_count.load(Ordering::Acquire) as usize).min(PHASES);
        let mut start_ns = begin_ns;
        self.slots()[..count]
            .iter()
            .map(|slot| {
                let end_ns = slot.end_ns.load(Ordering::Acquire).max(start_ns);
                let phase = Phase { name: load_text(&slot.name, NAME), start_ns, end_ns };
                start_ns = end_ns;
                phase
            })
            .collect()
    }

    /// Milestones on `CLOCK_MONOTONIC`: spawned, entered, exited.
    pub fn milestones(&self) -> [Option<u64>; 3] {
        let header = self.header();
        [&header.spawned_ns, &header.entered_ns, &header.exited_ns].map(|milestone| {
            let ns = milestone.load(Ordering::Acquire);
            (ns != 0).then_some(ns)
        })
    }

    /// System calls into the host kernel, where they were counted.
    pub fn host_syscalls(&self) -> Option<u64> {
        let count = self.header().host_syscalls.load(Ordering::Acquire);
        (count != 0).then_some(count)
    }

    /// The VMM's last report, if it published one.
    pub fn report(&self) -> Option<VmReport> {
        let len = (self.header().report_len.load(Ordering::Acquire) as usize).min(REPORT);
        let bytes: Vec<u8> =
            self.report_bytes()[..len].iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
        serde_json::from_slice(&bytes).ok()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: this mapping was made by `new`, and no reference into it outlives `self`.
        // A failure would leave the pages mapped, which is harmless.
        let _ = unsafe { munmap(self.base, SIZE) };
    }
}

/// Copies what fits, ends it with a zero where there is room, and returns how many bytes it copied.
fn store_bytes(to: &[AtomicU8], from: &[u8]) -> usize {
    let mut stored = 0;
    for (target, byte) in to.iter().zip(from) {
        target.store(*byte, Ordering::Relaxed);
        stored += 1;
    }
    if let Some(end) = to.get(stored) {
        end.store(0, Ordering::Relaxed);
    }
    stored
}

fn load_text(from: &[AtomicU8], at_most: usize) -> String {
    let bytes: Vec<u8> = from
        .iter()
        .take(at_most)
        .map(|byte| byte.load(Ordering::Relaxed))
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let board = Board::new().unwrap();
        assert_eq!(board.exit(), None);
        board.phase_at("clone", 150);
        board.phase_at("a name that is far longer than thirty-two bytes", 170);
        let phases = board.phases(100);
        assert_eq!((phases[0].start_ns, phases[0].end_ns), (100, 150));
        assert_eq!(phases[1].name, "a name that is far longer than t");
        board.end_with_death(DeathCause::PageFault, Some(0x10), "page fault at 0x10");
        let Some(Exit::Death(death)) = board.exit() else { panic!("no death") };
        assert_eq!((death.cause, death.address), (DeathCause::PageFault, Some(0x10)));
        let report = VmReport { guest_syscalls: Some(7), ..VmReport::default() };
        board.publish(&report);
        assert_eq!(board.report(), Some(report));
    }

    #[test]
    fn the_consoles_last_words_are_kept() {
        let board = Board::new().unwrap();
        assert_eq!(board.console_text(), "");
        board.console(b"one\r\n");
        board.console(b"\x1b[31mtwo\n");
        assert_eq!(board.console_text(), "one\n[31mtwo\n");
        board.console(&[b'x'; CONSOLE - 4]);
        board.console(b"end\n");
        assert_eq!(board.console_text().len(), CONSOLE);
        assert!(board.console_text().ends_with("xend\n"));
        board.clear_console();
        assert_eq!(board.console_text(), "");
    }

    #[test]
    fn too_many_phases_are_dropped() {
        let board = Board::new().unwrap();
        for index in 0..100 {
            board.phase_at("x", index);
        }
        assert_eq!(board.phases(0).len(), PHASES);
    }
}
