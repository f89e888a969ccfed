//! Facts about the host that decide how far its numbers can be trusted.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sysinfo::System;

use crate::language::Language;

pub mod checks;
pub mod during;

/// Facts about the host that a reader needs to judge the numbers. `None`: could not be learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// CPU model name.
    pub cpu_model: String,
    /// Logical CPUs.
    pub logical_cpus: usize,
    /// Simultaneous multithreading is on.
    pub smt: Option<bool>,
    /// Frequency governor of CPU 0.
    pub governor: Option<String>,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Swap in use, in bytes.
    pub swap_used_bytes: u64,
    /// Kernel release.
    pub kernel: String,
    /// Distribution.
    pub distribution: Option<String>,
    /// The hypervisor under this host, or `None` on bare metal.
    pub hypervisor: Option<String>,
    /// KVM, where the kernel has it.
    pub kvm: Option<KvmFacts>,
    /// Cgroup layout: `v2`, `v1`, `hybrid` or `none`.
    pub cgroup: String,
    /// Load average over one minute, at the start.
    pub load: f64,
    /// Runs as root.
    pub root: bool,
    /// What makes these numbers less trustworthy, one sentence each, with what to do about it.
    pub warnings: Vec<String>,
    /// The container that isobench itself runs in, where it does.
    #[serde(default)]
    pub container: Option<String>,
    /// Everything that was looked at, and how good it is for measuring.
    #[serde(default)]
    pub checks: Vec<checks::Check>,
}

/// The KVM backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvmFacts {
    /// `kvm_intel`, `kvm_amd`, another module's name, or `unknown`.
    pub backend: String,
    /// True when no hardware virtualisation (VT-x, SVM) does the work.
    pub software: bool,
    /// True when this host is itself a virtual machine.
    pub nested: bool,
}

impl HostFacts {
    /// Reads everything. Takes some milliseconds.
    pub fn read() -> HostFacts {
        let system = System::new_with_specifics(
            sysinfo::RefreshKind::nothing()
                .with_memory(sysinfo::MemoryRefreshKind::everything())
                .with_cpu(sysinfo::CpuRefreshKind::nothing()),
        )
        .ok();
        let cpus = system.as_ref().map(System::cpus).unwrap_or_default();
        let hypervisor = hypervisor();
        let mut facts = HostFacts {
            cpu_model: cpus.first().map(|cpu| cpu.brand().to_owned()).unwrap_or_default(),
            logical_cpus: cpus.len(),
            smt: read("/sys/devices/system/cpu/smt/active").map(|text| text == "1"),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            memory_bytes: system.as_ref().map_or(0, System::total_memory),
            swap_used_bytes: system.as_ref().map_or(0, System::used_swap),
            kernel: System::kernel_version().unwrap_or_else(|_| "unknown".into()),
            distribution: System::long_os_version().ok(),
            kvm: kvm(hypervisor.is_some()),
            hypervisor,
            cgroup: cgroup_layout(),
            load: System::load_average().map_or(0.0, |load| load.one),
            root: nix::unistd::geteuid().is_root(),
            warnings: Vec::new(),
            container: container(),
            checks: Vec::new(),
        };
        facts.checks = checks::all(&facts, Path::new("/"));
        facts.warnings = facts.warnings_in(Language::English);
        facts
    }

    /// What of this host makes numbers less trustworthy, one sentence each, with what to do about it.
    pub fn warnings_in(&self, language: Language) -> Vec<String> {
        let poor = self.checks.iter().filter(|check| check.grade == checks::Grade::Poor);
        poor.map(|check| check.sentence(language)).collect()
    }
}

/// What a host runs under whose CPU is no CPU but a program.
pub const SOFTWARE_EMULATION: &str = "QEMU software emulation";

/// A one-line file without its line end.
fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The CPUID hypervisor bit (leaf 1, ECX bit 31) and vendor string (leaf 0x4000_0000), as all
/// common hypervisors set them.
fn hypervisor() -> Option<String> {
    use std::arch::x86_64::__cpuid;
    #[allow(unused_unsafe, reason = "safe since Rust 1.94")]
    // SAFETY: every x86-64 CPU has CPUID.
    let (features, vendor) = unsafe { (__cpuid(1), __cpuid(0x4000_0000)) };
    if features.ecx & (1 << 31) == 0 {
        return None;
    }
    let bytes = [vendor.ebx, vendor.ecx, vendor.edx].map(u32::to_le_bytes).concat();
    let name: String =
        bytes.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| *byte as char).collect();
    Some(match name.as_str() {
        "KVMKVMKVM" => "KVM".into(),
        "MicrosoftHv" => "Hyper-V".into(),
        "VMwareVMware" => "VMware".into(),
        "XenVMMXenVMM" => "Xen".into(),
        "TCGTCGTCGTCG" => SOFTWARE_EMULATION.into(),
        "" => "unnamed".into(),
        _ => name,
    })
}

/// The kernel module behind `/dev/kvm`: the loaded vendor module.
pub fn kvm_backend() -> Option<String> {
    let entries = fs::read_dir("/sys/module").ok()?.flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("kvm_"))
        .min()
}

/// The container around this process, by the marks that container engines and systemd leave (systemd's `CONTAINER_INTERFACE`, Docker's and
/// Podman's files), or by the names of the first process's cgroups.
fn container() -> Option<String> {
    if let Some(kind) = read("/run/systemd/container").filter(|kind| !kind.is_empty()) {
        return Some(kind);
    }
    let marks = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    if let Some((_, kind)) = marks.into_iter().find(|(mark, _)| Path::new(mark).exists()) {
        return Some(kind.to_owned());
    }
    let groups = read("/proc/1/cgroup")?;
    ["docker", "kubepods", "containerd", "libpod", "lxc", "isobench"]
        .into_iter()
        .find(|name| groups.contains(name))
        .map(str::to_owned)
}

/// The loaded vendor module tells the backend's name; whether it can be hardware is told by the
/// CPU's own `vmx` or `svm` flag, since a module can have any name.
fn kvm(nested: bool) -> Option<KvmFacts> {
    if !Path::new("/dev/kvm").exists() {
        return None;
    }
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let hardware = flags
        .lines()
        .find(|line| line.starts_with("flags"))
        .is_some_and(|line| line.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"));
    let backend = kvm_backend().unwrap_or_else(|| "unknown".into());
    let software = !hardware || !matches!(backend.as_str(), "kvm_intel" | "kvm_amd" | "unknown");
    Some(KvmFacts { backend, software, nested })
}

/// Whether cgroup versions 1 and 2 are mounted side by side.
pub fn cgroup_is_hybrid() -> bool {
    cgroup_layout() == "hybrid"
}

/// The hard limit of one of the resources of setrlimit(2).
pub fn hard_limit(resource: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes to the structure that it is given; after a failure it holds zeros.
    unsafe { libc::getrlimit(resource, &mut limit) };
    limit.rlim_max
}

/// What is mounted under `/sys/fs/cgroup`.
fn cgroup_layout() -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let has = |kind: &str| mounts.lines().any(|line| line.split(' ').nth(2) == Some(kind));
    match (has("cgroup"), has("cgroup2")) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_this_host_are_plausible() {
        let facts = HostFacts::read();
        assert!(facts.logical_cpus >= 1);
        assert!(facts.memory_bytes > 64 << 20);
        assert!(!facts.kernel.is_empty() && !facts.cpu_model.is_empty());
        assert!(["v1", "v2", "hybrid", "none"].contains(&facts.cgroup.as_str()));
    }
}
