//! Large arrays, mapped on their own so that their cost is the pages they touch.

use crate::{Failure, sys};

/// An array of `length` elements of fresh zeroed memory, which lives as long as the process.
///
/// `T` is an integer or float: a type for which zero bytes are a value.
pub fn array<T: Zeroed>(length: usize) -> Result<&'static mut [T], Failure> {
    const TOO_LARGE: Failure = Failure::Failed("not enough memory for this SIZE");
    if length == 0 {
        return Ok(&mut []);
    }
    let bytes =
        length.checked_mul(size_of::<T>()).filter(|bytes| *bytes <= isize::MAX as usize).ok_or(TOO_LARGE)?;
    let address = sys::map(bytes);
    if address <= 0 {
        return Err(TOO_LARGE);
    }
    // SAFETY: fresh private memory of that many bytes, page-aligned, zeroed, shared with nobody.
    Ok(unsafe { core::slice::from_raw_parts_mut(address as *mut T, length) })
}

/// Types for which all-zero bytes are a value.
///
/// # Safety
/// They must be.
pub unsafe trait Zeroed: Copy {}
// SAFETY: zero.
unsafe impl Zeroed for u8 {}
// SAFETY: zero.
unsafe impl Zeroed for u64 {}
// SAFETY: 0.0.
unsafe impl Zeroed for f64 {}
// SAFETY: an array of such values.
unsafe impl<T: Zeroed, const N: usize> Zeroed for [T; N] {}
