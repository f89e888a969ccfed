//! Runs the vCPUs of a Linux guest and answers their exits. The guest is hostile: nothing that it does makes the
//! VMM fail.

use std::io::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use guest_abi::linux::InitCall;
use kvm_ioctls::{VcpuExit, VcpuFd};

use super::calls::{self, Progress};
use super::console::Console;
use super::devices::Devices;
use super::layout::{RESTART_KIND, WARM_RESTART};
use super::machine;
use super::ports::*;
use crate::measure::clock::monotonic_ns;
use crate::runtime::board::Board;
use crate::runtime::trial::{Death, DeathCause};
use crate::runtime::vmm::death::{by_internal_error, by_triple_fault, by_unexpected_exit};
use crate::runtime::vmm::exits::Exits;
use crate::runtime::vmm::guest_memory::GuestMemory;
use crate::runtime::vmm::report::Ending;

/// What all vCPUs of a guest share.
pub struct Guest<'a> {
    /// Its memory.
    pub memory: &'a GuestMemory,
    /// Its devices in memory.
    pub devices: &'a Devices,
    /// Where its progress is written.
    pub board: &'a Board,
    /// Linux' log is wanted at the end.
    pub log: bool,
    /// The rest, used by one vCPU at a time.
    pub shared: Mutex<Shared<'a>>,
}

/// See [`Guest::shared`].
pub struct Shared<'a> {
    /// The serial console.
    pub console: Console<'a>,
    /// Exits so far.
    pub exits: Exits,
    /// Time inside `KVM_RUN`, of all vCPUs together.
    pub guest_ns: u64,
    /// What init has told.
    pub progress: Progress,
}

/// What is to be done after an exit.
enum Next {
    Run,
    End(Ending),
    /// The kernel has unpacked itself.
    Unpacked,
}

impl<'a> Guest<'a> {
    /// A guest that has not run yet.
    pub fn new(memory: &'a GuestMemory, devices: &'a Devices, board: &'a Board, log: bool) -> Guest<'a> {
        let shared = Shared {
            console: Console::new(board),
            exits: Exits::default(),
            guest_ns: 0,
            progress: Progress::default(),
        };
        Guest { memory, devices, board, log, shared: Mutex::new(shared) }
    }

    /// What the vCPUs share.
    pub fn shared(&self) -> MutexGuard<'_, Shared<'a>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one vCPU until the guest ends.
    pub fn run(&self, vcpu: &mut VcpuFd) -> Ending {
        loop {
            let entered_ns = monotonic_ns();
            let exit = vcpu.run();
            let exited_ns = monotonic_ns();
            let (reason, next) = match exit {
                Ok(VcpuExit::IoOut(calls::PORT, data)) => {
                    let number = <[u8; 4]>::try_from(data).map_or(0, u32::from_le_bytes);
                    self.call(number, vcpu)
                }
                Ok(VcpuExit::Shutdown) => ("shutdown", died(by_triple_fault(rip(vcpu)))),
                Ok(VcpuExit::InternalError) => {
                    // SAFETY: for this exit reason KVM has filled in the `internal` member.
                    let suberror = unsafe { vcpu.get_kvm_run().__bindgen_anon_1.internal.suberror };
                    ("internal_error", died(by_internal_error(suberror, rip(vcpu))))
                }
                Ok(exit) => self.answer(exit),
                Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {
                    ("interrupted", Next::Run)
                }
                Err(error) => {
                    ("failed", died(by_unexpected_exit(&format!("KVM_RUN failed ({error})"), None)))
                }
            };
            let next = match next {
                Next::Unpacked => {
                    self.board.phase("decompression");
                    match machine::stop_at(vcpu, None) {
                        Ok(()) => Next::Run,
                        Err(error) => {
                            died(by_unexpected_exit(&format!("KVM_SET_GUEST_DEBUG failed ({error})"), None))
                        }
                    }
                }
                other => other,
            };
            let mut shared = self.shared();
            shared.guest_ns += exited_ns - entered_ns;
            shared.exits.count(reason, monotonic_ns() - exited_ns);
            if let Next::End(ending) = next {
                return ending;
            }
        }
    }

    fn call(&self, number: u32, vcpu: &VcpuFd) -> (&'static str, Next) {
        let Some(call) = InitCall::from_number(number) else {
            let error = Error::other(format!("call {number}"));
            return ("doorbell", died(calls::broken(&error)));
        };
        let mut shared = self.shared();
        let answered = calls::answer(call, vcpu, self.memory, self.board, self.log, &mut shared.progress);
        let next = match answered {
            Ok(None) => Next::Run,
            Ok(Some(ending)) => Next::End(ending),
            Err(error) => died(calls::broken(&error)),
        };
        (call.name(), next)
    }

    fn answer(&self, exit: VcpuExit<'_>) -> (&'static str, Next) {
        match exit {
            VcpuExit::IoOut(port, data) => self.port_write(port, data),
            VcpuExit::IoIn(port, data) => {
                data.fill(0xff);
                if Console::has(port) {
                    self.shared().console.read(port, data);
                    return ("io_in:serial", Next::Run);
                }
                // The keyboard controller is always ready for a command.
                if port == KEYBOARD_COMMAND {
                    data.fill(0);
                }
                ("io_in:other", Next::Run)
            }
            VcpuExit::MmioRead(address, data) => (self.devices.read(address, data), Next::Run),
            VcpuExit::MmioWrite(address, data) => match self.devices.write(address, data) {
                Ok(name) => (name, Next::Run),
                Err(broken) => (broken.device, died(broken.into())),
            },
            VcpuExit::Debug(_) => ("debug", Next::Unpacked),
            VcpuExit::Intr => ("interrupted", Next::Run),
            VcpuExit::FailEntry(reason, _) => (
                "fail_entry",
                died(by_unexpected_exit(&format!("KVM_EXIT_FAIL_ENTRY (reason {reason:#x})"), None)),
            ),
            other => ("other", died(by_unexpected_exit(&format!("{other:?}"), None))),
        }
    }

    fn port_write(&self, port: u16, data: &[u8]) -> (&'static str, Next) {
        let first = data.first().copied().unwrap_or(0);
        match port {
            _ if Console::has(port) => {
                self.shared().console.write(port, data);
                ("io_out:serial", Next::Run)
            }
            POWER if first == SLEEP_ENABLE | POWER_OFF_STATE << SLEEP_STATE_SHIFT => {
                ("power_off", died(powered_off()))
            }
            RESET | CHIPSET_RESET => ("restart", died(self.restarted())),
            KEYBOARD_COMMAND if first == KEYBOARD_RESTART => ("restart", died(self.restarted())),
            _ => ("io_out:other", Next::Run),
        }
    }

    /// Linux restarts, which it does when it panics too.
    fn restarted(&self) -> Death {
        let mut kind = [0; 2];
        let panicked =
            self.memory.read(RESTART_KIND, &mut kind).is_ok() && u16::from_le_bytes(kind) == WARM_RESTART;
        if !panicked {
            return Death {
                cause: DeathCause::GuestRestart,
                address: None,
                message: "the guest restarted before the workload had ended".into(),
            };
        }
        let said = panic_message(&self.board.console_text()).unwrap_or_else(|| "it said nothing".into());
        Death {
            cause: DeathCause::GuestKernelPanic,
            address: None,
            message: format!("the guest's Linux panicked: {said}"),
        }
    }
}

fn rip(vcpu: &VcpuFd) -> Option<u64> {
    vcpu.get_regs().ok().map(|regs| regs.rip)
}

fn died(death: Death) -> Next {
    Next::End(Ending::Death(death))
}

fn powered_off() -> Death {
    Death {
        cause: DeathCause::GuestPowerOff,
        address: None,
        message: "the guest powered itself off before the workload had ended".into(),
    }
}

/// What Linux wrote about its panic.
fn panic_message(console: &str) -> Option<String> {
    const START: &str = "Kernel panic - not syncing: ";
    let line = console.lines().rev().find_map(|line| line.split_once(START))?.1;
    Some(line.trim().to_owned())
}
