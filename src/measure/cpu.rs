//! How busy the host's CPUs were, from `/proc/stat` (proc_stat(5)).

use std::fs;

/// CPU time of the whole host since it started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTicks {
    idle: u64,
    all: u64,
}

impl CpuTicks {
    /// Reads it; none where it cannot be had.
    pub fn read() -> Option<CpuTicks> {
        CpuTicks::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The share of the time since `earlier` in which a CPU had something to do, 0–1; none while no tick has passed.
    pub fn busy_since(self, earlier: CpuTicks) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|ticks| *ticks > 0)?;
        let idle = self.idle.saturating_sub(earlier.idle).min(all);
        Some((all - idle) as f64 / all as f64)
    }

    /// The first line is `cpu user nice system idle iowait irq softirq steal …`; what follows is part of user and nice.
    fn parse(text: &str) -> Option<CpuTicks> {
        let ticks: Vec<u64> = text
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        Some(CpuTicks { idle: ticks.get(3)? + ticks.get(4).unwrap_or(&0), all: ticks.iter().sum() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_what_passed() {
        let at = |text| CpuTicks::parse(text).unwrap();
        let (before, after) =
            (at("cpu  100 0 50 800 50 0 0 0 0 0\n"), at("cpu  160 0 70 810 60 0 0 0 30 0\nx"));
        assert_eq!(after.busy_since(before), Some(0.8));
        assert_eq!(before.busy_since(before), None);
        assert!(CpuTicks::read().is_some() && CpuTicks::parse("intr 1 2\n").is_none());
    }
}
