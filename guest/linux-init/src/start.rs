//! What to run, from the file that the VMM has put into the root.

use core::ffi::CStr;

use guest_abi::linux::{StartHeader, disk};

use crate::sys;

/// The workload.
pub struct Start {
    header: StartHeader,
    strings: &'static [u8],
}

/// Reads the file.
pub fn read() -> Result<Start, i32> {
    let file = sys::open(c"/.isobench/start", sys::O_RDONLY | sys::O_CLOEXEC)?;
    let content = sys::memory(sys::size(file)?)?;
    let mut read = 0;
    while read < content.len() {
        match sys::read(file, content.get_mut(read..).unwrap_or_default())? {
            0 => break,
            more => read += more,
        }
    }
    sys::close(file);
    Start::parse(content)
}

impl Start {
    /// Understands the file's content.
    pub fn parse(content: &'static [u8]) -> Result<Start, i32> {
        const HEADER: usize = size_of::<StartHeader>();
        let (header, strings) = content.split_at_checked(HEADER).ok_or(0)?;
        let word = |at: usize| {
            let bytes = header.get(4 * at..4 * at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        let header = StartHeader {
            arguments: word(0),
            variables: word(1),
            modules: word(2),
            log: word(3),
            ports: word(4),
            disk: word(5),
        };
        Ok(Start { header, strings })
    }

    /// The strings, in their order.
    fn all(&self) -> impl Iterator<Item = &'static CStr> {
        let mut rest = self.strings;
        core::iter::from_fn(move || {
            let next = CStr::from_bytes_until_nul(rest).ok()?;
            rest = rest.get(next.count_bytes() + 1..)?;
            Some(next)
        })
    }

    /// The program's path.
    pub fn path(&self) -> &'static CStr {
        self.all().next().unwrap_or_default()
    }

    /// Where it starts.
    pub fn folder(&self) -> &'static CStr {
        self.all().nth(1).unwrap_or_default()
    }

    /// Arguments and environment as `execve` wants them: arrays of pointers that end with null.
    pub fn vectors(&self) -> Result<[&'static [*const u8]; 2], i32> {
        let (arguments, variables) = (self.header.arguments as usize, self.header.variables as usize);
        Ok([self.vector(3, arguments)?, self.vector(3 + arguments, variables)?])
    }

    fn vector(&self, first: usize, count: usize) -> Result<&'static [*const u8], i32> {
        let memory = sys::memory((count + 1) * size_of::<*const u8>())?;
        // SAFETY: as many bytes as that many pointers have, from a page on, all zero, and nobody else's.
        let vector =
            unsafe { core::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<*const u8>(), count + 1) };
        for (entry, string) in vector.iter_mut().zip(self.all().skip(first).take(count)) {
            *entry = string.as_ptr().cast();
        }
        Ok(vector)
    }

    /// Kernel modules to load, in this order.
    pub fn modules(&self) -> impl Iterator<Item = &'static CStr> {
        let before = 3 + self.header.arguments as usize + self.header.variables as usize;
        self.all().skip(before).take(self.header.modules as usize)
    }

    /// Whether the standard streams go by the virtio console's ports.
    pub fn uses_ports(&self) -> bool {
        self.header.ports != 0
    }

    /// The disk that is the root, if one is: the kind of its file system, and whether it can only be read.
    pub fn disk(&self) -> Option<(&'static CStr, bool)> {
        let kind = self.all().nth(2).unwrap_or_default();
        (self.header.disk != disk::NONE).then_some((kind, self.header.disk == disk::READ_ONLY))
    }

    /// Whether Linux' log is wanted at the end.
    pub fn wants_log(&self) -> bool {
        self.header.log != 0
    }
}
