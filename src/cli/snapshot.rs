//! `isobench snapshot`: save a booted virtual machine as a file, and look at one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;
use super::arguments::{SandboxArguments, program_failure};
use crate::runtime::snapshot::{Header, Snapshot, SnapshotError};
use crate::runtime::{linuxvm, microvm};

/// Save a booted virtual machine as a file, to be cloned by run --from-snapshot.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SnapshotArguments {
    #[command(subcommand)]
    command: SnapshotCommand,
}

const EXAMPLES: &str = "\
Examples:
  isobench snapshot save hello.snapshot -- busybox echo hello
  isobench snapshot save --runtime linuxvm hello.linux -- busybox echo hello
  isobench snapshot inspect hello.snapshot
  isobench run --from-snapshot hello.snapshot
  isobench run --from-snapshot hello.snapshot -e NAME=value -- echo other arguments";

#[derive(Debug, Subcommand)]
enum SnapshotCommand {
    /// Boot a virtual machine with a program, and save it as it is just before the program starts
    Save(Box<SaveArguments>),
    /// Check a snapshot and tell what it holds
    Inspect(InspectArguments),
}

#[derive(Debug, Args)]
struct SaveArguments {
    /// The file to write
    file: PathBuf,

    /// What to boot
    #[arg(long, value_name = "RUNTIME", default_value = "microvm", value_parser = ["microvm", "linuxvm"])]
    runtime: String,

    #[command(flatten)]
    sandbox: SandboxArguments,

    /// The program (a path, a name on PATH, or a built-in workload) and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM [ARGUMENTS]")]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
struct InspectArguments {
    /// The snapshot
    file: PathBuf,
}

pub fn run(arguments: SnapshotArguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        SnapshotCommand::Save(arguments) => save(&arguments),
        SnapshotCommand::Inspect(arguments) => inspect(&arguments),
    }
}

fn save(arguments: &SaveArguments) -> Result<ExitCode, Failure> {
    let spec = arguments.sandbox.spec(&arguments.command)?;
    let taken = if arguments.runtime == "linuxvm" { linuxvm::take(&spec) } else { microvm::take(&spec) };
    let snapshot = taken.map_err(program_failure)?;
    let file = &arguments.file;
    snapshot.save(file).map_err(|error| {
        Failure::failed(format!("the snapshot {} cannot be written: {error}", file.display()))
    })?;
    print!("{}", describe(&snapshot.header));
    Ok(ExitCode::SUCCESS)
}

fn inspect(arguments: &InspectArguments) -> Result<ExitCode, Failure> {
    let file = &arguments.file;
    let snapshot = Snapshot::open(file)
        .and_then(|snapshot| check(&snapshot.header).map(|()| snapshot))
        .map_err(|error| Failure::failed(format!("the snapshot {} {error}", file.display())))?;
    print!("{}", describe(&snapshot.header));
    Ok(ExitCode::SUCCESS)
}

/// Whether its runtime understands it.
fn check(header: &Header) -> Result<(), SnapshotError> {
    if header.runtime == "linuxvm" { linuxvm::inspect(header) } else { microvm::inspect(header) }
}

fn describe(header: &Header) -> String {
    let kib = |bytes: u64| bytes.div_ceil(1024);
    // Whatever a file says is shown without control characters, which a terminal might obey.
    let shown = |text: &str| text.chars().take(100).filter(|c| !c.is_control()).collect::<String>();
    format!(
        "Snapshot of {} with {}, taken {}\n  \
           memory     {} KiB of {} KiB, in {} parts; the rest is blank\n  \
           processors {}, as on {}\n  \
           backend    {}, {}\n  \
           kernel     {:.16}…, isobench {}\n",
        shown(&header.runtime),
        shown(&header.program),
        shown(&header.taken),
        kib(header.page_bytes()),
        kib(header.memory_bytes),
        header.extents.len(),
        header.vcpus.len(),
        match shown(&header.origin.processor).as_str() {
            "" => "an unnamed one",
            name => name,
        },
        shown(&header.origin.backend),
        shown(&header.origin.architecture),
        shown(&header.origin.kernel),
        shown(&header.origin.tool),
    )
}
