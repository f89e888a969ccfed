//! `isobench workloads`: the built-in ones.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::workload::catalogue;

/// List the built-in workloads.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  isobench workloads\n  isobench run --runtime microvm -- sha256")]
pub struct WorkloadsArguments {}

pub fn run(_: WorkloadsArguments) -> Result<ExitCode, Failure> {
    for workload in catalogue::BUILTINS {
        println!("{:<10} {}", workload.name, workload.description);
    }
    Ok(ExitCode::SUCCESS)
}
