//! An OCI runtime bundle: the folder with `config.json` that runc, crun and runsc run
//! (opencontainers/runtime-spec, bundle.md and config.md).

use std::fs;
use std::path::PathBuf;

use nix::unistd::{getegid, geteuid};
use serde_json::{Value, json};

use super::tool::Job;
use crate::runtime::RuntimeError;

/// The period of the CPU limit, in microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;

/// Writes the bundle of a job and returns its folder.
pub(super) fn write(job: &Job<'_>) -> Result<PathBuf, RuntimeError> {
    let folder = job.scratch.join("bundle");
    let text = config(job).to_string();
    fs::create_dir(&folder)
        .and_then(|()| fs::write(folder.join("config.json"), text))
        .map_err(RuntimeError::step("writing an OCI bundle"))?;
    Ok(folder)
}

/// The same namespaces, limits and capabilities as our container has; the ordinary user's needs a user namespace.
fn config(job: &Job<'_>) -> Value {
    let rootless = !geteuid().is_root();
    let mut namespaces: Vec<Value> =
        ["pid", "mount", "uts", "ipc", "network", "cgroup"].map(|kind| json!({ "type": kind })).into();
    let mut linux = json!({});
    if rootless {
        namespaces.push(json!({ "type": "user" }));
        linux["uidMappings"] = json!([{ "containerID": 0, "hostID": geteuid().as_raw(), "size": 1 }]);
        linux["gidMappings"] = json!([{ "containerID": 0, "hostID": getegid().as_raw(), "size": 1 }]);
    } else {
        let limits = job.spec.limits;
        linux["resources"] = json!({
            "memory": { "limit": i64::try_from(limits.memory_bytes).unwrap_or(i64::MAX) },
            "cpu": { "period": CPU_PERIOD_US, "quota": u64::from(limits.cpus) * CPU_PERIOD_US },
            "pids": { "limit": limits.pids },
        });
    }
    linux["namespaces"] = Value::from(namespaces);
    let none: [&str; 0] = [];
    json!({
        "ociVersion": "1.0.2",
        "hostname": "isobench",
        "root": { "path": job.root.folder, "readonly": job.root.read_only },
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": words(job),
            "env": job.spec.env.iter().map(|one| one.to_string_lossy()).collect::<Vec<_>>(),
            "cwd": working_dir(job),
            "noNewPrivileges": true,
            "capabilities": { "bounding": none, "effective": none, "permitted": none, "inheritable": none, "ambient": none },
        },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
        ],
        "linux": linux,
    })
}

/// The program's path inside and its arguments.
pub(super) fn words(job: &Job<'_>) -> Vec<String> {
    let program = job.root.program.display().to_string();
    std::iter::once(program)
        .chain(job.spec.argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()))
        .collect()
}

/// Where the program starts.
pub(super) fn working_dir(job: &Job<'_>) -> String {
    job.spec.working_dir.as_ref().map_or_else(|| "/".to_owned(), |folder| folder.display().to_string())
}
