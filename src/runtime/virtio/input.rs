//! The thread that waits for standard input, for a guest that wants it.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Broken;
use super::console::{Console, Input};
use super::transport::{Registers, Transport};
use crate::runtime::microvm::streams::poll;

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
