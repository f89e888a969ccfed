//! Where a snapshot comes from, and whether it can go on here.

use kvm_bindings::{CpuId, kvm_cpuid_entry2};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SnapshotError;

/// What must be the same where a snapshot goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The isobench that took it; any other of the same format may read it.
    pub tool: String,
    /// The processor's architecture.
    pub architecture: String,
    /// The kernel module behind `/dev/kvm`.
    pub backend: String,
    /// The processor's name; told, not compared: what counts are its features.
    pub processor: String,
    /// SHA-256 of the guest's kernel, in hexadecimal.
    pub kernel: String,
}

impl Origin {
    /// This isobench on this host, with this kernel for guests.
    pub fn here(kernel: &[u8], cpuid: &CpuId) -> Origin {
        Origin {
            tool: crate::VERSION.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            backend: crate::measure::host::kvm_backend().unwrap_or_else(|| "unknown".to_owned()),
            processor: processor_name(cpuid),
            kernel: hexadecimal(&Sha256::digest(kernel)),
        }
    }

    /// Refuses to go on in `here` with what was taken in `self`.
    ///
    /// # Errors
    /// [`SnapshotError::Foreign`].
    pub fn admit(&self, here: &Origin) -> Result<(), SnapshotError> {
        let differs = |what: &str, theirs: &str, ours: &str| {
            (theirs != ours).then(|| format!("it was taken with {what} {theirs:.80}, and here it is {ours}"))
        };
        differs("the architecture", &self.architecture, &here.architecture)
            .or_else(|| differs("the KVM backend", &self.backend, &here.backend))
            .or_else(|| {
                (self.kernel != here.kernel)
                    .then(|| format!("it was taken with another guest kernel, by isobench {:.80}", self.tool))
            })
            .map_or(Ok(()), |reason| Err(SnapshotError::Foreign(reason)))
    }
}

/// Refuses a snapshot whose guest was told of other features than KVM offers here: its programs may have
/// chosen their instructions by them.
///
/// # Errors
/// [`SnapshotError::Foreign`].
pub fn admit_features(
    theirs: &[kvm_cpuid_entry2],
    here: &CpuId,
    processor: &str,
) -> Result<(), SnapshotError> {
    let (theirs, ours) = (lasting(theirs), lasting(here.as_slice()));
    let differing = theirs
        .iter()
        .find(|entry| !ours.contains(entry))
        .or_else(|| ours.iter().find(|entry| !theirs.contains(entry)));
    differing.map_or(Ok(()), |entry| {
        Err(SnapshotError::Foreign(format!(
            "its processor ({processor:.80}) has other features than KVM offers here (CPUID leaf {:#x})",
            entry.function
        )))
    })
}

/// The table without what tells on which CPU of the host it was asked for, and what depends on the registers
/// at that moment (Intel SDM volume 2, CPUID).
fn lasting(table: &[kvm_cpuid_entry2]) -> Vec<kvm_cpuid_entry2> {
    let clean = |entry: &kvm_cpuid_entry2| {
        let mut entry = kvm_cpuid_entry2 { padding: [0; 3], ..*entry };
        match entry.function {
            // Initial APIC id.
            1 => entry.ebx &= 0x00ff_ffff,
            // x2APIC id.
            0xb | 0x1f => entry.edx = 0,
            // Bytes that the enabled features take.
            0xd => entry.ebx = 0,
            // Extended APIC id, core and node.
            0x8000_001e => (entry.eax, entry.ebx, entry.ecx) = (0, 0, 0),
            _ => {}
        }
        entry
    };
    table.iter().map(clean).collect()
}

/// The brand string of leaves 0x8000_0002 to 4.
fn processor_name(cpuid: &CpuId) -> String {
    let leaf = |function| cpuid.as_slice().iter().find(|entry| entry.function == function);
    let bytes: Vec<u8> = (0x8000_0002..=0x8000_0004)
        .filter_map(leaf)
        .flat_map(|entry| [entry.eax, entry.ebx, entry.ecx, entry.edx])
        .flat_map(u32::to_le_bytes)
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
