//! The state of a vCPU: read when a snapshot is taken, and given to the vCPU of a clone.
//!
//! Each call to KVM costs a start some microseconds, and most of a vCPU's state at a snapshot is still what
//! every new vCPU has. So a clone is only given what differs ([`VcpuState::changes`]).

use kvm_bindings::{
    Msrs, kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events,
    kvm_xcrs, kvm_xsave,
};
use kvm_ioctls::{Kvm, VcpuFd};
use serde::{Deserialize, Serialize};

/// Registers that are renewed in every clone or belong to no snapshot (Intel SDM volume 4): the time stamp
/// counter, its offset and its deadline.
const TIME: [u32; 3] = [COUNTER, 0x3b, DEADLINE];
const COUNTER: u32 = 0x10;
const DEADLINE: u32 = 0x6e0;

/// What becomes of a processor's own time in a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// It begins anew, and the guest learns how to reckon from it.
    BeginsAnew,
    /// It goes on where the snapshot stopped it, with the timer that was set.
    GoesOn,
}

/// Everything that KVM tells of a vCPU.
#[derive(Debug, Serialize, Deserialize)]
pub struct VcpuState {
    /// General registers.
    pub regs: kvm_regs,
    /// Segments, tables, control registers.
    pub sregs: kvm_sregs,
    /// XCR0.
    pub xcrs: kvm_xcrs,
    /// x87 and vector registers.
    pub xsave: Box<kvm_xsave>,
    /// Breakpoints.
    pub debug: kvm_debugregs,
    /// Exceptions and interrupts on their way.
    pub events: kvm_vcpu_events,
    /// Running, halted, waiting.
    pub mp_state: kvm_mp_state,
    /// Model-specific registers, all that KVM lists and can read.
    pub msrs: Vec<kvm_msr_entry>,
    /// The interrupt controller inside the processor, where KVM has one.
    pub lapic: Option<Box<kvm_lapic_state>>,
}

impl VcpuState {
    /// Reads it. The vCPU must be between two instructions: see [`complete`].
    ///
    /// # Errors
    /// KVM's.
    pub fn read(vcpu: &VcpuFd, msrs: &[u32]) -> Result<VcpuState, kvm_ioctls::Error> {
        Ok(VcpuState {
            regs: vcpu.get_regs()?,
            sregs: vcpu.get_sregs()?,
            xcrs: vcpu.get_xcrs().unwrap_or_default(),
            xsave: Box::new(vcpu.get_xsave()?),
            debug: vcpu.get_debug_regs()?,
            events: vcpu.get_vcpu_events()?,
            mp_state: vcpu.get_mp_state()?,
            msrs: read_msrs(vcpu, msrs)?,
            // Without an interrupt controller in KVM there is none to read.
            lapic: vcpu.get_lapic().ok().map(Box::new),
        })
    }

    /// What a vCPU must be given to be in this state, if it is in the state `fresh` now.
    pub fn changes(&self, fresh: &VcpuState, time: Time) -> VcpuChanges {
        let changed = self.msrs.iter().filter(|entry| {
            let same = fresh.msrs.iter().find(|other| other.index == entry.index);
            !TIME.contains(&entry.index) && same.is_none_or(|other| other.data != entry.data)
        });
        let of_time = |index| {
            let known = self.msrs.iter().find(|entry| entry.index == index);
            known.filter(|_| time == Time::GoesOn).copied()
        };
        VcpuChanges {
            regs: self.regs,
            sregs: self.sregs,
            xcrs: (self.xcrs != fresh.xcrs).then_some(self.xcrs),
            xsave: (self.xsave.region != fresh.xsave.region)
                .then(|| Box::new(kvm_xsave { region: self.xsave.region, ..kvm_xsave::default() })),
            debug: (self.debug != fresh.debug).then_some(self.debug),
            events: (self.events != fresh.events).then_some(self.events),
            mp_state: (self.mp_state != fresh.mp_state).then_some(self.mp_state),
            msrs: of_time(COUNTER).into_iter().chain(changed.copied()).collect(),
            lapic: self.lapic.clone(),
            timer: of_time(DEADLINE).into_iter().collect(),
        }
    }
}

/// The registers that KVM lists; those that this vCPU does not have are left out.
fn read_msrs(vcpu: &VcpuFd, indices: &[u32]) -> Result<Vec<kvm_msr_entry>, kvm_ioctls::Error> {
    let mut known = Vec::with_capacity(indices.len());
    let mut rest = indices;
    while !rest.is_empty() {
        let wanted: Vec<kvm_msr_entry> =
            rest.iter().map(|index| kvm_msr_entry { index: *index, ..kvm_msr_entry::default() }).collect();
        let mut msrs = Msrs::from_entries(&wanted).map_err(|_| invalid())?;
        // It reads up to the first one that it cannot read, which we step over.
        let read = vcpu.get_msrs(&mut msrs)?.min(rest.len());
        known.extend(msrs.as_slice().iter().take(read).copied());
        rest = rest.get(read + 1..).unwrap_or_default();
    }
    Ok(known)
}

fn write_msrs(vcpu: &VcpuFd, entries: &[kvm_msr_entry]) -> Result<(), kvm_ioctls::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let msrs = Msrs::from_entries(entries).map_err(|_| invalid())?;
    if vcpu.set_msrs(&msrs)? == entries.len() { Ok(()) } else { Err(invalid()) }
}

fn invalid() -> kvm_ioctls::Error {
    kvm_ioctls::Error::new(libc::EINVAL)
}

/// The model-specific registers that make up a vCPU's state.
///
/// # Errors
/// KVM's.
pub fn listed_msrs(kvm: &Kvm) -> Result<Vec<u32>, kvm_ioctls::Error> {
    Ok(kvm.get_msr_index_list()?.as_slice().to_vec())
}

/// Completes the instruction that the last exit was about, without running another one: until then the
/// registers are those of before it or of behind it, as KVM likes (api.rst 4.5, 5: `immediate_exit`).
///
/// # Errors
/// KVM's.
pub fn complete(vcpu: &mut VcpuFd) -> Result<(), kvm_ioctls::Error> {
    vcpu.set_kvm_immediate_exit(1);
    let outcome = vcpu.run().map(drop);
    vcpu.set_kvm_immediate_exit(0);
    match outcome {
        Err(error) if error.errno() == libc::EINTR => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(invalid()),
    }
}

/// What a new vCPU is given before it runs.
#[derive(Debug)]
pub struct VcpuChanges {
    /// General registers.
    pub regs: kvm_regs,
    /// Segments, tables, control registers.
    pub sregs: kvm_sregs,
    /// XCR0, where it is not that of a new vCPU; and so on.
    pub xcrs: Option<kvm_xcrs>,
    /// x87 and vector registers.
    pub xsave: Option<Box<kvm_xsave>>,
    /// Breakpoints.
    pub debug: Option<kvm_debugregs>,
    /// Exceptions and interrupts on their way.
    pub events: Option<kvm_vcpu_events>,
    /// Running, halted, waiting.
    pub mp_state: Option<kvm_mp_state>,
    /// Model-specific registers.
    pub msrs: Vec<kvm_msr_entry>,
    /// The interrupt controller inside the processor.
    pub lapic: Option<Box<kvm_lapic_state>>,
    /// The register of its timer, for which the controller must be there.
    pub timer: Vec<kvm_msr_entry>,
}

impl VcpuChanges {
    /// Gives them to a vCPU that has its CPUID table already.
    ///
    /// # Errors
    /// KVM's.
    pub fn apply(&self, vcpu: &VcpuFd) -> Result<(), kvm_ioctls::Error> {
        // XCR0 before CR4: with OSXSAVE set, the guest's CPUID reports sizes that depend on XCR0.
        if let Some(xcrs) = &self.xcrs {
            vcpu.set_xcrs(xcrs)?;
        }
        vcpu.set_sregs(&self.sregs)?;
        write_msrs(vcpu, &self.msrs)?;
        if let Some(xsave) = &self.xsave {
            // SAFETY: without permission for wider state (arch_prctl(2), ARCH_REQ_XCOMP_GUEST_PERM), which
            // we never ask for, KVM reads the 4096 bytes of this structure and no more.
            unsafe { vcpu.set_xsave(xsave)? };
        }
        vcpu.set_regs(&self.regs)?;
        if let Some(lapic) = &self.lapic {
            vcpu.set_lapic(lapic)?;
        }
        write_msrs(vcpu, &self.timer)?;
        if let Some(debug) = &self.debug {
            vcpu.set_debug_regs(debug)?;
        }
        if let Some(events) = &self.events {
            vcpu.set_vcpu_events(events)?;
        }
        if let Some(mp_state) = self.mp_state {
            vcpu.set_mp_state(mp_state)?;
        }
        Ok(())
    }
}
