//! `runc`, `crun` and `runsc` (gVisor): runtimes that run an OCI bundle from the command line.

use std::path::Path;

use super::bundle;
use super::command::CommandLine;
use super::tool::{Job, Staged, Tool};
use crate::runtime::RuntimeError;

/// A program with the command line of the OCI runtimes.
pub(super) struct OciRuntime {
    name: &'static str,
    /// Options before the verb.
    global: &'static [&'static str],
    install: &'static str,
    mend: &'static str,
    differences: &'static [&'static str],
}

/// The runtime under Docker and containerd.
pub(super) static RUNC: OciRuntime = OciRuntime {
    name: "runc",
    global: &[],
    install: "install it: apt-get install runc",
    mend: "try it by hand: runc spec; runc run test",
    differences: &[
        "no seccomp filter in its bundle (ours has one)",
        "it starts itself anew to enter the namespaces",
    ],
};

/// The runtime under Podman.
pub(super) static CRUN: OciRuntime = OciRuntime {
    name: "crun",
    global: &[],
    install: "install it: apt-get install crun",
    mend: "it wants cgroup version 1 or 2, not both at once: boot with systemd.unified_cgroup_hierarchy=1",
    differences: &["no seccomp filter in its bundle (ours has one)"],
};

/// gVisor: system calls of the workload are served by a kernel in user space.
pub(super) static RUNSC: OciRuntime = OciRuntime {
    name: "runsc",
    global: &["--network=none"],
    install: "install it: apt-get install runsc, or see gvisor.dev/docs/user_guide/install",
    mend: "see its platforms: runsc --platform=ptrace works where /dev/kvm and systrap do not",
    differences: &[
        "a kernel in user space serves the workload's system calls",
        "two processes of its own (sandbox and gofer) for each container",
    ],
};

impl OciRuntime {
    fn command(&self, program: &Path, folder: &Path) -> CommandLine {
        // A list of containers of our own: we see nobody else's, and nobody ours.
        CommandLine::new(program)
            .arguments(["--root".as_ref(), folder.join("state").as_os_str()])
            .arguments(self.global)
    }
}

impl Tool for OciRuntime {
    fn name(&self) -> &'static str {
        self.name
    }

    fn program(&self) -> &'static str {
        self.name
    }

    fn how_to_install(&self) -> &'static str {
        self.install
    }

    fn how_to_mend(&self) -> &'static str {
        self.mend
    }

    fn differences(&self) -> &'static [&'static str] {
        self.differences
    }

    fn stage(&self, job: &Job<'_>) -> Result<Staged, RuntimeError> {
        let bundle = bundle::write(job)?;
        let command = || self.command(job.tool, job.scratch);
        let run =
            command().arguments(["run".as_ref(), "--bundle".as_ref(), bundle.as_os_str(), job.id.as_ref()]);
        let remove = vec![command().arguments(["delete", "--force", job.id])];
        Ok(Staged { run, remove, discard: Vec::new() })
    }

    fn sweep_folder(&self, program: &Path, folder: &Path) {
        let Ok(containers) = self.command(program, folder).arguments(["list", "-q"]).run() else { return };
        for container in containers.lines() {
            // The next start tries again what could not be removed.
            let _ = self.command(program, folder).arguments(["delete", "--force", container]).run();
        }
    }
}
