//! Keeping sandboxes on one CPU.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::RuntimeError;

/// Calls `start` while this thread is kept on `cpu` (sched_setaffinity(2)); whatever process `start` makes
/// inherits that, and so do all that come of it. Afterwards this thread may run where it could before.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when this process may not use that CPU.
pub fn on_cpu<T>(cpu: u32, start: impl FnOnce() -> T) -> Result<T, RuntimeError> {
    let this_thread = Pid::from_raw(0);
    let own = sched_getaffinity(this_thread).map_err(RuntimeError::step("sched_getaffinity"))?;
    if !own.is_set(cpu as usize).unwrap_or(false) {
        let usable: Vec<String> = (0..CpuSet::count())
            .filter(|cpu| own.is_set(*cpu).unwrap_or(false))
            .map(|cpu| cpu.to_string())
            .collect();
        return Err(RuntimeError::BadSpec(format!(
            "CPU {cpu} cannot be used here; choose one of {}",
            usable.join(", ")
        )));
    }
    let mut only = CpuSet::new();
    only.set(cpu as usize).map_err(RuntimeError::step("choosing a CPU"))?;
    sched_setaffinity(this_thread, &only).map_err(RuntimeError::step("sched_setaffinity"))?;
    let started = start();
    sched_setaffinity(this_thread, &own).map_err(RuntimeError::step("sched_setaffinity"))?;
    Ok(started)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_started_there_stays_there_and_we_do_not() {
        let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let cpu = (0..CpuSet::count()).find(|cpu| before.is_set(*cpu).unwrap()).unwrap();
        let status =
            on_cpu(cpu as u32, || Command::new("cat").arg("/proc/self/status").output()).unwrap().unwrap();
        let text = String::from_utf8(status.stdout).unwrap();
        let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        assert_eq!(list.trim(), cpu.to_string());
        assert_eq!(sched_getaffinity(Pid::from_raw(0)).unwrap(), before);
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused() {
        for cpu in [100_000, u32::MAX] {
            let error = on_cpu(cpu, || ()).unwrap_err();
            assert!(error.to_string().contains("choose one of"), "{error}");
        }
    }
}
