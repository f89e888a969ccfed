//! A driver that does what the fuzzer says to a virtio device, and then becomes a good one: the device must
//! work again after a reset, and survive a snapshot in whatever state it was.

use isobench::runtime::virtio::transport::{InterruptLine, Registers, Transport};
use isobench::runtime::virtio::{Broken, Device};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// All of guest memory; every 16-bit number is an address.
const MEMORY_BYTES: usize = 1 << 16;
/// Queue `n` has its parts at `n * QUEUE_BYTES`.
const QUEUE_BYTES: u16 = 0x400;
const AVAILABLE: u16 = 0x100;
const USED: u16 = 0x200;
const SIZE: u16 = 16;

// Registers (virtio 1.2, 4.2.2).
const DEVICE_FEATURES: u64 = 0x10;
const DEVICE_FEATURES_HALF: u64 = 0x14;
const DRIVER_FEATURES: u64 = 0x20;
const DRIVER_FEATURES_HALF: u64 = 0x24;
const QUEUE: u64 = 0x30;
const QUEUE_MOST: u64 = 0x34;
const QUEUE_SIZE: u64 = 0x38;
const QUEUE_READY: u64 = 0x44;
const NOTIFY: u64 = 0x50;
const STATUS: u64 = 0x70;
const DESCRIPTORS_LOW: u64 = 0x80;
const AVAILABLE_LOW: u64 = 0x90;
const USED_LOW: u64 = 0xa0;

/// One thing that the driver does.
#[derive(Arbitrary, Debug)]
pub enum Act {
    Write { offset: u16, value: u32 },
    WriteBytes { offset: u16, bytes: [u8; 8], width: u8 },
    Read { offset: u16, width: u8 },
    Memory { address: u16, bytes: Vec<u8> },
    Descriptor { queue: u8, index: u8, address: u32, bytes: u32, flags: u8, next: u8 },
    Available { queue: u8, head: u8 },
    Notify { queue: u8 },
    SetUp,
    Own(u8),
}

struct Silent;

impl InterruptLine for Silent {
    fn raise(&self) {}
}

/// Plays `acts` against devices that `new` makes; `own` is what else can happen to one.
pub fn play<D: Device>(
    acts: &[Act],
    new: impl Fn() -> D,
    mut own: impl FnMut(&mut Transport<D>, u8) -> Result<(), Broken>,
) -> (Transport<D>, GuestMemoryMmap) {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES)]).expect("64 KiB");
    let mut device = Transport::new(new(), memory.clone(), Box::new(Silent));
    set_up(&mut device);
    for act in acts {
        // An error is an answer.
        let _ = match act {
            Act::Write { offset, value } => device.write(u64::from(*offset), &value.to_le_bytes()),
            Act::WriteBytes { offset, bytes, width } => {
                device.write(u64::from(*offset), &bytes[..usize::from(*width % 9)])
            }
            Act::Read { offset, width } => {
                device.read(u64::from(*offset), &mut vec![0; usize::from(*width % 9)]);
                Ok(())
            }
            Act::Memory { address, bytes } => {
                let _ = memory.write(bytes, GuestAddress((*address).into()));
                Ok(())
            }
            Act::Descriptor { queue, index, address, bytes, flags, next } => {
                let at = part(*queue, 16 * u16::from(index % 16));
                let mut descriptor = u64::from(*address).to_le_bytes().to_vec();
                descriptor.extend(bytes.to_le_bytes());
                descriptor.extend([flags % 8, 0, next % 17, 0]);
                let _ = memory.write(&descriptor, GuestAddress(at));
                Ok(())
            }
            Act::Available { queue, head } => {
                make_available(&memory, *queue, *head);
                Ok(())
            }
            Act::Notify { queue } => device.write(NOTIFY, &u32::from(*queue % 9).to_le_bytes()),
            Act::SetUp => {
                set_up(&mut device);
                Ok(())
            }
            Act::Own(number) => own(&mut device, *number),
        };
    }
    // A queue's positions are only plausible if its parts are in guest memory, which is checked again.
    let mut copy = Transport::new(new(), memory.clone(), Box::new(Silent));
    copy.restore(device.state()).expect("a state of ours");
    memory.write_slice(&[0; MEMORY_BYTES], GuestAddress(0)).expect("guest memory");
    set_up(&mut device);
    (device, memory)
}

fn part(queue: u8, part: u16) -> u64 {
    (u16::from(queue % 8) * QUEUE_BYTES + part).into()
}

/// Adds a chain to what is available, in a queue of 16 entries.
pub fn make_available(memory: &GuestMemoryMmap, queue: u8, head: u8) {
    let ring = part(queue, AVAILABLE);
    let index: u16 = memory.read_obj(GuestAddress(ring + 2)).unwrap_or(0);
    let _ = memory.write_obj(u16::from(head % 17), GuestAddress(ring + 4 + 2 * u64::from(index % SIZE)));
    let _ = memory.write_obj(index.wrapping_add(1), GuestAddress(ring + 2));
}

fn set_up<D: Device>(device: &mut Transport<D>) {
    let mut write = |register: u64, value: u32| device.write(register, &value.to_le_bytes()).expect("a good driver");
    for status in [0, 1, 3] {
        write(STATUS, status);
    }
    for half in [0, 1] {
        device.write(DEVICE_FEATURES_HALF, &u32::to_le_bytes(half)).expect("a good driver");
        let mut offered = [0; 4];
        device.read(DEVICE_FEATURES, &mut offered);
        device.write(DRIVER_FEATURES_HALF, &u32::to_le_bytes(half)).expect("a good driver");
        device.write(DRIVER_FEATURES, &offered).expect("a good driver");
    }
    let mut write = |register: u64, value: u32| {
        device.write(register, &value.to_le_bytes()).expect("a good driver");
        let mut most = [0; 4];
        device.read(QUEUE_MOST, &mut most);
        u32::from_le_bytes(most)
    };
    write(STATUS, 11);
    for queue in 0..8 {
        let most = write(QUEUE, queue);
        if most > 0 {
            let at = queue * u32::from(QUEUE_BYTES);
            write(QUEUE_SIZE, most.min(SIZE.into()));
            write(DESCRIPTORS_LOW, at);
            write(AVAILABLE_LOW, at + u32::from(AVAILABLE));
            write(USED_LOW, at + u32::from(USED));
            write(QUEUE_READY, 1);
        }
    }
    write(STATUS, 15);
}

/// After [`play`]: has the device serve one chain of a queue, which a good driver made.
/// A piece is address, bytes, and whether the device writes it.
pub fn serve<D: Device>(device: &mut Transport<D>, memory: &GuestMemoryMmap, queue: u8, pieces: &[(u16, u16, bool)]) {
    for (index, (address, bytes, written)) in pieces.iter().enumerate() {
        let more = u8::from(index + 1 < pieces.len());
        let mut descriptor = u64::from(*address).to_le_bytes().to_vec();
        descriptor.extend(u32::from(*bytes).to_le_bytes());
        descriptor.extend([more | u8::from(*written) << 1, 0, index as u8 + 1, 0]);
        memory.write_slice(&descriptor, GuestAddress(part(queue, 16 * index as u16))).expect("guest memory");
    }
    make_available(memory, queue, 0);
    device.write(NOTIFY, &u32::from(queue).to_le_bytes()).expect("a good driver");
    let used: u16 = memory.read_obj(GuestAddress(part(queue, USED + 2))).expect("guest memory");
    assert_eq!(used, 1, "the buffer was not given back");
}
