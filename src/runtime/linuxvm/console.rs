//! The serial console: a 16550A of the `vm-superio` crate, whose output is Linux' own messages. They go to the board,
//! which outlives this process, and never to the user's terminal.

use std::convert::Infallible;
use std::io::{Result, Write};

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};

use super::ports::{SERIAL, SERIAL_PORTS};
use crate::runtime::board::Board;

/// No interrupts: Linux' console asks the port whether it is ready.
#[derive(Debug)]
pub struct Polled;

impl Trigger for Polled {
    type E = Infallible;

    fn trigger(&self) -> std::result::Result<(), Infallible> {
        Ok(())
    }
}

/// Writes to the board.
#[derive(Debug)]
pub struct ToBoard<'a>(&'a Board);

impl Write for ToBoard<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.console(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The console.
#[derive(Debug)]
pub struct Console<'a>(Serial<Polled, NoEvents, ToBoard<'a>>);

impl<'a> Console<'a> {
    /// A console whose output goes to the board.
    pub fn new(board: &'a Board) -> Console<'a> {
        Console(Serial::new(Polled, ToBoard(board)))
    }

    /// Whether a port is one of the console's.
    pub fn has(port: u16) -> bool {
        (SERIAL..SERIAL + SERIAL_PORTS).contains(&port)
    }

    /// The guest writes to one of its ports.
    pub fn write(&mut self, port: u16, data: &[u8]) {
        for byte in data {
            // A port of this device takes one byte; nothing of ours can fail.
            let _ = self.0.write((port - SERIAL) as u8, *byte);
        }
    }

    /// The guest reads one of its ports.
    pub fn read(&mut self, port: u16, data: &mut [u8]) {
        if let Some(first) = data.first_mut() {
            *first = self.0.read((port - SERIAL) as u8);
        }
    }
}
