//! Measuring: clocks, memory and CPU accounting, host facts.

pub mod clock;
pub mod cpu;
pub mod footprint;
pub mod host;
pub mod host_memory;
pub mod page_cache;
pub mod processes;
pub mod room;
