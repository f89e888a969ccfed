//! The workloads of a comparison: built-in ones, or the user's own program.

use std::ffi::CString;

use super::compare::{Candidate, TRIAL_TIMEOUT};
use super::plan::Effort;
use crate::results::{PlannedWorkload, WorkloadKind};
use crate::runtime::RuntimeError;
use crate::runtime::spec::{LaunchSpec, Program};
use crate::workload::catalogue::{Builtin, expected_output};
use crate::workload::program::{ProgramFile, open_program};

/// The environment of every sandbox: nothing is inherited, so that every runtime sees the same.
pub fn environment() -> Vec<CString> {
    vec![
        c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        c"HOME=/".to_owned(),
    ]
}

/// A built-in workload as a candidate; `template` gives limits and everything else of the spec.
///
/// # Errors
/// When its program cannot be read.
pub fn builtin(workload: &Builtin, effort: Effort, template: &LaunchSpec) -> Result<Candidate, RuntimeError> {
    let size = workload.size(effort);
    let argv = workload.argv(effort);
    let words = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let spec = LaunchSpec {
        program: Program::Builtin(workload.name.to_owned()),
        argv,
        timeout: template.timeout.or(Some(TRIAL_TIMEOUT)),
        ..template.clone()
    };
    let rounds = match workload.kind {
        WorkloadKind::Startup => effort.startup_rounds(),
        _ => effort.work_rounds(),
    };
    Ok(Candidate {
        planned: PlannedWorkload {
            name: workload.name.to_owned(),
            description: workload.description.to_owned(),
            argv: words,
            kind: workload.kind,
            program_sha256: sha256(&open_program(&spec.program, None)?)?,
            rounds,
        },
        expected: expected_output(workload.name, size),
        can_hold: true,
        spec,
    })
}

/// The user's own program as a candidate. Its right output is not known, so only its exit status is
/// judged.
///
/// # Errors
/// When it cannot be run.
pub fn own(spec: LaunchSpec, effort: Effort) -> Result<Candidate, RuntimeError> {
    let program = open_program(&spec.program, spec.root.as_deref())?;
    let argv = spec.argv.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    Ok(Candidate {
        planned: PlannedWorkload {
            program_sha256: sha256(&program)?,
            name: program.name,
            description: "your own program".to_owned(),
            argv,
            kind: WorkloadKind::Own,
            rounds: effort.startup_rounds(),
        },
        expected: None,
        can_hold: false,
        spec,
    })
}

fn sha256(program: &ProgramFile) -> Result<String, RuntimeError> {
    program.sha256().map_err(RuntimeError::step(format!("reading {}", program.name)))
}
