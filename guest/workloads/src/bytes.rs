//! The C functions on bytes that the compiler may call anywhere: `memcpy` and its family.
//!
//! Under test they keep their Rust names, so that the test program goes on using its libc's.

use core::arch::asm;
use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};

/// From this length on the processor's own string copy is fastest (`rep movsb`; Intel's optimization
/// manual, 3.7.6, and AMD's guide for Zen 3 and later agree within a factor of two).
const STRING_COPY: usize = 1024;

/// # Safety
/// As C's `memcpy`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    // SAFETY: the caller gives `length` readable and writable bytes; each branch stays within them.
    unsafe {
        if length >= STRING_COPY {
            copy_string(to, from, length);
        } else if length >= 16 {
            let last = length - 16;
            let mut offset = 0;
            // Read before the loop, since `memmove` may come here with overlapping memory.
            let tail = _mm_loadu_si128(from.add(last).cast::<__m128i>());
            while offset < last {
                let chunk = _mm_loadu_si128(from.add(offset).cast::<__m128i>());
                _mm_storeu_si128(to.add(offset).cast::<__m128i>(), chunk);
                offset += 16;
            }
            _mm_storeu_si128(to.add(last).cast::<__m128i>(), tail);
        } else if length >= 8 {
            ends::<u64>(to, from, length);
        } else if length >= 4 {
            ends::<u32>(to, from, length);
        } else if length >= 2 {
            ends::<u16>(to, from, length);
        } else if length == 1 {
            *to = *from;
        }
    }
    to
}

/// Copies `size_of::<T>()` to twice as many bytes as two overlapping pieces.
///
/// # Safety
/// `from` and `to` hold `length` bytes, and `size_of::<T>() <= length <= 2 * size_of::<T>()`.
#[inline(always)]
unsafe fn ends<T: Copy>(to: *mut u8, from: *const u8, length: usize) {
    let last = length - size_of::<T>();
    // SAFETY: both pieces lie within `length` bytes, by this function's contract.
    unsafe {
        let first_piece = from.cast::<T>().read_unaligned();
        let last_piece = from.add(last).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(first_piece);
        to.add(last).cast::<T>().write_unaligned(last_piece);
    }
}

/// # Safety
/// `from` and `to` hold `length` bytes, and `to` does not begin within `from`'s bytes.
#[inline(always)]
unsafe fn copy_string(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: writes `length` bytes at `to`, upwards; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// As C's `memmove`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    let distance = (to as usize).wrapping_sub(from as usize);
    // SAFETY: `memcpy` copies upwards, reading each byte before it writes at or above it, unless `to`
    // begins within `from`'s bytes; then the copy below goes downwards.
    unsafe {
        if distance >= length || length < 16 {
            return memcpy(to, from, length);
        }
        let mut left = length;
        while left >= 8 {
            left -= 8;
            let chunk = from.add(left).cast::<u64>().read_unaligned();
            to.add(left).cast::<u64>().write_unaligned(chunk);
        }
        // The rest is at most 7 bytes, which `ends` reads whole before it writes.
        memcpy(to, from, left);
    }
    to
}

/// # Safety
/// As C's `memset`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    // SAFETY: writes `length` bytes at `to`, upwards; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags));
    }
    to
}

/// # Safety
/// As C's `memcmp`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
    let mut offset = 0;
    // SAFETY: every read is below `length`.
    unsafe {
        while offset + 8 <= length {
            let (x, y) =
                (a.add(offset).cast::<u64>().read_unaligned(), b.add(offset).cast::<u64>().read_unaligned());
            if x != y {
                return if x.swap_bytes() < y.swap_bytes() { -1 } else { 1 };
            }
            offset += 8;
        }
        while offset < length {
            let (x, y) = (*a.add(offset), *b.add(offset));
            if x != y {
                return i32::from(x) - i32::from(y);
            }
            offset += 1;
        }
    }
    0
}

/// # Safety
/// As the `bcmp` of POSIX.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(a, b, length) }
}

/// # Safety
/// As C's `strlen`.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the text ends with a zero byte, and no byte after it is read.
    unsafe {
        while text.add(length).read_volatile() != 0 {
            length += 1;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 14] = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 100, 1023, 1500];

    fn numbered(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index * 7 % 251) as u8).collect()
    }

    #[test]
    fn moves_between_overlapping_places_keep_every_byte() {
        for length in LENGTHS {
            for (from, to) in [(0, 0), (0, 1), (1, 0), (0, 5), (5, 0), (3, 20), (20, 3), (0, 1600), (1600, 0)]
            {
                let mut ours = numbered(3200);
                let mut expected = ours.clone();
                expected.copy_within(from..from + length, to);
                // SAFETY: both places lie within the 3200 bytes.
                unsafe { memmove(ours.as_mut_ptr().add(to), ours.as_ptr().add(from), length) };
                assert_eq!(ours, expected, "{length} bytes from {from} to {to}");
            }
        }
    }

    #[test]
    fn copies_and_fills_touch_exactly_their_bytes() {
        for length in LENGTHS {
            let source = numbered(length);
            let mut target = vec![255u8; length + 2];
            // SAFETY: `length` bytes from the second on.
            unsafe { memcpy(target.as_mut_ptr().add(1), source.as_ptr(), length) };
            assert_eq!((target[0], &target[1..=length], target[length + 1]), (255, &source[..], 255));
            // SAFETY: the same bytes.
            unsafe { memset(target.as_mut_ptr().add(1), 0x1fe, length) };
            assert_eq!((target[0], target[length + 1]), (255, 255));
            assert!(target[1..=length].iter().all(|byte| *byte == 0xfe));
        }
    }

    #[test]
    fn comparison_is_that_of_slices() {
        for length in LENGTHS {
            let a = numbered(length);
            for changed in 0..length {
                for value in [0, 128, 255] {
                    let mut b = a.clone();
                    b[changed] = value;
                    // SAFETY: both are `length` bytes long.
                    let order = unsafe { memcmp(a.as_ptr(), b.as_ptr(), length) };
                    assert_eq!(order.cmp(&0), a.cmp(&b));
                }
            }
        }
    }

    #[test]
    fn a_c_string_ends_at_its_zero() {
        // SAFETY: a C string.
        assert_eq!(unsafe { strlen(c"four".as_ptr().cast()) }, 4);
    }
}
