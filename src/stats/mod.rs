//! Statistics of the report: pure functions on slices, with no input or output of their own.
//!
//! - [`quantile`]: quantiles, median, median absolute deviation;
//! - [`interval`]: the 95 % interval of a median;
//! - [`ratio`]: the ratio of two quantities, paired by round, with its 95 % interval;
//! - [`change`]: the change between two independent samples, and Holm's correction for many of them;
//! - [`compare`]: the verdict on a ratio, given the noise floor.
//!
//! No sample, a sample that is not finite, or too few samples for an interval is `None`, never a
//! number that looks like one.

pub mod change;
pub mod compare;
pub mod interval;
pub mod quantile;
pub mod ratio;

#[cfg(test)]
mod coverage;

pub use change::{Change, change, holm};
pub use compare::{Verdict, verdict, verdict_of_difference};
pub use interval::{CONFIDENCE, Interval, median_interval};
pub use quantile::{mad, median, quantile};
pub use ratio::{Ratio, paired_ratio};
