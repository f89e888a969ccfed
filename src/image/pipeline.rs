//! Two threads and a few buffers between them: one decompresses and hashes, the other writes files.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes that are handed over at once, and how often that may be ahead.
const PORTION: usize = 256 << 10;
const AHEAD: usize = 4;

/// The end that is written to.
pub(super) struct Inlet {
    sender: SyncSender<io::Result<Vec<u8>>>,
    portion: Vec<u8>,
}

/// The end that is read from. An error of the other side is read as one.
pub(super) struct Outlet {
    receiver: Receiver<io::Result<Vec<u8>>>,
    portion: io::Cursor<Vec<u8>>,
}

/// Runs `produce` in a thread of its own, and `consume` meanwhile in this one. Who reads no more makes the
/// other's writes fail with [`io::ErrorKind::BrokenPipe`].
pub(super) fn pipeline<P: Send, C>(
    produce: impl FnOnce(&mut Inlet) -> io::Result<P> + Send,
    consume: impl FnOnce(Outlet) -> C,
) -> (io::Result<P>, C) {
    let (sender, receiver) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let producer = scope.spawn(move || {
            let mut inlet = Inlet { sender, portion: Vec::new() };
            let produced = produce(&mut inlet).and_then(|produced| inlet.flush().map(|()| produced));
            if let Err(error) = &produced {
                // Whoever reads learns the reason; the rest of it is for our caller.
                let _ = inlet.sender.send(Err(io::Error::new(error.kind(), error.to_string())));
            }
            produced
        });
        let consumed = consume(Outlet { receiver, portion: io::Cursor::new(Vec::new()) });
        let produced = producer.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
        (produced, consumed)
    })
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.portion.extend_from_slice(bytes);
        if self.portion.len() >= PORTION {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.portion.is_empty() {
            return Ok(());
        }
        let portion = std::mem::take(&mut self.portion);
        self.sender.send(Ok(portion)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.portion.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.receiver.recv() {
                Ok(portion) => self.portion = io::Cursor::new(portion?),
                // The other side has come to its end.
                Err(_) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_errors_do_too() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|number| number as u8).collect();
        let (produced, consumed) = pipeline(
            |inlet| inlet.write_all(&bytes).map(|()| 7),
            |mut outlet| {
                let mut all = Vec::new();
                outlet.read_to_end(&mut all).map(|_| all)
            },
        );
        assert_eq!((produced.ok(), consumed.ok().as_ref()), (Some(7), Some(&bytes)));
        let (produced, consumed) = pipeline(
            |inlet| inlet.write_all(b"some").and_then(|()| Err::<(), _>(io::ErrorKind::FileTooLarge.into())),
            |mut outlet| io::copy(&mut outlet, &mut io::sink()).map_err(|error| error.kind()),
        );
        assert!(produced.is_err());
        assert_eq!(consumed, Err(io::ErrorKind::FileTooLarge));
        // One that is not read to its end does not wait for ever.
        let (produced, ()) = pipeline(|inlet| inlet.write_all(&bytes), drop);
        assert_eq!(produced.map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
    }
}
