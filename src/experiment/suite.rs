//! The workloads of a comparison: built-in ones, or the user's own program.

use std::ffi::CString;

use super::compare::{Candidate, TRIAL_TIMEOUT};
use super::plan::Effort;
use crate::results::{PlannedWorkload, WorkloadKind};
use crate::runtime::RuntimeError;
use crate::runtime::spec::{LaunchSpec, Program};
use crate::workload::catalogue::{Builtin, Size};
use crate::workload::program::open_program;

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
    let size = workload.size(match effort {
        Effort::Quick => Size::Quick,
        Effort::Default => Size::Default,
        Effort::Thorough => Size::Thorough,
    });
    let mut argv = vec![workload.name.to_owned()];
    argv.extend(size.map(|size| size.to_string()));
    let spec = LaunchSpec {
        program: Program::Builtin(workload.name.to_owned()),
        argv: argv.iter().filter_map(|arg| CString::new(arg.as_str()).ok()).collect(),
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
            argv,
            kind: workload.kind,
            program_sha256: open_program(&spec.program, None)?.sha256,
            rounds,
        },
        expected: workload.expected_output(size),
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
            name: program.name,
            description: "your own program".to_owned(),
            argv,
            kind: WorkloadKind::Own,
            program_sha256: program.sha256,
            rounds: effort.startup_rounds(),
        },
        expected: None,
        can_hold: false,
        spec,
    })
}
