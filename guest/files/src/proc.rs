//! The texts of `/proc`, each made when its file is opened. A file whose facts are unknown to this
//! kernel is not there at all, so that no program is misled.

use alloc::vec::Vec;

use crate::Machine;

/// [`crate::tree::NodeRecord::first`] of a generated file: which text.
pub const MEMINFO: u32 = 1;
/// `/proc/cpuinfo`.
pub const CPUINFO: u32 = 2;
/// `/proc/version`.
pub const VERSION: u32 = 3;
/// `/proc/uptime`.
pub const UPTIME: u32 = 4;
/// `/proc/mounts`.
pub const MOUNTS: u32 = 5;
/// `/proc/sys/kernel/osrelease`.
pub const OSRELEASE: u32 = 6;
/// `/proc/sys/kernel/hostname`.
pub const HOSTNAME: u32 = 7;
/// `/proc/sys/kernel/random/boot_id`.
pub const BOOT_ID: u32 = 8;
/// `/proc/self/status`.
pub const STATUS: u32 = 9;
/// `/proc/sys/kernel/ostype`.
pub const OSTYPE: u32 = 10;
/// `/proc/filesystems`.
pub const FILESYSTEMS: u32 = 11;

/// The text of one file.
pub(crate) fn text(generator: u32, machine: &Machine, boot_id: &[u8; 16], umask: u32) -> Vec<u8> {
    let mut text = Text(Vec::with_capacity(256));
    match generator {
        MEMINFO => {
            text.kilobytes(b"MemTotal:", machine.memory_total);
            text.kilobytes(b"MemFree:", machine.memory_free);
            text.kilobytes(b"MemAvailable:", machine.memory_free);
            text.kilobytes(b"SwapTotal:", 0);
            text.kilobytes(b"SwapFree:", 0);
        }
        CPUINFO => {
            text.add(b"processor\t: 0\n");
            if machine.cpu_vendor[0] != 0 {
                text.line(b"vendor_id\t: ", &machine.cpu_vendor);
            }
            if machine.cpu_model[0][0] != 0 {
                text.line(b"model name\t: ", until_nul(machine.cpu_model.as_flattened()));
            }
            text.add(b"\n");
        }
        VERSION => {
            text.add(b"Linux version ");
            text.add(machine.kernel_release);
            text.line(b" ", machine.kernel_version);
        }
        UPTIME => {
            // One CPU, which is never idle: it sleeps only while the host keeps it.
            text.hundredths(machine.uptime_ns / 10_000_000);
            text.add(b" 0.00\n");
        }
        MOUNTS => text.add(b"tmpfs / tmpfs rw,noatime 0 0\n"),
        OSRELEASE => text.line(b"", machine.kernel_release),
        HOSTNAME => text.line(b"", machine.hostname),
        OSTYPE => text.add(b"Linux\n"),
        FILESYSTEMS => text.add(b"nodev\ttmpfs\n"),
        BOOT_ID => text.uuid(boot_id),
        STATUS => {
            text.line(b"Name:\t", machine.process_name);
            text.add(b"Umask:\t0");
            for shift in [6, 3, 0] {
                text.add(&[b'0' + ((umask >> shift) & 7) as u8]);
            }
            text.add(b"\nState:\tR (running)\nTgid:\t1\nPid:\t1\nPPid:\t0\n");
            text.add(b"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nThreads:\t1\n");
        }
        _ => {}
    }
    text.0
}

struct Text(Vec<u8>);

impl Text {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn line(&mut self, label: &[u8], value: &[u8]) {
        self.add(label);
        self.add(value);
        self.add(b"\n");
    }

    fn number(&mut self, mut number: u64, width: usize, pad: u8) {
        let mut digits = [pad; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 || at == 0 {
                break;
            }
        }
        self.add(&digits[at.min(digits.len() - width)..]);
    }

    /// A line of `/proc/meminfo`, in its columns.
    fn kilobytes(&mut self, label: &[u8], bytes: u64) {
        self.add(label);
        for _ in label.len()..16 {
            self.add(b" ");
        }
        self.number(bytes / 1024, 8, b' ');
        self.add(b" kB\n");
    }

    fn hundredths(&mut self, hundredths: u64) {
        self.number(hundredths / 100, 1, b'0');
        self.add(b".");
        self.number(hundredths % 100, 2, b'0');
    }

    /// A random UUID (RFC 9562, version 4) made of random bytes.
    fn uuid(&mut self, bytes: &[u8; 16]) {
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                self.add(b"-");
            }
            let byte = match index {
                6 => byte & 0x0f | 0x40,
                8 => byte & 0x3f | 0x80,
                _ => *byte,
            };
            for digit in [byte >> 4, byte & 15] {
                self.add(&[if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }]);
            }
        }
        self.add(b"\n");
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(&[])
}
