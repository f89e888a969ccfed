//! Memory of a sandbox's host processes: proportional set size.

use std::fs;

/// One reading, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pss {
    /// Proportional set size: every page divided by the number of processes that map it
    /// (Documentation/filesystems/proc.rst, `smaps_rollup`).
    pub total_bytes: u64,
    /// How many processes were read.
    pub processes: usize,
}

/// Sums the PSS of these processes. A process that is gone, or that may not be read, counts
/// nothing; [`Pss::processes`] tells how many were read.
pub fn pss(pids: &[i32]) -> Pss {
    let mut sum = Pss::default();
    for pid in pids {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        if let Some(bytes) = pss_line(&text) {
            sum.total_bytes += bytes;
            sum.processes += 1;
        }
    }
    sum
}

/// The line is `Pss:     1234 kB`, where kB means 1024 bytes.
fn pss_line(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_pss_of_this_process() {
        let own = pss(&[std::process::id() as i32]);
        assert_eq!(own.processes, 1);
        assert!(own.total_bytes > 4096);
    }

    #[test]
    fn a_process_that_is_gone_counts_nothing() {
        assert_eq!(pss(&[i32::MAX]), Pss::default());
        assert_eq!(pss_line("Rss: 12 kB\nPss_Dirty: 3 kB\nPss:   8 kB\n"), Some(8192));
        assert_eq!(pss_line("Pss: many kB\n"), None);
    }
}
