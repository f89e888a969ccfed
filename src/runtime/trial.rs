//! What one launch-to-teardown of one sandbox told us.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plausible::impossibility;

/// How the workload ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this status (0–255).
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// It ran past its timeout and was killed.
    Timeout,
    /// The virtual machine or its guest kernel died, or killed the workload.
    Death(Death),
    /// The sandbox could not be built; the workload never ran.
    LaunchFailed(String),
}

/// A death inside a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// What killed it.
    pub cause: DeathCause,
    /// The faulting address (page fault) or instruction pointer, where there is one.
    pub address: Option<u64>,
    /// One line for the user.
    pub message: String,
}

/// Why a VM or its workload died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each variant is the cause of that name")]
#[repr(u32)]
pub enum DeathCause {
    PageFault,
    InvalidInstruction,
    DivisionError,
    GeneralProtection,
    OtherException,
    OutOfMemory,
    GuestKernelPanic,
    TripleFault,
    KvmInternalError,
    UnexpectedExit,
    GuestPowerOff,
    GuestRestart,
}

impl DeathCause {
    /// The cause with this discriminant; [`DeathCause::UnexpectedExit`] for any unknown number.
    pub fn from_number(number: u32) -> DeathCause {
        use DeathCause::*;
        [
            PageFault,
            InvalidInstruction,
            DivisionError,
            GeneralProtection,
            OtherException,
            OutOfMemory,
            GuestKernelPanic,
            TripleFault,
            KvmInternalError,
            GuestPowerOff,
            GuestRestart,
        ]
        .into_iter()
        .find(|cause| *cause as u32 == number)
        .unwrap_or(UnexpectedExit)
    }
}

impl Exit {
    /// The exit status that `isobench run` returns, by the shell's and Docker's conventions:
    /// 128 + signal for a kill, 124 for a timeout (as `timeout(1)`), 125 when the sandbox itself failed.
    pub fn status(&self) -> i32 {
        match self {
            Exit::Code(code) => *code,
            Exit::Signal(signal) => 128 + signal,
            Exit::Timeout => 124,
            Exit::LaunchFailed(_) => 125,
            Exit::Death(death) => match death.cause {
                DeathCause::PageFault | DeathCause::GeneralProtection => 128 + libc::SIGSEGV,
                DeathCause::InvalidInstruction => 128 + libc::SIGILL,
                DeathCause::DivisionError => 128 + libc::SIGFPE,
                DeathCause::OtherException => 128 + libc::SIGTRAP,
                DeathCause::OutOfMemory => 128 + libc::SIGKILL,
                _ => 125,
            },
        }
    }

    /// True for a workload that ran to its end and returned 0.
    pub fn is_success(&self) -> bool {
        matches!(self, Exit::Code(0))
    }
}

/// One named stretch of time, in nanoseconds after the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Name, stable across runs (`clone`, `net namespace`, `pivot_root`, `create_vm`, …).
    pub name: String,
    /// Start.
    pub start_ns: u64,
    /// End.
    pub end_ns: u64,
}

/// The named phases and the milestones of one trial, on the host's `CLOCK_MONOTONIC`, in
/// nanoseconds after the harness asked for the sandbox (`request` = 0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Phases in the order of their start.
    pub phases: Vec<Phase>,
    /// The sandbox's first process exists.
    pub spawned_ns: Option<u64>,
    /// First workload instruction (a VM: the guest kernel's doorbell just before it; else: end of `execve`).
    pub entered_ns: Option<u64>,
    /// The first byte of the workload's standard output reached the harness.
    pub first_output_ns: Option<u64>,
    /// The workload ended.
    pub exited_ns: Option<u64>,
    /// Processes reaped, VM closed, cgroup and mounts gone.
    pub torn_down_ns: Option<u64>,
}

/// CPU time of all host processes of the sandbox, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    /// In user mode; for a VM this holds the guest's time too where the kernel does not tell them apart.
    pub user_ns: u64,
    /// In the host kernel.
    pub system_ns: u64,
    /// Time spent inside `KVM_RUN`, for a VM.
    pub guest_ns: Option<u64>,
}

/// A VM's guest memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestMemory {
    /// What the guest was given.
    pub configured_bytes: u64,
    /// What is resident on the host because the guest, or the VMM for it, touched it.
    pub touched_bytes: u64,
}

/// Host memory that one sandbox costs, in bytes. See docs/method.md for what each column hides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Sum of PSS over the sandbox's processes, largest sample.
    pub pss_peak_bytes: Option<u64>,
    /// Sum of PSS over the sandbox's processes, last sample.
    pub pss_steady_bytes: Option<u64>,
    /// Peak charged to the sandbox's cgroup.
    pub cgroup_peak_bytes: Option<u64>,
    /// Kernel part of the cgroup's charge.
    pub cgroup_kernel_bytes: Option<u64>,
    /// Guest memory (VM only).
    pub guest_memory: Option<GuestMemory>,
    /// PSS of the VMM's process without its guest memory (VM only).
    pub vmm_pss_bytes: Option<u64>,
}

/// VM exits of one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitCount {
    /// Reason (`io_out:console`, `hlt`, `mmio`, …).
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Time spent handling them in the VMM, in nanoseconds.
    pub handled_ns: u64,
}

/// A system call that the guest kernel lacks and the workload made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingCall {
    /// Its Linux name, `syscall_N` where unknown.
    pub name: String,
    /// Its x86-64 number.
    pub number: u64,
    /// How often it was made.
    pub count: u64,
}

/// Crossings of the isolation boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossings {
    /// Exits to the VMM, by reason (VM only).
    pub vm_exits: Vec<ExitCount>,
    /// KVM's own counters from `KVM_GET_STATS_FD`, VM and vCPU (VM only).
    pub kvm_stats: BTreeMap<String, u64>,
    /// System calls into the *host* kernel that the workload made (process and container).
    pub host_syscalls: Option<u64>,
    /// System calls that the guest kernel served (VM only).
    pub guest_syscalls: Option<u64>,
    /// Calls answered with `ENOSYS` by the guest kernel.
    pub missing_calls: Vec<MissingCall>,
}

/// How long a guest ran, by its clock and by the host's, read at the same two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestClock {
    /// By the clock that the guest's programs read, in nanoseconds.
    pub guest_ns: u64,
    /// By the host's `CLOCK_MONOTONIC`, in nanoseconds.
    pub host_ns: u64,
}

/// What was in the page cache when a sandbox was prepared and launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCache {
    /// What the plan names was dropped before.
    pub cold: bool,
    /// Bytes of the sandbox's files that were in the cache and were dropped.
    pub dropped_bytes: u64,
    /// Bytes of them that stayed: somebody maps them.
    pub kept_bytes: u64,
    /// What preparing took, in nanoseconds: that is where a VMM reads its program and files.
    pub preparation_ns: u64,
}

/// What a built-in workload says about itself on standard error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfReport {
    /// Its own elapsed time for the measured part, in nanoseconds.
    pub elapsed_ns: u64,
    /// Units of work done.
    pub work: u64,
    /// Name of the unit (`byte`, `call`, `page`, …).
    pub unit: String,
}

/// Everything measured about one launch-to-teardown of one sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Runtime name.
    pub runtime: String,
    /// Workload name.
    pub workload: String,
    /// Round in which it ran, from 0; warm-ups are not kept.
    pub round: u32,
    /// How it ended.
    pub exit: Exit,
    /// When what happened.
    pub timeline: Timeline,
    /// CPU time.
    pub cpu: CpuTime,
    /// Memory; only where it was asked for.
    pub footprint: Option<Footprint>,
    /// Boundary crossings.
    pub crossings: Crossings,
    /// The built-in workload's own report.
    pub self_report: Option<SelfReport>,
    /// What was wrong with the output, when it was not the expected one: then no figure of the trial counts.
    pub wrong_output: Option<String>,
    /// Steps that were left out or could not be done, in words (no cgroup, no seccomp, …).
    pub notes: Vec<String>,
    /// What the guest's Linux wrote to its log, with its own timestamps, where it was asked for or the guest died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_log: Option<String>,
    /// Both clocks of a VM whose VMM can read its guest's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_clock: Option<GuestClock>,
    /// The page cache; only in a comparison of cold with warm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_cache: Option<PageCache>,
    /// CPU time that the harness itself spent on observing it, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness_ns: Option<u64>,
}

impl Trial {
    /// True for a trial before which the page cache was dropped.
    pub fn is_cold(&self) -> bool {
        self.page_cache.is_some_and(|cache| cache.cold)
    }

    /// True for a trial whose clock nothing disturbed: no memory was sampled, no system call counted.
    /// Only these count for times.
    pub fn is_timing(&self) -> bool {
        self.footprint.is_none() && self.crossings.host_syscalls.is_none()
    }

    /// True when its figures count: the workload ended well, with the right output, and nothing that it says
    /// is impossible.
    pub fn is_valid(&self) -> bool {
        self.exit.is_success() && self.wrong_output.is_none() && impossibility(self).is_none()
    }
}
