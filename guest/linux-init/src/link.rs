//! How the standard streams reach the VMM: by calls, which any kernel lets us make, or by the ports of a virtio
//! console, for which the kernel has a driver.

use core::ffi::CStr;

use guest_abi::linux::{InitCall, WOULD_BLOCK};

use crate::doorbell::ring;
use crate::sys::{self, Poll};

/// The ports of standard output and standard error; that of standard input comes last, see [`Link::new`].
const OUTPUTS: [&CStr; 2] = [c"/dev/vport0p1", c"/dev/vport0p2"];
const INPUT: &CStr = c"/dev/vport0p0";
/// How long the driver may take to find its ports.
const LONGEST_WAIT_MS: usize = 10_000;

/// The way to the VMM.
pub enum Link {
    /// [`InitCall::Write`] and [`InitCall::Read`].
    Calls,
    /// Open ports.
    Ports {
        /// Standard input.
        input: i32,
        /// Standard output and standard error.
        outputs: [i32; 2],
    },
}

impl Link {
    /// By ports or by calls.
    pub fn new(ports: bool) -> Result<Link, i32> {
        if !ports {
            return Ok(Link::Calls);
        }
        let mut outputs = [0; 2];
        for (path, fd) in OUTPUTS.into_iter().zip(&mut outputs) {
            *fd = open(path, sys::O_WRONLY)?;
            wait_for_other_side(*fd)?;
        }
        // The driver hears of the ports in their order, so the first one is connected by now: were it not, reading
        // from it would look like the end of the input.
        Ok(Link::Ports { input: open(INPUT, sys::O_RDONLY)?, outputs })
    }

    /// What can be polled for standard input; below 0: nothing.
    pub fn input(&self) -> i32 {
        match self {
            Link::Calls => -1,
            Link::Ports { input, .. } => *input,
        }
    }

    /// Reads standard input: bytes, 0 at its end, [`WOULD_BLOCK`], or another error.
    pub fn read(&self, buffer: &mut [u8]) -> i64 {
        match self {
            Link::Calls => ring(InitCall::Read, [buffer.as_mut_ptr() as u64, buffer.len() as u64, 0]),
            Link::Ports { input, .. } => match sys::read(*input, buffer) {
                Ok(bytes) => bytes as i64,
                Err(sys::EAGAIN | sys::EINTR) => WOULD_BLOCK,
                Err(errno) => -i64::from(errno),
            },
        }
    }

    /// Gives bytes to stream 1 or 2; false when nobody takes them any more.
    pub fn write(&self, mut bytes: &[u8], stream: u64) -> bool {
        while !bytes.is_empty() {
            let taken = match self {
                Link::Calls => ring(InitCall::Write, [bytes.as_ptr() as u64, bytes.len() as u64, stream]),
                Link::Ports { outputs, .. } => {
                    let port = outputs[usize::from(stream == 2)];
                    match sys::write(port, bytes) {
                        Ok(taken) => taken as i64,
                        // Linux does not say that the port is closed.
                        Err(sys::EAGAIN) if wait(port, sys::POLLOUT) & sys::POLLHUP == 0 => continue,
                        Err(sys::EINTR) => continue,
                        Err(_) => return false,
                    }
                }
            };
            match usize::try_from(taken).ok().and_then(|taken| bytes.get(taken..)) {
                Some(rest) if taken > 0 => bytes = rest,
                _ => return false,
            }
        }
        true
    }
}

/// Opens a port as soon as the driver has made it.
fn open(path: &CStr, flags: usize) -> Result<i32, i32> {
    let mut last = 0;
    for _ in 0..LONGEST_WAIT_MS {
        match sys::open(path, flags | sys::O_NONBLOCK | sys::O_CLOEXEC) {
            Err(errno) => last = errno,
            opened => return opened,
        }
        sys::poll(&mut [], 1);
    }
    Err(last)
}

/// Waits until the VMM has said that it is there.
fn wait_for_other_side(port: i32) -> Result<(), i32> {
    for _ in 0..LONGEST_WAIT_MS {
        if wait(port, sys::POLLOUT) & sys::POLLHUP == 0 {
            return Ok(());
        }
        sys::poll(&mut [], 1);
    }
    Err(sys::EAGAIN)
}

/// Waits for an event, and tells what has happened.
fn wait(fd: i32, events: i16) -> i16 {
    let mut file = [Poll { fd, events, happened: 0 }];
    sys::poll(&mut file, -1);
    file[0].happened
}
