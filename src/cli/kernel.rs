//! `isobench kernel`: the Linux kernels for guests of the runtime linuxvm.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;
use crate::kernel::known::{self, Known};
use crate::kernel::{KernelError, Store, fetch};

/// The Linux kernels that a linuxvm can boot.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KernelArguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  isobench kernel ls
  isobench kernel fetch                        the distribution's kernel for virtual machines; no root needed
  isobench kernel add vmlinuz-6.12.1
  isobench run --runtime linuxvm --kernel ./vmlinux -- busybox uname -a";

#[derive(Debug, Subcommand)]
enum Command {
    /// List the kernels that are known, the default first
    Ls,
    /// Fetch the distribution's kernel for virtual machines, with its own package manager
    Fetch,
    /// Keep a kernel: a bzImage (vmlinuz) or an ELF vmlinux
    Add {
        /// The file
        file: PathBuf,
    },
}

pub fn run(arguments: KernelArguments) -> Result<ExitCode, Failure> {
    let failed = |error: KernelError| Failure::failed(error);
    let store = Store::of_user().map_err(failed)?;
    match arguments.command {
        Command::Ls => {
            let kernels = known::all(&store).map_err(failed)?;
            if kernels.is_empty() {
                println!("No kernel is known. Get one: isobench kernel fetch");
            }
            let mut default = true;
            for kernel in &kernels {
                print(kernel, std::mem::take(&mut default) && kernel.problem.is_none());
            }
        }
        Command::Fetch => {
            eprintln!("isobench: fetching a kernel with the distribution's package manager");
            print(&fetch::fetch(&store).map_err(failed)?, false);
        }
        Command::Add { file } => {
            let shown = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
            let kernel = store.add(&file, &format!("added from {}", shown.display()), None);
            print(&kernel.map_err(failed)?, false);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(kernel: &Known, default: bool) {
    let mark = if default { "  (default)" } else { "" };
    println!("{}{mark}", kernel.release.as_deref().unwrap_or("a kernel of unknown release"));
    println!("  file     {}", kernel.path.display());
    println!("  from     {}", kernel.origin);
    if let Some(sha256) = &kernel.sha256 {
        println!("  sha256   {sha256}");
    }
    if let Some(problem) = &kernel.problem {
        println!("  useless  it {problem}");
        return;
    }
    match &kernel.modules {
        None => println!("  modules  not here: a guest does without drivers that are not built in"),
        Some(modules) => {
            for (name, without) in modules.missing() {
                println!("  missing  {name}: {without}");
            }
        }
    }
}
