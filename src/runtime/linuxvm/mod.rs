//! Runtime `linuxvm`: one program in a virtual machine of its own, under a real Linux kernel.
//!
//! [`prepare`] opens a kernel (unpacked once, `crate::kernel`) and packs, once for a spec, an initramfs around the
//! workload, with a small init of ours. A launch forks the launcher; the child ([`vmm`]) maps both into guest memory,
//! makes a VM of it and runs it until init says through the doorbell how the workload ended.
//! `docs/linuxvm.md` tells how, and what it costs.

use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::LaunchSpec;
use super::vmm::{confine, host, process};
use super::{RuntimeError, Unavailable};
use crate::workload::program::{open_program, require_static};
use kernel::Kernel;
use layout::*;
use processor::Processor;
use root::Root;
use vmm::Plan;

mod acpi;
mod boot;
mod calls;
mod command_line;
mod console;
mod kernel;
mod layout;
mod machine;
mod newc;
mod ports;
mod processor;
mod root;
mod run_loop;
mod vmm;

/// Linux itself needs some memory to come up.
const LEAST_MEMORY: u64 = 64 << 20;
/// What is left for Linux' own use, besides kernel and root.
const KERNEL_RESERVE: u64 = 24 << 20;

/// Whether this host can boot Linux.
///
/// # Errors
/// What is missing, and how to get it.
pub fn check() -> Result<Vec<String>, Unavailable> {
    host::check()?;
    Ok(Vec::new())
}

/// Opens the kernel and packs the root for `spec`.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when the kernel, the program or a limit is not usable here;
/// [`RuntimeError::Unavailable`] when there is no KVM.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    let memory_bytes = spec.limits.memory_bytes & !(PAGE - 1);
    host::check_memory("a Linux guest", memory_bytes, LEAST_MEMORY)?;
    let cpus = u8::try_from(spec.limits.cpus).map_err(|_| {
        RuntimeError::BadSpec("a Linux guest has at most 255 vCPUs; give it fewer with --cpus".into())
    })?;
    let program = open_program(&spec.program, spec.root.as_deref())?;
    if spec.root.is_none() {
        require_static(&program)?;
    }
    let path = spec
        .kernel
        .clone()
        .ok_or_else(|| RuntimeError::BadSpec("no kernel; name one with --kernel".into()))?;
    let low_end = memory_bytes.min(HOLE_START);
    let kernel = Kernel::open(&path, spec.guest_unpacks_kernel, low_end)?;
    let log = spec.measure.boot_log;
    let most_bytes =
        (low_end.min(kernel.ramdisk_end()).saturating_sub(kernel.end)).saturating_sub(KERNEL_RESERVE) / 2;
    let root = Root::pack(spec, &program, &[], log, most_bytes)?;
    let end = low_end.min(kernel.ramdisk_end());
    let ramdisk =
        boot::Ramdisk { address: (end - root.bytes.next_multiple_of(PAGE)) & !(PAGE - 1), bytes: root.bytes };
    let command_line =
        command_line::command_line(kernel.unpacked_entry.is_some()).map_err(RuntimeError::BadSpec)?;
    let mut line = command_line.clone().into_bytes();
    line.push(0);
    let written = vec![
        (GDT, boot::segment_descriptors()),
        (BOOT_PARAMETERS, boot::parameters(kernel.header, &command_line, ramdisk, memory_bytes)),
        (PAGE_TABLES, boot::page_tables()),
        (COMMAND_LINE, line),
        (ACPI, acpi::tables(cpus, &[])),
    ];
    let kvm = host::open()?;
    let processor = Processor::query(&kvm)
        .map_err(RuntimeError::step("asking KVM for its CPUID (KVM_GET_SUPPORTED_CPUID)"))?;
    let mut windows = kernel.mapped;
    windows.extend(root.windows(ramdisk.address));
    let plan = Plan {
        kvm,
        windows,
        entry: kernel.entry,
        unpacked_entry: kernel.unpacked_entry,
        written: written.into_iter().chain(kernel.copied).collect(),
        memory_bytes,
        cpus,
        processor,
        filter: confine::filter(&REQUESTS),
        log,
        notes: root.notes,
    };
    // Every VMM begins as a copy of this process, with all that is in its heap.
    // SAFETY: gives free memory back to the system; no pointer of ours becomes invalid.
    unsafe { libc::malloc_trim(0) };
    Ok(Box::new(LinuxvmRecipe { plan }))
}

/// `KVM_GET_SREGS` and `KVM_SET_GUEST_DEBUG`.
const REQUESTS: [u64; 4] = [confine::KVM_RUN, confine::KVM_GET_REGS, 0x8138_ae83, 0x4048_ae9b];

struct LinuxvmRecipe {
    plan: Plan,
}

impl Recipe for LinuxvmRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        process::start(&launch, |launch| vmm::run(&self.plan, launch))
    }
}
