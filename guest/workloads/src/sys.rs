//! The Linux system calls of the workloads, x86-64 numbers (`asm/unistd_64.h`).
//!
//! Only calls that every runtime here lets through. A result below zero is a negated `errno`.

use core::arch::asm;
use core::ffi::CStr;

/// Standard input.
pub const STDIN: i32 = 0;
/// Standard output.
pub const STDOUT: i32 = 1;
/// Standard error.
pub const STDERR: i32 = 2;

/// `openat`: relative to the working directory.
pub const AT_FDCWD: i32 = -100;
/// `openat`: read only.
pub const O_RDONLY: i32 = 0;
/// `openat`: write only.
pub const O_WRONLY: i32 = 1;
/// `openat`: create the file.
pub const O_CREAT: i32 = 0o100;
/// `openat`: fail if it exists.
pub const O_EXCL: i32 = 0o200;
/// `openat`: fail if it is no directory.
pub const O_DIRECTORY: i32 = 0o200000;

const READ: usize = 0;
const WRITE: usize = 1;
const CLOSE: usize = 3;
const MMAP: usize = 9;
const MADVISE: usize = 28;
const GETPID: usize = 39;
const UNAME: usize = 63;
const GETUID: usize = 102;
const GETGID: usize = 104;
const GETPPID: usize = 110;
const GETDENTS64: usize = 217;
const CLOCK_GETTIME: usize = 228;
const EXIT_GROUP: usize = 231;
const OPENAT: usize = 257;
const UNLINKAT: usize = 263;

const CLOCK_MONOTONIC: usize = 1;

/// One system call of up to six arguments.
///
/// # Safety
/// As the call says: every pointer must be good for what the kernel does with it.
#[inline(always)]
unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let result;
    // SAFETY: the system call ABI: arguments in these registers, RCX and R11 lost, the rest kept.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") arguments[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Seconds and nanoseconds, `struct timespec`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timespec {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds below one second.
    pub nanoseconds: i64,
}

impl Timespec {
    /// All in nanoseconds.
    pub fn as_ns(self) -> u64 {
        (self.seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(self.nanoseconds as u64)
    }
}

/// Writes what one call writes; returns how many bytes.
#[inline(always)]
pub fn write(fd: i32, bytes: &[u8]) -> isize {
    // SAFETY: the kernel reads `bytes` only.
    unsafe { call(WRITE, [fd as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) }
}

/// Writes all bytes; false when that fails.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let written = write(fd, bytes);
        match bytes.get(written.max(0) as usize..) {
            Some(rest) if written > 0 => bytes = rest,
            _ => return false,
        }
    }
    true
}

/// Reads at most `buffer.len()` bytes; returns how many, 0 at the end.
pub fn read(fd: i32, buffer: &mut [u8]) -> isize {
    // SAFETY: the kernel writes within `buffer` only.
    unsafe { call(READ, [fd as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0]) }
}

/// Opens a file, close-on-exec not set, mode 0600 where created.
pub fn open(path: &CStr, flags: i32) -> isize {
    // SAFETY: the kernel reads the path, which ends with a zero byte.
    unsafe { call(OPENAT, [AT_FDCWD as usize, path.as_ptr() as usize, flags as usize, 0o600, 0, 0]) }
}

/// Closes a descriptor.
pub fn close(fd: i32) -> isize {
    // SAFETY: no memory is passed.
    unsafe { call(CLOSE, [fd as usize, 0, 0, 0, 0, 0]) }
}

/// Removes a file.
pub fn unlink(path: &CStr) -> isize {
    // SAFETY: the kernel reads the path, which ends with a zero byte.
    unsafe { call(UNLINKAT, [AT_FDCWD as usize, path.as_ptr() as usize, 0, 0, 0, 0]) }
}

/// Reads directory entries (`struct linux_dirent64`); returns how many bytes, 0 at the end.
pub fn directory_entries(fd: i32, buffer: &mut [u8]) -> isize {
    // SAFETY: the kernel writes within `buffer` only.
    unsafe { call(GETDENTS64, [fd as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0]) }
}

/// New zeroed private memory of `length` bytes; a negated errno where there is none.
pub fn map(length: usize) -> isize {
    const READ_WRITE: usize = 1 | 2;
    const PRIVATE_ANONYMOUS: usize = 0x02 | 0x20;
    // SAFETY: without MAP_FIXED the kernel picks addresses that nothing uses.
    unsafe { call(MMAP, [0, length, READ_WRITE, PRIVATE_ANONYMOUS, usize::MAX, 0]) }
}

/// Asks for small pages in a range, so that each page has a first touch of its own.
pub fn advise_small_pages(address: usize, length: usize) -> isize {
    const MADV_NOHUGEPAGE: usize = 15;
    // SAFETY: this advice changes no content.
    unsafe { call(MADVISE, [address, length, MADV_NOHUGEPAGE, 0, 0, 0]) }
}

/// `CLOCK_MONOTONIC` by system call; false when the kernel has none.
pub fn clock_gettime(time: &mut Timespec) -> bool {
    // SAFETY: the kernel writes one `Timespec` there.
    unsafe { call(CLOCK_GETTIME, [CLOCK_MONOTONIC, time as *mut Timespec as usize, 0, 0, 0, 0]) == 0 }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let mut time = Timespec::default();
    clock_gettime(&mut time);
    time.as_ns()
}

/// This process's id.
pub fn getpid() -> isize {
    // SAFETY: no memory is passed.
    unsafe { call(GETPID, [0; 6]) }
}

/// The parent's id.
#[inline(always)]
pub fn getppid() -> isize {
    // SAFETY: no memory is passed.
    unsafe { call(GETPPID, [0; 6]) }
}

/// The user's id.
pub fn getuid() -> isize {
    // SAFETY: no memory is passed.
    unsafe { call(GETUID, [0; 6]) }
}

/// The group's id.
pub fn getgid() -> isize {
    // SAFETY: no memory is passed.
    unsafe { call(GETGID, [0; 6]) }
}

/// The six fields of `struct new_utsname`: system, node, release, version, machine, domain.
pub type Utsname = [[u8; 65]; 6];

/// What kernel this is.
pub fn uname(names: &mut Utsname) -> isize {
    // SAFETY: the kernel writes one `struct new_utsname`, six arrays of 65 bytes.
    unsafe { call(UNAME, [names.as_mut_ptr() as usize, 0, 0, 0, 0, 0]) }
}

/// Ends the process.
#[inline(always)]
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: no memory is passed.
        unsafe { call(EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]) };
    }
}
