//! The thread that waits for standard input, for a guest that wants it.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Broken;
use super::console::{Console, Input};
use super::transport::{Registers, Transport};
use crate::runtime::vmm::streams::poll;

/// A console that a thread waits for standard input for.
pub struct Attended {
    console: Mutex<Transport<Console>>,
    changed: Condvar,
}

impl Attended {
    /// `console`, to be put on a bus and to be attended by [`Attended::attend`].
    pub fn new(console: Transport<Console>) -> Arc<Attended> {
        Arc::new(Attended { console: Mutex::new(console), changed: Condvar::new() })
    }

    /// The console.
    pub fn lock(&self) -> MutexGuard<'_, Transport<Console>> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes standard input on, as long as there is any; for a thread of its own.
    ///
    /// # Errors
    /// What the driver did wrong.
    pub fn attend(&self) -> Result<(), Broken> {
        let stdin = self.lock().device().stdin().as_raw_fd();
        loop {
            let mut console = self.lock();
            while !console
                .with(|console, queues, memory| console.wants_input(queues, memory))?
                .unwrap_or(false)
            {
                console = self.changed.wait(console).unwrap_or_else(PoisonError::into_inner);
            }
            drop(console);
            // Whatever is wrong with it, reading will tell.
            let _ = poll(stdin, libc::POLLIN, -1);
            let passed = self.lock().with(|console, queues, memory| console.pass_input(queues, memory))?;
            if passed == Some(Input::Ended) {
                return Ok(());
            }
        }
    }
}

impl Registers for Arc<Attended> {
    fn name(&self) -> &'static str {
        self.lock().name()
    }

    fn read(&mut self, offset: u64, data: &mut [u8]) {
        self.lock().read(offset, data);
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Broken> {
        let done = self.lock().write(offset, data);
        self.changed.notify_one();
        done
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use vm_memory::{Bytes, GuestAddress};

    use super::super::testing::{Driver, FREE, Piece};
    use super::*;

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn input_that_comes_later_arrives_with_an_interrupt() {
        let (stdin, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        let null = || OwnedFd::from(File::options().write(true).open("/dev/null").unwrap());
        let mut driver = Driver::new(Console::new([stdin, null(), null()]));
        // A driver that knows of one port only needs no control messages.
        driver.set_up(!2);
        let (memory, interrupts) = (driver.memory.clone(), driver.interrupts.clone());
        let empty = Driver::new(Console::new([null(), null(), null()])).transport;
        let console = Attended::new(std::mem::replace(&mut driver.transport, empty));
        let attendant = Arc::clone(&console);
        let thread = std::thread::spawn(move || attendant.attend());

        let mut writer = File::from(writer);
        writer.write_all(b"late").unwrap();
        driver.put(0, &[Piece::In(2)]);
        let mut registers = Arc::clone(&console);
        let notify = virtio_bindings::bindings::virtio_mmio::VIRTIO_MMIO_QUEUE_NOTIFY.into();
        registers.write(notify, &[0; 4]).unwrap();
        until("no input", || interrupts.take() == 1);
        driver.put(0, &[Piece::In(2)]);
        registers.write(notify, &[0; 4]).unwrap();
        until("no more input", || interrupts.take() == 1);
        assert_eq!(memory.read_obj::<[u8; 4]>(GuestAddress(FREE)).unwrap(), *b"late");

        driver.put(0, &[Piece::In(2)]);
        registers.write(notify, &[0; 4]).unwrap();
        drop(writer);
        until("its end is not told", || thread.is_finished());
        assert_eq!(thread.join().unwrap(), Ok(()));
    }
}
