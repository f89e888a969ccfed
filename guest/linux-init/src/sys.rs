//! The Linux system calls of init, by their x86-64 numbers (arch/x86/entry/syscalls/syscall_64.tbl). An error
//! is Linux' error number, above 0.

use core::arch::asm;
use core::ffi::CStr;

const READ: usize = 0;
const WRITE: usize = 1;
const CLOSE: usize = 3;
const FSTAT: usize = 5;
const POLL: usize = 7;
const MMAP: usize = 9;
const RT_SIGACTION: usize = 13;
const RT_SIGPROCMASK: usize = 14;
const DUP2: usize = 33;
const FORK: usize = 57;
const EXECVE: usize = 59;
const EXIT: usize = 60;
const WAIT4: usize = 61;
const CHDIR: usize = 80;
const MKDIR: usize = 83;
const RMDIR: usize = 84;
const UNLINK: usize = 87;
const SYMLINK: usize = 88;
const SYSLOG: usize = 103;
const SETSID: usize = 112;
const MKNOD: usize = 133;
const MOUNT: usize = 165;
const SETHOSTNAME: usize = 170;
const IOPERM: usize = 173;
const OPEN: usize = 2;
const SIGNALFD4: usize = 289;
const PIPE2: usize = 293;
const IOCTL: usize = 16;
const CLOCK_SETTIME: usize = 227;
const FINIT_MODULE: usize = 313;

/// `open`: read only.
pub const O_RDONLY: usize = 0;
/// `open`: write only.
pub const O_WRONLY: usize = 1;
/// Not inherited by the workload.
pub const O_CLOEXEC: usize = 0o2000000;
/// Never waits.
pub const O_NONBLOCK: usize = 0o4000;
/// Interrupted, or not ready.
pub const EAGAIN: i32 = 11;
/// There already.
pub const EEXIST: i32 = 17;
/// Interrupted by a signal.
pub const EINTR: i32 = 4;
/// Something arrived.
pub const POLLIN: i16 = 1;
/// There is no other side any more, or none yet.
pub const POLLHUP: i16 = 0x10;
/// Something can be written.
pub const POLLOUT: i16 = 4;
/// A child has ended.
pub const SIGCHLD: usize = 17;

/// One system call.
///
/// # Safety
/// As the call says: every pointer must be good for what Linux does with it.
unsafe fn call(number: usize, arguments: [usize; 6]) -> Result<usize, i32> {
    let result: isize;
    // SAFETY: the system call ABI: arguments in these registers, RCX and R11 lost, the rest kept.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
             in("rdi") arguments[0], in("rsi") arguments[1], in("rdx") arguments[2],
             in("r10") arguments[3], in("r8") arguments[4], in("r9") arguments[5],
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    if result < 0 { Err(-result as i32) } else { Ok(result as usize) }
}

/// An address to pass on.
fn text(text: &CStr) -> usize {
    text.as_ptr() as usize
}

/// Opens a file.
pub fn open(path: &CStr, flags: usize) -> Result<i32, i32> {
    // SAFETY: a path that ends with a zero byte.
    unsafe { call(OPEN, [text(path), flags, 0, 0, 0, 0]) }.map(|fd| fd as i32)
}

/// Closes a descriptor.
pub fn close(fd: i32) {
    // SAFETY: no memory is passed; a descriptor that is not open does no harm.
    let _ = unsafe { call(CLOSE, [fd as usize, 0, 0, 0, 0, 0]) };
}

/// Reads; 0 at the end.
pub fn read(fd: i32, buffer: &mut [u8]) -> Result<usize, i32> {
    // SAFETY: Linux writes within the buffer only.
    unsafe { call(READ, [fd as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0]) }
}

/// Writes what fits.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize, i32> {
    // SAFETY: Linux reads the bytes only.
    unsafe { call(WRITE, [fd as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) }
}

/// The size of an open file.
pub fn size(fd: i32) -> Result<usize, i32> {
    // `struct stat` has 144 bytes, of which `st_size` is the seventh word.
    let mut stat = [0u64; 18];
    // SAFETY: Linux writes one `struct stat`.
    unsafe { call(FSTAT, [fd as usize, stat.as_mut_ptr() as usize, 0, 0, 0, 0])? };
    Ok(stat[6] as usize)
}

/// New memory, all zero, for good. Every page of it is there already, so that the VMM can write to it.
pub fn memory(bytes: usize) -> Result<&'static mut [u8], i32> {
    const READ_WRITE: usize = 3;
    const PRIVATE_ANONYMOUS: usize = 0x22;
    const POPULATE: usize = 0x8000;
    // SAFETY: a new mapping overlaps nothing; it is never unmapped.
    unsafe {
        let at = call(MMAP, [0, bytes.max(1), READ_WRITE, PRIVATE_ANONYMOUS | POPULATE, usize::MAX, 0])?;
        Ok(core::slice::from_raw_parts_mut(at as *mut u8, bytes))
    }
}

/// One entry of `poll`: `struct pollfd`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Poll {
    /// The descriptor; one below 0 is passed over.
    pub fd: i32,
    /// What is waited for.
    pub events: i16,
    /// What has happened.
    pub happened: i16,
}

/// Waits; `timeout_ms` below 0 is for ever.
pub fn poll(files: &mut [Poll], timeout_ms: i32) {
    // SAFETY: as many entries as said. Interrupted or failed, nothing has happened.
    let _ = unsafe { call(POLL, [files.as_mut_ptr() as usize, files.len(), timeout_ms as usize, 0, 0, 0]) };
}

/// A pipe: where to read, where to write.
pub fn pipe(flags: usize) -> Result<[i32; 2], i32> {
    let mut ends = [0; 2];
    // SAFETY: Linux writes two integers.
    unsafe { call(PIPE2, [ends.as_mut_ptr() as usize, flags, 0, 0, 0, 0])? };
    Ok(ends)
}

/// Changes flags of an open file description.
pub fn set_nonblocking(fd: i32) {
    const FCNTL: usize = 72;
    const F_SETFL: usize = 4;
    // SAFETY: no memory is passed.
    let _ = unsafe { call(FCNTL, [fd as usize, F_SETFL, O_NONBLOCK, 0, 0, 0]) };
}

/// Makes `to` another name of `from`.
pub fn duplicate(from: i32, to: i32) -> Result<(), i32> {
    // SAFETY: no memory is passed.
    unsafe { call(DUP2, [from as usize, to as usize, 0, 0, 0, 0]) }.map(drop)
}

/// A descriptor that is readable when a child has ended; the signal itself is blocked.
pub fn child_descriptor() -> Result<i32, i32> {
    let set = 1u64 << (SIGCHLD - 1);
    let at = &raw const set as usize;
    // SAFETY: Linux reads one set of signals, 8 bytes.
    unsafe {
        call(RT_SIGPROCMASK, [0, at, 0, 8, 0, 0])?;
        call(SIGNALFD4, [usize::MAX, at, 8, O_CLOEXEC | O_NONBLOCK, 0, 0]).map(|fd| fd as i32)
    }
}

/// Lets every signal in again, as programs expect at their start.
pub fn unblock_signals() {
    const SIG_SETMASK: usize = 2;
    let none = 0u64;
    // SAFETY: Linux reads one set of signals.
    let _ = unsafe { call(RT_SIGPROCMASK, [SIG_SETMASK, &raw const none as usize, 0, 8, 0, 0]) };
}

/// Ignores SIGPIPE (`true`), or restores what it does.
pub fn ignore_broken_pipes(ignore: bool) {
    const SIGPIPE: usize = 13;
    // `struct sigaction` of the system call: handler (0: the default, 1: ignore), flags, restorer, mask.
    let action = [usize::from(ignore), 0, 0, 0];
    // SAFETY: Linux reads one such structure; neither handler is a function.
    let _ = unsafe { call(RT_SIGACTION, [SIGPIPE, action.as_ptr() as usize, 0, 8, 0, 0]) };
}

/// Forks: 0 in the child.
pub fn fork() -> Result<usize, i32> {
    // SAFETY: this program has one thread and no state that two processes may not have.
    unsafe { call(FORK, [0; 6]) }
}

/// A session of one's own.
pub fn new_session() {
    // SAFETY: no memory is passed.
    let _ = unsafe { call(SETSID, [0; 6]) };
}

/// Becomes another program; returns only when that fails, with the reason.
pub fn execute(path: &CStr, arguments: &[*const u8], variables: &[*const u8]) -> i32 {
    // SAFETY: the caller's arrays end with null and hold pointers to strings.
    unsafe { call(EXECVE, [text(path), arguments.as_ptr() as usize, variables.as_ptr() as usize, 0, 0, 0]) }
        .err()
        .unwrap_or(0)
}

/// Becomes the program that is open; returns only when that fails, with the reason.
pub fn execute_open(program: i32, arguments: &[*const u8], variables: &[*const u8]) -> i32 {
    const EXECVEAT: usize = 322;
    const AT_EMPTY_PATH: usize = 0x1000;
    let (arguments, variables) = (arguments.as_ptr() as usize, variables.as_ptr() as usize);
    // SAFETY: the caller's arrays end with null and hold pointers to strings.
    unsafe { call(EXECVEAT, [program as usize, text(c""), arguments, variables, AT_EMPTY_PATH, 0]) }
        .err()
        .unwrap_or(0)
}

/// Ends this process.
pub fn exit(status: usize) -> ! {
    loop {
        // SAFETY: no memory is passed.
        let _ = unsafe { call(EXIT, [status, 0, 0, 0, 0, 0]) };
    }
}

/// A child that has ended, and its status; `None` when none has.
pub fn ended_child() -> Option<(usize, u32)> {
    const WNOHANG: usize = 1;
    /// Children of every kind (wait4(2)).
    const WALL: usize = 0x4000_0000;
    let mut status = 0u32;
    // SAFETY: Linux writes one integer.
    let pid = unsafe { call(WAIT4, [usize::MAX, &raw mut status as usize, WNOHANG | WALL, 0, 0, 0]) };
    pid.ok().filter(|pid| *pid > 0).map(|pid| (pid, status))
}

/// Enters a folder.
pub fn change_folder(path: &CStr) -> Result<(), i32> {
    // SAFETY: a path that ends with a zero byte.
    unsafe { call(CHDIR, [text(path), 0, 0, 0, 0, 0]) }.map(drop)
}

/// Makes a folder; one that is there already is left as it is.
pub fn make_folder(path: &CStr, mode: usize) -> Result<(), i32> {
    // SAFETY: a path that ends with a zero byte.
    match unsafe { call(MKDIR, [text(path), mode, 0, 0, 0, 0]) } {
        Err(error) if error != EEXIST => Err(error),
        _ => Ok(()),
    }
}

/// Removes an empty folder.
pub fn remove_folder(path: &CStr) {
    // SAFETY: a path that ends with a zero byte.
    let _ = unsafe { call(RMDIR, [text(path), 0, 0, 0, 0, 0]) };
}

/// Removes a file.
pub fn remove(path: &CStr) {
    // SAFETY: a path that ends with a zero byte.
    let _ = unsafe { call(UNLINK, [text(path), 0, 0, 0, 0, 0]) };
}

/// Makes a symbolic link.
pub fn link(path: &CStr, to: &CStr) {
    // SAFETY: two strings that end with a zero byte.
    let _ = unsafe { call(SYMLINK, [text(to), text(path), 0, 0, 0, 0]) };
}

/// Makes a character device that anybody may use.
pub fn device(path: &CStr, major: usize, minor: usize) {
    const CHARACTER_DEVICE: usize = 0o20000;
    // SAFETY: a path that ends with a zero byte.
    let _ = unsafe { call(MKNOD, [text(path), CHARACTER_DEVICE | 0o666, major << 8 | minor, 0, 0, 0]) };
}

/// Mounts a filesystem of this kind, without set-user-id programs.
pub fn mount(kind: &CStr, target: &CStr, options: &CStr) -> Result<(), i32> {
    const MS_NOSUID: usize = 2;
    // SAFETY: strings that end with a zero byte.
    unsafe { call(MOUNT, [text(kind), text(target), text(kind), MS_NOSUID, text(options), 0]) }.map(drop)
}

/// Mounts the file system of a device.
pub fn mount_device(device: &CStr, target: &CStr, kind: &CStr, read_only: bool) -> Result<(), i32> {
    const MS_RDONLY: usize = 1;
    let flags = if read_only { MS_RDONLY } else { 0 };
    // SAFETY: strings that end with a zero byte; no options.
    unsafe { call(MOUNT, [text(device), text(target), text(kind), flags, 0, 0]) }.map(drop)
}

/// Makes the mounted folder that we are in the root of everything.
pub fn become_root() -> Result<(), i32> {
    const MS_MOVE: usize = 1 << 13;
    const CHROOT: usize = 161;
    // SAFETY: strings that end with a zero byte.
    unsafe {
        call(MOUNT, [text(c"."), text(c"/"), 0, MS_MOVE, 0, 0])?;
        call(CHROOT, [text(c"."), 0, 0, 0, 0, 0])?;
    }
    change_folder(c"/")
}

/// Names this machine.
pub fn set_host_name(name: &[u8]) {
    // SAFETY: Linux reads the name only.
    let _ = unsafe { call(SETHOSTNAME, [name.as_ptr() as usize, name.len(), 0, 0, 0, 0]) };
}

/// Grants or takes the right to use ports.
pub fn port_rights(first: u16, count: usize, granted: bool) {
    // SAFETY: no memory is passed.
    let _ = unsafe { call(IOPERM, [first.into(), count, granted.into(), 0, 0, 0]) };
}

/// Loads a kernel module; one that is there already is left as it is.
pub fn load_module(path: &CStr) -> Result<(), i32> {
    let file = open(path, O_RDONLY | O_CLOEXEC)?;
    // SAFETY: an open file and an empty string of parameters.
    let loaded = unsafe { call(FINIT_MODULE, [file as usize, text(c""), 0, 0, 0, 0]) };
    close(file);
    match loaded {
        Err(error) if error != EEXIST => Err(error),
        _ => Ok(()),
    }
}

/// Puts random bytes into Linux' generator and has it begin anew (random(4)).
pub fn reseed(seed: &[u8; 64]) -> Result<(), i32> {
    const RNDADDENTROPY: usize = 0x4008_5203;
    const RNDRESEEDCRNG: usize = 0x5207;
    #[repr(C)]
    struct PoolInfo {
        entropy_bits: i32,
        bytes: i32,
        seed: [u8; 64],
    }
    let pool = PoolInfo { entropy_bits: 8 * 64, bytes: 64, seed: *seed };
    let file = open(c"/dev/urandom", O_RDONLY | O_CLOEXEC)?;
    // SAFETY: an open file, and a structure as the call wants it.
    unsafe {
        call(IOCTL, [file as usize, RNDADDENTROPY, &raw const pool as usize, 0, 0, 0])?;
        call(IOCTL, [file as usize, RNDRESEEDCRNG, 0, 0, 0, 0])?;
    }
    close(file);
    Ok(())
}

/// Sets the clock of the day.
pub fn set_clock(seconds: u64, nanoseconds: u64) -> Result<(), i32> {
    const CLOCK_REALTIME: usize = 0;
    let time = [seconds, nanoseconds];
    // SAFETY: Linux reads two words.
    unsafe { call(CLOCK_SETTIME, [CLOCK_REALTIME, time.as_ptr() as usize, 0, 0, 0, 0]) }.map(drop)
}

/// Linux' log: its address and its bytes.
pub fn kernel_log() -> Option<(u64, u64)> {
    const READ_ALL: usize = 3;
    const MOST: usize = 64 << 10;
    let buffer = memory(MOST).ok()?;
    // SAFETY: Linux writes within the buffer only.
    let bytes = unsafe { call(SYSLOG, [READ_ALL, buffer.as_mut_ptr() as usize, MOST, 0, 0, 0]) }.ok()?;
    Some((buffer.as_ptr() as u64, bytes as u64))
}
