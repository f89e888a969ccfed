//! What of a host decides how far its numbers can be trusted: each thing looked at, graded, with why it
//! matters and how to mend it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{HostFacts, KvmFacts};
use crate::measure::cpu::CpuTicks;

/// How good a host is for measuring, in one respect; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It could not be learned.
    Unknown,
    /// Nothing speaks against it.
    Good,
    /// It adds some noise.
    Fair,
    /// It can change the figures by more than what is to be measured.
    Poor,
}

impl Grade {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Grade::Unknown => "not known",
            Grade::Good => "good",
            Grade::Fair => "fair",
            Grade::Poor => "poor",
        }
    }
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What: `governor`, `turbo`, `smt`, …
    pub name: String,
    /// How good.
    pub grade: Grade,
    /// What was found, in one clause.
    pub found: String,
    /// Why it matters, in one sentence.
    pub why: String,
    /// How to mend it, in one sentence; empty where it need not be.
    pub mend: String,
}

impl Check {
    fn new(name: &str, grade: Grade, found: impl Into<String>, why: &str, mend: &str) -> Check {
        let mend = if matches!(grade, Grade::Fair | Grade::Poor) { mend } else { "" };
        Check { name: name.into(), grade, found: found.into(), why: why.into(), mend: mend.into() }
    }

    /// As a warning.
    pub fn sentence(&self) -> String {
        let mut found = self.found.clone();
        if let Some(first) = found.get(..1) {
            found = format!("{}{}", first.to_uppercase(), &found[1..]);
        }
        [&format!("{found}."), &self.why, &self.mend].map(String::as_str).join(" ").trim_end().to_owned()
    }
}

/// The grade of a host: the worst of its checks; none without any.
pub fn mark(checks: &[Check]) -> Option<Grade> {
    checks.iter().map(|check| check.grade).filter(|grade| *grade != Grade::Unknown).max()
}

/// Looks at everything. `root` is where `/sys` and `/proc` are: `/`, but in tests.
pub fn all(facts: &HostFacts, root: &Path) -> Vec<Check> {
    vec![
        load(facts),
        governor(facts),
        turbo(root),
        smt(facts),
        throttling(root),
        power(root),
        swap(facts),
        steal(root),
        clock_source(root),
        virtualised(facts),
        container(facts),
        kvm(facts),
    ]
}

fn load(facts: &HostFacts) -> Check {
    let grade = match facts.load / facts.logical_cpus.max(1) as f64 {
        share if share > 0.5 => Grade::Poor,
        share if share > 0.1 => Grade::Fair,
        _ => Grade::Good,
    };
    Check::new(
        "load",
        grade,
        format!("the load average was {:.1} on {} CPUs at the start", facts.load, facts.logical_cpus),
        "Other programs compete for the CPUs, caches and memory bandwidth.",
        "Mend: stop them and run again.",
    )
}

fn governor(facts: &HostFacts) -> Check {
    let (grade, found) = match facts.governor.as_deref() {
        None => (Grade::Unknown, "the CPU frequency governor is not shown here".to_owned()),
        Some("performance") => (Grade::Good, "the CPU frequency governor is performance".to_owned()),
        Some(other) => (Grade::Poor, format!("the CPU frequency governor is {other}")),
    };
    let why =
        "The clock rises and falls with load, so short work is measured at another frequency than long work.";
    Check::new("governor", grade, found, why, "Mend: sudo cpupower frequency-set -g performance")
}

fn turbo(root: &Path) -> Check {
    // intel_pstate says whether it is off, acpi-cpufreq and amd-pstate whether it is on
    // (Documentation/admin-guide/pm/intel_pstate.rst, cpufreq.rst).
    let off = read(root, "sys/devices/system/cpu/intel_pstate/no_turbo").map(|text| text == "1");
    let on = off
        .map(|off| !off)
        .or_else(|| read(root, "sys/devices/system/cpu/cpufreq/boost").map(|text| text == "1"));
    let (grade, found) = match on {
        None => (Grade::Unknown, "whether the CPU may exceed its base frequency is not shown here"),
        Some(true) => (Grade::Fair, "the CPU may exceed its base frequency (turbo)"),
        Some(false) => (Grade::Good, "the CPU keeps to its base frequency"),
    };
    Check::new(
        "turbo",
        grade,
        found,
        "How far it goes depends on its temperature and on how many cores are busy, so figures drift as it warms up.",
        "Mend: echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo (or 0 to …/cpufreq/boost), or pause with --cool-down.",
    )
}

fn smt(facts: &HostFacts) -> Check {
    let (grade, found) = match facts.smt {
        None => (Grade::Unknown, "whether CPUs are threads of shared cores is not shown here"),
        Some(true) => (Grade::Fair, "two logical CPUs share a core (SMT)"),
        Some(false) => (Grade::Good, "every logical CPU is a core of its own"),
    };
    Check::new(
        "smt",
        grade,
        found,
        "What runs on a core's other thread takes up to half of its speed.",
        "Mend: echo off | sudo tee /sys/devices/system/cpu/smt/control, or --pin to a CPU whose sibling is idle.",
    )
}

fn throttling(root: &Path) -> Check {
    let (grade, found) = match throttled(root) {
        None => (Grade::Unknown, "throttling is not counted here".to_owned()),
        Some(0) => (Grade::Good, "the CPU was never throttled since the host started".to_owned()),
        Some(times) => (Grade::Fair, format!("the CPU was throttled {times} times since the host started")),
    };
    let why = "A CPU that is too hot, or takes too much power, slows itself down.";
    Check::new("throttling", grade, found, why, "Mend: better cooling, --cool-down, or fewer busy cores.")
}

/// How often any CPU was throttled since the host started; none where that is not counted.
pub(super) fn throttled(root: &Path) -> Option<u64> {
    let cpus = fs::read_dir(root.join("sys/devices/system/cpu")).ok()?;
    let counts = cpus.flatten().flat_map(|cpu| {
        ["core_throttle_count", "package_throttle_count"].map(|name| {
            let path = cpu.path().join("thermal_throttle").join(name);
            fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
        })
    });
    counts.flatten().fold(None, |sum, count| Some(sum.unwrap_or(0u64).saturating_add(count)))
}

fn power(root: &Path) -> Check {
    let supplies = fs::read_dir(root.join("sys/class/power_supply")).into_iter().flatten().flatten();
    let has = |folder: &Path, file: &str, value: &str| {
        fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == value)
    };
    let supplies: Vec<_> = supplies.map(|entry| entry.path()).collect();
    let on_battery =
        supplies.iter().any(|one| has(one, "type", "Battery") && has(one, "status", "Discharging"));
    let (grade, found) = match (on_battery, supplies.is_empty()) {
        (true, _) => (Grade::Poor, "the host runs on its battery"),
        (false, true) => (Grade::Good, "the host has no battery"),
        (false, false) => (Grade::Good, "the host runs on mains"),
    };
    let why = "On battery, firmware and kernel slow the CPU down to save power.";
    Check::new("power", grade, found, why, "Mend: plug it in.")
}

fn swap(facts: &HostFacts) -> Check {
    let (grade, found) = match facts.swap_used_bytes {
        0 => (Grade::Good, "no swap is in use".to_owned()),
        bytes => (Grade::Poor, format!("{} MiB of swap are in use", bytes >> 20)),
    };
    let why = "Memory figures miss swapped pages, and a page that comes back takes milliseconds.";
    Check::new("swap", grade, found, why, "Mend: sudo swapoff -a")
}

fn steal(root: &Path) -> Check {
    let stolen = CpuTicks::read_from(&root.join("proc/stat")).map(CpuTicks::stolen);
    let (grade, found) = match stolen {
        None => (Grade::Unknown, "stolen time is not counted here".to_owned()),
        Some(share) => {
            let grade = if share > super::during::MUCH_STEAL { Grade::Poor } else { Grade::Good };
            (grade, format!("{:.1} % of the CPU time since the start was stolen", share * 100.0))
        }
    };
    Check::new(
        "steal",
        grade,
        found,
        "Stolen is what the hypervisor under this host gave to others while this one had work to do.",
        "Mend: another host, or another time.",
    )
}

fn clock_source(root: &Path) -> Check {
    let source = read(root, "sys/devices/system/clocksource/clocksource0/current_clocksource");
    let (grade, found) = match source.as_deref() {
        None => (Grade::Unknown, "the clock source is not shown here".to_owned()),
        Some(fast @ ("tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page")) => {
            (Grade::Good, format!("the clock source is {fast}"))
        }
        Some(slow) => (Grade::Fair, format!("the clock source is {slow}")),
    };
    let why = "Every look at a clock that is no register of the CPU takes a microsecond or more.";
    Check::new(
        "clock",
        grade,
        found,
        why,
        "Mend: the kernel's log says why it does not use the tsc (dmesg | grep -i tsc).",
    )
}

fn virtualised(facts: &HostFacts) -> Check {
    let (grade, found) = match &facts.hypervisor {
        None => (Grade::Good, "the host is bare metal".to_owned()),
        Some(under) => (Grade::Poor, format!("this host is a virtual machine itself ({under})")),
    };
    Check::new(
        "virtualised",
        grade,
        found,
        "Neighbours can steal CPU time, and a container here is a container inside that virtual machine.",
        "For figures of bare metal run on bare metal.",
    )
}

fn container(facts: &HostFacts) -> Check {
    let (grade, found) = match &facts.container {
        None => (Grade::Good, "isobench runs in no container".to_owned()),
        Some(kind) => (Grade::Fair, format!("isobench runs inside a container ({kind})")),
    };
    let why = "Its limits hold for every sandbox, its file system may be slower, and containers made here are nested.";
    Check::new("container", grade, found, why, "Mend: run isobench on the host itself.")
}

fn kvm(facts: &HostFacts) -> Check {
    let (grade, found) = match &facts.kvm {
        None => (Grade::Unknown, "there is no KVM".to_owned()),
        Some(kvm) => match kvm.caveat() {
            Some(caveat) => (Grade::Poor, caveat),
            None => (Grade::Good, format!("KVM is {} on bare metal", kvm.backend)),
        },
    };
    let why = "What a virtual machine costs is what its exits cost, and these differ by a factor of ten between backends.";
    Check::new("kvm", grade, found, why, "For the figures of hardware KVM run on bare metal.")
}

impl KvmFacts {
    /// What must stand beside every number of a VM, or `None` for bare metal with hardware KVM.
    pub fn caveat(&self) -> Option<String> {
        match (self.software, self.nested) {
            (true, _) => Some(format!(
                "KVM here is {}, a software backend without VT-x or SVM: VM figures are not what bare metal gives",
                self.backend
            )),
            (false, true) => Some(format!(
                "KVM here is {} inside another virtual machine (nested): VM figures are slower than on bare metal",
                self.backend
            )),
            (false, false) => None,
        }
    }
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host made of files.
    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn grade(facts: &HostFacts, files: &[(&str, &str)], name: &str) -> Grade {
        let checks = all(facts, host(files).path());
        let check = checks.iter().find(|check| check.name == name).unwrap();
        assert!(!check.found.is_empty() && !check.why.is_empty());
        assert_eq!(check.mend.is_empty(), check.grade <= Grade::Good, "{check:?}");
        check.grade
    }

    #[test]
    fn what_the_kernel_shows_is_graded() {
        let facts = HostFacts { logical_cpus: 4, ..HostFacts::default() };
        let cpu = "sys/devices/system/cpu";
        for (files, name, expected) in [
            (vec![], "turbo", Grade::Unknown),
            (vec![(format!("{cpu}/intel_pstate/no_turbo"), "1\n")], "turbo", Grade::Good),
            (vec![(format!("{cpu}/cpufreq/boost"), "1\n")], "turbo", Grade::Fair),
            (vec![], "throttling", Grade::Unknown),
            (
                vec![(format!("{cpu}/cpu0/thermal_throttle/core_throttle_count"), "0\n")],
                "throttling",
                Grade::Good,
            ),
            (
                vec![
                    (format!("{cpu}/cpu0/thermal_throttle/core_throttle_count"), "0\n"),
                    (format!("{cpu}/cpu1/thermal_throttle/package_throttle_count"), "3\n"),
                ],
                "throttling",
                Grade::Fair,
            ),
            (vec![], "power", Grade::Good),
            (
                vec![
                    ("sys/class/power_supply/BAT0/type".to_owned(), "Battery\n"),
                    ("sys/class/power_supply/BAT0/status".to_owned(), "Discharging\n"),
                ],
                "power",
                Grade::Poor,
            ),
            (
                vec![
                    ("sys/class/power_supply/BAT0/type".to_owned(), "Battery\n"),
                    ("sys/class/power_supply/BAT0/status".to_owned(), "Full\n"),
                ],
                "power",
                Grade::Good,
            ),
            (vec![("proc/stat".to_owned(), "cpu 50 0 0 40 0 0 0 10 0 0\n")], "steal", Grade::Poor),
            (vec![("proc/stat".to_owned(), "cpu 50 0 0 50 0 0 0 0 0 0\n")], "steal", Grade::Good),
        ] {
            let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
            assert_eq!(grade(&facts, &files, name), expected, "{name}: {files:?}");
        }
    }

    #[test]
    fn what_is_known_already_is_graded() {
        let good =
            HostFacts { logical_cpus: 4, governor: Some("performance".into()), ..HostFacts::default() };
        for name in ["load", "governor", "swap", "virtualised", "container"] {
            assert_eq!(grade(&good, &[], name), Grade::Good, "{name}");
        }
        let bad = HostFacts {
            load: 4.0,
            governor: Some("powersave".into()),
            swap_used_bytes: 1 << 20,
            hypervisor: Some("KVM".into()),
            container: Some("docker".into()),
            smt: Some(true),
            kvm: Some(KvmFacts { backend: "kvm_x".into(), software: true, nested: true }),
            ..good.clone()
        };
        for name in ["load", "governor", "swap", "virtualised", "kvm"] {
            assert_eq!(grade(&bad, &[], name), Grade::Poor, "{name}");
        }
        assert_eq!(mark(&all(&bad, Path::new("/nowhere"))), Some(Grade::Poor));
        assert_eq!(mark(&[]), None);
    }
}
