//! The stack that a program finds at its first instruction (System V ABI for AMD64, 3.4.1; the auxiliary
//! vector as Linux fills it in, fs/binfmt_elf.c).

use std::ffi::CString;

use serde::{Deserialize, Serialize};

use super::loader::Start;
use super::memory_layout::{PAGE, USER_END, VDSO};

/// Most bytes that arguments and environment may take: a quarter of the stack, as on Linux.
const MOST_BYTES: u64 = super::memory_layout::STACK_BYTES / 4;

/// What the processor can do, as far as a program is told.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Hardware {
    /// CPUID leaf 1, EDX.
    pub capabilities: u64,
    /// Linux' `AT_HWCAP2`.
    pub capabilities_2: u64,
    /// `AT_MINSIGSTKSZ`: bytes that a signal frame needs.
    pub signal_stack: u64,
}

/// The content of the stack, from `pointer` to [`USER_END`].
#[derive(Debug)]
pub struct InitialStack {
    /// The stack pointer.
    pub pointer: u64,
    /// Its content up to [`USER_END`].
    pub bytes: Vec<u8>,
    /// Address of the 16 bytes that must be random in every VM.
    pub random: u64,
}

impl InitialStack {
    /// Builds it. `path` is how the program sees its own file.
    pub fn new(
        program: &Start,
        path: &CString,
        argv: &[CString],
        env: &[CString],
        hardware: Hardware,
    ) -> Result<InitialStack, String> {
        let mut strings = Strings { bytes: vec![0; 8] };
        let path = strings.push(path.as_bytes_with_nul());
        // Linux has the strings in order, upwards: so they are pushed from the last to the first.
        let mut addresses = |list: &[CString]| {
            let mut all: Vec<u64> =
                list.iter().rev().map(|one| strings.push(one.as_bytes_with_nul())).collect();
            all.reverse();
            all
        };
        let env = addresses(env);
        let argv = addresses(argv);
        let platform = strings.push(b"x86_64\0");
        let random = strings.push(&[0; 16]);

        let auxiliary = [
            (libc::AT_SYSINFO_EHDR, VDSO),
            (libc::AT_HWCAP, hardware.capabilities),
            (libc::AT_PAGESZ, PAGE),
            (libc::AT_CLKTCK, 100),
            (libc::AT_PHDR, program.headers),
            (libc::AT_PHENT, program.header_bytes),
            (libc::AT_PHNUM, program.header_count),
            (libc::AT_BASE, 0),
            (libc::AT_FLAGS, 0),
            (libc::AT_ENTRY, program.entry),
            (libc::AT_UID, 0),
            (libc::AT_EUID, 0),
            (libc::AT_GID, 0),
            (libc::AT_EGID, 0),
            (libc::AT_SECURE, 0),
            (libc::AT_RANDOM, random),
            (libc::AT_HWCAP2, hardware.capabilities_2),
            (libc::AT_EXECFN, path),
            (libc::AT_PLATFORM, platform),
            (libc::AT_MINSIGSTKSZ, hardware.signal_stack),
            (libc::AT_NULL, 0),
        ];
        let mut words = vec![argv.len() as u64];
        words.extend(argv.iter().chain(&[0]));
        words.extend(env.iter().chain(&[0]));
        words.extend(auxiliary.iter().flat_map(|(key, value)| [*key, *value]));

        let words_bytes = 8 * words.len() as u64;
        let pointer = (strings.bottom() - words_bytes) & !15;
        if USER_END - pointer > MOST_BYTES {
            return Err("arguments and environment take more than 2 MiB".into());
        }
        let mut bytes = vec![0; (USER_END - pointer) as usize];
        for (place, word) in bytes.chunks_exact_mut(8).zip(&words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let strings_at = (strings.bottom() - pointer) as usize;
        strings.bytes.reverse();
        bytes[strings_at..].copy_from_slice(&strings.bytes);
        Ok(InitialStack { pointer, bytes, random })
    }
}

/// Strings growing down from the end of the stack, kept in reverse.
struct Strings {
    bytes: Vec<u8>,
}

impl Strings {
    fn push(&mut self, string: &[u8]) -> u64 {
        self.bytes.extend(string.iter().rev());
        self.bottom()
    }

    fn bottom(&self) -> u64 {
        USER_END - self.bytes.len() as u64
    }
}
