//! A console with a port for each standard stream (virtio 1.2, section 5.3): port 0 is standard input, 1
//! standard output, 2 standard error. In a Linux guest they are `/dev/vport0p0` to `/dev/vport0p2`, or, by
//! name, below `/sys/class/virtio-ports`.
//!
//! A port is closed by the device when its stream has ended: a guest then reads end of file from port 0, and
//! cannot write to 1 or 2.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};
use vm_memory::GuestMemoryMmap;

use super::queue::Virtqueue;
use super::{Broken, Device, Foreign};

/// The device's number (section 5).
const CONSOLE_DEVICE: u32 = 3;
/// Feature bit: several ports, and queues to control them (5.3.3).
const MULTIPORT: u64 = 1 << 1;
const PORTS: usize = 3;
/// The ports' names.
pub const NAMES: [&str; PORTS] = ["stdin", "stdout", "stderr"];

// The queues of port 0 come first, then those for control, then those of ports 1, 2, … (5.3.2).
const INPUT: usize = 0;
const CONTROL_IN: usize = 2;
const CONTROL_OUT: usize = 3;
/// Linux fills every queue for input with a page for each entry, so those that are never used are short.
const QUEUE_SIZES: [u16; 2 + 2 * PORTS] = [16, 16, 16, 16, 1, 64, 1, 64];

/// What the two sides tell each other about a port (5.3.6.2).
mod event {
    pub const DEVICE_READY: u16 = 0;
    pub const PORT_ADD: u16 = 1;
    pub const PORT_READY: u16 = 3;
    pub const PORT_OPEN: u16 = 6;
    pub const PORT_NAME: u16 = 7;
}

/// The console.
#[derive(Debug)]
pub struct Console {
    streams: [OwnedFd; PORTS],
    configuration: [u8; 12],
    state: ConsoleState,
}

/// What a snapshot keeps of a console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleState {
    multiport: bool,
    ports: [Port; PORTS],
}

/// A port, and which messages about it have not been told yet. They are facts rather than a list of messages, so
/// that a driver that asks again and again costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Port {
    tell_exists: bool,
    tell_name: bool,
    tell_open: bool,
    open_here: bool,
    open_there: bool,
}

impl Default for Port {
    fn default() -> Port {
        Port { tell_exists: false, tell_name: false, tell_open: false, open_here: true, open_there: false }
    }
}

/// What came of waiting for input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// It went to the guest.
    Passed,
    /// There is no room in the guest for it yet.
    NoRoom,
    /// It has ended.
    Ended,
}

impl Console {
    /// A console for standard input, output and error.
    pub fn new(streams: [OwnedFd; PORTS]) -> Console {
        let mut configuration = [0; 12];
        // `struct virtio_console_config`: columns and rows (unknown), then the number of ports.
        configuration[4] = PORTS as u8;
        Console { streams, configuration, state: ConsoleState::default() }
    }

    /// Standard input.
    pub fn stdin(&self) -> BorrowedFd<'_> {
        self.streams[0].as_fd()
    }

    /// Whether the guest waits for input and has room for it.
    ///
    /// # Errors
    /// What the driver did wrong.
    pub fn wants_input(&self, queues: &[Virtqueue], memory: &GuestMemoryMmap) -> Result<bool, Broken> {
        let port = &self.state.ports[0];
        let reads = port.open_here && (port.open_there || !self.state.multiport);
        Ok(reads && queues.get(INPUT).map_or(Ok(false), |queue| queue.has_next(memory))?)
    }

    /// Reads standard input, which must be readable, into the guest.
    ///
    /// # Errors
    /// What the driver did wrong.
    pub fn pass_input(
        &mut self,
        queues: &mut [Virtqueue],
        memory: &GuestMemoryMmap,
    ) -> Result<Input, Broken> {
        if !self.wants_input(queues, memory)? {
            return Ok(Input::NoRoom);
        }
        let Some(queue) = queues.get_mut(INPUT) else { return Ok(Input::NoRoom) };
        let Some(chain) = queue.next(memory)? else { return Ok(Input::NoRoom) };
        if chain.writable.is_empty() {
            return Err(Broken::TooShort(0));
        }
        // An input that cannot be read has ended: there is nobody else to tell.
        let bytes = chain.writable.read_from(self.streams[0].as_fd()).unwrap_or(0);
        queue.give_back(memory, chain, bytes)?;
        if bytes > 0 {
            return Ok(Input::Passed);
        }
        self.close(0);
        self.tell(queues, memory)?;
        Ok(Input::Ended)
    }

    fn close(&mut self, port: usize) {
        let port = &mut self.state.ports[port];
        port.open_here = false;
        port.tell_open = true;
    }

    /// Passes on what the guest wrote to a port.
    fn pass_output(
        &mut self,
        port: usize,
        queue: &mut Virtqueue,
        memory: &GuestMemoryMmap,
    ) -> Result<(), Broken> {
        let stream = match (self.state.multiport, port) {
            (true, port) => port,
            // A driver that knows of one port only writes its output there.
            (false, _) => 1,
        };
        // No more than can be there at once: another vCPU may go on adding, and will notify.
        for _ in 0..queue.size() {
            let Some(mut chain) = queue.next(memory)? else { break };
            let output = std::mem::take(&mut chain.readable);
            // What a port for input is given goes nowhere, as does what a closed stream is given.
            if stream != 0
                && self.state.ports[stream].open_here
                && output.write_to(self.streams[stream].as_fd()).is_err()
            {
                self.close(stream);
            }
            queue.give_back(memory, chain, 0)?;
        }
        Ok(())
    }

    /// Hears what the driver says about ports.
    fn hear(&mut self, queue: &mut Virtqueue, memory: &GuestMemoryMmap) -> Result<(), Broken> {
        for _ in 0..queue.size() {
            let Some(chain) = queue.next(memory)? else { break };
            // `struct virtio_console_control`: port, event, value.
            let message: [u8; 8] =
                chain.readable.read_array().ok_or(Broken::TooShort(chain.readable.len()))?;
            let [p0, p1, p2, p3, e0, e1, v0, v1] = message;
            let port = self.state.ports.get_mut(u32::from_le_bytes([p0, p1, p2, p3]) as usize);
            let value = u16::from_le_bytes([v0, v1]);
            match (u16::from_le_bytes([e0, e1]), port) {
                (event::DEVICE_READY, _) if value == 1 => {
                    self.state.ports.iter_mut().for_each(|port| port.tell_exists = true);
                }
                (event::PORT_READY, Some(port)) if value == 1 => {
                    port.tell_name = true;
                    port.tell_open = true;
                }
                (event::PORT_OPEN, Some(port)) => port.open_there = value == 1,
                _ => {}
            }
            queue.give_back(memory, chain, 0)?;
        }
        Ok(())
    }

    /// Tells the driver what it does not know yet, as far as it has room.
    fn tell(&mut self, queues: &mut [Virtqueue], memory: &GuestMemoryMmap) -> Result<(), Broken> {
        let Some(queue) = queues.get_mut(CONTROL_IN).filter(|_| self.state.multiport) else { return Ok(()) };
        for (id, port) in self.state.ports.iter_mut().enumerate() {
            let open = u16::from(port.open_here);
            for (untold, event, value, text) in [
                (&mut port.tell_exists, event::PORT_ADD, 1, ""),
                (&mut port.tell_name, event::PORT_NAME, 1, NAMES[id]),
                (&mut port.tell_open, event::PORT_OPEN, open, ""),
            ] {
                if !*untold {
                    continue;
                }
                let Some(chain) = queue.next(memory)? else { return Ok(()) };
                let mut message = Vec::with_capacity(8 + text.len());
                message.extend((id as u32).to_le_bytes());
                message.extend(event.to_le_bytes());
                message.extend(u16::to_le_bytes(value));
                message.extend(text.as_bytes());
                if chain.writable.copy_from(&message) < message.len() {
                    return Err(Broken::TooShort(chain.writable.len()));
                }
                queue.give_back(memory, chain, message.len())?;
                *untold = false;
            }
        }
        Ok(())
    }
}

impl Device for Console {
    type State = ConsoleState;

    fn name(&self) -> &'static str {
        "virtio console"
    }

    fn id(&self) -> u32 {
        CONSOLE_DEVICE
    }

    fn features(&self) -> u64 {
        MULTIPORT
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &QUEUE_SIZES
    }

    fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    fn activate(&mut self, features: u64) {
        self.state.multiport = features & MULTIPORT != 0;
    }

    fn notified(
        &mut self,
        index: usize,
        queues: &mut [Virtqueue],
        memory: &GuestMemoryMmap,
    ) -> Result<(), Broken> {
        let port = match index {
            0 | 1 => 0,
            _ => index / 2 - 1,
        };
        match (index, queues.get_mut(index)) {
            (CONTROL_OUT, Some(queue)) if self.state.multiport => self.hear(queue, memory)?,
            (CONTROL_IN | CONTROL_OUT, _) => {}
            (_, Some(queue)) if index % 2 == 1 && port < PORTS => self.pass_output(port, queue, memory)?,
            // Room for input: whoever waits for standard input asks.
            _ => {}
        }
        self.tell(queues, memory)
    }

    fn reset(&mut self) {
        let open_here = self.state.ports.map(|port| port.open_here);
        self.state = ConsoleState::default();
        for (port, open_here) in self.state.ports.iter_mut().zip(open_here) {
            port.open_here = open_here;
        }
    }

    fn state(&self) -> ConsoleState {
        self.state
    }

    /// The streams are those of the new VM: what had ended there may be open here.
    fn restore(&mut self, state: ConsoleState) -> Result<(), Foreign> {
        self.state = state;
        for port in &mut self.state.ports {
            port.tell_open |= !port.open_here;
            port.open_here = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
