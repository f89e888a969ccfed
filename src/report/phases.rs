//! What is known of each phase: the calls it makes, whether its cost is structural, and in the reader's language
//! what happens, why it costs that, and what would remove it (`locales/*/phases.ftl`).
//!
//! A phase that is not in the list shows with its times alone.

use serde::Serialize;

use crate::language::{Language, optional};
use crate::runtime::trial::Timeline;

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// It follows from the isolation itself.
    Structural,
    /// A better tool could remove it.
    Implementation,
}

/// A phase that isobench knows.
struct Known {
    /// The runtime whose phase it is; empty for any.
    runtime: &'static str,
    name: &'static str,
    cost: Cost,
    /// System calls and KVM's calls that it makes.
    calls: &'static str,
}

const fn structural(runtime: &'static str, name: &'static str, calls: &'static str) -> Known {
    Known { runtime, name, cost: Cost::Structural, calls }
}

const fn implementation(runtime: &'static str, name: &'static str, calls: &'static str) -> Known {
    Known { runtime, name, cost: Cost::Implementation, calls }
}

/// A name of its own for a runtime comes before the same name for any.
const KNOWN: &[Known] = &[
    implementation("", "request", "sendmsg, recvmsg (SCM_RIGHTS)"),
    structural(
        "container",
        "clone",
        "clone3 (CLONE_NEWPID, NEWNS, NEWUTS, NEWIPC, NEWNET, without root NEWUSER; CLONE_INTO_CGROUP)",
    ),
    structural("", "clone", "clone3 (CLONE_VFORK, CLONE_VM)"),
    implementation("microvm", "standard streams", "clone3, setpgid, prctl (PR_SET_PDEATHSIG), dup2"),
    structural("", "standard streams", "dup2"),
    structural("container", "exec", "clone (CLONE_VM, CLONE_VFORK), execveat"),
    structural("", "exec", "execveat"),
    structural("container", "make cgroup", "mkdir, write (memory.max, pids.max, cpu.max)"),
    structural("container", "session", "setsid, prctl (PR_SET_PDEATHSIG), poll"),
    structural("container", "cgroup", "write (cgroup.procs, tasks)"),
    structural("container", "cgroup namespace", "unshare (CLONE_NEWCGROUP)"),
    structural("container", "id map", "write (/proc/self/uid_map, gid_map, setgroups)"),
    structural("container", "groups", "setgroups"),
    structural("container", "host name", "sethostname"),
    structural("container", "mounts", "mount (MS_REC | MS_PRIVATE)"),
    structural("container", "root", "mount (tmpfs, overlay or bind), mkdir"),
    structural("container", "pivot root", "pivot_root, chdir"),
    structural("container", "proc", "mount (proc)"),
    structural("container", "dev", "mkdir, mknod or mount (MS_BIND), symlink"),
    implementation("container", "files", "mkdir, mount (MS_BIND), mount_setattr"),
    structural("container", "old root", "umount2 (MNT_DETACH)"),
    structural("container", "working directory", "mkdir, chdir"),
    structural("container", "no new privileges", "prctl (PR_SET_NO_NEW_PRIVS)"),
    structural("container", "seccomp", "seccomp (SECCOMP_SET_MODE_FILTER)"),
    structural("container", "capabilities", "prctl (PR_CAPBSET_DROP), capset"),
    structural("microvm", "map memory", "mmap, memfd_create, close_range"),
    implementation("microvm", "open /dev/kvm", "open, ioctl (KVM_GET_API_VERSION)"),
    structural("microvm", "create_vm", "ioctl (KVM_CREATE_VM)"),
    structural("microvm", "memory slot", "ioctl (KVM_SET_USER_MEMORY_REGION)"),
    structural("microvm", "create_vcpu", "ioctl (KVM_CREATE_VCPU), mmap"),
    structural("microvm", "cpuid", "ioctl (KVM_SET_CPUID2)"),
    structural("microvm", "registers", "ioctl (KVM_SET_SREGS, KVM_SET_REGS, KVM_SET_MSRS)"),
    implementation("microvm", "clock", "ioctl (KVM_GET_MSRS), getrandom"),
    structural("microvm", "confine", "seccomp (SECCOMP_SET_MODE_FILTER), prctl, capset"),
    structural("microvm", "run", "ioctl (KVM_RUN)"),
    implementation("microvm", "report", "ioctl (KVM_GET_STATS_FD), pread (/proc/self/pagemap)"),
];

/// What is told of a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Where its cost comes from.
    pub cost: Cost,
    /// The calls it makes.
    pub calls: &'static str,
    /// What happens.
    pub what: String,
    /// Why it costs that.
    pub why: String,
    /// What would remove it.
    pub removes: String,
}

/// What is known of the phase `name` of `runtime`.
pub fn explanation(runtime: &str, name: &str, language: Language) -> Option<Explanation> {
    let known = find(runtime, name)?;
    let key = key(known);
    let attribute = |name: &str| optional(language, &key, Some(name), &[]);
    Some(Explanation {
        cost: known.cost,
        calls: known.calls,
        what: optional(language, &key, None, &[])?,
        why: attribute("why")?,
        removes: attribute("removes")?,
    })
}

fn find(runtime: &str, name: &str) -> Option<&'static Known> {
    // A clone goes through the same phases as the machine that it is cloned from, as far as it has them.
    let runtime = runtime.strip_suffix("-clone").unwrap_or(runtime);
    let named = |of: &str| KNOWN.iter().find(|known| known.runtime == of && known.name == name);
    named(runtime).or_else(|| named(""))
}

/// `phase-open-dev-kvm` for `open /dev/kvm`; with the runtime's name between where the phase is its own.
fn key(known: &Known) -> String {
    let mut key = "phase".to_owned();
    for part in [known.runtime, known.name] {
        for word in part.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
            key.push('-');
            key.push_str(word);
        }
    }
    key
}

/// How the start-up of one trial falls into the two kinds of cost, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Phases whose cost is structural.
    pub structural_ns: u64,
    /// Phases whose cost is the implementation's.
    pub implementation_ns: u64,
    /// Time in no phase that is known.
    pub unknown_ns: u64,
}

/// Splits a start-up by the kind of its phases, up to the first output; `None` where no phase is known.
pub fn split(runtime: &str, timeline: &Timeline) -> Option<Split> {
    let end = timeline.first_output_ns?;
    let mut split = Split::default();
    for phase in &timeline.phases {
        let (from, to) = (phase.start_ns.min(end), phase.end_ns.min(end));
        let takes = to.saturating_sub(from);
        match find(runtime, &phase.name).map(|known| known.cost) {
            Some(Cost::Structural) => split.structural_ns = split.structural_ns.saturating_add(takes),
            Some(Cost::Implementation) => {
                split.implementation_ns = split.implementation_ns.saturating_add(takes);
            }
            None => {}
        }
    }
    let known = split.structural_ns.saturating_add(split.implementation_ns);
    split.unknown_ns = end.saturating_sub(known);
    (known > 0).then_some(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::trial::Phase;

    #[test]
    fn every_known_phase_is_explained_in_every_language() {
        for known in KNOWN {
            for language in Language::ALL {
                let found = explanation(known.runtime, known.name, language);
                assert!(found.is_some(), "locales/{}/phases.ftl: {}", language.tag(), key(known));
            }
        }
    }

    #[test]
    fn every_text_is_of_a_known_phase() {
        let (_, [english, _]) =
            crate::language::AREAS.iter().find(|(area, _)| *area == "phases").expect("the area of phases");
        for message in crate::language::source::messages(english).unwrap() {
            assert!(
                KNOWN.iter().any(|known| key(known) == message.key),
                "no phase is called {}",
                message.key
            );
        }
    }

    #[test]
    fn a_phase_of_the_runtime_itself_comes_first_and_an_unknown_one_is_none() {
        let of = |runtime| explanation(runtime, "clone", Language::English).unwrap();
        assert_ne!(of("container").what, of("process").what);
        assert_eq!(explanation("microvm", "no such phase", Language::English), None);
        assert_eq!(explanation("container", "create_vm", Language::English), None);
    }

    #[test]
    fn a_start_up_is_split_up_to_its_first_output() {
        let phase = |name: &str, start_ns, end_ns| Phase { name: name.to_owned(), start_ns, end_ns };
        let timeline = Timeline {
            phases: vec![
                phase("request", 0, 10),
                phase("create_vm", 10, 40),
                phase("of another tool", 40, 45),
                phase("run", 45, 900),
                phase("report", 900, 950),
            ],
            first_output_ns: Some(100),
            ..Timeline::default()
        };
        let split = split("microvm", &timeline).unwrap();
        assert_eq!((split.structural_ns, split.implementation_ns, split.unknown_ns), (30 + 55, 10, 5));
        assert_eq!(super::split("docker", &Timeline { phases: Vec::new(), ..timeline }), None);
    }
}
