//! A kernel for tests: calls go to [`Files`], or to the host's own Linux, with the same arguments.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::ffi::CString;
use std::path::Path;

use guest_files::pack::{Packed, Source, TreeBuilder};
use guest_files::{Errno, Files, Host, Machine, Tree, UserMemory};

pub type Answer = Result<u64, i32>;

/// Something that answers Linux system calls.
pub trait System {
    fn call(&mut self, number: libc::c_long, args: &[u64]) -> Answer;

    /// A call whose first argument is a path.
    fn call_path(&mut self, number: libc::c_long, path: &str, args: &[u64]) -> Answer {
        let path = CString::new(path).unwrap();
        self.call(number, &[&[path.as_ptr() as u64], args].concat())
    }

    fn open(&mut self, path: &str, flags: i32, mode: u32) -> Answer {
        self.call_path(libc::SYS_open, path, &[flags as u64, mode.into()])
    }

    fn close(&mut self, fd: u64) -> Answer {
        self.call(libc::SYS_close, &[fd])
    }

    fn write(&mut self, fd: u64, bytes: &[u8]) -> Answer {
        self.call(libc::SYS_write, &[fd, bytes.as_ptr() as u64, bytes.len() as u64])
    }

    fn read(&mut self, fd: u64, length: usize) -> Result<Vec<u8>, i32> {
        let mut buffer = vec![0u8; length.max(1)];
        let done = self.call(libc::SYS_read, &[fd, buffer.as_mut_ptr() as u64, length as u64])?;
        buffer.truncate(done as usize);
        Ok(buffer)
    }

    fn stat(&mut self, path: &str) -> Result<libc::stat, i32> {
        self.stat_at(libc::AT_FDCWD as u64, path, 0)
    }

    fn lstat(&mut self, path: &str) -> Result<libc::stat, i32> {
        self.stat_at(libc::AT_FDCWD as u64, path, libc::AT_SYMLINK_NOFOLLOW)
    }

    fn stat_at(&mut self, dirfd: u64, path: &str, flags: i32) -> Result<libc::stat, i32> {
        let path = CString::new(path).unwrap();
        // SAFETY: a stat is integers only, of which zero is one.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        let args = [dirfd, path.as_ptr() as u64, &raw mut stat as u64, flags as u64];
        self.call(libc::SYS_newfstatat, &args)?;
        Ok(stat)
    }

    fn read_link(&mut self, dirfd: u64, path: &str) -> Result<Vec<u8>, i32> {
        let path = CString::new(path).unwrap();
        let mut buffer = vec![0u8; 4096];
        let args = [dirfd, path.as_ptr() as u64, buffer.as_mut_ptr() as u64, 4096];
        let length = self.call(libc::SYS_readlinkat, &args)?;
        buffer.truncate(length as usize);
        Ok(buffer)
    }

    /// The rest of a listing: names and `d_type`s, in order, read through a buffer of `size` bytes.
    fn list(&mut self, fd: u64, size: usize) -> Result<Vec<(String, u8)>, i32> {
        let mut names = Vec::new();
        loop {
            let piece = self.list_piece(fd, size)?;
            if piece.is_empty() {
                return Ok(names);
            }
            names.extend(piece);
        }
    }

    /// One `getdents64`.
    fn list_piece(&mut self, fd: u64, size: usize) -> Result<Vec<(String, u8)>, i32> {
        let mut buffer = vec![0u8; size];
        let done = self.call(libc::SYS_getdents64, &[fd, buffer.as_mut_ptr() as u64, size as u64])? as usize;
        let (mut names, mut at) = (Vec::new(), 0);
        while at < done {
            let length = u16::from_ne_bytes(buffer[at + 16..at + 18].try_into().unwrap()) as usize;
            let name = buffer[at + 19..at + length].split(|byte| *byte == 0).next().unwrap();
            names.push((String::from_utf8(name.to_vec()).unwrap(), buffer[at + 18]));
            at += length;
        }
        Ok(names)
    }
}

/// The host's own kernel.
pub struct Linux;

impl System for Linux {
    fn call(&mut self, number: libc::c_long, args: &[u64]) -> Answer {
        let arg = |index: usize| args.get(index).copied().unwrap_or(0);
        // SAFETY: the tests' calls write only to buffers that they pass, of the lengths that they pass.
        let result = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
        if result < 0 {
            Err(std::io::Error::last_os_error().raw_os_error().unwrap())
        } else {
            Ok(result as u64)
        }
    }
}

/// This crate, with the test's own memory as the process's.
pub struct Guest {
    pub files: Files,
    pub console: Console,
}

impl System for Guest {
    fn call(&mut self, number: libc::c_long, args: &[u64]) -> Answer {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        match self.files.dispatch(number as u64, all, &mut OwnMemory, &mut self.console) {
            Some(answer) => answer.map_err(|error| error.0),
            None => Err(libc::ENOSYS),
        }
    }
}

impl Guest {
    /// An empty root with the standard entries.
    pub fn new() -> Guest {
        let mut builder = TreeBuilder::new();
        builder.standard_entries().unwrap();
        Guest::with_tree(&builder)
    }

    pub fn with_tree(builder: &TreeBuilder) -> Guest {
        let (metadata, window) = load(&builder.build().unwrap());
        let tree = Tree::new(metadata, window).unwrap();
        Guest { files: Files::new(tree), console: Console::default() }
    }

    /// Makes a file with these contents.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        let fd = self.open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 0o644).unwrap();
        assert_eq!(self.write(fd, bytes), Ok(bytes.len() as u64));
        self.close(fd).unwrap();
    }

    pub fn get(&mut self, path: &str) -> Result<Vec<u8>, i32> {
        let fd = self.open(path, libc::O_RDONLY, 0)?;
        let mut all = Vec::new();
        loop {
            let piece = self.read(fd, 10_000)?;
            if piece.is_empty() {
                self.close(fd)?;
                return Ok(all);
            }
            all.extend(piece);
        }
    }
}

/// Loads what was packed, as the VMM does: metadata aligned, contents where they belong in the window.
pub fn load(packed: &Packed) -> (&'static [u8], &'static [u8]) {
    let mut window = vec![0u8; packed.window_length as usize];
    for piece in &packed.pieces {
        let bytes = match &piece.source {
            Source::File(path) => std::fs::read(path).unwrap(),
            Source::Bytes(bytes) => bytes.to_vec(),
        };
        assert_eq!(bytes.len() as u64, piece.length);
        assert_eq!(piece.offset % guest_files::pack::ALIGNMENT, 0);
        window[piece.offset as usize..][..bytes.len()].copy_from_slice(&bytes);
    }
    (aligned(&packed.metadata), window.leak())
}

/// A copy that begins at a multiple of 8.
pub fn aligned(bytes: &[u8]) -> &'static [u8] {
    let copy = vec![0u64; bytes.len().div_ceil(8)].leak();
    // SAFETY: the words live for ever, are initialised, and hold at least as many bytes.
    let copy = unsafe { std::slice::from_raw_parts_mut(copy.as_mut_ptr().cast::<u8>(), bytes.len()) };
    copy.copy_from_slice(bytes);
    copy
}

/// The test's own memory; its first page is nobody's.
pub struct OwnMemory;

impl UserMemory for OwnMemory {
    fn bytes(&mut self, addr: u64, len: usize) -> Result<&[u8], Errno> {
        if addr < 4096 {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the tests pass addresses of their own buffers only, or ones in the first page.
        Ok(unsafe { std::slice::from_raw_parts(addr as *const u8, len) })
    }

    fn bytes_mut(&mut self, addr: u64, len: usize) -> Result<&mut [u8], Errno> {
        if addr < 4096 {
            return Err(Errno::EFAULT);
        }
        // SAFETY: as above.
        Ok(unsafe { std::slice::from_raw_parts_mut(addr as *mut u8, len) })
    }

    fn c_string(&mut self, addr: u64) -> Result<&[u8], Errno> {
        if addr < 4096 {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the tests pass C strings of their own only.
        let text = unsafe { std::ffi::CStr::from_ptr(addr as *const libc::c_char) };
        if text.count_bytes() >= 4096 { Err(Errno::ENAMETOOLONG) } else { Ok(text.to_bytes()) }
    }
}

/// A console that remembers, and a clock that moves a second at every sleep only.
#[derive(Default)]
pub struct Console {
    pub input: Vec<u8>,
    pub output: Vec<u8>,
    pub errors: Vec<u8>,
    /// Writes, each of which would cross to the host.
    pub writes: usize,
    pub slept: u64,
    /// The input arrives while somebody waits.
    pub input_comes_late: bool,
}

impl Host for Console {
    fn write_console(&mut self, stream: u32, bytes: &[u8]) -> Result<usize, Errno> {
        self.writes += 1;
        if stream == 1 { &mut self.output } else { &mut self.errors }.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn read_console(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let length = buffer.len().min(self.input.len());
        buffer[..length].copy_from_slice(&self.input[..length]);
        self.input.drain(..length);
        Ok(length)
    }

    fn poll_console(&mut self, timeout_ns: Option<u64>) -> Result<bool, Errno> {
        if self.input_comes_late && timeout_ns != Some(0) {
            self.input_comes_late = false;
            return Ok(true);
        }
        if self.input.is_empty() || self.input_comes_late {
            self.slept = self.slept.saturating_add(timeout_ns.unwrap_or(0));
            return Ok(false);
        }
        Ok(true)
    }

    fn now(&self) -> (u64, u32) {
        (2_000_000_000 + self.slept / 1_000_000_000, 5)
    }

    fn random(&mut self, buffer: &mut [u8]) {
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = (index * 37 + 11) as u8;
        }
    }

    fn sleep(&mut self, nanoseconds: u64) {
        self.slept = self.slept.saturating_add(nanoseconds);
    }

    fn machine(&self) -> Machine {
        Machine {
            memory_total: 64 << 20,
            memory_free: 60 << 20,
            uptime_ns: 1_230_000_000,
            kernel_release: b"6.1.0-test",
            kernel_version: b"#1",
            hostname: b"box",
            process_name: b"prog",
            ..Machine::default()
        }
    }
}

/// Writes a file and the directories it is in.
pub fn host_file(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
