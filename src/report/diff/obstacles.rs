//! What keeps two runs from being compared.

use std::fmt;

use super::super::format::plain;
use super::super::summary::VIRTUAL_MACHINES;
use crate::results::{Cold, PlannedWorkload, Results, WorkloadKind};

/// What two runs can differ in, so that a change of a figure may be a change of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Despite {
    /// CPU, number of CPUs, hypervisor, KVM backend, cgroup layout.
    Host,
    /// Kernel release.
    Kernel,
    /// isobench's version.
    Version,
    /// Limits of a sandbox, pinning, steps left out, cold starts.
    Limits,
}

impl Despite {
    /// Every kind, by its name on the command line.
    pub const ALL: [(&str, Despite); 4] = [
        ("host", Despite::Host),
        ("kernel", Despite::Kernel),
        ("version", Despite::Version),
        ("limits", Despite::Limits),
    ];

    fn name(self) -> &'static str {
        Despite::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// One thing in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What kind of thing.
    pub kind: Despite,
    /// Which fact.
    pub fact: &'static str,
    /// Its value before.
    pub before: String,
    /// Its value after.
    pub after: String,
    /// Whose figures it concerns.
    pub scope: Scope,
}

/// Whose figures a fact concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those of virtual machines.
    VirtualMachines,
    /// Those of our own container.
    Container,
}

impl Obstacle {
    /// True when it keeps the cells of `runtime` from being compared.
    pub fn concerns(&self, runtime: &str) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::VirtualMachines => VIRTUAL_MACHINES.contains(&runtime),
            Scope::Container => runtime == "container",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "other {} ({}: {} → {})", self.kind.name(), self.fact, self.before, self.after)
    }
}

/// Everything in which the two runs as a whole differ.
pub fn between(before: &Results, after: &Results) -> Vec<Obstacle> {
    let facts = |results: &Results| {
        let host = &results.host;
        let limits = &results.plan.limits;
        let kvm = host.kvm.as_ref().map_or("none".to_owned(), |kvm| {
            format!("{}{}", kvm.backend, if kvm.nested { ", nested" } else { "" })
        });
        let without: Vec<&str> = results.plan.without.iter().map(|step| step.name()).collect();
        let none_or = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        let pinned = results.plan.pinned_cpu.map_or("no".to_owned(), |cpu| format!("CPU {cpu}"));
        [
            (Despite::Host, "CPU", host.cpu_model.clone()),
            (Despite::Host, "logical CPUs", host.logical_cpus.to_string()),
            (Despite::Host, "hypervisor", none_or(&host.hypervisor)),
            (Despite::Host, "cgroups", host.cgroup.clone()),
            (Despite::Host, "governor", host.governor.clone().unwrap_or_else(|| "not known".to_owned())),
            (Despite::Host, "container around isobench", none_or(&host.container)),
            (Despite::Host, KVM, kvm),
            (Despite::Kernel, "release", host.kernel.clone()),
            (Despite::Version, "isobench", results.tool.clone()),
            (Despite::Limits, "CPUs of a sandbox", limits.cpus.to_string()),
            (Despite::Limits, "bytes of memory of a sandbox", limits.memory_bytes.to_string()),
            (Despite::Limits, "pinned", pinned),
            (Despite::Limits, "cold starts", results.plan.cold.map_or("no", Cold::name).to_owned()),
            (
                Despite::Limits,
                WITHOUT,
                if without.is_empty() { "nothing".to_owned() } else { without.join(",") },
            ),
        ]
    };
    let both = facts(before).into_iter().zip(facts(after));
    both.filter(|(before, after)| before != after)
        .map(|((kind, fact, before), (_, _, after))| Obstacle {
            kind,
            fact,
            before: plain(&before, 80).into_owned(),
            after: plain(&after, 80).into_owned(),
            scope: match fact {
                KVM => Scope::VirtualMachines,
                WITHOUT => Scope::Container,
                _ => Scope::All,
            },
        })
        .collect()
}

const KVM: &str = "KVM";
const WITHOUT: &str = "isolation steps left out";

/// Why two workloads of one name do not do the same work, if they do not. A program of the user's own
/// may have changed: whether that made it slower is what a comparison is for. So may a built-in one
/// `between_versions`.
pub fn other_work(
    before: &PlannedWorkload,
    after: &PlannedWorkload,
    between_versions: bool,
) -> Option<String> {
    if before.argv != after.argv {
        let words = |planned: &PlannedWorkload| plain(&planned.argv.join(" "), 80).into_owned();
        return Some(format!("other suite (command: {} → {})", words(before), words(after)));
    }
    let may_change =
        between_versions || (before.kind == WorkloadKind::Own && after.kind == WorkloadKind::Own);
    (before.program_sha256 != after.program_sha256 && !may_change)
        .then(|| "other suite (the built-in program is not the same file)".to_owned())
}
