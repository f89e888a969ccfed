//! Which kernel do instances run on? Each is asked, all of them alive at once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::error::MaintenanceError;
use crate::experiment::compare::HOLD;
use crate::experiment::suite::environment;
use crate::results::maintenance::KernelFacts;
use crate::runtime::spec::{LaunchSpec, Program, Stdio};
use crate::runtime::{Runtime, RuntimeError, Sandbox};

/// The identifier of this boot of the host's kernel: random(4).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// More are not asked.
const MOST: u32 = 100;

/// Starts so many instances, at most a hundred, of the workload `probe` and reads what kernel each of them finds itself on.
pub fn ask(
    runtime: &dyn Runtime,
    instances: u32,
    stop: &dyn Fn() -> bool,
) -> Result<KernelFacts, MaintenanceError> {
    let mut env = environment();
    env.push(HOLD.to_owned());
    let spec = LaunchSpec {
        argv: vec![c"probe".to_owned()],
        env,
        timeout: Some(Duration::from_secs(120)),
        ..LaunchSpec::new(Program::Builtin("probe".into()))
    };
    let prepared = runtime.prepare(&spec)?;
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(RuntimeError::step("making a pipe"));
    let mut alive: Vec<(Box<dyn Sandbox + '_>, OwnedFd)> = Vec::new();
    let mut kernels = BTreeSet::new();
    let mut on_host_kernel = 0;
    let host = fs::read_to_string(BOOT_ID).unwrap_or_default();
    while alive.len() < instances.min(MOST) as usize && !stop() {
        let ((stdin, hold), (answers, stdout), (_, stderr)) = (pipe()?, pipe()?, pipe()?);
        let sandbox = prepared.launch(Stdio { stdin, stdout, stderr })?;
        let facts = Facts::read(answers);
        let Some(kernel) = facts.kernel() else {
            drop(hold);
            let report = sandbox.finish()?;
            return Err(MaintenanceError::Wrong(format!(
                "an instance told of no kernel ({:?})",
                report.exit
            )));
        };
        on_host_kernel += u32::from(facts.value("boot_id") == Some(host.trim()));
        kernels.insert(kernel);
        alive.push((sandbox, hold));
    }
    let asked = alive.len() as u32;
    for (sandbox, hold) in alive {
        drop(hold);
        sandbox.finish()?;
    }
    Ok(KernelFacts {
        runtime: runtime.name().to_owned(),
        instances: asked,
        kernels: kernels.into_iter().collect(),
        on_host_kernel,
    })
}

/// What `probe` prints: a key and a value a line, the last one being `seccomp_filters`.
struct Facts(Vec<String>);

impl Facts {
    fn read(from: OwnedFd) -> Facts {
        let mut lines = Vec::new();
        for line in BufReader::new(File::from(from)).lines().map_while(Result::ok).take(100) {
            let is_last = line.starts_with("seccomp_filters ");
            lines.push(line);
            if is_last {
                break;
            }
        }
        Facts(lines)
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
    }

    fn kernel(&self) -> Option<String> {
        Some(format!("{} {}", self.value("system")?, self.value("release")?))
    }
}
