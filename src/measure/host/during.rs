//! What the host did while something was measured on it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::checks::throttled;
use crate::language::{Language, text};
use crate::measure::cpu::CpuTicks;

/// More stolen time than this share speaks against a run.
pub const MUCH_STEAL: f64 = 0.01;

/// What changed between two readings. `None`: could not be learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct During {
    /// Load average over one minute, at the end.
    pub load_end: f64,
    /// Share of the CPU time that the hypervisor under this host gave to others, 0–1.
    pub stolen: Option<f64>,
    /// How often a CPU was throttled.
    pub throttled: Option<u64>,
    /// Pages swapped in and out.
    pub swapped_pages: Option<u64>,
}

impl During {
    /// What of it speaks against the figures, one sentence each.
    pub fn warnings(&self, language: Language) -> Vec<String> {
        let stolen = self.stolen.filter(|share| *share > MUCH_STEAL);
        let stolen =
            stolen.map(|share| text!(language, "during-stolen", percent = format!("{:.1}", share * 100.0)));
        let throttled = self.throttled.filter(|times| *times > 0);
        let throttled = throttled.map(|times| text!(language, "during-throttled", times = times.to_string()));
        let swapped = self.swapped_pages.filter(|pages| *pages > 0);
        let swapped = swapped.map(|pages| text!(language, "during-swapped", pages = pages.to_string()));
        [stolen, throttled, swapped].into_iter().flatten().collect()
    }
}

/// The host's counters at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    cpu: Option<CpuTicks>,
    throttled: Option<u64>,
    swapped_pages: Option<u64>,
}

impl Reading {
    /// Reads them.
    pub fn take() -> Reading {
        let vmstat = fs::read_to_string("/proc/vmstat").ok();
        Reading {
            cpu: CpuTicks::read(),
            throttled: throttled(Path::new("/")),
            swapped_pages: vmstat.as_deref().and_then(swapped_pages),
        }
    }

    /// What happened since.
    pub fn until_now(&self) -> During {
        let now = Reading::take();
        let grown = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
        During {
            load_end: sysinfo::System::load_average().map_or(0.0, |load| load.one),
            stolen: self.cpu.zip(now.cpu).and_then(|(before, after)| after.stolen_since(before)),
            throttled: grown(self.throttled, now.throttled),
            swapped_pages: grown(self.swapped_pages, now.swapped_pages),
        }
    }
}

fn swapped_pages(vmstat: &str) -> Option<u64> {
    let count = |name: &str| {
        vmstat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<u64>().ok())
    };
    Some(count("pswpin")?.saturating_add(count("pswpout")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_run_has_no_warnings_and_a_bad_one_names_each() {
        assert!(During::default().warnings(Language::English).is_empty());
        let bad = During { load_end: 9.0, stolen: Some(0.2), throttled: Some(2), swapped_pages: Some(5) };
        let warnings = bad.warnings(Language::English).join("\n");
        for words in ["20.0 % of the CPU time", "throttled 2 times", "swapped 5 pages"] {
            assert!(warnings.contains(words), "{warnings}");
        }
    }

    #[test]
    fn swapped_pages_are_those_in_and_out() {
        assert_eq!(swapped_pages("pgpgin 9\npswpin 3\npswpout 4\n"), Some(7));
        assert_eq!(swapped_pages("pswpin 3\n"), None);
        assert!(Reading::take().until_now().stolen.is_none_or(|share| (0.0..=1.0).contains(&share)));
    }
}
