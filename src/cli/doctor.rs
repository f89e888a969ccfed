//! `isobench doctor`: what this host can run, what not, why, and how to mend it.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::arguments::{RUNTIMES, runtime};
use crate::measure::host::checks::{self, Check, Grade};
use crate::measure::host::{HostFacts, KvmFacts};
use crate::runtime::external;
use crate::runtime::launcher::Launcher;

/// Tell what this host can run, and if not, why not and how to mend it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  isobench doctor")]
pub struct DoctorArguments {}

pub fn run(_: DoctorArguments) -> Result<ExitCode, Failure> {
    let launcher = Launcher::start().map_err(Failure::failed)?;
    let host = HostFacts::read();
    print_host(&host);
    println!("\nRuntimes");
    let mut missing = 0;
    let ours = RUNTIMES.into_iter().map(|(name, _)| name);
    for name in ours.chain(external::names()) {
        match runtime(name, &launcher).check() {
            Ok(notes) => {
                println!("  {name:<14} works");
                for note in notes {
                    println!("                 note: {note}");
                }
            }
            Err(unavailable) => {
                // An outside tool is nobody's duty to have.
                missing += usize::from(RUNTIMES.iter().any(|(own, _)| *own == name));
                println!("  {name:<14} cannot run: {}", unavailable.reason);
                println!("                 mend: {}", unavailable.fix);
            }
        }
    }
    print_checks(&host.checks);
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_checks(checks: &[Check]) {
    let mark = checks::mark(checks).map_or("not known", Grade::name);
    println!("\nHow good this host is for measuring: {mark}");
    for check in checks {
        println!("  {:<11} {:<9} {}", check.name, check.grade.name(), check.found);
        if !check.mend.is_empty() {
            println!("{:23}why: {}", "", check.why);
            println!("{:23}{}", "", check.mend);
        }
    }
}

fn print_host(host: &HostFacts) {
    println!("Host");
    println!("  CPU        {} ({} logical)", host.cpu_model, host.logical_cpus);
    println!("  memory     {} MiB", host.memory_bytes >> 20);
    println!("  kernel     {}", host.kernel);
    println!("  system     {}", host.distribution.as_deref().unwrap_or("unknown"));
    println!("  hypervisor {}", host.hypervisor.as_deref().unwrap_or("none (bare metal)"));
    println!("  KVM        {}", host.kvm.as_ref().map_or_else(|| "none".to_owned(), backend));
    println!("  cgroups    {}", host.cgroup);
    println!("  user       {}", if host.root { "root" } else { "ordinary" });
}

fn backend(kvm: &KvmFacts) -> String {
    let how = if kvm.software { "software, no VT-x or SVM" } else { "hardware" };
    let where_ = if kvm.nested { ", inside a virtual machine" } else { "" };
    format!("{} ({how}{where_})", kvm.backend)
}
