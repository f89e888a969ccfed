//! An I/O APIC (Intel 82093AA), for a VM of which KVM has only the local APICs: it turns a device's interrupt
//! into a message to a processor, as the guest has said for that pin. Devices interrupt by edges.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::runtime::virtio::transport::InterruptLine;

/// Pins.
pub const PINS: usize = 24;
/// Bytes of addresses that it has.
pub const WINDOW_BYTES: u64 = 0x1000;

// Its two registers in memory: which of its own registers is meant, and that one's value.
const SELECT: u64 = 0x00;
const VALUE: u64 = 0x10;

// Its own registers (82093AA, table 2).
const IDENTITY: u8 = 0;
const VERSION: u8 = 1;
const ARBITRATION: u8 = 2;
const FIRST_ENTRY: u8 = 0x10;

/// Version 0x11, and the number of the last pin.
const VERSION_VALUE: u32 = 0x11 | (PINS as u32 - 1) << 16;
/// The bits of an entry that the guest cannot write: delivery status, remote IRR.
const READ_ONLY: u64 = 1 << 12 | 1 << 14;
const MASKED: u64 = 1 << 16;

/// A message to local APICs (Intel SDM volume 3, 11.11: message signalled interrupts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which processors, as an address.
    pub address: u64,
    /// Which interrupt.
    pub data: u32,
}

/// The controller.
pub struct IoApic {
    state: IoApicState,
    send: Box<dyn Fn(Message) + Send>,
}

/// What a snapshot keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IoApicState {
    selected: u8,
    identity: u32,
    entries: [u64; PINS],
    /// Pins, as bits, whose interrupt came while they were masked.
    waiting: u32,
}

/// A pin that a device's interrupt is connected to.
pub struct Pin {
    /// The controller.
    pub controller: Arc<Mutex<IoApic>>,
    /// The pin's number.
    pub pin: u32,
}

impl InterruptLine for Pin {
    fn raise(&self) {
        self.controller.lock().unwrap_or_else(PoisonError::into_inner).raise(self.pin);
    }
}

impl IoApic {
    /// A controller as after power-on, with every pin masked; `send` hands a message to the local APICs.
    pub fn new(send: Box<dyn Fn(Message) + Send>) -> IoApic {
        IoApic { state: IoApicState { selected: 0, identity: 0, entries: [MASKED; PINS], waiting: 0 }, send }
    }

    /// For a snapshot.
    pub fn state(&self) -> IoApicState {
        self.state
    }

    /// From a snapshot.
    pub fn restore(&mut self, state: IoApicState) {
        self.state = state;
    }

    /// The guest reads at an offset of its window.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        let value = match offset {
            SELECT => self.state.selected.into(),
            VALUE => self.register(),
            _ => 0,
        };
        for (byte, value) in data.iter_mut().zip(value.to_le_bytes()) {
            *byte = value;
        }
    }

    /// The guest writes at an offset of its window.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let Ok(value) = <[u8; 4]>::try_from(data).map(u32::from_le_bytes) else { return };
        match offset {
            SELECT => self.state.selected = value as u8,
            VALUE => self.set_register(value),
            _ => {}
        }
    }

    /// A device's interrupt.
    pub fn raise(&mut self, pin: u32) {
        match self.state.entries.get(pin as usize) {
            // What was missed while the pin was masked comes when it is not: an edge does not come again.
            Some(entry) if entry & MASKED != 0 => self.state.waiting |= 1 << pin,
            Some(entry) => (self.send)(message(*entry)),
            None => {}
        }
    }

    fn register(&self) -> u32 {
        match self.state.selected {
            IDENTITY | ARBITRATION => self.state.identity,
            VERSION => VERSION_VALUE,
            _ => self
                .selected_entry()
                .map_or(0, |(pin, high)| (self.state.entries[pin] >> if high { 32 } else { 0 }) as u32),
        }
    }

    fn set_register(&mut self, value: u32) {
        if self.state.selected == IDENTITY {
            self.state.identity = value & 0x0f00_0000;
        }
        let Some((pin, high)) = self.selected_entry() else { return };
        let entry = &mut self.state.entries[pin];
        let value = u64::from(value);
        *entry = if high { *entry & 0xffff_ffff | value << 32 } else { *entry & !0xffff_ffff | value };
        *entry &= !READ_ONLY;
        if *entry & MASKED == 0 && self.state.waiting & 1 << pin != 0 {
            self.state.waiting &= !(1 << pin);
            (self.send)(message(*entry));
        }
    }

    /// The pin, and whether it is the high half of its entry.
    fn selected_entry(&self) -> Option<(usize, bool)> {
        let number = self.state.selected.checked_sub(FIRST_ENTRY)?;
        let pin = usize::from(number / 2);
        (pin < PINS).then_some((pin, number % 2 == 1))
    }
}

/// The message that an entry stands for: destination, its kind, delivery mode and vector lie the same way in both.
fn message(entry: u64) -> Message {
    let destination = entry >> 56;
    let logical = entry >> 11 & 1;
    Message { address: 0xfee0_0000 | destination << 12 | logical << 2, data: (entry & 0x7ff) as u32 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn controller() -> (IoApic, Arc<Mutex<Vec<Message>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        (IoApic::new(Box::new(move |message| log.lock().unwrap().push(message))), sent)
    }

    fn set(controller: &mut IoApic, register: u32, value: u32) {
        controller.write(SELECT, &register.to_le_bytes());
        controller.write(VALUE, &value.to_le_bytes());
    }

    fn get(controller: &mut IoApic, register: u32) -> u32 {
        let mut data = [0; 4];
        controller.write(SELECT, &register.to_le_bytes());
        controller.read(VALUE, &mut data);
        u32::from_le_bytes(data)
    }

    #[test]
    fn an_interrupt_goes_where_the_guest_says() {
        let (mut controller, sent) = controller();
        assert_eq!(get(&mut controller, 1), 0x0017_0011);
        // Pin 5: vector 0x31, lowest priority, logical destination 3.
        set(&mut controller, 0x1b, 3 << 24);
        set(&mut controller, 0x1a, 0x931);
        controller.raise(5);
        controller.raise(6);
        controller.raise(99);
        assert_eq!(*sent.lock().unwrap(), [Message { address: 0xfee0_3004, data: 0x131 }]);
    }

    #[test]
    fn an_interrupt_of_a_masked_pin_comes_once_it_is_not() {
        let (mut controller, sent) = controller();
        controller.raise(5);
        controller.raise(5);
        assert!(sent.lock().unwrap().is_empty());
        set(&mut controller, 0x1a, 0x31);
        set(&mut controller, 0x1a, 0x31);
        assert_eq!(sent.lock().unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_does_harm(
            writes in prop::collection::vec((0u64..0x40, prop_oneof![0u32..0x60, any::<u32>()], 0usize..9, 0u32..40), 0..100),
        ) {
            let (mut controller, _) = controller();
            for (offset, value, width, pin) in writes {
                let bytes = [value.to_le_bytes(); 2].concat();
                controller.write(offset & 0x10, &bytes[..4]);
                controller.write(offset, &bytes[..width]);
                controller.read(offset, &mut vec![0; width]);
                controller.raise(pin);
            }
            let state = serde_json::to_string(&controller.state()).unwrap();
            prop_assert_eq!(serde_json::from_str::<IoApicState>(&state).unwrap(), controller.state());
        }
    }
}
