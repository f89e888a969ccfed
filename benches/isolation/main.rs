//! What isolation costs, by criterion: every group has the runtimes side by side.
//!
//! | group | measures | clock |
//! |---|---|---|
//! | `startup` | `noop` in each runtime | request → first output |
//! | `floor` | the bare kernel operations under them | request → first output, or first VM exit |
//! | `cli` | `isobench run` as a whole process, beside `bwrap` and `runc` where they are installed | spawn → reaped |
//! | `cpu`, `memory`, `crossings` | the built-in workloads | the workload's own |
//!
//! `ISOBENCH_BENCH_QUICK=1` takes few samples. At the end `reports/bench/` gets a page made from
//! criterion's own estimates.

mod command_line;
mod floor;
mod runtimes;
mod vmm_memory;

use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use isobench::measure::host::HostFacts;
use isobench::runtime::launcher::Launcher;

fn main() {
    // First thing, while this process is small.
    let launcher = Launcher::start().expect("the launcher starts");
    let quick = std::env::var_os("ISOBENCH_BENCH_QUICK").is_some();
    let mut criterion = Criterion::default()
        .sample_size(if quick { 10 } else { 40 })
        .warm_up_time(Duration::from_millis(if quick { 100 } else { 1000 }))
        .measurement_time(Duration::from_millis(if quick { 500 } else { 4000 }))
        .configure_from_args();
    floor::bench(&mut criterion);
    runtimes::startup(&mut criterion, &launcher);
    command_line::bench(&mut criterion);
    runtimes::work(&mut criterion, &launcher, quick);
    criterion.final_summary();
    vmm_memory::print(&launcher);

    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let estimates = Path::new(&target).join("criterion");
    match isobench::report::bench::render_bench(
        &estimates,
        Path::new("reports/bench"),
        Some(&HostFacts::read()),
    ) {
        Ok(written) => println!("Report: {}", written.display()),
        Err(error) => eprintln!("no report: {error}"),
    }
}
