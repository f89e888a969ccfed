//! Measuring: clocks, memory and CPU accounting, host facts.

pub mod clock;
pub mod footprint;
pub mod host;
pub mod processes;
