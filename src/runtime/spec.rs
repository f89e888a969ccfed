//! What to launch: the request that every runtime understands.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The program that runs in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// A built-in workload, by its name in [`crate::workload::catalogue`].
    Builtin(String),
    /// An ELF file on the host. In a sandbox with a root of its own it appears as `/<file name>`.
    HostFile(PathBuf),
    /// A program inside [`LaunchSpec::root`], by its absolute path there.
    InRoot(PathBuf),
}

/// One file of the host shown in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMapping {
    /// Path on the host.
    pub host: PathBuf,
    /// Absolute path in the sandbox; by default the host's absolute path.
    pub guest: PathBuf,
}

/// Resource limits of one sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPUs that the sandbox may use at once; at least 1.
    pub cpus: u32,
    /// Memory in bytes: the cgroup limit of a container, the configured memory of a VM.
    pub memory_bytes: u64,
    /// Processes and threads that a container may have.
    pub pids: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { cpus: 1, memory_bytes: 256 << 20, pids: 512 }
    }
}

/// One step of building a container that can be left out (`--without`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each variant is the step of that name")]
pub enum Isolation {
    User,
    Pid,
    Mount,
    Uts,
    Ipc,
    Net,
    Cgroup,
    Root,
    Proc,
    Dev,
    Limits,
    Capabilities,
    NoNewPrivileges,
    Seccomp,
}

impl Isolation {
    /// Every step, in the order in which a container takes them.
    pub const ALL: [Isolation; 14] = [
        Isolation::User,
        Isolation::Pid,
        Isolation::Mount,
        Isolation::Uts,
        Isolation::Ipc,
        Isolation::Net,
        Isolation::Cgroup,
        Isolation::Root,
        Isolation::Proc,
        Isolation::Dev,
        Isolation::Limits,
        Isolation::Capabilities,
        Isolation::NoNewPrivileges,
        Isolation::Seccomp,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Isolation::User => "user",
            Isolation::Pid => "pid",
            Isolation::Mount => "mount",
            Isolation::Uts => "uts",
            Isolation::Ipc => "ipc",
            Isolation::Net => "net",
            Isolation::Cgroup => "cgroup",
            Isolation::Root => "root",
            Isolation::Proc => "proc",
            Isolation::Dev => "dev",
            Isolation::Limits => "limits",
            Isolation::Capabilities => "capabilities",
            Isolation::NoNewPrivileges => "no-new-privileges",
            Isolation::Seccomp => "seccomp",
        }
    }

    /// The step of this name.
    pub fn from_name(name: &str) -> Option<Isolation> {
        Isolation::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// Extra measurements that disturb the clock, and so belong in trials of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Sample memory while the sandbox runs.
    pub footprint: bool,
    /// Count the workload's system calls (slows each of them down).
    pub syscalls: bool,
    /// Keep the log of a guest's Linux, which it hands over after the workload has ended.
    #[serde(default)]
    pub boot_log: bool,
}

/// Who runs in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The user's folder, where it is known.
    pub home: Option<String>,
}

/// One launch request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// What runs.
    pub program: Program,
    /// Arguments, `argv[0]` included.
    pub argv: Vec<CString>,
    /// Environment as `NAME=value`; nothing is inherited.
    pub env: Vec<CString>,
    /// Resource limits.
    pub limits: Limits,
    /// Kill the sandbox this long after the request.
    pub timeout: Option<Duration>,
    /// Host files to show in the sandbox.
    pub files: Vec<FileMapping>,
    /// A host directory that becomes the sandbox's root; it is never written to.
    pub root: Option<PathBuf>,
    /// A host directory that takes what a container writes over [`LaunchSpec::root`], instead of memory: in its
    /// folders `upper` and `work`, which must be there, as overlayfs does; or, where there is no overlayfs, as a
    /// changed copy of the root, `copy`.
    #[serde(default)]
    pub writes: Option<PathBuf>,
    /// Who runs a container's program, instead of the sandbox's root.
    #[serde(default)]
    pub user: Option<Identity>,
    /// Absolute path in the sandbox where the program starts, made if it is missing; by default `/`. A sandbox
    /// without a root of its own starts where the harness is.
    #[serde(default)]
    pub working_dir: Option<PathBuf>,
    /// A saved snapshot from which to clone the sandbox. Program, files and limits are then the snapshot's;
    /// [`LaunchSpec::argv`] is what follows the program's own name, or empty for the snapshot's arguments, and
    /// [`LaunchSpec::env`] what is set beyond the snapshot's environment.
    #[serde(default)]
    pub snapshot: Option<PathBuf>,
    /// Container steps to leave out.
    pub without: BTreeSet<Isolation>,
    /// Extra measurements.
    pub measure: Measure,
    /// It will be launched once only: nothing is made ahead for a next time.
    #[serde(default)]
    pub once: bool,
    /// The Linux kernel of a guest; by default the newest that is known.
    #[serde(default)]
    pub kernel: Option<PathBuf>,
    /// A guest unpacks its kernel itself, at every boot, as on hardware.
    #[serde(default)]
    pub guest_unpacks_kernel: bool,
    /// Boot a Linux guest although a probe says that this host's KVM cannot boot Linux: for a kernel that is none.
    #[serde(default)]
    pub boot_anyway: bool,
    /// The image of a disk that is the root of a Linux guest; it is never written to. [`Program::InRoot`] is then a path
    /// on the disk, or a name to be looked for there.
    #[serde(default)]
    pub disk: Option<PathBuf>,
    /// The standard streams of a Linux guest go by a virtio console, not by calls of init's to the VMM.
    #[serde(default)]
    pub virtio_console: bool,
}

impl LaunchSpec {
    /// `program` with nothing special about it: no arguments, an empty environment, the usual limits,
    /// every step of isolation, nothing measured that disturbs the clock.
    pub fn new(program: Program) -> LaunchSpec {
        LaunchSpec {
            program,
            argv: Vec::new(),
            env: Vec::new(),
            limits: Limits::default(),
            timeout: None,
            files: Vec::new(),
            root: None,
            writes: None,
            user: None,
            working_dir: None,
            snapshot: None,
            without: BTreeSet::new(),
            measure: Measure::default(),
            once: false,
            kernel: None,
            guest_unpacks_kernel: false,
            boot_anyway: false,
            disk: None,
            virtio_console: false,
        }
    }
}

/// Sets a variable in place of one of the same name.
pub fn set_variable(env: &mut Vec<CString>, variable: CString) {
    let name =
        |variable: &CString| variable.to_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec);
    match env.iter_mut().find(|other| name(other) == name(&variable)) {
        Some(other) => *other = variable,
        None => env.push(variable),
    }
}

/// The standard streams of the sandbox. The runtime closes its copies after the launch.
#[derive(Debug)]
pub struct Stdio {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}
