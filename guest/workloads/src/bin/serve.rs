//! `serve`: a small server on its standard streams. `serve [SIZE [FILE]]`
//!
//! It reads FILE (by default nothing), prints `serve ready VERSION`, where VERSION is a checksum of what
//! it read, and from then on answers every line of input with `VERSION LINE`. So whoever asks can tell
//! which version answers. It ends at the end of its input, or after SIZE lines.
//!
//! It measures nothing itself: `isobench maintain` asks it questions while it is being replaced.
#![no_std]
#![no_main]

use guest_workloads::checksum::Checksum;
use guest_workloads::start::Process;
use guest_workloads::text::Text;
use guest_workloads::{Failure, memory, program, sys};

program!("serve", 1 << 40, run);

/// Longest line that is answered whole; a longer one is cut.
const LINE: usize = 256;

type Line = Text<LINE>;

/// The checksum of FILE, a word for every byte, as it is read.
fn version(process: &Process, buffer: &mut [u8]) -> Result<Checksum, Failure> {
    let mut checksum = Checksum::new();
    let Some(path) = process.argument(2) else { return Ok(checksum) };
    let fd = sys::open(path, sys::O_RDONLY);
    if fd < 0 {
        return Err(Failure::Failed("cannot open FILE"));
    }
    loop {
        let read = sys::read(fd as i32, buffer);
        if read < 0 {
            return Err(Failure::Failed("cannot read FILE"));
        }
        if read == 0 {
            break;
        }
        for byte in buffer.get(..read as usize).unwrap_or_default() {
            checksum.add((*byte).into());
        }
    }
    sys::close(fd as i32);
    Ok(checksum)
}

fn say(line: &Line) -> Result<(), Failure> {
    match sys::write_all(sys::STDOUT, line.as_bytes()) {
        true => Ok(()),
        false => Err(Failure::Failed("cannot write to standard output")),
    }
}

fn answer(version: &[u8], line: &Line) -> Result<(), Failure> {
    let mut text = Text::new();
    text.hex(version).push(" ").bytes(line.as_bytes().get(..LINE - 18).unwrap_or(line.as_bytes())).push("\n");
    say(&text)
}

fn run(size: u64, process: &Process) -> Result<(), Failure> {
    let buffer = memory::array::<u8>(64 << 10)?;
    let version = version(process, buffer)?.bytes();
    let mut ready = Line::new();
    ready.push("serve ready ").hex(&version).push("\n");
    say(&ready)?;
    let mut line = Line::new();
    let mut answered = 0;
    loop {
        let read = sys::read(sys::STDIN, buffer);
        if read <= 0 {
            return Ok(());
        }
        for byte in buffer.get(..read as usize).unwrap_or_default() {
            if *byte != b'\n' {
                line.byte(*byte);
                continue;
            }
            answer(&version, &line)?;
            line = Line::new();
            answered += 1;
            if answered == size {
                return Ok(());
            }
        }
    }
}
