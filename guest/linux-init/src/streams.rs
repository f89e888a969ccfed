//! The workload's standard streams: from its pipes to the VMM, and from the VMM to its pipe.

use guest_abi::linux::WOULD_BLOCK;

use crate::link::Link;
use crate::sys::{self, Poll};

/// As much as a pipe holds.
const CHUNK: usize = 64 << 10;
/// How long to wait before the VMM is asked again for standard input: at first, and at most.
const FIRST_WAIT_MS: i32 = 1;
const LONGEST_WAIT_MS: i32 = 16;

/// Our ends of the workload's pipes.
pub struct Streams {
    link: Link,
    input: Option<i32>,
    outputs: [Option<i32>; 2],
    children: i32,
    /// What the VMM gave and the workload's pipe has not taken yet.
    waiting: (usize, usize),
    /// Milliseconds until the VMM is asked again.
    wait_ms: i32,
    input_buffer: &'static mut [u8],
    output_buffer: &'static mut [u8],
}

impl Streams {
    /// For these descriptors, which never wait; `children` is readable when a child has ended.
    pub fn new(input: i32, output: i32, errors: i32, children: i32, link: Link) -> Streams {
        let buffer = || sys::memory(CHUNK).unwrap_or_default();
        Streams {
            link,
            input: Some(input),
            outputs: [Some(output), Some(errors)],
            children,
            waiting: (0, 0),
            wait_ms: FIRST_WAIT_MS,
            input_buffer: buffer(),
            output_buffer: buffer(),
        }
    }

    /// Carries what there is until this child has ended: its status, and how many processes Linux has killed for
    /// want of memory.
    pub fn carry_until_end(&mut self, child: usize) -> (u32, u64) {
        loop {
            let wants_room = self.waiting.0 < self.waiting.1;
            let asks_again = self.input.is_some() && !wants_room;
            let descriptor = |fd: Option<i32>| fd.unwrap_or(-1);
            let [output, errors] = self.outputs;
            let mut files = [
                Poll { fd: self.children, events: sys::POLLIN, happened: 0 },
                Poll { fd: descriptor(output), events: sys::POLLIN, happened: 0 },
                Poll { fd: descriptor(errors), events: sys::POLLIN, happened: 0 },
                // An error, when nobody reads any more, is always reported.
                Poll {
                    fd: descriptor(self.input),
                    events: if wants_room { sys::POLLOUT } else { 0 },
                    happened: 0,
                },
                Poll {
                    fd: if asks_again { self.link.input() } else { -1 },
                    events: sys::POLLIN,
                    happened: 0,
                },
            ];
            // Without a port for input there is nothing that would wake us.
            sys::poll(&mut files, if asks_again && self.link.input() < 0 { self.wait_ms } else { -1 });
            let [children, output, errors, input, _] = files.map(|file| file.happened != 0);
            for (happened, stream) in [(output, 0), (errors, 1)] {
                if happened {
                    self.drain(stream, 1);
                }
            }
            if input && !wants_room {
                self.close_input();
            } else if input || asks_again && !children {
                self.feed();
            }
            if children && let Some(status) = self.reap(child) {
                for stream in [0, 1] {
                    self.drain(stream, usize::MAX);
                }
                return (status, oom_kills());
            }
        }
    }

    fn reap(&mut self, child: usize) -> Option<u32> {
        // The signal's description, which says nothing that we need.
        while sys::read(self.children, &mut [0; 128]).is_ok() {}
        let mut found = None;
        while let Some((pid, status)) = sys::ended_child() {
            if pid == child {
                found = Some(status);
            }
        }
        found
    }

    /// Hands on what an output pipe holds, in at most so many pieces.
    fn drain(&mut self, stream: usize, pieces: usize) {
        let Some(fd) = self.outputs[stream] else { return };
        for _ in 0..pieces {
            match sys::read(fd, self.output_buffer) {
                Ok(bytes)
                    if bytes > 0 && self.link.write(&self.output_buffer[..bytes], stream as u64 + 1) => {}
                Err(sys::EAGAIN | sys::EINTR) => return,
                // Its end, or nobody reads on the other side: the workload gets SIGPIPE.
                _ => {
                    sys::close(fd);
                    self.outputs[stream] = None;
                    return;
                }
            }
        }
    }

    /// Fills the workload's pipe, as far as the VMM has something and there is room.
    pub fn feed(&mut self) {
        let Some(fd) = self.input else { return };
        loop {
            while self.waiting.0 < self.waiting.1 {
                match sys::write(fd, &self.input_buffer[self.waiting.0..self.waiting.1]) {
                    Ok(bytes) => self.waiting.0 += bytes,
                    Err(sys::EAGAIN | sys::EINTR) => return,
                    Err(_) => return self.close_input(),
                }
            }
            match self.link.read(self.input_buffer) {
                WOULD_BLOCK => {
                    self.wait_ms = (2 * self.wait_ms).min(LONGEST_WAIT_MS);
                    return;
                }
                bytes if bytes > 0 => {
                    self.waiting = (0, (bytes as usize).min(CHUNK));
                    self.wait_ms = FIRST_WAIT_MS;
                }
                _ => return self.close_input(),
            }
        }
    }

    fn close_input(&mut self) {
        if let Some(fd) = self.input.take() {
            sys::close(fd);
        }
        self.waiting = (0, 0);
    }
}

/// The count that Linux keeps in `/proc/vmstat`.
fn oom_kills() -> u64 {
    const NAME: &[u8] = b"\noom_kill ";
    let mut text = [0; 16 << 10];
    let Ok(file) = sys::open(c"/proc/vmstat", sys::O_RDONLY | sys::O_CLOEXEC) else { return 0 };
    let mut length = 0;
    while let Ok(bytes) = sys::read(file, text.get_mut(length..).unwrap_or_default())
        && bytes > 0
    {
        length += bytes;
    }
    sys::close(file);
    let text = text.get(..length).unwrap_or_default();
    let Some(at) = text.windows(NAME.len()).position(|window| window == NAME) else { return 0 };
    let digits = text.get(at + NAME.len()..).unwrap_or_default().iter();
    digits
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |value: u64, digit| value.wrapping_mul(10).wrapping_add((digit - b'0').into()))
}
