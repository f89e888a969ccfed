//! The VMM's own memory: PSS of its process beyond the guest memory that is resident.

use isobench::experiment::assemble;
use isobench::experiment::compare::HOLD;
use isobench::experiment::plan::Effort;
use isobench::runtime::Runtime;
use isobench::runtime::launcher::{Kind, Launcher};
use isobench::runtime::session::{Watch, observe};

/// Prints the median of a few trials beside the target of 2 MiB.
pub fn print(launcher: &Launcher) {
    let runtime = launcher.runtime(Kind::Microvm);
    let mut spec = super::runtimes::candidate("noop", Effort::Quick).spec;
    spec.measure.footprint = true;
    spec.env.push(HOLD.to_owned());
    let prepared = match runtime.prepare(&spec) {
        Ok(prepared) => prepared,
        Err(reason) => return println!("SKIPPED VMM memory: {reason}"),
    };
    let watch = Watch::HoldAndSampleMemory;
    let mut bytes: Vec<u64> = (0..11)
        .filter_map(|_| observe(&*prepared, watch, &|| false).ok())
        .map(|observed| assemble::trial("microvm", "noop", 0, &observed, watch, None))
        .filter_map(|trial| trial.footprint.and_then(|footprint| footprint.vmm_pss_bytes))
        .collect();
    bytes.sort_unstable();
    match bytes.get(bytes.len() / 2) {
        Some(median) => println!(
            "VMM memory beyond touched guest memory: {:.2} MiB PSS (median of {}; target 2 MiB)",
            *median as f64 / (1 << 20) as f64,
            bytes.len()
        ),
        None => println!("SKIPPED VMM memory: no trial gave a sample"),
    }
}
