//! Plausible results made from a seed, for tests and benchmarks of the report. They measure nothing.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::results::{
    BASELINE, CONTROL, HostFacts, KvmFacts, Plan, PlannedWorkload, Results, SkippedRuntime, VERSION,
    WorkloadKind,
};
use crate::runtime::spec::Limits;
use crate::runtime::trial::{
    CpuTime, Crossings, Death, DeathCause, Exit, ExitCount, Footprint, GuestClock, GuestMemory, MissingCall,
    Phase, SelfReport, Timeline, Trial,
};

/// What to make.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// Runtimes, in the plan's order.
    pub runtimes: Vec<String>,
    /// Rounds of every cell.
    pub rounds: u32,
    /// Seed of every number.
    pub seed: u64,
    /// Put markup, control characters and absurd numbers everywhere.
    pub hostile: bool,
    /// Every trial fails.
    pub all_fail: bool,
    /// The KVM backend is a software one, nested.
    pub software_kvm: bool,
}

impl Default for Synthetic {
    fn default() -> Self {
        Synthetic {
            runtimes: [BASELINE, CONTROL, "container", "microvm", "docker"].map(str::to_owned).to_vec(),
            rounds: 20,
            seed: 1,
            hostile: false,
            all_fail: false,
            software_kvm: true,
        }
    }
}

/// Text that breaks whatever forgets to escape it.
pub const HOSTILE: &str =
    "</script><script>alert('x')</script>\"><img src=x onerror=y>|`\u{1b}[2J\u{202e}\n{{ 7*7 }}&lt;";

const WORKLOADS: &[(&str, WorkloadKind, &str, &str)] = &[
    ("noop", WorkloadKind::Startup, "", "writes one line and ends"),
    ("int", WorkloadKind::Cpu, "iteration", "branchy integer arithmetic"),
    ("sha256", WorkloadKind::Cpu, "byte", "hashes a buffer"),
    ("stream", WorkloadKind::Memory, "byte", "copies large arrays"),
    ("touch", WorkloadKind::Memory, "page", "touches fresh pages"),
    ("syscall", WorkloadKind::Calls, "call", "makes the cheapest system call"),
];

impl Synthetic {
    /// Makes the results.
    pub fn results(&self) -> Results {
        let mut random = StdRng::seed_from_u64(self.seed);
        let text = |plain: &str| if self.hostile { format!("{plain}{HOSTILE}") } else { plain.to_owned() };
        let mut trials = Vec::new();
        for round in 0..self.rounds {
            for workload in 0..WORKLOADS.len() {
                for runtime in &self.runtimes {
                    trials.push(self.trial(&mut random, runtime, workload, round, false));
                }
            }
            if round % 4 == 0 {
                for runtime in &self.runtimes {
                    trials.push(self.trial(&mut random, runtime, 0, round, true));
                }
            }
        }
        Results {
            version: VERSION,
            tool: text("isobench 0.1.0"),
            started: "2026-01-02T03:04:05+09:00".to_owned(),
            duration_ns: 42_000_000_000,
            command: ["isobench", "compare", &text("--seed=1")].map(str::to_owned).to_vec(),
            seed: self.seed,
            plan: Plan {
                runtimes: self.runtimes.clone(),
                workloads: WORKLOADS
                    .iter()
                    .map(|(name, kind, _, description)| PlannedWorkload {
                        name: (*name).to_owned(),
                        description: text(description),
                        argv: vec![(*name).to_owned()],
                        kind: *kind,
                        program_sha256: "00".repeat(32),
                        rounds: self.rounds,
                    })
                    .collect(),
                warmup_rounds: 2,
                budget_ns: 60_000_000_000,
                limits: Limits::default(),
                pinned_cpu: None,
                precision: None,
                cool_down_ns: 0,
                without: Vec::new(),
                cold: None,
            },
            host: HostFacts {
                cpu_model: text("Synthetic CPU @ 3.00 GHz"),
                logical_cpus: 2,
                smt: Some(true),
                memory_bytes: 24 << 30,
                kernel: text("6.1.0"),
                distribution: Some(text("Example Linux 13")),
                hypervisor: Some(text("kvm")),
                kvm: Some(KvmFacts {
                    backend: text(if self.software_kvm { "kvm_pvm" } else { "kvm_intel" }),
                    software: self.software_kvm,
                    nested: self.software_kvm,
                }),
                cgroup: "hybrid".to_owned(),
                load: 0.42,
                root: true,
                warnings: vec![text("The frequency governor cannot be read; close other programs.")],
                ..HostFacts::default()
            },
            skipped: vec![SkippedRuntime {
                runtime: text("firecracker"),
                reason: text("no program of that name in PATH"),
                fix: text("install firecracker 1.7 or newer"),
            }],
            external: Vec::new(),
            interrupted: false,
            during: None,
            trials,
            maintenance: None,
        }
    }

    fn trial(&self, random: &mut StdRng, runtime: &str, workload: usize, round: u32, sampled: bool) -> Trial {
        let (name, kind, unit, _) = WORKLOADS[workload];
        let text = |plain: &str| if self.hostile { format!("{plain}{HOSTILE}") } else { plain.to_owned() };
        let is_vm = runtime == "microvm";
        let mut jitter = |value: f64| {
            (value * (1.0 + 0.06 * random.random::<f64>().powi(3) + 0.02 * random.random::<f64>())) as u64
        };
        let steps: &[(&str, f64)] = match runtime {
            "container" => &[
                ("clone", 150e3),
                ("mounts", 70e3),
                ("net namespace", 460e3),
                ("pivot_root", 90e3),
                ("proc", 60e3),
                ("seccomp", 25e3),
                ("execve", 130e3),
            ],
            "microvm" => &[
                ("spawn vmm", 160e3),
                ("create vm", 150e3),
                ("memory", 70e3),
                ("create vcpu", 210e3),
                ("cpuid", 380e3),
                ("registers", 16e3),
                ("guest kernel", 140e3),
            ],
            "docker" => &[("docker run", 270e6)],
            _ => &[("clone", 110e3), ("execve", 160e3)],
        };
        let mut now = 0;
        let phases: Vec<Phase> = steps
            .iter()
            .map(|(step, takes)| {
                let start_ns = now;
                now += jitter(*takes);
                Phase { name: text(step), start_ns, end_ns: now }
            })
            .collect();
        let entered = now;
        let first_output = entered + jitter(60e3);
        let work_ns = match (kind, is_vm) {
            (WorkloadKind::Startup, _) => 0,
            (WorkloadKind::Calls, true) => jitter(9e6),
            (WorkloadKind::Memory, true) => jitter(5.2e6),
            _ => jitter(4e6),
        };
        let exited = first_output + work_ns + jitter(40e3);
        let torn_down = exited + jitter(if is_vm { 520e3 } else { 190e3 });
        let mut exit = if self.all_fail { Exit::Signal(9) } else { Exit::Code(0) };
        if round % 11 == 5 && is_vm && workload == 3 {
            exit = Exit::Death(Death {
                cause: DeathCause::PageFault,
                address: Some(0),
                message: text("page fault at 0x0"),
            });
        }
        let absurd = self.hostile && round % 2 == 1;
        Trial {
            runtime: runtime.to_owned(),
            workload: name.to_owned(),
            round,
            exit,
            timeline: Timeline {
                phases,
                spawned_ns: Some(jitter(90e3)),
                entered_ns: (runtime != "docker").then_some(entered),
                first_output_ns: Some(if absurd { u64::MAX } else { first_output }),
                exited_ns: Some(if absurd { 0 } else { exited }),
                torn_down_ns: Some(torn_down),
            },
            cpu: CpuTime {
                user_ns: work_ns + jitter(200e3),
                system_ns: if absurd { u64::MAX } else { jitter(300e3) },
                guest_ns: is_vm.then(|| work_ns + 100_000),
            },
            footprint: sampled.then(|| Footprint {
                pss_peak_bytes: Some(jitter(if is_vm { 2.4e6 } else { 180e3 })),
                pss_steady_bytes: Some(jitter(if is_vm { 2.2e6 } else { 160e3 })),
                cgroup_peak_bytes: (runtime == "container" || is_vm).then(|| jitter(900e3)),
                cgroup_kernel_bytes: (runtime == "container" || is_vm).then(|| jitter(640e3)),
                guest_memory: is_vm
                    .then(|| GuestMemory { configured_bytes: 256 << 20, touched_bytes: jitter(900e3) }),
                vmm_pss_bytes: is_vm.then(|| jitter(1.4e6)),
            }),
            crossings: Crossings {
                vm_exits: if is_vm {
                    vec![
                        ExitCount { reason: text("io_out:console"), count: 24, handled_ns: jitter(61e3) },
                        ExitCount { reason: text("io_out:exit"), count: 1, handled_ns: jitter(2e3) },
                        ExitCount {
                            reason: text("hlt"),
                            count: 3,
                            handled_ns: if absurd { u64::MAX } else { jitter(9e3) },
                        },
                    ]
                } else {
                    Vec::new()
                },
                kvm_stats: if is_vm {
                    [("exits".to_owned(), 40), ("halt_exits".to_owned(), 3)].into()
                } else {
                    Default::default()
                },
                host_syscalls: (!is_vm && sampled).then_some(4),
                guest_syscalls: is_vm.then_some(4),
                missing_calls: if is_vm && self.hostile {
                    vec![MissingCall { name: text("syscall_999"), number: 999, count: 1 }]
                } else {
                    Vec::new()
                },
            },
            self_report: (kind != WorkloadKind::Startup).then(|| SelfReport {
                elapsed_ns: work_ns,
                work: if absurd { u64::MAX } else { 1_000_000 },
                unit: text(unit),
            }),
            wrong_output: (self.hostile && round % 7 == 3).then(|| text("expected a checksum, found ")),
            boot_log: None,
            notes: if runtime == "container" {
                vec![text("no cgroup for memory: no limit is enforced")]
            } else {
                Vec::new()
            },
            guest_clock: is_vm
                .then(|| GuestClock { guest_ns: work_ns + 200_000, host_ns: work_ns + 200_100 }),
            page_cache: None,
            harness_ns: Some(jitter(60e3)),
        }
    }
}
