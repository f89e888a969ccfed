//! `bwrap` (bubblewrap), the sandbox under Flatpak.

use super::bundle::{words, working_dir};
use super::command::CommandLine;
use super::tool::{Job, Staged, Tool};
use crate::runtime::RuntimeError;

pub(super) struct Bubblewrap;

impl Tool for Bubblewrap {
    fn name(&self) -> &'static str {
        "bwrap"
    }

    fn program(&self) -> &'static str {
        "bwrap"
    }

    fn how_to_install(&self) -> &'static str {
        "install it: apt-get install bubblewrap"
    }

    fn how_to_mend(&self) -> &'static str {
        "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0"
    }

    fn differences(&self) -> &'static [&'static str] {
        &[
            "no cgroup, so no limits of memory, CPU or processes",
            "no seccomp filter unless one is handed to it",
        ]
    }

    fn stage(&self, job: &Job<'_>) -> Result<Staged, RuntimeError> {
        let mut run = CommandLine::new(job.tool).arguments([
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--clearenv",
        ]);
        for variable in &job.spec.env {
            let variable = variable.to_string_lossy();
            let (name, value) = variable.split_once('=').unwrap_or((&variable, ""));
            run = run.arguments(["--setenv", name, value]);
        }
        let bind = if job.root.read_only { "--ro-bind" } else { "--bind" };
        let run = run
            .arguments([bind.as_ref(), job.root.folder.as_os_str(), "/".as_ref()])
            .arguments(["--proc", "/proc", "--dev", "/dev", "--chdir", &working_dir(job), "--"])
            .arguments(words(job));
        Ok(Staged { run, remove: Vec::new(), discard: Vec::new() })
    }
}
