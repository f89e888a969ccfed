//! From process entry to exit: arguments, environment, the report.

use core::ffi::CStr;

use crate::text::{Text, parse_decimal};
use crate::{Failure, Outcome, sys};

/// What the kernel put on the stack of a new process (System V ABI, AMD64, figure 3.9).
pub struct Process {
    name: &'static str,
    arguments: &'static [*const core::ffi::c_char],
    hold: bool,
    auxiliary: *const [usize; 2],
}

impl Process {
    /// Reads the stack of a new process.
    ///
    /// # Safety
    /// `stack` is the stack pointer at process entry.
    pub unsafe fn at_entry(name: &'static str, stack: *const usize) -> Process {
        // SAFETY: by the ABI: count, that many pointers, null, environment pointers, null, auxiliary vector.
        unsafe {
            let count = *stack;
            let arguments = core::slice::from_raw_parts(stack.add(1).cast(), count);
            let mut environment = stack.add(count + 2).cast::<*const core::ffi::c_char>();
            let mut hold = false;
            while !(*environment).is_null() {
                hold |= CStr::from_ptr(*environment) == c"ISOBENCH_HOLD=1";
                environment = environment.add(1);
            }
            Process { name, arguments, hold, auxiliary: environment.add(1).cast() }
        }
    }

    /// Argument `index`; 0 is the program's own name.
    pub fn argument(&self, index: usize) -> Option<&'static CStr> {
        // SAFETY: the kernel's strings live as long as the process and end with a zero byte.
        self.arguments.get(index).map(|text| unsafe { CStr::from_ptr(*text) })
    }

    /// The value of one auxiliary vector entry.
    pub fn auxiliary(&self, kind: usize) -> Option<usize> {
        const AT_NULL: usize = 0;
        let mut entry = self.auxiliary;
        // SAFETY: the vector ends with AT_NULL, and nothing after it is read.
        unsafe {
            while (*entry)[0] != AT_NULL {
                if (*entry)[0] == kind {
                    return Some((*entry)[1]);
                }
                entry = entry.add(1);
            }
        }
        None
    }

    /// Runs the workload with SIZE from the command line and ends the process.
    pub fn run(&self, default_size: u64, work: fn(u64, &Process) -> Result<(), Failure>) -> ! {
        let size = match self.argument(1) {
            None => Some(default_size),
            Some(text) => parse_decimal(text.to_bytes()).filter(|size| *size > 0),
        };
        let result = match size {
            None => Err(Failure::Usage("SIZE must be a decimal number from 1")),
            Some(size) => work(size, self),
        };
        let (status, reason) = match result {
            Ok(()) => self.end(),
            Err(Failure::Usage(reason)) => (2, reason),
            Err(Failure::Failed(reason)) => (1, reason),
        };
        let mut line = Text::<256>::new();
        line.push(self.name).push(": ").push(reason).push("\n");
        sys::write_all(sys::STDERR, line.as_bytes());
        sys::exit(status)
    }

    /// Prints the result line and the workload's own time.
    pub fn report(&self, size: u64, outcome: Outcome) -> Result<(), Failure> {
        let mut line = Text::<256>::new();
        line.push(self.name).push(" ").decimal(size).push(" checksum ").hex(outcome.checksum).push("\n");
        if !sys::write_all(sys::STDOUT, line.as_bytes()) {
            return Err(Failure::Failed("cannot write to standard output"));
        }
        let mut line = Text::<256>::new();
        line.push("elapsed_ns=").decimal(outcome.elapsed_ns);
        line.push(" work=").decimal(outcome.work).push(" unit=").push(outcome.unit).push("\n");
        // The result is out; a closed standard error is no reason to fail.
        sys::write_all(sys::STDERR, line.as_bytes());
        Ok(())
    }

    /// Ends the process with success, held until end of file on standard input where asked for.
    fn end(&self) -> ! {
        let mut ignored = [0; 256];
        while self.hold && sys::read(sys::STDIN, &mut ignored) > 0 {}
        sys::exit(0)
    }
}
