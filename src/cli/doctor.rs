//! `isobench doctor`: what this host can run, what not, why, and how to mend it.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::arguments::{RUNTIMES, runtime};
use crate::language::Language;
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
    let mark = checks::mark(checks).unwrap_or(Grade::Unknown).name(Language::English);
    println!("\nHow good this host is for measuring: {mark}");
    for check in checks {
        let grade = check.grade.name(Language::English);
        println!("  {:<11} {grade:<9} {}", check.name, check.found(Language::English));
        if let Some(mend) = check.mend(Language::English) {
            println!("{:24}{}", "", check.why(Language::English));
            println!("{:24}{mend}", "");
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
