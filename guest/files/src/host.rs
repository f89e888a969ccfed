//! What this crate asks of the kernel around it.

use crate::Errno;
use crate::linux::Time;

/// The memory of the process that makes the calls.
pub trait UserMemory {
    /// `len` bytes at `addr`, to read. `EFAULT` where the process has no such memory.
    fn bytes(&mut self, addr: u64, len: usize) -> Result<&[u8], Errno>;
    /// `len` bytes at `addr`, to write.
    fn bytes_mut(&mut self, addr: u64, len: usize) -> Result<&mut [u8], Errno>;
    /// The bytes at `addr` up to, and without, the first NUL; `ENAMETOOLONG` when there is none within 4096.
    fn c_string(&mut self, addr: u64) -> Result<&[u8], Errno>;
}

/// What lies outside the files: the console, time, randomness, and facts for `/proc`.
pub trait Host {
    /// Writes to standard output (1) or standard error (2); returns how many bytes were taken.
    fn write_console(&mut self, stream: u32, bytes: &[u8]) -> Result<usize, Errno>;
    /// Reads standard input, waiting for at least a byte; 0 is the end of it.
    fn read_console(&mut self, buffer: &mut [u8]) -> Result<usize, Errno>;
    /// Whether standard input can be read without waiting, or becomes so within `timeout_ns` (`None`: wait).
    fn poll_console(&mut self, timeout_ns: Option<u64>) -> Result<bool, Errno>;
    /// `CLOCK_REALTIME`: seconds and nanoseconds.
    fn now(&self) -> (u64, u32);
    /// Fills `buffer` with random bytes.
    fn random(&mut self, buffer: &mut [u8]);
    /// Waits. The kernel may know a better way than to watch the clock.
    fn sleep(&mut self, nanoseconds: u64) {
        let (start_seconds, start_nanos) = self.now();
        loop {
            let (seconds, nanos) = self.now();
            let passed = (seconds.saturating_sub(start_seconds) as i64)
                .saturating_mul(1_000_000_000)
                .saturating_add(i64::from(nanos) - i64::from(start_nanos));
            if passed >= 0 && passed as u64 >= nanoseconds {
                return;
            }
        }
    }
    /// What `/proc` tells of the machine.
    fn machine(&self) -> Machine {
        Machine::default()
    }
}

/// Facts for `/proc` and `statfs`; what is unknown (zero or empty) is left out there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Memory of the guest, in bytes.
    pub memory_total: u64,
    /// Memory not yet in use, in bytes.
    pub memory_free: u64,
    /// Time since boot, in nanoseconds.
    pub uptime_ns: u64,
    /// CPUID leaf 0: the vendor.
    pub cpu_vendor: [u8; 12],
    /// CPUID leaves 0x8000_0002..4: the model's name, padded with NUL.
    pub cpu_model: [[u8; 16]; 3],
    /// As `uname -r`.
    pub kernel_release: &'static [u8],
    /// As `uname -v`.
    pub kernel_version: &'static [u8],
    /// As `uname -n`.
    pub hostname: &'static [u8],
    /// The process's name, for `/proc/self/status`.
    pub process_name: &'static [u8],
}

impl dyn Host + '_ {
    pub(crate) fn time(&self) -> Time {
        let (seconds, nanos) = self.now();
        Time { seconds: seconds as i64, nanos }
    }
}

impl dyn UserMemory + '_ {
    /// Copies `bytes` to the process.
    pub(crate) fn put(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.bytes_mut(addr, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Copies a structure, given as words, to the process.
    pub(crate) fn put_words(&mut self, addr: u64, words: &[u64]) -> Result<(), Errno> {
        self.put(addr, crate::tree::bytes_of(words))
    }

    /// Copies `N` bytes from the process.
    pub(crate) fn array<const N: usize>(&mut self, addr: u64) -> Result<[u8; N], Errno> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(addr, N)?);
        Ok(array)
    }

    pub(crate) fn u64(&mut self, addr: u64) -> Result<u64, Errno> {
        Ok(u64::from_ne_bytes(self.array(addr)?))
    }

    /// A `struct timespec` or `struct timeval`: two signed words.
    pub(crate) fn two_words(&mut self, addr: u64) -> Result<(i64, i64), Errno> {
        let both: [u8; 16] = self.array(addr)?;
        let [first, second] = [0, 8].map(|at| {
            let mut word = [0; 8];
            word.copy_from_slice(&both[at..at + 8]);
            i64::from_ne_bytes(word)
        });
        Ok((first, second))
    }
}
