//! System calls: from a number and six arguments to a result, as Linux on x86-64 has them.

use guest_abi::layout::{PAGE, rights};

use crate::entry::SyscallFrame;
use crate::files::{self, Surroundings};
use crate::kernel::Kernel;
use crate::{console, hypercall, kernel, signal};

pub use guest_files::Errno;

pub const ESRCH: Errno = Errno(3);
pub const ECHILD: Errno = Errno(10);
pub const ETIMEDOUT: Errno = Errno(110);

/// Called by the `syscall` entry. The result goes to RAX: an error number is negated.
#[unsafe(no_mangle)]
extern "C" fn syscall_handler(frame: &SyscallFrame) -> i64 {
    hypercall::count_syscall();
    // What programs do most often, and what every program does, before anything that costs more.
    let [a, b, c, ..] = frame.args;
    match frame.number {
        nr::WRITE => {
            if let Some(written) = console::write_fast(a, b, c) {
                return written;
            }
        }
        nr::GETPID => return 1,
        nr::GETPPID => return 0,
        nr::EXIT | nr::EXIT_GROUP => hypercall::exit(a & 0xff),
        _ => {}
    }
    any_syscall(frame)
}

#[inline(never)]
fn any_syscall(frame: &SyscallFrame) -> i64 {
    // SAFETY: this is a trap entry, and traps do not nest.
    let kernel = unsafe { kernel::kernel() };
    match kernel.dispatch(frame.number, frame.args) {
        Ok(value) => value as i64,
        Err(errno) => {
            if errno == Errno::EPIPE {
                let _ = kernel.signals.send(signal::SIGPIPE);
            }
            -i64::from(errno.0)
        }
    }
}

/// Numbers of the calls served here (Linux `arch/x86/entry/syscalls/syscall_64.tbl`).
mod nr {
    pub const READ: u64 = 0;
    pub const WRITE: u64 = 1;
    pub const MMAP: u64 = 9;
    pub const MPROTECT: u64 = 10;
    pub const MUNMAP: u64 = 11;
    pub const BRK: u64 = 12;
    pub const RT_SIGACTION: u64 = 13;
    pub const RT_SIGPROCMASK: u64 = 14;
    pub const RT_SIGRETURN: u64 = 15;
    pub const READV: u64 = 19;
    pub const WRITEV: u64 = 20;
    pub const MREMAP: u64 = 25;
    pub const MADVISE: u64 = 28;
    pub const GETPID: u64 = 39;
    pub const GETPPID: u64 = 110;
    pub const EXIT: u64 = 60;
    pub const KILL: u64 = 62;
    pub const RT_SIGPENDING: u64 = 127;
    pub const SIGALTSTACK: u64 = 131;
    pub const TKILL: u64 = 200;
    pub const EXIT_GROUP: u64 = 231;
    pub const TGKILL: u64 = 234;
    pub const GETRANDOM: u64 = 318;
}

impl Kernel {
    fn dispatch(&mut self, number: u64, args: [u64; 6]) -> Result<u64, Errno> {
        let [a, b, c, d, e, _] = args;
        match number {
            nr::WRITE if self.is_console(a) => console::write(&mut self.memory, a, b, c),
            nr::READ if a == 0 && self.files.is_none() => console::read(&mut self.memory, b, c),
            nr::WRITEV if self.is_console(a) => console::vector(&mut self.memory, a, b, c),
            nr::READV if a == 0 && self.files.is_none() => console::vector(&mut self.memory, 0, b, c),
            nr::BRK => Ok(self.memory.brk(a)),
            nr::MMAP => self.mmap(args),
            nr::MPROTECT => self.memory.protect(a, b, c as u32 & 7).map(|()| 0),
            nr::MUNMAP => self.memory.unmap(a, b).map(|()| 0),
            nr::MREMAP => self.mremap(a, b, c, d, e),
            nr::MADVISE => self.madvise(a, b, c),
            nr::RT_SIGACTION => self.signals.set_action(&mut self.memory, args),
            nr::RT_SIGPROCMASK => self.signals.set_mask(&mut self.memory, args),
            nr::RT_SIGRETURN => self.signals.request_return(),
            nr::RT_SIGPENDING => self.memory.write(a, self.signals.pending()).map(|()| 0),
            nr::SIGALTSTACK => self.signals.set_stack(&mut self.memory, a, b),
            nr::KILL if is_self(a) => self.signals.send(b),
            nr::TKILL if a == 1 => self.signals.send(b),
            nr::TGKILL if a == 1 && b == 1 => self.signals.send(c),
            nr::KILL | nr::TKILL | nr::TGKILL => Err(ESRCH),
            nr::GETRANDOM => console::random(&mut self.memory, a, b),
            _ => self.process_call(number, args).or_else(|| self.file_call(number, args)).unwrap_or_else(
                || {
                    hypercall::missing_call(number);
                    Err(Errno::ENOSYS)
                },
            ),
        }
    }

    /// Whether a write to descriptor 1 or 2 goes where it went at the start.
    fn is_console(&self, fd: u64) -> bool {
        (fd == 1 || fd == 2) && self.files.as_ref().is_none_or(|files| files.is_plain_console(fd))
    }

    fn file_call(&mut self, number: u64, args: [u64; 6]) -> Option<Result<u64, Errno>> {
        let memory = self.memory.total_and_free();
        let files = self.files.get_or_insert_with(|| files::initial(kernel::boot_info()));
        let mut surroundings = Surroundings { clock: self.clock, memory };
        let answer = files.dispatch(number, args, &mut self.memory, &mut surroundings);
        console::set_untouched(files.is_plain_console(1) && files.is_plain_console(2));
        answer
    }

    fn mmap(&mut self, args: [u64; 6]) -> Result<u64, Errno> {
        const MAP_FIXED: u64 = 0x10;
        const MAP_ANONYMOUS: u64 = 0x20;
        const MAP_NORESERVE: u64 = 0x4000;
        const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;
        let [address, bytes, rights, flags, fd, offset] = args;
        let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
        let replace = flags & MAP_FIXED_NOREPLACE == 0;
        let rights = rights as u32 & 7;
        if rights & rights::WRITE != 0 && flags & MAP_NORESERVE == 0 && bytes > self.memory.total_and_free().0
        {
            return Err(Errno::ENOMEM);
        }
        if flags & MAP_ANONYMOUS != 0 {
            return self.memory.map(address, bytes, rights, fixed, replace);
        }
        const MAP_TYPE: u64 = 0xf;
        const MAP_PRIVATE: u64 = 2;
        if flags & MAP_TYPE != MAP_PRIVATE && rights & rights::WRITE != 0 {
            // Nothing here would carry the writes back to the file.
            return Err(Errno::ENODEV);
        }
        if !offset.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let files = self.files.get_or_insert_with(|| files::initial(kernel::boot_info()));
        let size = files.size_of(fd)?;
        let writable = rights::READ | rights::WRITE;
        let start = self.memory.map(address, bytes, writable, fixed, replace)?;
        let content = size.saturating_sub(offset).min(bytes);
        let filled = self
            .memory
            .bytes_mut(start, content as usize)
            .and_then(|target| files.read_at(fd, offset, target))
            .and_then(|_| self.memory.protect(start, bytes, rights));
        if let Err(errno) = filled {
            let _ = self.memory.unmap(start, bytes);
            return Err(errno);
        }
        Ok(start)
    }

    fn mremap(&mut self, address: u64, old: u64, new: u64, flags: u64, _target: u64) -> Result<u64, Errno> {
        const MREMAP_MAYMOVE: u64 = 1;
        if flags & !MREMAP_MAYMOVE != 0 {
            return Err(Errno::EINVAL);
        }
        self.memory.remap(address, old, new, flags & MREMAP_MAYMOVE != 0)
    }

    fn madvise(&mut self, address: u64, bytes: u64, advice: u64) -> Result<u64, Errno> {
        const MADV_DONTNEED: u64 = 4;
        match advice {
            MADV_DONTNEED => self.memory.discard(address, bytes).map(|()| 0),
            // Everything else is a hint, and may be ignored.
            _ => Ok(0),
        }
    }
}

/// Whether `kill` with this process number reaches the program: itself, its group, or everyone.
fn is_self(process: u64) -> bool {
    matches!(process as i32, -1..=1)
}
