//! Time from the time stamp counter, on the host's clocks.

use guest_abi::{ClockPage, layout};

use crate::registers;

pub const NS_PER_SECOND: u64 = 1_000_000_000;

/// Turns the counter into time.
#[derive(Clone, Copy)]
pub struct Clock;

impl Clock {
    fn page(&self) -> &'static ClockPage {
        // SAFETY: the VMM has filled in this page before the first instruction, nobody writes to it
        // afterwards, it is mapped for ever, and any bit pattern is valid.
        unsafe { &*((layout::KERNEL_BASE + layout::CLOCK_PAGE) as *const ClockPage) }
    }

    /// The vDSO reckons in the same way, so the two agree.
    fn since_boot(&self) -> u64 {
        let ticks = registers::time_stamp().wrapping_sub(self.page().tsc_base);
        ((u128::from(ticks) * u128::from(self.page().tsc_scale)) >> 32) as u64
    }

    /// The host's `CLOCK_MONOTONIC`, in nanoseconds.
    pub fn monotonic(&self) -> u64 {
        self.page().monotonic_ns + self.since_boot()
    }

    /// `CLOCK_REALTIME`, in nanoseconds.
    pub fn realtime(&self) -> u64 {
        self.page().realtime_ns + self.since_boot()
    }

    /// Nanoseconds since the program started.
    pub fn uptime(&self) -> u64 {
        self.since_boot()
    }

    /// The clock with this Linux number. CPU time clocks count the time since the start: one processor
    /// is the program's alone.
    pub fn read(&self, clock: u64) -> Option<u64> {
        match clock {
            0 | 5 | 8 => Some(self.realtime()),
            1 | 4 | 6 | 7 => Some(self.monotonic()),
            2 | 3 => Some(self.uptime()),
            // CLOCK_TAI: no leap seconds are known here.
            11 => Some(self.realtime()),
            _ => None,
        }
    }
}
