//! Here a snapshot of the machine is taken. A clone goes on from here, and must repeat neither the randomness of
//! the original nor its clock: what the VMM hands over goes into Linux before the workload exists.

use guest_abi::linux::{InitCall, RENEWAL_BYTES, Renewal, Step};

use crate::doorbell::ring;
use crate::start::Start;
use crate::{fail, sys};

/// Waits for the snapshot to be taken. What to run in place of what the root says, if this is a clone that runs
/// something else.
pub fn wait() -> Option<Start> {
    let room = sys::memory(RENEWAL_BYTES).unwrap_or_else(|errno| fail(Step::Renewal, errno));
    let bytes = ring(InitCall::Ready, [room.as_ptr() as u64, room.len() as u64, 0]);
    if bytes <= 0 {
        return None;
    }
    let (head, rest) = room.split_at_checked(size_of::<Renewal>())?;
    // SAFETY: as many bytes as the structure has, which any bytes are valid for; they need not be aligned.
    let renewal = unsafe { head.as_ptr().cast::<Renewal>().read_unaligned() };
    sys::reseed(&renewal.seed).unwrap_or_else(|errno| fail(Step::Renewal, errno));
    sys::set_clock(renewal.seconds, renewal.nanoseconds).unwrap_or_else(|errno| fail(Step::Renewal, errno));
    let content = rest.get(..renewal.start_bytes as usize)?;
    if content.is_empty() { None } else { Start::parse(content).ok() }
}
