//! The virtual machine: every call to KVM that makes one.

use guest_abi::{DOORBELL, Hypercall};
use kvm_bindings::{CpuId, Msrs, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_xcr, kvm_xcrs};
use kvm_ioctls::{Kvm, VcpuFd};

use super::boot::BootImage;
use super::descriptors::{self, Features};
use super::memory_layout::KERNEL_BASE;
use crate::measure::clock::monotonic_ns;
use crate::runtime::snapshot;
use crate::runtime::snapshot::vcpu::{VcpuChanges, VcpuState};
use crate::runtime::trial::GuestClock;

/// The time stamp counter (Intel SDM volume 4).
const TSC: u32 = 0x10;

/// The APIC base register after a reset of the first processor (Intel SDM volume 3, 11.4.4).
const APIC_BASE_AT_RESET: u64 = 0xfee0_0900;

/// What a processor for guests can do, learned once: asking KVM takes longer than most of a start.
#[derive(Clone, Debug)]
pub struct Processor {
    /// What the guest is told.
    pub cpuid: CpuId,
    /// What the guest kernel turns on.
    pub features: Features,
    /// Value of XCR0: which vector registers a program may use.
    pub xcr0: u64,
}

impl Processor {
    /// Asks KVM what it can offer to guests.
    pub fn query(kvm: &Kvm) -> Result<Processor, kvm_ioctls::Error> {
        let cpuid = kvm.get_supported_cpuid(kvm_bindings::KVM_MAX_CPUID_ENTRIES)?;
        let leaf = |function, index| {
            cpuid.as_slice().iter().find(|entry| entry.function == function && entry.index == index).copied()
        };
        // CPUID (Intel SDM volume 2): XSAVE is leaf 1 ECX bit 26, FSGSBASE leaf 7 EBX bit 0; leaf 13 has
        // the bits of XCR0 that may be set, of which we take x87, SSE, AVX and AVX-512.
        let xsave = leaf(1, 0).is_some_and(|entry| entry.ecx & 1 << 26 != 0);
        let fsgsbase = leaf(7, 0).is_some_and(|entry| entry.ebx & 1 != 0);
        let allowed = leaf(0xd, 0).map_or(0, |entry| u64::from(entry.eax));
        let xcr0 = allowed & if allowed & 0xe0 == 0xe0 { 0xe7 } else { 0x7 };
        Ok(Processor { features: Features { xsave, fsgsbase }, xcr0, cpuid })
    }

    /// The features that leaf 1 reports in EDX, which Linux passes on as `AT_HWCAP`.
    pub fn capabilities(&self) -> u64 {
        self.cpuid.as_slice().iter().find(|entry| entry.function == 1).map_or(0, |entry| entry.edx.into())
    }
}

/// What makes a new vCPU ready for the guest kernel's instruction at `rip`.
pub fn boot_state(image: &BootImage, rip: u64, processor: &Processor) -> VcpuChanges {
    let mut xcrs = kvm_xcrs { nr_xcrs: 1, ..kvm_xcrs::default() };
    xcrs.xcrs[0] = kvm_xcr { xcr: 0, value: processor.xcr0, ..kvm_xcr::default() };
    // What is not set here is zero after a reset, too; asking KVM for it would only cost time.
    let mut sregs = kvm_sregs { apic_base: APIC_BASE_AT_RESET, ..kvm_sregs::default() };
    descriptors::set_long_mode(&mut sregs, image.page_table, processor.features);
    VcpuChanges {
        xcrs: processor.features.xsave.then_some(xcrs),
        sregs,
        msrs: descriptors::syscall_msrs(&image.kernel).to_vec(),
        // The first instruction is an `out` of EAX to port DX.
        regs: kvm_regs {
            rip,
            rsp: KERNEL_BASE + image.frame,
            rflags: 2,
            rax: Hypercall::Enter as u64,
            rdx: DOORBELL.into(),
            ..kvm_regs::default()
        },
        xsave: None,
        debug: None,
        events: None,
        mp_state: None,
        lapic: None,
        timer: Vec::new(),
    }
}

/// The state of a vCPU that was just made and told its CPUID table, and the model-specific registers that
/// belong to it.
pub fn fresh_state(kvm: &Kvm, cpuid: &CpuId) -> Result<(VcpuState, Vec<u32>), kvm_ioctls::Error> {
    let machine = kvm.create_vm()?;
    let vcpu = machine.create_vcpu(0)?;
    vcpu.set_cpuid2(cpuid)?;
    let msrs = snapshot::vcpu::listed_msrs(kvm)?;
    Ok((VcpuState::read(&vcpu, &msrs)?, msrs))
}

/// `KVM_GET_MSRS`, the one request of [`TimeBase::elapsed`].
pub const KVM_GET_MSRS: u64 = 0xc008_ae88;

/// The guest's time stamp counter and the host's clocks, read at the same moment.
#[derive(Clone, Copy, Debug)]
pub struct TimeBase {
    /// The guest's counter.
    pub tsc: u64,
    /// Nanoseconds per tick, times 2^32.
    pub scale: u64,
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// `CLOCK_REALTIME`.
    pub realtime_ns: u64,
}

impl TimeBase {
    /// How far both clocks have come since: the guest's as its programs read it, by the same scale, and the host's.
    ///
    /// # Errors
    /// When the counter cannot be read.
    pub fn elapsed(&self, vcpu: &VcpuFd) -> Result<GuestClock, kvm_ioctls::Error> {
        let (tsc, monotonic_ns) = read_tsc(vcpu)?;
        let ticks = tsc.wrapping_sub(self.tsc);
        Ok(GuestClock {
            guest_ns: ((u128::from(ticks) * u128::from(self.scale)) >> 32) as u64,
            host_ns: monotonic_ns.saturating_sub(self.monotonic_ns),
        })
    }

    /// Reads all of them.
    pub fn read(vcpu: &VcpuFd) -> Result<TimeBase, kvm_ioctls::Error> {
        let khz = vcpu.get_tsc_khz()?;
        let (tsc, monotonic_ns) = read_tsc(vcpu)?;
        if khz == 0 {
            return Err(kvm_ioctls::Error::new(libc::ENODEV));
        }
        Ok(TimeBase {
            tsc,
            scale: ((1_000_000u128 << 32) / u128::from(khz)) as u64,
            monotonic_ns,
            realtime_ns: realtime_ns(),
        })
    }
}

/// The guest's counter and the host's clock, as nearly at the same moment as one of a few tries gets.
fn read_tsc(vcpu: &VcpuFd) -> Result<(u64, u64), kvm_ioctls::Error> {
    let entry = kvm_msr_entry { index: TSC, ..kvm_msr_entry::default() };
    let mut msrs = Msrs::from_entries(&[entry]).map_err(|_| kvm_ioctls::Error::new(libc::EINVAL))?;
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..3 {
        let before = monotonic_ns();
        let read = vcpu.get_msrs(&mut msrs)?;
        let apart_ns = monotonic_ns() - before;
        let entry = msrs.as_slice().first().filter(|_| read == 1);
        let tsc = entry.ok_or(kvm_ioctls::Error::new(libc::ENODEV))?.data;
        // The counter was read somewhere between the two.
        best = best.min((apart_ns, tsc, before + apart_ns / 2));
        // Longer, and somebody else had the CPU meanwhile.
        if apart_ns < 50_000 {
            break;
        }
    }
    Ok((best.1, best.2))
}

fn realtime_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos() as u64)
}
