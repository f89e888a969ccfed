//! How much of a stretch of our own memory is resident.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::AsRawFd;

/// `_IOWR('f', 16, struct pm_scan_arg)` of `<linux/fs.h>`.
pub const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
/// Categories of pages: present, and the shared page of zeros.
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// `struct pm_scan_arg` (Documentation/admin-guide/mm/pagemap.rst, Linux 6.7).
#[repr(C)]
#[derive(Default)]
struct ScanArguments {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    region_count: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_any_of_mask: u64,
    return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

const _: () = assert!(size_of::<ScanArguments>() == 96 && size_of::<Region>() == 24);

/// The files that tell, opened while that is still allowed.
#[derive(Debug)]
pub struct Resident {
    pagemap: File,
    /// Where the system does not know [`PAGEMAP_SCAN`].
    smaps: Option<File>,
}

impl Resident {
    /// Opens them.
    ///
    /// # Errors
    /// The system's reason.
    pub fn open() -> Result<Resident> {
        let pagemap = File::open("/proc/self/pagemap")?;
        let smaps = if knows_scan(&pagemap) { None } else { Some(File::open("/proc/self/smaps")?) };
        Ok(Resident { pagemap, smaps })
    }

    /// Resident stretches within `start .. start + bytes`, as addresses and their ends; all of it where the
    /// system does not tell.
    ///
    /// # Errors
    /// The system's reason.
    pub fn stretches(&self, start: u64, bytes: u64) -> Result<Vec<(u64, u64)>> {
        if self.smaps.is_some() {
            return Ok(vec![(start, start + bytes)]);
        }
        let mut all = Vec::new();
        scan(&self.pagemap, start, start + bytes, |from, to| all.push((from, to)))?;
        Ok(all)
    }

    /// Resident bytes within `start .. start + bytes`, whose ends are ends of mappings.
    ///
    /// # Errors
    /// The system's reason.
    pub fn bytes(&mut self, start: u64, bytes: u64) -> Result<u64> {
        if let Some(smaps) = &mut self.smaps {
            // Linux before 6.7: the same from a text that takes the kernel a hundred times as long.
            let mut text = Vec::new();
            // Not `read_to_string`, which first asks for a size that this file does not have.
            while smaps.take(1 << 16).read_to_end(&mut text)? > 0 {}
            let text = String::from_utf8_lossy(&text);
            return parse(&text, start, start + bytes).ok_or_else(|| Error::from(ErrorKind::InvalidData));
        }
        let mut resident = 0;
        scan(&self.pagemap, start, start + bytes, |from, to| resident += to - from)?;
        Ok(resident)
    }
}

fn scan(file: &File, start: u64, end: u64, mut found: impl FnMut(u64, u64)) -> Result<()> {
    let mut regions = [Region::default(); 256];
    let mut at = start;
    while at < end {
        let mut arguments = ScanArguments {
            start: at,
            end,
            regions: regions.as_mut_ptr() as u64,
            region_count: regions.len() as u64,
            category_inverted: PAGE_IS_PFNZERO,
            category_mask: PAGE_IS_PRESENT | PAGE_IS_PFNZERO,
            return_mask: PAGE_IS_PRESENT,
            ..ScanArguments::default()
        };
        // SAFETY: `regions` is as long as the arguments say, and outlives the call.
        let count = unsafe { ask(file, &mut arguments)? };
        for region in regions.iter().take(count) {
            found(region.start, region.end);
        }
        if arguments.walk_end <= at {
            break;
        }
        at = arguments.walk_end;
    }
    Ok(())
}

/// Whether the system knows the call: an empty range is not looked at.
fn knows_scan(file: &File) -> bool {
    // SAFETY: the arguments name no regions.
    unsafe { ask(file, &mut ScanArguments::default()) }.is_ok()
}

/// # Safety
/// The arguments' `regions` must be room for `region_count` regions.
unsafe fn ask(file: &File, arguments: &mut ScanArguments) -> Result<usize> {
    arguments.size = size_of::<ScanArguments>() as u64;
    // SAFETY: the arguments are as the kernel describes them; the rest is the caller's promise.
    let count = unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, arguments) };
    usize::try_from(count).map_err(|_| Error::last_os_error())
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
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
    use std::num::NonZeroUsize;

    #[test]
    fn counts_the_pages_that_were_written() {
        let size = NonZeroUsize::new(64 << 12).unwrap();
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, never unmapped, used only here.
        let memory = unsafe { mmap_anonymous(None, size, rights, MapFlags::MAP_PRIVATE) }.unwrap();
        let at = memory.as_ptr() as u64;
        let mut resident = Resident::open().unwrap();
        if resident.smaps.is_some() {
            return; // Linux before 6.7; `parse` is tested below.
        }
        assert_eq!(resident.bytes(at, 64 << 12).unwrap(), 0);
        for page in [1, 2, 40] {
            // SAFETY: a page of the mapping.
            unsafe { memory.cast::<u8>().as_ptr().add(page << 12).write_volatile(1) };
        }
        assert_eq!(resident.bytes(at, 64 << 12).unwrap(), 3 << 12);
        assert_eq!(resident.bytes(at, 2 << 12).unwrap(), 1 << 12);
    }

    #[test]
    fn reads_the_text_of_older_kernels() {
        let text = "1000-3000 rw-p 0 00:00 0\nRss:  8 kB\nPss: 8 kB\n3000-4000 rw-p 0 00:00 0\nRss: 4 kB\n";
        assert_eq!(parse(text, 0x1000, 0x3000), Some(8192));
        assert_eq!(parse(text, 0x1000, 0x4000), Some(12288));
    }
}
