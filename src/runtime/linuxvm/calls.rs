//! Answers the calls of our init in the guest (`guest_abi::linux`). The guest is hostile, init included: every
//! number that it gives is checked.

use std::io::Error;
use std::mem::offset_of;

use guest_abi::linux::{CallBlock, InitCall, Step, TAKES_SNAPSHOT, WOULD_BLOCK};
use guest_abi::{DOORBELL, Segment};
use kvm_ioctls::VcpuFd;
use serde::{Deserialize, Serialize};

use crate::measure::clock::monotonic_ns;
use crate::runtime::board::Board;
use crate::runtime::trial::{Death, DeathCause};
use crate::runtime::vmm::address_space::AddressSpace;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::report::Ending;
use crate::runtime::vmm::{death, streams};

/// The doorbell's port.
pub const PORT: u16 = DOORBELL;

/// What init has told so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// How the workload ended, while Linux' log is still to come.
    ending: Option<Ending>,
    /// A snapshot is to be taken when init is ready.
    pub takes_snapshot: bool,
    /// Init is, and this is what a clone has to answer.
    pub ready: Option<Ready>,
    /// The workload's processes that Linux killed for want of memory.
    pub oom_kills: u64,
}

/// Where in guest memory a clone's answer to [`InitCall::Ready`] goes: guest physical addresses.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ready {
    /// The result.
    pub result: u64,
    /// Room for a renewal: addresses and bytes.
    pub room: Vec<(u64, u64)>,
}

/// Answers one call; some of them end the guest.
pub fn answer(
    call: InitCall,
    vcpu: &VcpuFd,
    memory: &GuestMemory,
    board: &Board,
    log: bool,
    progress: &mut Progress,
) -> Result<Option<Ending>, Error> {
    let caller = Caller::of(vcpu)?;
    let args = caller.args(memory)?;
    let result = match call {
        InitCall::Started => {
            board.phase("kernel");
            Ok(if progress.takes_snapshot { TAKES_SNAPSHOT } else { 0 })
        }
        InitCall::Entered => {
            let now = monotonic_ns();
            board.phase_at("init", now);
            board.entered_at(now);
            Ok(0)
        }
        InitCall::Ready => {
            progress.ready = Some(caller.ready(memory, args)?);
            return Ok(Some(Ending::Booted));
        }
        InitCall::Write => caller.write(memory, args),
        InitCall::Read => caller.read(memory, args),
        InitCall::ExecuteFailed => {
            let errno = args[0].clamp(0, 4095) as i32;
            board.launch_failed("executing the program in the guest", errno);
            return Ok(Some(Ending::Told));
        }
        InitCall::Exited => {
            let ending = ended(args[0] as i32);
            progress.oom_kills = args[1];
            board.exited();
            if !log {
                return Ok(Some(ending));
            }
            progress.ending = Some(ending);
            Ok(0)
        }
        InitCall::Log => caller.log(memory, board, args),
        InitCall::PowerOff => {
            let unexplained = || Ending::Death(death::by_unexpected_exit("power-off without a reason", None));
            return Ok(Some(progress.ending.take().unwrap_or_else(unexplained)));
        }
        InitCall::Failed => {
            let errno = args[1].clamp(0, 4095) as i32;
            board.launch_failed(Step::words(args[0]), errno);
            return Ok(Some(Ending::Told));
        }
    };
    let result = result.unwrap_or_else(|error: Error| -i64::from(error.raw_os_error().unwrap_or(libc::EIO)));
    caller.give(memory, result)?;
    Ok(None)
}

/// As wait4(2) tells.
fn ended(status: i32) -> Ending {
    match libc::WIFSIGNALED(status) {
        true => Ending::Signal(libc::WTERMSIG(status)),
        false => Ending::Code(libc::WEXITSTATUS(status)),
    }
}

/// Init's address space and its call block.
struct Caller {
    space: AddressSpace,
    block: u64,
}

impl Caller {
    fn of(vcpu: &VcpuFd) -> Result<Caller, Error> {
        const LA57: u64 = 1 << 12;
        let (regs, sregs) = (vcpu.get_regs()?, vcpu.get_sregs()?);
        let levels = if sregs.cr4 & LA57 == 0 { 4 } else { 5 };
        Ok(Caller { space: AddressSpace::with_levels(sregs.cr3, levels), block: regs.rdi })
    }

    /// The call block, which init keeps aligned and so within a page.
    fn args(&self, memory: &GuestMemory) -> Result<[u64; 3], Error> {
        let at = self.segment(memory, self.block, size_of::<CallBlock>() as u64)?;
        let word = |index: u64| memory.read_u64(at.physical + 8 * index);
        Ok([word(0)?, word(1)?, word(2)?])
    }

    fn give(&self, memory: &GuestMemory, result: i64) -> Result<(), Error> {
        let at = self.segment(memory, self.block, size_of::<CallBlock>() as u64)?;
        Ok(memory.write_u64(at.physical + offset_of!(CallBlock, result) as u64, result as u64)?)
    }

    fn segment(&self, memory: &GuestMemory, address: u64, bytes: u64) -> Result<Segment, Error> {
        match self.space.user_segments(memory, address, bytes)?.as_slice() {
            [segment] if segment.bytes == bytes => Ok(*segment),
            _ => Err(Error::from_raw_os_error(libc::EFAULT)),
        }
    }

    fn ready(&self, memory: &GuestMemory, [address, bytes, _]: [u64; 3]) -> Result<Ready, Error> {
        let block = self.segment(memory, self.block, size_of::<CallBlock>() as u64)?;
        let room = self.space.user_segments(memory, address, bytes)?;
        Ok(Ready {
            result: block.physical + offset_of!(CallBlock, result) as u64,
            room: room.into_iter().map(|segment| (segment.physical, segment.bytes)).collect(),
        })
    }

    fn write(&self, memory: &GuestMemory, [address, bytes, stream]: [u64; 3]) -> Result<i64, Error> {
        let stream = match stream {
            1 | 2 => stream as i32,
            _ => return Err(Error::from_raw_os_error(libc::EBADF)),
        };
        let segments = self.space.user_segments(memory, address, bytes)?;
        streams::write(memory, stream, &segments).map(|written| written as i64)
    }

    /// Never waits: the workload is to go on meanwhile.
    fn read(&self, memory: &GuestMemory, [address, bytes, _]: [u64; 3]) -> Result<i64, Error> {
        if streams::poll_stdin(0)? == 0 {
            return Ok(WOULD_BLOCK);
        }
        let segments = self.space.user_segments(memory, address, bytes)?;
        streams::read(memory, &segments).map(|read| read as i64)
    }

    fn log(&self, memory: &GuestMemory, board: &Board, [address, bytes, _]: [u64; 3]) -> Result<i64, Error> {
        let mut done = 0;
        board.clear_console();
        while done < bytes {
            let segments = self.space.user_segments(memory, address.wrapping_add(done), bytes - done)?;
            for segment in segments {
                let mut piece = vec![0; segment.bytes as usize];
                memory.read(segment.physical, &mut piece)?;
                board.console(&piece);
                done += segment.bytes;
            }
        }
        Ok(done as i64)
    }
}

/// The guest broke the rules of the doorbell.
pub fn broken(error: &Error) -> Death {
    Death {
        cause: DeathCause::UnexpectedExit,
        address: None,
        message: format!("the guest's init asked for something impossible ({error})"),
    }
}
