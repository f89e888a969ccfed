//! Reading and writing that ends early when the user wants to stop.

use std::io::{self, Read, Write};

/// Fails as soon as the user wants to stop.
pub(super) struct Watched<'a, S> {
    stream: S,
    stop: &'a dyn Fn() -> bool,
}

impl<'a, S> Watched<'a, S> {
    pub(super) fn new(stream: S, stop: &'a dyn Fn() -> bool) -> Watched<'a, S> {
        Watched { stream, stop }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    fn check(&self) -> io::Result<()> {
        // Not `Interrupted`, after which most readers and writers try again.
        if (self.stop)() { Err(io::Error::other("stopped")) } else { Ok(()) }
    }
}

impl<S: Read> Read for Watched<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.stream.read(buffer)
    }
}

impl<S: Write> Write for Watched<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
