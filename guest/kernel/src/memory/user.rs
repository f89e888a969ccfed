//! The program's memory as the kernel's system calls see it: checked, mapped, then used in place.

use core::slice;

use guest_abi::layout::{self, PAGE};

use super::Memory;
use crate::hypercall::Segments;
use crate::syscall::Errno;

/// Longest path or name that a program may give, as Linux' `PATH_MAX`.
const LONGEST_STRING: u64 = 4096;

impl Memory {
    /// Maps all of `address..address + bytes`, or says that the program may not use it so.
    fn ensure(&mut self, address: u64, bytes: u64, write: bool) -> Result<(), Errno> {
        let end = address.checked_add(bytes).filter(|end| *end <= layout::USER_END).ok_or(Errno::EFAULT)?;
        let mut page = address & !(PAGE - 1);
        while page < end {
            self.locate(page, write)?;
            page += PAGE;
        }
        Ok(())
    }

    /// Bytes that the program may read.
    pub fn bytes(&mut self, address: u64, bytes: usize) -> Result<&[u8], Errno> {
        if bytes == 0 {
            return Ok(&[]);
        }
        self.ensure(address, bytes as u64, false)?;
        // SAFETY: every page is mapped, and stays so while `self` is borrowed; the program does not run.
        Ok(unsafe { slice::from_raw_parts(address as *const u8, bytes) })
    }

    /// Bytes that the program may write.
    pub fn bytes_mut(&mut self, address: u64, bytes: usize) -> Result<&mut [u8], Errno> {
        if bytes == 0 {
            return Ok(&mut []);
        }
        self.ensure(address, bytes as u64, true)?;
        // SAFETY: as in `bytes`; and `self` is borrowed mutably, so no other slice of it is alive.
        Ok(unsafe { slice::from_raw_parts_mut(address as *mut u8, bytes) })
    }

    /// A string of the program's, without its final zero.
    pub fn c_string(&mut self, address: u64) -> Result<&[u8], Errno> {
        let mut bytes = 0;
        while bytes < LONGEST_STRING {
            let at = address + bytes;
            let here = PAGE - at % PAGE;
            self.ensure(at, 1, false)?;
            // SAFETY: the rest of this page is mapped.
            let page = unsafe { slice::from_raw_parts(at as *const u8, here as usize) };
            if let Some(length) = page.iter().position(|byte| *byte == 0) {
                // SAFETY: the pages from `address` to here are mapped.
                return Ok(unsafe { slice::from_raw_parts(address as *const u8, bytes as usize + length) });
            }
            bytes += here;
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Reads one value. Any bit pattern must be valid for `T`: integers and arrays of them.
    pub fn read<T: Plain>(&mut self, address: u64) -> Result<T, Errno> {
        let bytes = self.bytes(address, size_of::<T>())?;
        // SAFETY: there are enough bytes, alignment is not needed, and `T` is plain.
        Ok(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }

    /// Writes one value.
    pub fn write<T: Plain>(&mut self, address: u64, value: T) -> Result<(), Errno> {
        let bytes = self.bytes_mut(address, size_of::<T>())?;
        // SAFETY: as in `read`.
        unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(value) };
        Ok(())
    }

    /// Adds a stretch of the program's memory to the segments of a hypercall. Returns how many bytes went
    /// in: fewer when the list is full, or where memory ends that the program may use.
    pub fn segments(
        &mut self,
        to: &mut Segments,
        address: u64,
        bytes: u64,
        write: bool,
    ) -> Result<u64, Errno> {
        let mut done = 0;
        while done < bytes {
            let at = address.wrapping_add(done);
            let physical = match self.locate(at, write) {
                Ok(physical) => physical,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            };
            let length = (PAGE - at % PAGE).min(bytes - done);
            if !to.push(physical, length) {
                break;
            }
            done += length;
        }
        Ok(done)
    }
}

/// Types made of integers alone, without padding.
///
/// # Safety
/// Every bit pattern must be a valid value, and no byte may be padding.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),*) => {
        // SAFETY: integers and arrays of integers.
        $(unsafe impl Plain for $type {})*
    };
}
plain!(u8, u32, i32, u64, i64);
// SAFETY: an array has no padding of its own.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
