//! The virtual machine: every call to KVM that makes one.

use kvm_bindings::{KVM_CAP_SPLIT_IRQCHIP, kvm_enable_cap, kvm_guest_debug};
use kvm_ioctls::{Kvm, VcpuFd, VmFd};

use super::boot;
use super::layout::TASK_STATE;
use super::processor;
use super::vmm::Plan;
use crate::runtime::board::Board;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::host::add_memory;
use crate::runtime::vmm::process::Failed;

/// Pins of the I/O APIC, which is ours: KVM has only the local APICs. Its own I/O APIC and PIC would cost each
/// start several waits for all of the host's processors (`synchronize_srcu` at every device on KVM's bus).
pub const PINS: u64 = 24;

/// Makes the VM and its vCPUs, ready for the first instruction.
///
/// # Errors
/// The step that failed.
pub fn build(plan: &Plan, memory: &GuestMemory, board: &Board) -> Result<(VmFd, Vec<VcpuFd>), Failed> {
    let Plan { kvm, memory_bytes, cpus, processor, entry, .. } = plan;
    let cpus = *cpus;
    let vm = make(kvm, memory, *memory_bytes, board)?;
    let vcpus: Vec<VcpuFd> = (0..cpus)
        .map(|index| vm.create_vcpu(index.into()))
        .collect::<Result<_, _>>()
        .map_err(Failed::kvm("KVM_CREATE_VCPU"))?;
    board.phase("create_vcpu");
    let msrs = processor::msrs().map_err(Failed::kvm("listing registers"))?;
    for (index, vcpu) in (0..cpus).zip(&vcpus) {
        vcpu.set_cpuid2(&processor.cpuid(index, cpus)).map_err(Failed::kvm("KVM_SET_CPUID2"))?;
        vcpu.set_msrs(&msrs).map_err(Failed::kvm("KVM_SET_MSRS"))?;
    }
    board.phase("cpuid");
    // The others wait until the first one starts them.
    if let Some(first) = vcpus.first() {
        set_registers(first, *entry).map_err(Failed::kvm("setting the vCPU's registers"))?;
    }
    board.phase("registers");
    Ok((vm, vcpus))
}

/// Makes the VM without a vCPU.
///
/// # Errors
/// The step that failed.
pub fn make(kvm: &Kvm, memory: &GuestMemory, memory_bytes: u64, board: &Board) -> Result<VmFd, Failed> {
    let vm = kvm.create_vm().map_err(Failed::kvm("KVM_CREATE_VM"))?;
    board.phase("create_vm");
    add_interrupts(&vm).map_err(Failed::kvm("KVM_CAP_SPLIT_IRQCHIP"))?;
    board.phase("irqchip");
    add_memory(&vm, 0, &memory.slots(0, memory_bytes)).map_err(Failed::kvm("KVM_SET_USER_MEMORY_REGION"))?;
    board.phase("memory slot");
    Ok(vm)
}

/// Gives the VM what its processors' interrupt controllers need.
///
/// # Errors
/// KVM's reason.
pub fn add_interrupts(vm: &VmFd) -> Result<(), kvm_ioctls::Error> {
    vm.set_tss_address(TASK_STATE)?;
    let split =
        kvm_enable_cap { cap: KVM_CAP_SPLIT_IRQCHIP, args: [PINS, 0, 0, 0], ..kvm_enable_cap::default() };
    vm.enable_cap(&split)
}

fn set_registers(vcpu: &VcpuFd, entry: u64) -> Result<(), kvm_ioctls::Error> {
    let mut sregs = vcpu.get_sregs()?;
    boot::set_long_mode(&mut sregs);
    vcpu.set_sregs(&sregs)?;
    vcpu.set_regs(&boot::registers(entry))
}

/// Makes the vCPU stop when it comes to an instruction; `None`: no more.
///
/// # Errors
/// KVM's reason.
pub fn stop_at(vcpu: &VcpuFd, address: Option<u64>) -> Result<(), kvm_ioctls::Error> {
    use kvm_bindings::{KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_USE_HW_BP};
    /// Breakpoint 0 is on, globally and exactly (Intel SDM volume 3, 18.2.4); bit 10 is always set.
    const DR7_FIRST: u64 = 1 << 10 | 1 << 9 | 1 << 1;
    let mut debug = kvm_guest_debug::default();
    if let Some(address) = address {
        debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        debug.arch.debugreg[0] = address;
        debug.arch.debugreg[7] = DR7_FIRST;
    }
    vcpu.set_guest_debug(&debug)
}
