//! The mark by which isobench knows again what it has made with an outside tool, and whether its maker still lives.

use std::fs;

/// What every mark begins with.
const PREFIX: &str = "isobench-";

/// The mark of this process: its number, and its start, since numbers are used again (proc_pid_stat(5), field 22).
pub(super) fn mark() -> String {
    let process = std::process::id();
    format!("{PREFIX}{process}-{}", start_of(process).unwrap_or(0))
}

/// True for a mark, or a name that begins with one, whose maker is gone. A name without a mark is none of ours.
pub(super) fn is_stale(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let mut numbers = rest.split('-');
    let (Some(process), Some(start)) = (numbers.next(), numbers.next()) else { return false };
    match (process.parse::<u32>(), start.parse::<u64>()) {
        (Ok(process), Ok(start)) => start_of(process) != Some(start),
        _ => false,
    }
}

/// When a process started, in clock ticks after the boot.
fn start_of(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_of_the_dead_are_stale() {
        assert!(!is_stale(&mark()));
        assert!(!is_stale(&format!("{}-runc-3", mark())));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = format!("{PREFIX}{}-1", child.id());
        child.wait().unwrap();
        assert!(is_stale(&gone), "its maker is gone, or another process has its number");
        for foreign in ["", "isobench", "isobench-", "isobench-x-1", "postgres", "isobench-data"] {
            assert!(!is_stale(foreign), "{foreign} is not ours");
        }
    }
}
