//! Runtime `linuxvm`: one program in a virtual machine of its own, under a real Linux kernel.
//!
//! [`prepare`] opens a kernel (unpacked once, `crate::kernel`) and packs, once for a spec, an initramfs around the
//! workload, with a small init of ours. A launch forks the launcher; the child ([`vmm`]) maps both into guest memory,
//! makes a VM of it and runs it until init says through the doorbell how the workload ended.
//! `docs/linuxvm.md` tells how, and what it costs.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::launcher::recipe::{Launch, Recipe, Started};
use super::spec::{LaunchSpec, Program};
use super::virtio::disk::Writes;
use super::vmm::{confine, host, process};
use super::{RuntimeError, Unavailable};
use crate::workload::program::{open_program, require_static};
pub use clone::inspect;
use devices::Choice;
use filesystem::FileSystem;
use kernel::Kernel;
use layout::*;
use modules::Module;
use processor::Processor;
use root::{Root, Start};
pub use snapshot::take;
use vmm::Plan;

mod acpi;
mod boot;
mod calls;
mod clone;
mod command_line;
mod console;
mod devices;
mod filesystem;
mod kernel;
mod layout;
mod machine;
mod modules;
mod newc;
mod ports;
mod probe;
mod processor;
mod root;
mod run_loop;
mod snapshot;
mod threads;
mod vmm;

/// Linux itself needs some memory to come up.
const LEAST_MEMORY: u64 = 64 << 20;
/// What is left for Linux' own use, besides kernel and root.
const KERNEL_RESERVE: u64 = 24 << 20;
/// An initramfs up to here is copied into guest memory, whose large pages cost the guest few faults; a larger one is
/// mapped, and shared by all guests.
const LARGEST_COPY: u64 = 16 << 20;
/// Room for init and a small program.
const LEAST_ROOT: u64 = 1 << 20;

/// Whether this host can boot Linux.
///
/// # Errors
/// What is missing, and how to get it.
pub fn check() -> Result<Vec<String>, Unavailable> {
    probe::boots()?;
    let known = crate::kernel::Store::of_user().and_then(|store| crate::kernel::known::default(&store));
    Ok(match known {
        Ok(Some(_)) => Vec::new(),
        _ => vec![format!("{NO_KERNEL}; {NO_KERNEL_FIX}")],
    })
}

/// Opens the kernel and packs the root for `spec`.
///
/// # Errors
/// [`RuntimeError::BadSpec`] when the kernel, the program or a limit is not usable here;
/// [`RuntimeError::Unavailable`] when there is no KVM.
pub fn prepare(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    let (plan, _) = plan(spec)?;
    trim();
    Ok(Box::new(LinuxvmRecipe { plan }))
}

/// As [`prepare`], for runtime `linuxvm-clone`: the VMs are clones of a snapshot, which is taken here or comes from
/// a file.
///
/// # Errors
/// As [`prepare`]; [`RuntimeError::BadSpec`] for a snapshot that cannot go on here.
pub fn prepare_clone(spec: &LaunchSpec) -> Result<Box<dyn Recipe>, RuntimeError> {
    let plan = clone::prepare(spec)?;
    trim();
    Ok(Box::new(CloneRecipe { plan }))
}

/// Every VMM begins as a copy of this process, with all that is in its heap.
fn trim() {
    // SAFETY: gives free memory back to the system; no pointer of ours becomes invalid.
    unsafe { libc::malloc_trim(0) };
}

/// The plan for `spec`, and what init is told to run.
fn plan(spec: &LaunchSpec) -> Result<(Plan, Start), RuntimeError> {
    let memory_bytes = spec.limits.memory_bytes & !(PAGE - 1);
    host::check_memory("a Linux guest", memory_bytes, LEAST_MEMORY)?;
    let cpus = u8::try_from(spec.limits.cpus).map_err(|_| {
        RuntimeError::BadSpec("a Linux guest has at most 255 vCPUs; give it fewer with --cpus".into())
    })?;
    let disk = spec.disk.as_deref().map(open_disk).transpose()?;
    let program = match (&spec.program, &disk) {
        // The host does not look into the disk.
        (Program::InRoot(_), Some(_)) => None,
        (program, _) => Some(open_program(program, spec.root.as_deref())?),
    };
    if let Some(program) = program.as_ref().filter(|_| spec.root.is_none()) {
        require_static(program)?;
    }
    let path = kernel_of(spec)?;
    let low_end = memory_bytes.min(HOLE_START);
    let kernel = Kernel::open(&path, spec.guest_unpacks_kernel, low_end)?;
    let log = spec.measure.boot_log;
    let end = low_end.min(kernel.ramdisk_end());
    let most_bytes = end.saturating_sub(kernel.end + KERNEL_RESERVE) / 2;
    if most_bytes < LEAST_ROOT {
        return Err(RuntimeError::BadSpec(format!(
            "{} leaves no room for a root in {} MiB of memory, of which it needs {} itself; give the guest more with \
             --memory",
            path.display(),
            memory_bytes >> 20,
            (kernel.end + KERNEL_RESERVE).div_ceil(1 << 20)
        )));
    }
    let file_system = disk.as_ref().map(|(_, file_system)| *file_system);
    let modules = modules(&path, spec.virtio_console, file_system)?;
    let root = Root::pack(spec, program.as_ref(), &modules, file_system, log, most_bytes)?;
    let devices = Choice {
        console: spec.virtio_console,
        disk: disk.map(|(image, _)| (image, Writes::Kept(memory_bytes))),
    };
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
        (ACPI, acpi::tables(cpus, &devices.places())),
    ];
    if !spec.boot_anyway {
        probe::boots()?;
    }
    let kvm = host::open()?;
    let processor = Processor::query(&kvm)
        .map_err(RuntimeError::step("asking KVM for its CPUID (KVM_GET_SUPPORTED_CPUID)"))?;
    let mut loaded = kernel.loaded;
    let mut windows = root.windows(ramdisk.address);
    if root.bytes <= LARGEST_COPY {
        loaded.extend(windows.drain(..1));
    }
    let plan = Plan {
        kvm,
        windows,
        loaded,
        entry: kernel.entry,
        unpacked_entry: kernel.unpacked_entry,
        written,
        memory_bytes,
        cpus,
        processor,
        devices,
        filter: confine::filter(&REQUESTS),
        log,
        notes: root.notes,
    };
    Ok((plan, root.start))
}

const NO_KERNEL: &str = "no Linux kernel is known that a guest could boot";
const NO_KERNEL_FIX: &str = "get one with: isobench kernel fetch, or name a file with --kernel";

/// The kernel that the spec names, or the default.
fn kernel_of(spec: &LaunchSpec) -> Result<PathBuf, RuntimeError> {
    if let Some(path) = &spec.kernel {
        return Ok(path.clone());
    }
    let store = crate::kernel::Store::of_user()?;
    let known = crate::kernel::known::default(&store)?;
    Ok(known.ok_or_else(|| Unavailable { reason: NO_KERNEL.into(), fix: NO_KERNEL_FIX.into() })?)
}

/// Opens the image of a disk.
fn open_disk(path: &Path) -> Result<(File, FileSystem), RuntimeError> {
    let bad = |problem: &str| RuntimeError::BadSpec(format!("the disk {} {problem}", path.display()));
    let image = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(RuntimeError::step(format!("opening the disk {}", path.display())))?;
    if !image.metadata().is_ok_and(|facts| facts.is_file()) {
        return Err(bad("is not a regular file"));
    }
    let file_system = filesystem::of(&image).map_err(bad)?;
    Ok((image, file_system))
}

/// The kernel's modules for the devices that it is to have.
fn modules(kernel: &Path, console: bool, disk: Option<FileSystem>) -> Result<Vec<Module>, RuntimeError> {
    let mut drivers = Vec::new();
    if console || disk.is_some() {
        drivers.push("virtio_mmio");
    }
    if console {
        drivers.push("virtio_console");
    }
    if let Some(file_system) = disk {
        drivers.extend(["virtio_blk", file_system.driver]);
    }
    if drivers.is_empty() {
        return Ok(Vec::new());
    }
    modules::for_drivers(kernel, &drivers)
}

/// The files of the host that a launch of `spec` reads beside those of the spec: the kernel, packed and unpacked.
pub fn host_files(spec: &LaunchSpec) -> Vec<PathBuf> {
    let kernel = kernel_of(spec).ok();
    let unpacked = kernel.as_deref().and_then(crate::kernel::unpacked::kept);
    kernel.into_iter().chain(unpacked).collect()
}

/// `KVM_GET_SREGS` and `KVM_SET_GUEST_DEBUG`.
const REQUESTS: [u64; 5] =
    [confine::KVM_RUN, confine::KVM_GET_REGS, 0x8138_ae83, 0x4048_ae9b, devices::KVM_SIGNAL_MSI];

struct LinuxvmRecipe {
    plan: Plan,
}

impl Recipe for LinuxvmRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        process::start(&launch, |launch| vmm::run(&self.plan, launch))
    }
}

struct CloneRecipe {
    plan: clone::Plan,
}

impl Recipe for CloneRecipe {
    fn start(&mut self, launch: Launch<'_>) -> Result<Started, RuntimeError> {
        process::start(&launch, |launch| clone::run(&self.plan, launch))
    }
}
