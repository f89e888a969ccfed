//! KVM's own counters, by `KVM_GET_STATS_FD` (Documentation/virt/kvm/api.rst, 4.133): a file that
//! describes itself, so that new counters need no new code.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;

/// `_IO(KVMIO, 0xce)`.
pub const KVM_GET_STATS_FD: libc::c_ulong = 0xaece;
/// Bytes of the header, and of a descriptor before its name.
const HEADER: usize = 24;
const DESCRIPTOR: usize = 16;
/// More than any kernel has: a limit on what we believe.
const MOST_BYTES: usize = 1 << 20;

/// The single-valued counters of a VM or a vCPU, with `prefix` before each name; those at zero are left out.
///
/// # Errors
/// The system's reason; `ENOTTY` on kernels before 5.14.
pub fn read(fd: &impl AsRawFd, prefix: &str, into: &mut BTreeMap<String, u64>) -> std::io::Result<()> {
    // SAFETY: the call takes no argument and returns a new descriptor or an error.
    let stats = unsafe { libc::ioctl(fd.as_raw_fd(), KVM_GET_STATS_FD) };
    if stats < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let file = unsafe { File::from_raw_fd(stats) };
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0)?;
    let mut bytes = vec![0; 1 << 14];
    let mut length = 0;
    loop {
        let read = file.read_at(&mut bytes[length..], length as u64)?;
        length += read;
        if read == 0 || length >= MOST_BYTES {
            break;
        }
        if length == bytes.len() {
            bytes.resize(2 * length, 0);
        }
    }
    bytes.truncate(length);
    for (name, value) in parse(&bytes) {
        if value != 0 {
            let sum = into.entry(format!("{prefix}{name}")).or_default();
            *sum = sum.saturating_add(value);
        }
    }
    Ok(())
}

/// Reads the file's content; what does not fit its own description is left out.
fn parse(bytes: &[u8]) -> Vec<(String, u64)> {
    let u32_at =
        |at: usize| Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize);
    let mut counters = Vec::new();
    let (Some(name_bytes), Some(count), Some(descriptors), Some(data)) =
        (u32_at(4), u32_at(8), u32_at(16), u32_at(20))
    else {
        return counters;
    };
    for index in 0..count.min(MOST_BYTES / DESCRIPTOR) {
        let counter = (|| {
            let at = descriptors.checked_add(index.checked_mul(DESCRIPTOR.checked_add(name_bytes)?)?)?;
            let size = u16::from_le_bytes(bytes.get(at + 6..at + 8)?.try_into().ok()?);
            let offset = u32_at(at + 8)?;
            let name = bytes.get(at + DESCRIPTOR..at.checked_add(DESCRIPTOR)?.checked_add(name_bytes)?)?;
            let name = name.split(|byte| *byte == 0).next()?;
            let value = bytes.get(data.checked_add(offset)?..)?.get(..8)?;
            // Histograms have several values: left out.
            (size == 1).then_some((
                String::from_utf8_lossy(name).into_owned(),
                u64::from_le_bytes(value.try_into().ok()?),
            ))
        })();
        counters.extend(counter);
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One counter named `exits` with the value 7, in a file as the kernel writes it.
    fn example() -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [0u32, 8, 1, 24, 24, 48] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(0i16.to_le_bytes());
        bytes.extend(1u16.to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(b"exits\0\0\0");
        bytes.extend(7u64.to_le_bytes());
        bytes
    }

    #[test]
    fn reads_a_counter() {
        assert_eq!(parse(&example()), [("exits".to_owned(), 7)]);
    }

    proptest! {
        #[test]
        fn never_fails_on_nonsense(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&bytes);
        }

        #[test]
        fn never_fails_on_a_damaged_file(at in 0usize..56, byte in any::<u8>()) {
            let mut bytes = example();
            bytes[at] = byte;
            parse(&bytes);
        }
    }
}
