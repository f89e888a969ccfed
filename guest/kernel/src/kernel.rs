//! The kernel's state, in one place.

use core::cell::UnsafeCell;

use guest_abi::{BootInfo, layout};
use guest_files::Files;

use crate::files;
use crate::memory::Memory;
use crate::process::Process;
use crate::signal::Signals;
use crate::time::Clock;

/// Everything that the kernel knows.
pub struct Kernel {
    pub memory: Memory,
    pub process: Process,
    pub signals: Signals,
    pub clock: Clock,
    /// Made at the first call that needs it: until then, the standard streams are all there is.
    pub files: Option<Files>,
}

/// A global of a kernel with one processor and no nested traps.
struct Global<T>(UnsafeCell<T>);

// SAFETY: there is one processor, and interrupts are never enabled in ring 0.
unsafe impl<T> Sync for Global<T> {}

static KERNEL: Global<Option<Kernel>> = Global(UnsafeCell::new(None));

/// What the VMM told us.
pub fn boot_info() -> &'static BootInfo {
    // SAFETY: the VMM has filled in this page before the first instruction, it is mapped read-only for
    // the kernel, and any bit pattern is valid.
    unsafe { &*((layout::KERNEL_BASE + layout::BOOT_INFO) as *const BootInfo) }
}

/// Does what would else be done at the first trap, and at the first call about files.
#[unsafe(no_mangle)]
extern "C" fn boot() {
    // SAFETY: called once, before the first trap.
    let kernel = unsafe { kernel() };
    kernel.files = Some(files::initial(boot_info()));
}

/// The kernel's state; made at the first trap, so that booting costs nothing.
///
/// # Safety
/// Only a trap entry may call this, once for each trap: then there is one reference at a time.
pub unsafe fn kernel() -> &'static mut Kernel {
    // SAFETY: as the caller promises.
    let kernel = unsafe { &mut *KERNEL.0.get() };
    kernel.get_or_insert_with(|| {
        let boot = boot_info();
        Kernel {
            memory: Memory::new(boot),
            process: Process::new(),
            signals: Signals::new(),
            clock: Clock,
            files: None,
        }
    })
}
