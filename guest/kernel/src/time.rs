//! Time from the time stamp counter, on the host's clocks.

use guest_abi::BootInfo;

use crate::registers;

pub const NS_PER_SECOND: u64 = 1_000_000_000;

/// Turns the counter into time.
pub struct Clock {
    tsc_base: u64,
    tsc_scale: u64,
    monotonic_ns: u64,
    realtime_ns: u64,
}

impl Clock {
    pub fn new(boot: &BootInfo) -> Clock {
        Clock {
            tsc_base: boot.tsc_base,
            tsc_scale: boot.tsc_scale,
            monotonic_ns: boot.monotonic_ns,
            realtime_ns: boot.realtime_ns,
        }
    }

    fn since_boot(&self) -> u64 {
        let ticks = registers::time_stamp().wrapping_sub(self.tsc_base);
        (u128::from(ticks) * u128::from(self.tsc_scale) >> 32) as u64
    }

    /// The host's `CLOCK_MONOTONIC`, in nanoseconds.
    pub fn monotonic(&self) -> u64 {
        self.monotonic_ns + self.since_boot()
    }

    /// `CLOCK_REALTIME`, in nanoseconds.
    pub fn realtime(&self) -> u64 {
        self.realtime_ns + self.since_boot()
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
