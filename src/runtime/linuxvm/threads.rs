//! The threads of a Linux guest's VMM: one for each vCPU, and one that waits for standard input where the guest has a
//! console for it. Whichever sees the guest's end ends the process, and so the others, wherever they are.

use std::os::fd::RawFd;
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread::{Builder, park, scope};

use kvm_ioctls::{VcpuFd, VmFd};

use super::devices::Devices;
use super::run_loop::Guest;
use crate::runtime::board::VmReport;
use crate::runtime::seccomp::Filter;
use crate::runtime::virtio::bus::BrokenDevice;
use crate::runtime::virtio::input::Attended;
use crate::runtime::virtio::transport::Registers;
use crate::runtime::vmm::confine::confine;
use crate::runtime::vmm::process::{Failed, leave};
use crate::runtime::vmm::report::{self, Ending};
use crate::runtime::vmm::resident::Resident;

/// Stack of a thread.
const STACK: usize = 128 << 10;

/// A VM and its guest, as all threads see them.
pub struct Vm<'a> {
    /// What a thread may still do once the guest runs.
    pub filter: &'a Filter,
    /// What the user should know about every trial.
    pub notes: &'a [String],
    /// Configured memory.
    pub memory_bytes: u64,
    /// The VM.
    pub vm: &'a VmFd,
    /// Its vCPUs, whose counters KVM keeps.
    pub vcpus: Vec<RawFd>,
    /// The guest.
    pub guest: Guest<'a>,
    /// Held by the thread that ends the process.
    pub resident: Mutex<Resident>,
}

/// What a thread does until the guest ends.
type Work<'a> = Box<dyn FnOnce() -> Ending + Send + 'a>;

impl Vm<'_> {
    /// Runs every vCPU in a thread of its own, the first in this one.
    ///
    /// # Errors
    /// When there is no vCPU.
    pub fn run(&self, vcpus: Vec<VcpuFd>, devices: &Devices) -> Result<i32, Failed> {
        let mut others = vcpus.into_iter();
        let Some(mut first) = others.next() else { return Err(Failed("a VM without a vCPU", 0)) };
        let others = others.map(|mut vcpu| -> Work<'_> { Box::new(move || self.guest.run(&mut vcpu)) });
        let input =
            devices.console.iter().map(|console| -> Work<'_> { Box::new(|| wait_for_input(console)) });
        let works: Vec<Work<'_>> = others.chain(input).collect();
        // All begin together, when each has confined itself: from then on no thread may be made.
        let begin = Barrier::new(works.len() + 1);
        scope(|scope| -> Result<i32, Failed> {
            for work in works {
                let begin = &begin;
                let started = Builder::new().stack_size(STACK).spawn_scoped(scope, move || {
                    self.confine(begin);
                    self.end(work())
                });
                // Those before it wait for all: there is no way out but to end the process.
                if let Err(error) = started {
                    leave(self.guest.board, Err(Failed::at("starting a thread of the VMM")(error)));
                }
            }
            self.confine(&begin);
            self.guest.board.phase("confine");
            self.end(self.guest.run(&mut first))
        })
    }

    fn confine(&self, begin: &Barrier) {
        if let Err(error) = confine(self.filter) {
            leave(self.guest.board, Err(Failed::at("confining the VMM")(error)));
        }
        begin.wait();
    }

    /// The guest has ended: tells everything and ends this process with all its threads. Only the first who
    /// comes does that; the others wait for it.
    fn end(&self, ending: Ending) -> ! {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        let board = self.guest.board;
        let [.., exited] = board.milestones();
        if exited.is_none() {
            board.exited();
        }
        board.phase("run");
        let status = ending.tell(board);
        board.publish(&self.report(&mut resident));
        board.phase("report");
        leave(board, Ok(status))
    }

    fn report(&self, resident: &mut Resident) -> VmReport {
        let mut notes = self.notes.to_vec();
        let shared = self.guest.shared();
        if shared.progress.oom_kills > 0 {
            notes.push(
                "the guest's Linux ran out of memory and killed a process; give more with --memory".into(),
            );
        }
        VmReport {
            vm_exits: shared.exits.report(),
            kvm_stats: report::kvm_stats(self.vm, &self.vcpus, &mut notes),
            guest_syscalls: None,
            missing_calls: Vec::new(),
            memory: Some(report::memory(self.guest.memory, self.memory_bytes, resident, &mut notes)),
            guest_ns: shared.guest_ns,
            guest_clock: None,
            notes,
        }
    }
}

/// Passes standard input on, which ends the guest only when it breaks the console's rules.
fn wait_for_input(console: &Attended) -> Ending {
    match console.attend() {
        Err(broken) => Ending::Death(BrokenDevice { device: console.lock().name(), broken }.into()),
        Ok(()) => loop {
            park();
        },
    }
}
