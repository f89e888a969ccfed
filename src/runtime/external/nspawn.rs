//! `systemd-nspawn`: systemd's own container manager.

use super::bundle::{words, working_dir};
use super::command::CommandLine;
use super::tool::{Job, Staged, Tool};
use crate::runtime::RuntimeError;

pub(super) struct Nspawn;

impl Tool for Nspawn {
    fn name(&self) -> &'static str {
        "systemd-nspawn"
    }

    fn program(&self) -> &'static str {
        "systemd-nspawn"
    }

    fn how_to_install(&self) -> &'static str {
        "install it: apt-get install systemd-container"
    }

    fn how_to_mend(&self) -> &'static str {
        "it needs root"
    }

    fn differences(&self) -> &'static [&'static str] {
        &[
            "no limits unless systemd gives it a unit of its own",
            "its own seccomp profile, an allow-list",
            "no user namespace as root",
        ]
    }

    fn stage(&self, job: &Job<'_>) -> Result<Staged, RuntimeError> {
        let mut run = CommandLine::new(job.tool)
            // Without a systemd that runs as process 1 there is nobody to register with.
            .arguments([
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--private-network",
                "--pipe",
                "--machine",
                job.id,
            ])
            .arguments(["--directory".as_ref(), job.root.folder.as_os_str()])
            .arguments(["--chdir", &working_dir(job)]);
        if job.root.read_only {
            run = run.arguments(["--read-only"]);
        }
        for variable in &job.spec.env {
            run = run.arguments(["--setenv", &variable.to_string_lossy()]);
        }
        Ok(Staged {
            run: run.arguments(["--"]).arguments(words(job)),
            remove: Vec::new(),
            discard: Vec::new(),
        })
    }
}
