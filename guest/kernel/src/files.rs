//! The file system's ties to the rest of the kernel.

use core::slice;

use guest_abi::BootInfo;
use guest_abi::layout::{self, PAGE};
use guest_files::{Errno, Files, Host, Machine, Tree, UserMemory};

use crate::hypercall::{self, Segments};
use crate::kernel::boot_info;
use crate::memory::Memory;
use crate::memory::tables::Tables;
use crate::process::{HOST_NAME, RELEASE, VERSION};
use crate::time::{Clock, NS_PER_SECOND};

/// The files of the initial tree, which the VMM has put behind guest memory.
pub fn initial(boot: &BootInfo) -> Files {
    let window = layout::FILES_MAP as *const u8;
    let tree = (layout::FILES_MAP + boot.files_bytes.next_multiple_of(PAGE)) as *const u8;
    // SAFETY: the VMM has mapped both, for ever; the kernel never writes there, and a program cannot.
    let (window, tree) = unsafe {
        (
            slice::from_raw_parts(window, boot.files_bytes as usize),
            slice::from_raw_parts(tree, boot.tree_bytes as usize),
        )
    };
    match Tree::new(tree, window) {
        Ok(tree) => Files::new(tree),
        Err(_) => panic!("the initial tree is damaged"),
    }
}

impl UserMemory for Memory {
    fn bytes(&mut self, addr: u64, len: usize) -> Result<&[u8], Errno> {
        Memory::bytes(self, addr, len)
    }

    fn bytes_mut(&mut self, addr: u64, len: usize) -> Result<&mut [u8], Errno> {
        Memory::bytes_mut(self, addr, len)
    }

    fn c_string(&mut self, addr: u64) -> Result<&[u8], Errno> {
        Memory::c_string(self, addr)
    }
}

/// What the file system asks of its surroundings.
pub struct Surroundings {
    pub clock: Clock,
    /// Memory in all, and free.
    pub memory: (u64, u64),
}

/// The segments of a slice of mapped memory, whether the program's or the kernel's.
fn segments(address: *const u8, bytes: usize) -> (Segments, usize) {
    let tables = Tables::new(boot_info().page_table);
    let mut segments = Segments::new();
    let mut done = 0;
    while done < bytes {
        let at = address as u64 + done as u64;
        let Some((physical, _)) = tables.translate(at) else { break };
        let length = (PAGE - at % PAGE).min((bytes - done) as u64);
        if !segments.push(physical, length) {
            break;
        }
        done += length as usize;
    }
    (segments, done)
}

impl Host for Surroundings {
    fn write_console(&mut self, stream: u32, bytes: &[u8]) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        segments(bytes.as_ptr(), bytes.len()).0.write(stream.into()).map(|written| written as usize)
    }

    fn read_console(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        if buffer.is_empty() {
            return Ok(0);
        }
        segments(buffer.as_ptr(), buffer.len()).0.read().map(|read| read as usize)
    }

    fn poll_console(&mut self, timeout_ns: Option<u64>) -> Result<bool, Errno> {
        hypercall::poll_console(timeout_ns.unwrap_or(u64::MAX))
    }

    fn now(&self) -> (u64, u32) {
        let ns = self.clock.realtime();
        (ns / NS_PER_SECOND, (ns % NS_PER_SECOND) as u32)
    }

    fn random(&mut self, buffer: &mut [u8]) {
        let mut rest = buffer;
        while !rest.is_empty() {
            let (segments, bytes) = segments(rest.as_ptr(), rest.len());
            match segments.random() {
                Ok(filled) if filled > 0 && bytes > 0 => {
                    let filled = (filled as usize).min(rest.len());
                    rest = &mut core::mem::take(&mut rest)[filled..];
                }
                _ => return,
            }
        }
    }

    fn sleep(&mut self, nanoseconds: u64) {
        hypercall::sleep(nanoseconds);
    }

    fn machine(&self) -> Machine {
        let leaf = |number| {
            let found = core::arch::x86_64::__cpuid(number);
            [found.eax, found.ebx, found.ecx, found.edx]
        };
        let bytes = |words: [u32; 4]| {
            let mut text = [0; 16];
            for (place, word) in text.chunks_mut(4).zip(words) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            text
        };
        let [_, first, third, second] = leaf(0);
        let vendor = bytes([first, second, third, 0]);
        let mut cpu_vendor = [0; 12];
        cpu_vendor.copy_from_slice(&vendor[..12]);
        Machine {
            memory_total: self.memory.0,
            memory_free: self.memory.1,
            uptime_ns: self.clock.uptime(),
            cpu_vendor,
            cpu_model: [0x8000_0002, 0x8000_0003, 0x8000_0004].map(|number| bytes(leaf(number))),
            kernel_release: RELEASE,
            kernel_version: VERSION,
            hostname: HOST_NAME,
            process_name: b"",
        }
    }
}
