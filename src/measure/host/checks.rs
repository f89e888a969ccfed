//! What of a host decides how far its numbers can be trusted: each thing looked at, graded, with why it
//! matters and how to mend it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::HostFacts;
use super::during::MUCH_STEAL;
use crate::language::{Language, optional, text};
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
    /// Its tag, in files and in the catalogue.
    fn tag(self) -> &'static str {
        match self {
            Grade::Unknown => "unknown",
            Grade::Good => "good",
            Grade::Fair => "fair",
            Grade::Poor => "poor",
        }
    }

    /// In a word.
    pub fn name(self, language: Language) -> String {
        text!(language, "grade", grade = self.tag())
    }
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What: one of [`NAMES`].
    pub name: String,
    /// How good.
    pub grade: Grade,
    /// What was found, where a grade does not say all.
    pub value: Option<String>,
}

/// Everything that is looked at. The words for each are in the catalogue, as `check-NAME`.
pub const NAMES: [&str; 12] = [
    "load",
    "governor",
    "turbo",
    "smt",
    "throttling",
    "power",
    "swap",
    "steal",
    "clock",
    "virtualised",
    "container",
    "kvm",
];

impl Check {
    fn new(name: &str, grade: Grade, value: Option<String>) -> Check {
        Check { name: name.to_owned(), grade, value }
    }

    /// What was found, in one clause.
    pub fn found(&self, language: Language) -> String {
        self.words(None, language)
            .unwrap_or_else(|| format!("{} {}", self.name, self.value.as_deref().unwrap_or("")))
    }

    /// Why it matters, in one sentence.
    pub fn why(&self, language: Language) -> String {
        self.words(Some("why"), language).unwrap_or_default()
    }

    /// How to mend it, in one sentence; none where it need not be.
    pub fn mend(&self, language: Language) -> Option<String> {
        let is_needed = matches!(self.grade, Grade::Fair | Grade::Poor);
        self.words(Some("mend"), language).filter(|_| is_needed)
    }

    fn words(&self, attribute: Option<&str>, language: Language) -> Option<String> {
        let value = self.value.as_deref().unwrap_or_default();
        let arguments = [("grade", self.grade.tag().into()), ("value", value.into())];
        optional(language, &format!("check-{}", self.name), attribute, &arguments)
    }

    /// As a warning.
    pub fn sentence(&self, language: Language) -> String {
        let mut found = self.found(language);
        if let Some(first) = found.chars().next() {
            found.replace_range(..first.len_utf8(), &first.to_uppercase().to_string());
        }
        let all = [Some(found + "."), Some(self.why(language)), self.mend(language)];
        all.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// The grade of a host: the worst of its checks; none without any.
pub fn mark(checks: &[Check]) -> Option<Grade> {
    checks.iter().map(|check| check.grade).filter(|grade| *grade != Grade::Unknown).max()
}

/// Looks at everything. `root` is where `/sys` and `/proc` are: `/`, but in tests.
pub fn all(facts: &HostFacts, root: &Path) -> Vec<Check> {
    let load = format!("{:.1}", facts.load);
    let swap = (facts.swap_used_bytes >> 20).to_string();
    let stolen = CpuTicks::read_from(&root.join("proc/stat")).map(CpuTicks::stolen);
    let throttled = throttled(root);
    let clock = read(root, "sys/devices/system/clocksource/clocksource0/current_clocksource");
    let governor = facts.governor.clone();
    let of = |grade, value: Option<String>| (grade, value);
    let grades = [
        of(load_grade(facts), Some(format!("{load} / {}", facts.logical_cpus))),
        of(graded(governor.as_deref(), |one| one == "performance", Grade::Poor), governor.clone()),
        of(graded(turbo(root), |on| !on, Grade::Fair), None),
        of(graded(facts.smt, |on| !on, Grade::Fair), None),
        of(graded(throttled, |times| times == 0, Grade::Fair), throttled.map(|times| times.to_string())),
        of(if on_battery(root) { Grade::Poor } else { Grade::Good }, None),
        of(if facts.swap_used_bytes == 0 { Grade::Good } else { Grade::Poor }, Some(swap)),
        of(
            graded(stolen, |share| share <= MUCH_STEAL, Grade::Poor),
            stolen.map(|share| format!("{:.1}", share * 100.0)),
        ),
        of(graded(clock.as_deref(), |source| FAST_CLOCKS.contains(&source), Grade::Fair), clock.clone()),
        of(if facts.hypervisor.is_none() { Grade::Good } else { Grade::Poor }, facts.hypervisor.clone()),
        of(if facts.container.is_none() { Grade::Good } else { Grade::Fair }, facts.container.clone()),
        of(
            graded(facts.kvm.as_ref(), |kvm| !kvm.software && !kvm.nested, Grade::Poor),
            facts.kvm.as_ref().map(|kvm| kvm.backend.clone()),
        ),
    ];
    NAMES.iter().zip(grades).map(|(name, (grade, value))| Check::new(name, grade, value)).collect()
}

/// Clock sources that are read without leaving the program.
const FAST_CLOCKS: [&str; 3] = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page"];

/// Good or `otherwise`, of what is known.
fn graded<T>(found: Option<T>, is_good: impl FnOnce(T) -> bool, otherwise: Grade) -> Grade {
    match found.map(is_good) {
        None => Grade::Unknown,
        Some(true) => Grade::Good,
        Some(false) => otherwise,
    }
}

/// Half a CPU of others in two is poor.
fn load_grade(facts: &HostFacts) -> Grade {
    match facts.load / facts.logical_cpus.max(1) as f64 {
        share if share > 0.5 => Grade::Poor,
        share if share > 0.1 => Grade::Fair,
        _ => Grade::Good,
    }
}

/// Whether the CPU may exceed its base frequency. intel_pstate says whether that is off, acpi-cpufreq and amd-pstate whether it is on
/// (Documentation/admin-guide/pm/intel_pstate.rst, cpufreq.rst).
fn turbo(root: &Path) -> Option<bool> {
    let off = read(root, "sys/devices/system/cpu/intel_pstate/no_turbo").map(|text| text == "1");
    off.map(|off| !off).or_else(|| read(root, "sys/devices/system/cpu/cpufreq/boost").map(|text| text == "1"))
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

/// Documentation/ABI/testing/sysfs-class-power.
fn on_battery(root: &Path) -> bool {
    let supplies = fs::read_dir(root.join("sys/class/power_supply")).into_iter().flatten().flatten();
    let has = |folder: &Path, file: &str, value: &str| {
        fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == value)
    };
    supplies
        .map(|supply| supply.path())
        .any(|one| has(&one, "type", "Battery") && has(&one, "status", "Discharging"))
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
        checks.iter().find(|check| check.name == name).unwrap().grade
    }

    #[test]
    fn every_check_has_its_words_in_every_language() {
        for name in NAMES {
            for language in Language::ALL {
                for grade in [Grade::Unknown, Grade::Good, Grade::Fair, Grade::Poor] {
                    let check = Check::new(name, grade, Some("VALUE".to_owned()));
                    let key = format!("check-{name}");
                    assert!(optional(language, &key, None, &[]).is_some(), "{key}");
                    assert!(
                        !check.found(language).contains('$') && !check.why(language).is_empty(),
                        "{name}"
                    );
                    assert_eq!(check.mend(language).is_some(), grade >= Grade::Fair, "{name}");
                }
            }
        }
        let poor = Check::new("governor", Grade::Poor, Some("powersave".to_owned()));
        let sentence = poor.sentence(Language::English);
        assert!(
            sentence.starts_with("The CPU")
                && sentence.contains("powersave")
                && sentence.contains("cpupower")
        );
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
            kvm: Some(crate::measure::host::KvmFacts {
                backend: "kvm_x".into(),
                software: true,
                nested: true,
            }),
            ..good.clone()
        };
        for name in ["load", "governor", "swap", "virtualised", "kvm"] {
            assert_eq!(grade(&bad, &[], name), Grade::Poor, "{name}");
        }
        assert_eq!(mark(&all(&bad, Path::new("/nowhere"))), Some(Grade::Poor));
        assert_eq!(mark(&[]), None);
    }
}
