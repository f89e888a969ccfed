//! Statistics of the report: pure functions on slices, with no input or output of their own.
//!
//! - [`quantile`]: quantiles, median, median absolute deviation;
//! - [`interval`]: the 95 % interval of a median;
//! - [`ratio`]: the ratio of two quantities, paired by round, with its 95 % interval;
//! - [`change`]: the change between two independent samples, and Holm's correction for many of them;
//! - [`compare`]: the verdict on a ratio, given the noise floor;
//! - [`detectable`]: the smallest effect that could have been seen;
//! - [`bootstrap`]: intervals of any statistic by resampling, as a second opinion;
//! - [`drift`]: whether the level of a series changed while it was measured;
//! - [`outliers`]: how many values lie far out.
//!
//! The distributions are `statrs`'s. `tests/statistics.rs` holds all of it against SciPy.
//!
//! No sample, a sample that is not finite, or too few samples for an interval is `None`, never a
//! number that looks like one.

pub mod bootstrap;
pub mod change;
pub mod compare;
pub mod detectable;
pub mod drift;
pub mod interval;
pub mod outliers;
pub mod quantile;
pub mod ratio;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod shapes;

pub use change::{Change, change, holm};
pub use compare::{Verdict, verdict, verdict_of_difference};
pub use detectable::detectable;
pub use drift::{Shift, shift};
pub use interval::{CONFIDENCE, Interval, median_interval};
pub use outliers::Outliers;
pub use quantile::{mad, median, quantile};
pub use ratio::{Ratio, paired_ratio};
