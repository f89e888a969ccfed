//! The bare KVM calls to a first exit: a VM with one vCPU in 64-bit mode that writes to a port.

use std::time::Instant;

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use isobench::runtime::spec::Limits;
use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES, kvm_segment, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuExit};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Guest-physical homes of the page tables and the code.
const PML4: u64 = 0x1000;
const PDPT: u64 = 0x2000;
const PAGE_DIRECTORY: u64 = 0x3000;
const CODE: u64 = 0x4000;

/// `mov dx, 0x80; out dx, al; hlt`
const PROGRAM: [u8; 6] = [0x66, 0xba, 0x80, 0x00, 0xee, 0xf4];

pub fn bench(group: &mut BenchmarkGroup<'_, WallTime>) {
    // The CPUID table is the same for every VM of a host: our VMM asks for it once, and so does this.
    let cpuid = match Kvm::new().and_then(|kvm| kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)) {
        Ok(cpuid) => cpuid,
        Err(error) => return println!("SKIPPED floor/microvm: no KVM here: {error}"),
    };
    let mut add = |name: &str| {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                (0..iterations)
                    .map(|_| {
                        let begin = Instant::now();
                        let vm = boot(&cpuid).expect("KVM works");
                        let elapsed = begin.elapsed();
                        drop(vm);
                        elapsed
                    })
                    .sum()
            });
        });
    };
    add("microvm");
    // KVM changes its own code at the first VM of a host, and when the last one goes (`vmm::host::stand_by`).
    let _another = boot(&cpuid).expect("KVM works");
    add("microvm-beside-another");
}

/// What must be closed and unmapped after the clock has stopped.
struct Vm {
    _vcpu: kvm_ioctls::VcpuFd,
    _vm: kvm_ioctls::VmFd,
    memory: std::ptr::NonNull<std::ffi::c_void>,
    size: usize,
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: mapped by `boot` with this size, and used by nobody but the VM that is closed with us.
        let _ = unsafe { munmap(self.memory, self.size) };
    }
}

fn boot(cpuid: &CpuId) -> Result<Vm, kvm_ioctls::Error> {
    let size = Limits::default().memory_bytes as usize;
    let kvm = Kvm::new()?;
    let vm = kvm.create_vm()?;
    // SAFETY: a new private mapping at an address of the kernel's choice.
    let memory = unsafe {
        mmap_anonymous(
            None,
            std::num::NonZeroUsize::new(size).expect("not zero"),
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE,
        )
        .expect("guest memory")
    };
    let base = memory.as_ptr().cast::<u8>();
    // SAFETY: all four pages lie inside the mapping, which nobody else uses yet.
    unsafe {
        base.add(PML4 as usize).cast::<u64>().write(PDPT | 3);
        base.add(PDPT as usize).cast::<u64>().write(PAGE_DIRECTORY | 3);
        base.add(PAGE_DIRECTORY as usize).cast::<u64>().write(0x83);
        base.add(CODE as usize).copy_from_nonoverlapping(PROGRAM.as_ptr(), PROGRAM.len());
    }
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: 0,
        memory_size: size as u64,
        userspace_addr: base as u64,
    };
    // SAFETY: the region is the mapping above, which outlives the VM.
    unsafe { vm.set_user_memory_region(region)? };
    let mut vcpu = vm.create_vcpu(0)?;
    vcpu.set_cpuid2(cpuid)?;
    let mut sregs = vcpu.get_sregs()?;
    let flat = kvm_segment { limit: u32::MAX, present: 1, s: 1, g: 1, ..kvm_segment::default() };
    sregs.cs = kvm_segment { selector: 0x08, type_: 0xb, l: 1, ..flat };
    sregs.ss = kvm_segment { selector: 0x10, type_: 0x3, db: 1, ..flat };
    (sregs.ds, sregs.es) = (sregs.ss, sregs.ss);
    sregs.cr3 = PML4;
    sregs.cr4 = 1 << 5; // physical address extension
    sregs.cr0 = 1 << 31 | 1; // paging, protection
    sregs.efer = 1 << 10 | 1 << 8; // long mode active and enabled
    vcpu.set_sregs(&sregs)?;
    let mut regs = vcpu.get_regs()?;
    (regs.rip, regs.rflags) = (CODE, 2);
    vcpu.set_regs(&regs)?;
    match vcpu.run()? {
        VcpuExit::IoOut(0x80, _) => {}
        other => panic!("the guest ended by {other:?}"),
    }
    Ok(Vm { _vcpu: vcpu, _vm: vm, memory, size })
}
