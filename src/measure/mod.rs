//! Measuring: clocks, memory and CPU accounting, host facts.

pub mod clock;
