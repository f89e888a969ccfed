//! How much of a stretch of our own memory is resident.

use std::fs;
use std::io::{Error, ErrorKind, Result};

/// Resident bytes of the mappings within `start .. start + bytes`, from `/proc/self/smaps`.
pub fn bytes(start: u64, bytes: u64) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/smaps")?;
    parse(&text, start, start + bytes).ok_or_else(|| Error::from(ErrorKind::InvalidData))
}

/// A mapping is a line `from-to rights …`, then lines of the form `Rss:   12 kB` (proc_pid_smaps(5)).
fn parse(text: &str, start: u64, end: u64) -> Option<u64> {
    let mut inside = false;
    let mut kib = 0;
    for line in text.lines() {
        let (first, rest) = line.split_once(char::is_whitespace)?;
        if let Some((from, to)) = first.split_once('-') {
            let from = u64::from_str_radix(from, 16).ok()?;
            let to = u64::from_str_radix(to, 16).ok()?;
            inside = start <= from && to <= end;
        } else if inside && first == "Rss:" {
            kib += rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?;
        }
    }
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_was_touched() {
        use std::num::NonZeroUsize;
        let size = NonZeroUsize::new(64 << 12).unwrap();
        // SAFETY: a new mapping, never unmapped, used only here.
        let memory = unsafe {
            nix::sys::mman::mmap_anonymous(
                None,
                size,
                nix::sys::mman::ProtFlags::PROT_READ | nix::sys::mman::ProtFlags::PROT_WRITE,
                nix::sys::mman::MapFlags::MAP_PRIVATE,
            )
        }
        .unwrap();
        let at = memory.as_ptr() as u64;
        // The kernel may have joined the mapping to a neighbour; then it is not ours alone to count.
        let before = bytes(at, size.get() as u64).unwrap();
        // SAFETY: the second page of the mapping.
        unsafe { memory.cast::<u8>().as_ptr().add(4096).write_volatile(1) };
        let after = bytes(at, size.get() as u64).unwrap();
        assert!(after >= before);
        let text = "1000-3000 rw-p 0 00:00 0\nRss:  8 kB\nPss: 8 kB\n3000-4000 rw-p 0 00:00 0\nRss: 4 kB\n";
        assert_eq!(parse(text, 0x1000, 0x3000), Some(8192));
        assert_eq!(parse(text, 0x1000, 0x4000), Some(12288));
    }
}
