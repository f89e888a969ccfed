use proptest::prelude::*;
use virtio_bindings::bindings::virtio_ring::{
    VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE,
};
use vm_memory::{Bytes, GuestAddress};

use super::super::queue::{MOST_BYTES, MOST_DESCRIPTORS};
use super::super::testing::*;
use super::*;

const NEXT: u16 = VRING_DESC_F_NEXT as u16;
const WRITE: u16 = VRING_DESC_F_WRITE as u16;
const INDIRECT: u16 = VRING_DESC_F_INDIRECT as u16;

/// Writes how many bytes it was given to all the room it was given.
#[derive(Default)]
struct Counter {
    features: Option<u64>,
}

impl Device for Counter {
    type State = ();
    fn name(&self) -> &'static str {
        "counter"
    }
    fn id(&self) -> u32 {
        0x7f
    }
    fn features(&self) -> u64 {
        0b100
    }
    fn queue_sizes(&self) -> &'static [u16] {
        &[16, 4]
    }
    fn configuration(&self) -> &[u8] {
        b"configuration"
    }
    fn activate(&mut self, features: u64) {
        self.features = Some(features);
    }
    fn notified(
        &mut self,
        index: usize,
        queues: &mut [Virtqueue],
        memory: &GuestMemoryMmap,
    ) -> Result<(), Broken> {
        for _ in 0..queues[index].size() {
            let Some(chain) = queues[index].next(memory)? else { break };
            let written = chain.writable.copy_from(&vec![chain.readable.len() as u8; chain.writable.len()]);
            queues[index].give_back(memory, chain, written)?;
        }
        Ok(())
    }
    fn reset(&mut self) {
        self.features = None;
    }
    fn state(&self) {}
    fn restore(&mut self, (): ()) -> Result<(), Foreign> {
        Ok(())
    }
}

fn ready() -> Driver<Counter> {
    Driver::ready(Counter::default())
}

#[test]
fn a_driver_finds_and_sets_up_a_device() {
    let mut driver = Driver::new(Counter::default());
    assert_eq!(driver.read(VIRTIO_MMIO_MAGIC_VALUE).to_le_bytes(), *b"virt");
    assert_eq!((driver.read(VIRTIO_MMIO_VERSION), driver.read(VIRTIO_MMIO_DEVICE_ID)), (2, 0x7f));
    let mut text = [0; 8];
    driver.transport.read(0x105, &mut text);
    assert_eq!(&text, b"guration");
    driver.transport.read(0x10b, &mut text);
    assert_eq!(&text, b"on\0\0\0\0\0\0");
    driver.set_up(u64::MAX);
    assert_eq!(driver.read(VIRTIO_MMIO_STATUS), 15);
    assert_eq!(driver.transport.device.features, Some(1 << 32 | 1 << 28 | 0b100));
    driver.write(VIRTIO_MMIO_STATUS, 0);
    assert_eq!(driver.read(VIRTIO_MMIO_STATUS), 0);
    assert_eq!(driver.transport.device.features, None);
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0);
    assert_eq!(driver.read(VIRTIO_MMIO_QUEUE_READY), 0);
}

#[test]
fn features_that_are_not_offered_or_a_driver_of_the_old_kind_are_not_agreed_to() {
    for (low, high) in [(0b1000, 1), (0b100, 0), (0b100, 3)] {
        let mut driver = Driver::new(Counter::default());
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES, low);
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES, high);
        driver.write(VIRTIO_MMIO_STATUS, 15);
        assert_eq!(driver.read(VIRTIO_MMIO_STATUS), 3, "{low:#x} {high:#x}");
    }
}

#[test]
fn buffers_go_there_and_back_with_an_interrupt() {
    let mut driver = ready();
    let written = driver.exchange(0, &[Piece::Out(b"abc"), Piece::Out(b"de"), Piece::In(2), Piece::In(1)]);
    assert_eq!(written, [5, 5, 5]);
    assert_eq!(driver.interrupts.take(), 1);
    assert_eq!(driver.read(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
    driver.write(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
    assert_eq!(driver.read(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
    // A driver that polls asks not to be interrupted.
    driver.set(driver.part(0, AVAILABLE), VRING_AVAIL_F_NO_INTERRUPT as u16);
    driver.exchange(0, &[Piece::In(1)]);
    assert_eq!(driver.interrupts.take(), 0);
    // A notification without a buffer is nothing.
    driver.notify(1).unwrap();
    driver.notify(7).unwrap();
    assert_eq!(driver.interrupts.take(), 0);
}

#[test]
fn a_long_run_wraps_around_every_counter() {
    let mut driver = ready();
    for round in 0..70_000u32 {
        driver.memory.write_slice(&[0; 4], GuestAddress(FREE)).unwrap();
        driver.descriptor(0, 3, FREE, 1 + round % 4, WRITE, 0);
        driver.make_available(0, 3, 16);
        driver.notify(0).unwrap();
    }
    assert_eq!(driver.used(0), 70_000u32 as u16);
}

#[test]
fn a_table_of_descriptors_elsewhere_is_followed_once() {
    let mut driver = ready();
    let table = FREE + 0x1000;
    driver.memory.write_obj(FREE, GuestAddress(table)).unwrap();
    driver.memory.write_obj(7u32, GuestAddress(table + 8)).unwrap();
    driver.memory.write_obj(u32::from(WRITE), GuestAddress(table + 12)).unwrap();
    driver.descriptor(0, 0, table, 16, INDIRECT, 0);
    driver.make_available(0, 0, 16);
    driver.notify(0).unwrap();
    assert_eq!(driver.used(0), 1);
    // A table in a table.
    driver.memory.write_obj(u32::from(INDIRECT), GuestAddress(table + 12)).unwrap();
    driver.memory.write_obj(16u32, GuestAddress(table + 8)).unwrap();
    driver.make_available(0, 0, 16);
    assert_eq!(driver.notify(0), Err(Broken::Endless));
}

type Attack = (&'static str, fn(&Driver<Counter>), Broken);

/// What a hostile driver can do to its queue.
const ATTACKS: [Attack; 12] = [
    ("circle", |driver| driver.descriptor(0, 0, FREE, 1, NEXT, 0), Broken::Endless),
    (
        "circle of two",
        |driver| {
            driver.descriptor(0, 0, FREE, 1, NEXT, 1);
            driver.descriptor(0, 1, FREE, 1, NEXT, 0);
        },
        Broken::Endless,
    ),
    ("next outside", |driver| driver.descriptor(0, 0, FREE, 1, NEXT, 16), Broken::Endless),
    ("head outside", |driver| driver.set(driver.part(0, AVAILABLE) + 4, 0xffff), Broken::Endless),
    (
        "buffer outside",
        |driver| driver.descriptor(0, 0, 1 << 40, 1, 0, 0),
        Broken::BufferOutside { address: 1 << 40, bytes: 1 },
    ),
    (
        "buffer over the end",
        |driver| driver.descriptor(0, 0, MEMORY_BYTES - 1, 2, 0, 0),
        Broken::BufferOutside { address: MEMORY_BYTES - 1, bytes: 2 },
    ),
    (
        "buffer around",
        |driver| driver.descriptor(0, 0, u64::MAX, 2, WRITE, 0),
        Broken::BufferOutside { address: u64::MAX, bytes: 2 },
    ),
    ("huge", |driver| driver.descriptor(0, 0, 0, u32::MAX, 0, 0), Broken::TooLong((MOST_BYTES, "bytes"))),
    (
        "order",
        |driver| {
            driver.descriptor(0, 0, FREE, 1, NEXT | WRITE, 1);
            driver.descriptor(0, 1, FREE, 1, 0, 0);
        },
        Broken::Order,
    ),
    ("index", |driver| driver.set(driver.part(0, AVAILABLE) + 2, 17), Broken::IndexJumped),
    ("empty table", |driver| driver.descriptor(0, 0, FREE, 0, INDIRECT, 0), Broken::Endless),
    (
        "long table in a circle",
        |driver| {
            // All descriptors of the table are the same: one byte, next is number 1.
            for index in 0..MOST_DESCRIPTORS + 1 {
                let at = FREE + 0x1000 + 16 * index;
                driver.memory.write_obj(FREE, GuestAddress(at)).unwrap();
                driver.memory.write_obj(1u64 | 1 << 32 | 1 << 48, GuestAddress(at + 8)).unwrap();
            }
            driver.descriptor(0, 0, FREE + 0x1000, 16 * (MOST_DESCRIPTORS as u32 + 1), INDIRECT, 0);
        },
        Broken::TooLong((MOST_DESCRIPTORS, "descriptors")),
    ),
];

#[test]
fn a_driver_that_breaks_the_rules_gets_its_device_stopped_until_a_reset() {
    for (name, attack, broken) in ATTACKS {
        let mut driver = ready();
        driver.descriptor(0, 0, FREE, 1, 0, 0);
        driver.make_available(0, 0, 16);
        attack(&driver);
        assert_eq!(driver.notify(0), Err(broken), "{name}");
        assert_eq!(driver.read(VIRTIO_MMIO_STATUS), 15 | NEEDS_RESET, "{name}");
        assert_eq!(driver.read(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG, "{name}");
        assert_eq!(driver.interrupts.take(), 1, "{name}");
        // It stays quiet, whatever is tried, and works again after a reset.
        driver.notify(0).unwrap();
        driver.write(VIRTIO_MMIO_STATUS, 15);
        assert_eq!(driver.read(VIRTIO_MMIO_STATUS), 15 | NEEDS_RESET, "{name}");
        driver.write(VIRTIO_MMIO_STATUS, 0);
        driver.memory.write_slice(&[0; 0x4000], GuestAddress(driver.part(0, 0))).unwrap();
        driver.set_up(u64::MAX);
        assert_eq!(driver.exchange(0, &[Piece::Out(b"abc"), Piece::In(1)]), [3], "{name}");
    }
}

#[test]
fn a_queue_that_cannot_be_is_refused_at_once() {
    type Setting = (u32, u32, Broken);
    let settings: [Setting; 6] = [
        (VIRTIO_MMIO_QUEUE_NUM, 0, Broken::QueueSize(0)),
        (VIRTIO_MMIO_QUEUE_NUM, 3, Broken::QueueSize(3)),
        (VIRTIO_MMIO_QUEUE_NUM, 32, Broken::QueueSize(32)),
        (VIRTIO_MMIO_QUEUE_NUM, 0x1_0010, Broken::QueueSize(0x1_0010)),
        (VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1008, Broken::Misaligned(0x1008)),
        (VIRTIO_MMIO_QUEUE_USED_LOW, 0x1002, Broken::Misaligned(0x1002)),
    ];
    for (register, value, broken) in settings {
        let mut driver = Driver::new(Counter::default());
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES, 1);
        driver.write(VIRTIO_MMIO_STATUS, 11);
        assert_eq!(driver.try_write(register, value), Err(broken));
        assert_eq!(driver.read(VIRTIO_MMIO_STATUS), 11 | NEEDS_RESET);
    }
    for (register, value) in [
        (VIRTIO_MMIO_QUEUE_DESC_HIGH, 1),
        (VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0),
        (VIRTIO_MMIO_QUEUE_AVAIL_HIGH, u32::MAX),
        (VIRTIO_MMIO_QUEUE_USED_LOW, MEMORY_BYTES as u32 - 4),
    ] {
        let mut driver = Driver::new(Counter::default());
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
        driver.write(VIRTIO_MMIO_DRIVER_FEATURES, 1);
        driver.write(VIRTIO_MMIO_STATUS, 11);
        driver.write(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x1000);
        driver.write(register, value);
        assert_eq!(driver.try_write(VIRTIO_MMIO_QUEUE_READY, 1), Err(Broken::QueueOutside));
    }
}

#[test]
fn a_queue_in_use_cannot_be_moved_nor_started_twice() {
    let mut driver = ready();
    let before = driver.transport.state();
    for register in (VIRTIO_MMIO_QUEUE_NUM..VIRTIO_MMIO_QUEUE_NOTIFY).chain(0x80..0xa8).step_by(4) {
        driver.write(VIRTIO_MMIO_QUEUE_SEL, 0);
        driver.write(register, 1);
    }
    driver.write(VIRTIO_MMIO_QUEUE_SEL, before.settings.queue);
    assert_eq!(driver.transport.state(), before);
    assert_eq!(driver.exchange(0, &[Piece::Out(b"abc"), Piece::In(1)]), [3]);
    // Stopped, it stays so until a reset.
    driver.write(VIRTIO_MMIO_QUEUE_SEL, 0);
    driver.write(VIRTIO_MMIO_QUEUE_READY, 0);
    driver.write(VIRTIO_MMIO_QUEUE_READY, 1);
    assert_eq!(driver.read(VIRTIO_MMIO_QUEUE_READY), 0);
    driver.put(0, &[Piece::In(1)]);
    driver.notify(0).unwrap();
    assert_eq!(driver.interrupts.take(), 1);
}

#[test]
fn a_snapshot_goes_on_where_it_was_taken_and_an_altered_one_is_refused() {
    let mut driver = ready();
    driver.exchange(0, &[Piece::Out(b"abc"), Piece::In(1)]);
    let json = serde_json::to_string(&driver.transport.state()).unwrap();
    let mut copy =
        Transport::new(Counter::default(), driver.memory.clone(), Box::new(driver.interrupts.clone()));
    copy.restore(serde_json::from_str(&json).unwrap()).unwrap();
    assert_eq!(copy.state(), driver.transport.state());
    driver.transport = copy;
    assert_eq!(driver.exchange(0, &[Piece::Out(b"abcd"), Piece::In(1)]), [4]);

    let good = driver.transport.state();
    let mut foreign = vec![good.clone(); 3];
    foreign[0].queues.pop();
    foreign[1].settings.accepted |= 1 << 60;
    let altered = json.replace("\"size\":16", "\"size\":12");
    assert_ne!(altered, json);
    foreign[2] = serde_json::from_str(&altered).unwrap();
    for state in foreign {
        assert_eq!(driver.transport.restore(state), Err(Foreign("counter")));
    }
}

proptest! {
    /// Whatever is written to registers and rings, in whatever order, every call returns.
    #[test]
    fn no_driver_gets_further_than_an_error(
        memory in prop::collection::vec(any::<u8>(), 0..512),
        writes in prop::collection::vec((0u64..0x120, prop_oneof![0u32..32, any::<u32>()], 0usize..9), 0..64),
        set_up in any::<bool>(),
    ) {
        let mut driver = Driver::new(Counter::default());
        if set_up {
            driver.set_up(u64::MAX);
        }
        driver.memory.write_slice(&memory, GuestAddress(0)).unwrap();
        driver.memory.write_slice(&memory, GuestAddress(driver.part(0, AVAILABLE))).unwrap();
        for (offset, value, width) in writes {
            let bytes = [value.to_le_bytes(), value.to_be_bytes()].concat();
            let _ = driver.transport.write(offset & !3, &bytes[..4]);
            let _ = driver.transport.write(offset, &bytes[..width]);
            driver.transport.read(offset, &mut vec![0; width]);
            let _ = driver.notify(0);
        }
    }
}

/// Another vCPU writes to the queue while the device works on it.
#[test]
fn a_ring_that_changes_under_the_devices_hands_does_no_harm() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let mut driver = ready();
    let memory = driver.memory.clone();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut seed = 1u64;
            while !over.load(Ordering::Relaxed) {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                // Descriptors mostly of small numbers, so that some chains are good.
                let at = (seed >> 33) % 0x2000;
                let value = if at % 8 == 4 { (seed >> 56) as u8 } else { (seed >> 60) as u8 % 4 };
                memory.write_obj(value, GuestAddress(at)).unwrap();
            }
        });
        let mut broken = 0;
        for _ in 0..20_000 {
            if driver.notify(0).is_err() {
                broken += 1;
                driver.set_up(u64::MAX);
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(broken > 0, "nothing was tried");
    });
}
