//! Reading that ends early when the user wants to stop.

use std::io::{self, Read};

/// Fails as soon as the user wants to stop.
pub(super) struct Watched<'a, R> {
    reader: R,
    stop: &'a dyn Fn() -> bool,
}

impl<'a, R> Watched<'a, R> {
    pub(super) fn new(reader: R, stop: &'a dyn Fn() -> bool) -> Watched<'a, R> {
        Watched { reader, stop }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            // Not `Interrupted`, after which most readers try again.
            return Err(io::Error::other("stopped"));
        }
        self.reader.read(buffer)
    }
}
