//! What a Linux guest's processors say they are (CPUID) and the model-specific registers of their start.

use kvm_bindings::{CpuId, Msrs, kvm_cpuid_entry2, kvm_msr_entry};
use kvm_ioctls::{Cap, Kvm};

/// Model-specific registers (Intel SDM volume 4).
const MISC_ENABLE: u32 = 0x1a0;
const FAST_STRINGS: u64 = 1;
const MTRR_DEFAULT_TYPE: u32 = 0x2ff;
const MTRRS_ON_WRITE_BACK: u64 = 1 << 11 | 6;

/// What KVM offers, learned once: asking takes longer than most of a start.
#[derive(Clone, Debug)]
pub struct Processor {
    cpuid: CpuId,
    deadline_timer: bool,
}

impl Processor {
    /// Asks KVM.
    pub fn query(kvm: &Kvm) -> Result<Processor, kvm_ioctls::Error> {
        Ok(Processor {
            cpuid: kvm.get_supported_cpuid(kvm_bindings::KVM_MAX_CPUID_ENTRIES)?,
            deadline_timer: kvm.check_extension(Cap::TscDeadlineTimer),
        })
    }

    /// The answers of processor `index` of `count`: KVM's, with a number of its own and as many cores in one
    /// package as there are vCPUs (Intel SDM volume 2, CPUID; AMD APM volume 3, E).
    pub fn cpuid(&self, index: u8, count: u8) -> CpuId {
        let mut cpuid = self.cpuid.clone();
        let (id, count) = (u32::from(index), u32::from(count));
        let bits = count.next_power_of_two().trailing_zeros();
        for entry in cpuid.as_mut_slice() {
            adjust(entry, id, count, bits, self.deadline_timer);
        }
        cpuid
    }
}

fn adjust(entry: &mut kvm_cpuid_entry2, id: u32, count: u32, bits: u32, deadline_timer: bool) {
    const DEADLINE_TIMER: u32 = 1 << 24;
    const HYPERVISOR: u32 = 1 << 31;
    const MANY_IN_PACKAGE: u32 = 1 << 28;
    match (entry.function, entry.index) {
        (1, _) => {
            entry.ebx = entry.ebx & 0xffff | count << 16 | id << 24;
            entry.ecx |= HYPERVISOR;
            entry.ecx &= !DEADLINE_TIMER;
            if deadline_timer {
                // Without it Linux measures its timer, for 100 ms.
                entry.ecx |= DEADLINE_TIMER;
            }
            entry.edx &= !MANY_IN_PACKAGE;
            if count > 1 {
                entry.edx |= MANY_IN_PACKAGE;
            }
        }
        // Caches: how many share each, minus 1; and cores in the package, minus 1.
        (4, _) if entry.eax & 0x1f != 0 => {
            let shared = if entry.eax >> 5 & 7 == 3 { (1 << bits) - 1 } else { 0 };
            entry.eax = entry.eax & 0x3fff | shared << 14 | ((1 << bits) - 1) << 26;
        }
        // Levels of the package: threads of a core, then cores.
        (0xb | 0x1f, 0) => (entry.eax, entry.ebx, entry.ecx, entry.edx) = (0, 1, 1 << 8, id),
        (0xb | 0x1f, 1) => (entry.eax, entry.ebx, entry.ecx, entry.edx) = (bits, count, 2 << 8 | 1, id),
        (0xb | 0x1f, level) => (entry.eax, entry.ebx, entry.ecx, entry.edx) = (0, 0, level, id),
        (0x8000_0008, _) => entry.ecx = entry.ecx & !0xf0ff | bits << 12 | (count - 1),
        (0x8000_001d, _) if entry.eax & 0x1f != 0 => {
            let shared = if entry.eax >> 5 & 7 == 3 { count - 1 } else { 0 };
            entry.eax = entry.eax & 0x3fff | shared << 14;
        }
        (0x8000_001e, _) => (entry.eax, entry.ebx, entry.ecx) = (id, id, 0),
        _ => {}
    }
}

/// The registers that a firmware would set: fast string instructions, and memory that is cached.
pub fn msrs() -> Result<Msrs, kvm_ioctls::Error> {
    let entries = [(MISC_ENABLE, FAST_STRINGS), (MTRR_DEFAULT_TYPE, MTRRS_ON_WRITE_BACK)]
        .map(|(index, data)| kvm_msr_entry { index, data, ..kvm_msr_entry::default() });
    Msrs::from_entries(&entries).map_err(|_| kvm_ioctls::Error::new(libc::EINVAL))
}
