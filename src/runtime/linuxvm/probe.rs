//! Whether this host's KVM can run Linux at all, found out by its behaviour: a guest of a few instructions goes
//! from ring 0 to ring 3 and back by `sysretq` and `syscall`, as every Linux does all the time. There are KVM
//! backends on which that works otherwise than the processor manuals say; on them Linux hangs or dies early.

use std::cell::OnceCell;
use std::io::{Error, Read};

use guest_abi::layout::PAGE;
use guest_abi::layout::entry::{PRESENT, USER, WRITABLE};
use kvm_bindings::{KVM_CAP_SPLIT_IRQCHIP, Msrs, kvm_enable_cap, kvm_msr_entry, kvm_regs, kvm_segment};
use kvm_ioctls::{Cap, Kvm, VcpuExit};

use super::boot;
use super::machine::PINS;
use crate::runtime::Unavailable;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::host::{self, add_memory};

// Pages of the guest.
const TABLES: u64 = PAGE;
const DESCRIPTORS: u64 = 5 * PAGE;
const RING_0: u64 = 6 * PAGE;
const RING_3: u64 = 7 * PAGE;
const BYTES: u64 = 8 * PAGE;

/// Selectors: `syscall` loads CS from STAR bits 32-47, `sysretq` from bits 48-63 plus 16 (Intel SDM volume 2).
const KERNEL_CODE: u16 = 0x10;
const USER_BASE: u16 = 0x18;
const EFER_SYSCALL: u64 = 1;
const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const SYSCALL_MASK: u32 = 0xc000_0084;
const PORT: u16 = 0x80;

/// `sysretq`.
const TO_RING_3: &[u8] = &[0x48, 0x0f, 0x07];
/// `syscall`.
const FROM_RING_3: &[u8] = &[0x0f, 0x05];
/// `mov eax, cs; out 0x80, al`.
const TELL_CS: &[u8] = &[0x8c, 0xc8, 0xe6, PORT as u8];
/// Where that is in its page.
const TELL_AT: u64 = 0x100;

/// CPU time that it may take, in microseconds: much more than the few milliseconds that it needs, even where the processor is
/// emulated. A busy host gives it little of its time, so the clock on the wall counts only when nothing runs at all.
const CPU_MICROSECONDS: i64 = 500_000;
const WALL_SECONDS: u32 = 10;

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Boots,
    /// `syscall` and `sysretq` do something else.
    OddSyscalls,
    /// It did not come to an end.
    Hangs,
    /// A step failed with this error number.
    Failed(i32),
}

thread_local! {
    static KNOWN: OnceCell<Result<(), Unavailable>> = const { OnceCell::new() };
}

/// Whether Linux can be expected to boot here. Asked again, it answers at once.
///
/// # Errors
/// What stands in the way.
pub fn boots() -> Result<(), Unavailable> {
    KNOWN.with(|known| known.get_or_init(|| host::check().and_then(|kvm| explain(probe(&kvm), &kvm))).clone())
}

fn explain(verdict: Verdict, kvm: &Kvm) -> Result<(), Unavailable> {
    if !kvm.check_extension(Cap::SplitIrqchip) {
        return Err(Unavailable {
            reason: "KVM here has no local APIC apart from the other interrupt controllers (KVM_CAP_SPLIT_IRQCHIP)".into(),
            fix: "use Linux 4.4 or newer on the host".into(),
        });
    }
    let elsewhere = "use a host with VT-x or SVM, or nested virtualisation; the tests use an emulated one, scripts/kvm-rig";
    let reason = match verdict {
        Verdict::Boots => return Ok(()),
        Verdict::OddSyscalls => {
            "KVM here enters ring 0 otherwise than the processor manuals say (syscall, sysretq), so no Linux boots on it"
                .to_owned()
        }
        Verdict::Hangs => "a guest of three instructions does not come to its end on KVM here".to_owned(),
        Verdict::Failed(errno) => {
            format!("KVM here cannot run a guest of three instructions ({})", Error::from_raw_os_error(errno))
        }
    };
    Err(Unavailable { reason, fix: elsewhere.into() })
}

/// Tries it in a process of its own, which an alarm ends if it hangs.
fn probe(kvm: &Kvm) -> Verdict {
    let failed = |error: Error| Verdict::Failed(error.raw_os_error().unwrap_or(0));
    let (mut reader, writer) = match std::io::pipe() {
        Ok(ends) => ends,
        Err(error) => return failed(error),
    };
    // SAFETY: the launcher has one thread; the child makes a VM, writes to a pipe and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let once = libc::itimerval {
            it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
            it_value: libc::timeval { tv_sec: 0, tv_usec: CPU_MICROSECONDS },
        };
        // SAFETY: plain numbers and one valid structure; SIGALRM and SIGPROF end this process by default.
        unsafe {
            libc::signal(libc::SIGALRM, libc::SIG_DFL);
            libc::signal(libc::SIGPROF, libc::SIG_DFL);
            libc::alarm(WALL_SECONDS);
            libc::setitimer(libc::ITIMER_PROF, &once, std::ptr::null_mut());
        }
        let code: i32 = match goes_round(kvm) {
            Ok(true) => 0,
            Ok(false) => -1,
            Err(errno) => errno.max(1),
        };
        let _ = std::io::Write::write_all(&mut &writer, &code.to_le_bytes());
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    if child < 0 {
        return failed(Error::last_os_error());
    }
    drop(writer);
    let mut answer = [0; 4];
    let answered = reader.read_exact(&mut answer).is_ok();
    let mut status = 0;
    // SAFETY: waits for our own child and writes one integer.
    while unsafe { libc::waitpid(child, &mut status, 0) } == -1
        && Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
    match i32::from_le_bytes(answer) {
        _ if !answered => Verdict::Hangs,
        0 => Verdict::Boots,
        -1 => Verdict::OddSyscalls,
        errno => Verdict::Failed(errno),
    }
}

/// Runs the guest: whether it comes back to ring 0 where it should, with the selector that it should have.
fn goes_round(kvm: &Kvm) -> Result<bool, i32> {
    let errno = |error: kvm_ioctls::Error| error.errno();
    let memory = GuestMemory::new(BYTES, 0, &[]).map_err(|error| error as i32)?;
    fill(&memory).map_err(|error| error.raw_os_error().unwrap_or(0))?;
    let vm = kvm.create_vm().map_err(errno)?;
    let split =
        kvm_enable_cap { cap: KVM_CAP_SPLIT_IRQCHIP, args: [PINS, 0, 0, 0], ..kvm_enable_cap::default() };
    vm.enable_cap(&split).map_err(errno)?;
    add_memory(&vm, 0, &memory.slots(0, BYTES)).map_err(errno)?;
    let mut vcpu = vm.create_vcpu(0).map_err(errno)?;
    let cpuid = kvm.get_supported_cpuid(kvm_bindings::KVM_MAX_CPUID_ENTRIES).map_err(errno)?;
    vcpu.set_cpuid2(&cpuid).map_err(errno)?;
    let mut sregs = vcpu.get_sregs().map_err(errno)?;
    boot::set_long_mode(&mut sregs);
    sregs.cr3 = TABLES;
    sregs.efer |= EFER_SYSCALL;
    sregs.gdt.base = DESCRIPTORS;
    sregs.gdt.limit = 6 * 8 - 1;
    sregs.idt.limit = 0;
    sregs.tr = kvm_segment { limit: 0x67, type_: 0xb, present: 1, ..kvm_segment::default() };
    vcpu.set_sregs(&sregs).map_err(errno)?;
    let star = u64::from(KERNEL_CODE) << 32 | u64::from(USER_BASE) << 48;
    let msrs = [(STAR, star), (LSTAR, RING_0 + TELL_AT), (SYSCALL_MASK, 0)]
        .map(|(index, data)| kvm_msr_entry { index, data, ..kvm_msr_entry::default() });
    vcpu.set_msrs(&Msrs::from_entries(&msrs).map_err(|_| libc::EINVAL)?).map_err(errno)?;
    // `sysretq` takes the address from RCX and the flags from R11.
    let regs = kvm_regs { rip: RING_0, rcx: RING_3, r11: 2, rflags: 2, ..kvm_regs::default() };
    vcpu.set_regs(&regs).map_err(errno)?;
    Ok(match vcpu.run() {
        Ok(VcpuExit::IoOut(PORT, [selector])) => u16::from(*selector) == KERNEL_CODE,
        _ => false,
    })
}

/// Page tables that map the guest's pages to themselves, all but ring 3's for ring 0 alone; descriptors; code.
fn fill(memory: &GuestMemory) -> Result<(), Error> {
    for level in 0..3 {
        memory.write_u64(TABLES + level * PAGE, (TABLES + (level + 1) * PAGE) | PRESENT | WRITABLE | USER)?;
    }
    for page in 0..BYTES / PAGE {
        let user = if page * PAGE == RING_3 { USER } else { 0 };
        memory.write_u64(TABLES + 3 * PAGE + 8 * page, (page * PAGE) | PRESENT | WRITABLE | user)?;
    }
    // Kernel code and data, then, behind an entry for 32-bit code, user data and code.
    for (index, descriptor) in
        [0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff]
            .into_iter()
            .enumerate()
    {
        memory.write_u64(DESCRIPTORS + 8 * index as u64, descriptor)?;
    }
    memory.write(RING_0, TO_RING_3)?;
    memory.write(RING_0 + TELL_AT, TELL_CS)?;
    memory.write(RING_3, FROM_RING_3)?;
    Ok(())
}
