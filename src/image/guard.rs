//! A bound on how much the tar reader may read into memory on its own account.
//!
//! Between two entries it reads headers and their extensions: long names, attributes, sparse maps.
//! They have sizes of their own in the archive, and an archive that has compressed a gigabyte of long
//! name into a megabyte would else fill the memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// More than Linux takes of names (4 KiB) and attributes (64 KiB each) by far.
const MOST_BETWEEN_ENTRIES: u64 = 4 << 20;

/// A reader that ends in an error once the allowance is used up.
pub(super) struct Guarded<R> {
    pub(super) reader: R,
    left: Rc<Cell<u64>>,
}

/// How much may still be read.
#[derive(Clone)]
pub(super) struct Allowance(Rc<Cell<u64>>);

impl<R: Read> Guarded<R> {
    pub(super) fn new(reader: R) -> (Guarded<R>, Allowance) {
        let left = Rc::new(Cell::new(MOST_BETWEEN_ENTRIES));
        (Guarded { reader, left: left.clone() }, Allowance(left))
    }
}

impl Allowance {
    /// The next entry's headers may be read.
    pub(super) fn renew(&self) {
        self.0.set(MOST_BETWEEN_ENTRIES);
    }

    /// This many bytes of content may be read.
    pub(super) fn content(&self, bytes: u64) {
        self.0.set(bytes.saturating_add(MOST_BETWEEN_ENTRIES));
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a header claims an absurd size"));
        }
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let length = self.reader.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        self.left.set(left.saturating_sub(length as u64));
        Ok(length)
    }
}
