//! Stretches of guest memory, one behind the other, that a request is made of. The data go straight between
//! them and the host's files. How the driver cut a request into stretches means nothing (virtio 1.2, 2.7.4).

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, BorrowedFd};

use vm_memory::{Bytes, VolatileSlice};

use crate::runtime::vmm::streams::retry;

/// As many as readv(2) and its kin take (`IOV_MAX`).
const MOST_VECTORS: usize = 1024;

/// Guest memory, in pieces.
#[derive(Debug, Default)]
pub struct Buffers<'m> {
    slices: Vec<VolatileSlice<'m>>,
    bytes: usize,
}

impl<'m> Buffers<'m> {
    /// These, in this order.
    pub fn new(slices: Vec<VolatileSlice<'m>>) -> Buffers<'m> {
        let bytes = slices.iter().map(VolatileSlice::len).sum();
        Buffers { slices, bytes }
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Takes the first `bytes` away (all, if there are fewer), and returns them.
    pub fn take_front(&mut self, bytes: usize) -> Buffers<'m> {
        let mut missing = bytes.min(self.bytes);
        self.bytes -= missing;
        let mut front = Vec::new();
        let mut taken = 0;
        while missing > 0 {
            let Some(slice) = self.slices.get_mut(taken) else { break };
            match slice.split_at(missing) {
                Ok((head, rest)) if !rest.is_empty() => {
                    front.push(head);
                    *slice = rest;
                    missing = 0;
                }
                _ => {
                    front.push(*slice);
                    missing -= slice.len().min(missing);
                    taken += 1;
                }
            }
        }
        self.slices.drain(..taken);
        Buffers::new(front)
    }

    /// Copies the first bytes out of guest memory; `None` if there are fewer.
    pub fn read_array<const N: usize>(&self) -> Option<[u8; N]> {
        let mut array = [0; N];
        (self.copy_to(&mut array) == N).then_some(array)
    }

    /// Copies bytes out of guest memory; returns how many.
    pub fn copy_to(&self, mut bytes: &mut [u8]) -> usize {
        let wanted = bytes.len();
        for slice in &self.slices {
            let copied = slice.copy_to(bytes);
            bytes = &mut bytes[copied..];
        }
        wanted - bytes.len()
    }

    /// Copies bytes into guest memory; returns how many had room.
    pub fn copy_from(&self, mut bytes: &[u8]) -> usize {
        let wanted = bytes.len();
        for slice in &self.slices {
            let copied = slice.write(bytes, 0).unwrap_or(0);
            bytes = &bytes[copied..];
        }
        wanted - bytes.len()
    }

    /// Writes zeros to all of it.
    pub fn clear(&self) {
        const ZEROS: [u8; 4096] = [0; 4096];
        for slice in &self.slices {
            let mut done = 0;
            while done < slice.len() {
                let bytes = (slice.len() - done).min(ZEROS.len());
                done += slice.write(&ZEROS[..bytes], done).unwrap_or(bytes);
            }
        }
    }

    /// Writes all of it to a stream.
    ///
    /// # Errors
    /// The system's reason; some of it may have been written.
    pub fn write_to(self, stream: BorrowedFd<'_>) -> Result<()> {
        let fd = stream.as_raw_fd();
        self.transfer(|vectors, count, _| {
            // SAFETY: the vectors name guest memory, whose content is the guest's own affair.
            retry(fd, libc::POLLOUT, || unsafe { libc::writev(fd, vectors, count) })
        })
    }

    /// Reads once from a stream; returns how many bytes came, 0 at its end.
    ///
    /// # Errors
    /// The system's reason.
    pub fn read_from(&self, stream: BorrowedFd<'_>) -> Result<usize> {
        let (fd, vectors) = (stream.as_raw_fd(), self.vectors());
        // SAFETY: the vectors name guest memory, into which the guest wants the data.
        let read = || unsafe { libc::readv(fd, vectors.as_ptr(), vectors.len() as i32) };
        retry(fd, libc::POLLIN, read).map(|bytes| bytes as usize)
    }

    /// Fills all of it from a file, from an offset on.
    ///
    /// # Errors
    /// The system's reason; `UnexpectedEof` when the file ends before.
    pub fn read_at(self, file: BorrowedFd<'_>, offset: u64) -> Result<()> {
        let fd = file.as_raw_fd();
        self.transfer(|vectors, count, done| {
            let at =
                libc::off_t::try_from(offset + done).map_err(|_| Error::from_raw_os_error(libc::EINVAL))?;
            // SAFETY: the vectors name guest memory, into which the guest wants the data.
            retry(fd, libc::POLLIN, || unsafe { libc::preadv(fd, vectors, count, at) })
        })
    }

    /// Repeats a call, which says how many bytes it moved, until all are moved.
    fn transfer(mut self, mut call: impl FnMut(*const libc::iovec, i32, u64) -> Result<u64>) -> Result<()> {
        let mut done = 0;
        while !self.is_empty() {
            let vectors = self.vectors();
            match call(vectors.as_ptr(), vectors.len() as i32, done)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                moved => {
                    done += moved;
                    self.take_front(moved as usize);
                }
            }
        }
        Ok(())
    }

    /// Host addresses, for readv(2) and writev(2). Guest memory stays mapped for as long as the VMM lives.
    fn vectors(&self) -> Vec<libc::iovec> {
        let vector = |slice: &VolatileSlice<'_>| libc::iovec {
            iov_base: slice.ptr_guard_mut().as_ptr().cast(),
            iov_len: slice.len(),
        };
        self.slices.iter().take(MOST_VECTORS).map(vector).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut<'m>(bytes: &'m mut [u8], lengths: &[usize]) -> Buffers<'m> {
        let mut slices = Vec::new();
        let mut rest = VolatileSlice::from(bytes);
        for length in lengths {
            let (head, tail) = rest.split_at((*length).min(rest.len())).unwrap();
            slices.push(head);
            rest = tail;
        }
        slices.push(rest);
        Buffers::new(slices)
    }

    proptest! {
        #[test]
        fn how_a_request_is_cut_means_nothing(
            lengths in prop::collection::vec(0usize..40, 0..8),
            front in 0usize..150,
        ) {
            let mut bytes: Vec<u8> = (0..100).collect();
            let expected = bytes.clone();
            let mut buffers = cut(&mut bytes, &lengths);
            let head = buffers.take_front(front);
            let mut copy = vec![0; 200];
            let first = head.copy_to(&mut copy);
            let second = buffers.copy_to(&mut copy[first..]);
            prop_assert_eq!((first, first + second), (front.min(100), 100));
            prop_assert_eq!(&copy[..100], &expected[..]);
            prop_assert_eq!((head.len(), buffers.len()), (first, second));
        }
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error() {
        use std::io::Write;
        use std::os::fd::AsFd;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut bytes = [0; 8];
        cut(&mut bytes, &[3]).read_at(file.as_fd(), 2).unwrap();
        assert_eq!(&bytes, b"23456789");
        let error = cut(&mut bytes, &[3]).read_at(file.as_fd(), 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
