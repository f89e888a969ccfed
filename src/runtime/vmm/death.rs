//! What killed a VM, in words.

use crate::runtime::trial::{Death, DeathCause};

/// The vCPU shut down: an exception while delivering a double fault.
pub fn by_triple_fault(rip: Option<u64>) -> Death {
    Death { cause: DeathCause::TripleFault, address: rip, message: format!("triple fault{}", at(rip)) }
}

/// KVM gave up.
pub fn by_internal_error(suberror: u32, rip: Option<u64>) -> Death {
    // Linux include/uapi/linux/kvm.h, KVM_INTERNAL_ERROR_*.
    let what = match suberror {
        1 => "an instruction that KVM cannot emulate",
        2 => "simultaneous exceptions",
        3 => "an exit during the delivery of an event",
        4 => "an unexpected exit reason",
        _ => "unknown",
    };
    let message = format!("KVM internal error {suberror} ({what}){}", at(rip));
    Death { cause: DeathCause::KvmInternalError, address: rip, message }
}

/// An exit that this VMM has no use for.
pub fn by_unexpected_exit(name: &str, rip: Option<u64>) -> Death {
    Death {
        cause: DeathCause::UnexpectedExit,
        address: rip,
        message: format!("unexpected VM exit {name}{}", at(rip)),
    }
}

fn at(rip: Option<u64>) -> String {
    rip.map_or(String::new(), |rip| format!(" at rip {rip:#x}"))
}
