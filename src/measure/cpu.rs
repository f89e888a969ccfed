//! How busy the host's CPUs were, from `/proc/stat` (proc_stat(5)).

use std::fs;
use std::path::Path;

/// CPU time of the whole host since it started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTicks {
    idle: u64,
    stolen: u64,
    all: u64,
}

impl CpuTicks {
    /// Reads it; none where it cannot be had.
    pub fn read() -> Option<CpuTicks> {
        CpuTicks::read_from(Path::new("/proc/stat"))
    }

    /// Reads it from a file like `/proc/stat`.
    pub fn read_from(file: &Path) -> Option<CpuTicks> {
        CpuTicks::parse(&fs::read_to_string(file).ok()?)
    }

    /// The share of all time, 0–1, that the hypervisor gave to others while a CPU of this host had something to do.
    pub fn stolen(self) -> f64 {
        self.stolen as f64 / self.all.max(1) as f64
    }

    /// The same of the time since `earlier`; none while no tick has passed.
    pub fn stolen_since(self, earlier: CpuTicks) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|ticks| *ticks > 0)?;
        Some(self.stolen.saturating_sub(earlier.stolen).min(all) as f64 / all as f64)
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
        let at = |place| ticks.get(place).copied().unwrap_or(0);
        let all = ticks.iter().fold(0, |sum: u64, ticks| sum.saturating_add(*ticks));
        Some(CpuTicks { idle: ticks.get(3)?.saturating_add(at(4)), stolen: at(7), all })
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
        let stolen = at("cpu  100 0 50 800 50 0 0 25 0 0\n");
        assert_eq!(stolen.stolen_since(before), Some(1.0));
        assert_eq!((stolen.stolen(), before.stolen()), (25.0 / 1025.0, 0.0));
        assert_eq!(before.busy_since(before), None);
        assert!(CpuTicks::read().is_some() && CpuTicks::parse("intr 1 2\n").is_none());
    }
}
