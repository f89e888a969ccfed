//! Arguments and environment as `execve` wants them.

use std::ffi::{CString, c_char};
use std::ptr;

/// Strings, and a null-terminated array of pointers to them. Made once for a spec, off every clock.
#[derive(Debug)]
pub struct Pointers {
    array: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Pointers {
    /// For these strings.
    pub fn new(strings: Vec<CString>) -> Pointers {
        // A CString's bytes are on the heap, and stay where they are when it moves.
        let array = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Pointers { array, _strings: strings }
    }

    /// The array; valid as long as `self`.
    pub fn as_ptr(&self) -> *const *const c_char {
        self.array.as_ptr()
    }
}
