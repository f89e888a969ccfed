//! `docker` and `podman`: container engines with the same command line.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use super::bundle::{words, working_dir};
use super::command::CommandLine;
use super::owner;
use super::tool::{Job, Staged, Tool};
use crate::measure::host;
use crate::measure::processes::parent;
use crate::runtime::RuntimeError;

/// Marks every container of ours; its value is the maker's mark.
const LABEL: &str = "isobench.owner";

/// A program with Docker's command line.
pub(super) struct Engine {
    name: &'static str,
    install: &'static str,
    mend: &'static str,
    differences: &'static [&'static str],
    daemons: &'static [&'static str],
    /// What the host needs the engine to be told; before the verb, and after `run`.
    adapt: fn() -> (Vec<String>, Vec<String>),
}

/// Docker: a client, a daemon, containerd, a shim, runc.
pub(super) static DOCKER: Engine = Engine {
    name: "docker",
    install: "install it: apt-get install docker.io",
    mend: "start its daemon (systemctl start docker) and be in its group (usermod -aG docker $USER)",
    differences: &[
        "the daemon is warm: it was started long before the request",
        "overlay file system over an image's layers",
        "Docker's default seccomp profile (an allow-list) and 14 capabilities",
        "a log driver copies the output",
    ],
    daemons: &["dockerd", "containerd"],
    adapt: || (Vec::new(), Vec::new()),
};

/// Podman: a client that forks, a monitor, an OCI runtime; no daemon.
pub(super) static PODMAN: Engine = Engine {
    name: "podman",
    install: "install it: apt-get install podman",
    mend: "try it by hand: podman run --rm IMAGE true",
    differences: &[
        "no daemon: every call opens the storage and its database",
        "overlay file system over an image's layers",
        "its default seccomp profile (an allow-list) and 11 capabilities",
        "a monitor (conmon) copies the output",
    ],
    daemons: &[],
    adapt: adapt_podman,
};

/// Podman asks for things that not every host can give.
fn adapt_podman() -> (Vec<String>, Vec<String>) {
    let mut global = Vec::new();
    if !Path::new("/run/systemd/system").exists() {
        // No systemd that could make cgroups for it.
        global.push("--cgroup-manager=cgroupfs".to_owned());
    }
    if host::cgroup_is_hybrid() && super::command::find("runc").is_some() {
        // crun, its default, refuses cgroup versions 1 and 2 side by side.
        global.push("--runtime=runc".to_owned());
    }
    // It would raise limits beyond our own, which needs CAP_SYS_RESOURCE.
    let limits = [("nofile", libc::RLIMIT_NOFILE), ("nproc", libc::RLIMIT_NPROC)].map(|(name, resource)| {
        let most = host::hard_limit(resource).min(4096);
        format!("--ulimit={name}={most}:{most}")
    });
    (global, limits.into())
}

impl Engine {
    fn command(&self, program: &Path) -> CommandLine {
        CommandLine::new(program).arguments((self.adapt)().0)
    }
}

impl Tool for Engine {
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

    fn daemons(&self) -> &'static [&'static str] {
        self.daemons
    }

    /// The root filesystem becomes an image of one layer.
    fn stage(&self, job: &Job<'_>) -> Result<Staged, RuntimeError> {
        let command = || self.command(job.tool);
        let archive = job.scratch.join("image.tar");
        pack(&job.root.folder, &archive).map_err(RuntimeError::step("packing the workload's image"))?;
        let import = command().arguments([
            "import",
            "--change",
            &format!("LABEL {LABEL}={}", owner::mark()),
            "-",
            job.id,
        ]);
        let input = File::open(&archive).map_err(RuntimeError::step("reading the workload's image"))?;
        import.run_with(Stdio::from(input)).map_err(RuntimeError::step("making an image of the workload"))?;
        // The engine has its own copy.
        let _ = fs::remove_file(&archive);
        let limits = job.spec.limits;
        let mut run = command()
            .arguments(["run", "--rm", "--interactive", "--network=none", "--pull=never", "--name", job.id])
            .arguments([format!("--label={LABEL}={}", owner::mark())])
            .arguments([format!("--memory={}", limits.memory_bytes), format!("--cpus={}", limits.cpus)])
            .arguments([format!("--pids-limit={}", limits.pids), format!("--workdir={}", working_dir(job))])
            .arguments((self.adapt)().1);
        if job.root.read_only {
            run = run.arguments(["--read-only"]);
        }
        for variable in &job.spec.env {
            run = run.arguments([format!("--env={}", variable.to_string_lossy())]);
        }
        Ok(Staged {
            run: run.arguments([job.id]).arguments(words(job)),
            remove: vec![command().arguments(["rm", "--force", job.id])],
            discard: vec![command().arguments(["rmi", "--force", job.id])],
        })
    }

    /// The container is the child of a shim or monitor, which is nobody's child.
    fn elsewhere(&self, staged: &Staged, id: &str) -> Vec<i32> {
        let inspect = staged.run.same_program().arguments((self.adapt)().0).arguments([
            "inspect",
            "--format",
            "{{.State.Pid}}",
            id,
        ]);
        let first =
            inspect.run().ok().and_then(|text| text.trim().parse::<i32>().ok()).filter(|pid| *pid > 1);
        first.map(|pid| parent(pid).filter(|parent| *parent > 1).unwrap_or(pid)).into_iter().collect()
    }

    fn sweep(&self, program: &Path) {
        let list = |words: &[&str]| self.command(program).arguments(words).run().unwrap_or_default();
        let stale = |names: String| {
            names
                .lines()
                .map(|line| line.trim().trim_start_matches("localhost/").to_owned())
                .filter(|name| owner::is_stale(name))
                .collect::<Vec<_>>()
        };
        let filter = format!("--filter=label={LABEL}");
        for name in stale(list(&["ps", "--all", &filter, "--format", "{{.Names}}"])) {
            let _ = self.command(program).arguments(["rm", "--force", &name]).run();
        }
        for name in stale(list(&["images", &filter, "--format", "{{.Repository}}"])) {
            let _ = self.command(program).arguments(["rmi", "--force", &name]).run();
        }
    }
}

fn pack(folder: &Path, archive: &Path) -> std::io::Result<()> {
    let mut tar = tar::Builder::new(File::create(archive)?);
    tar.follow_symlinks(false);
    tar.append_dir_all(".", folder)?;
    tar.finish()
}
