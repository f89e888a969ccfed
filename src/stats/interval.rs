//! The 95 % interval of a median.
//!
//! Between the k-th smallest and the k-th largest of n independent samples lies the population's
//! median with a probability that is known exactly and is the same for every continuous
//! distribution: the number of samples below the median is binomial (n, ½). No resampling, no
//! seed, no assumption of normality, and it never covers less than it promises; the percentile
//! bootstrap, which needs all three, covers less at small n. (Conover, *Practical Nonparametric
//! Statistics*, 3.2.)

use serde::{Deserialize, Serialize};

use super::quantile::sorted;

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// A 95 % interval, `low ≤ high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// True when `value` lies in it, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Half its width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// The 95 % interval of the median. Fewer than 6 samples cannot give one: even the whole range of 5
/// misses the median once in 16 times.
pub fn median_interval(values: &[f64]) -> Option<Interval> {
    median_interval_of_sorted(&sorted(values)?)
}

/// As [`median_interval`], of a finite sample in ascending order.
pub fn median_interval_of_sorted(sorted: &[f64]) -> Option<Interval> {
    let below = ranks_outside(sorted.len()).checked_sub(1)?;
    Some(Interval { low: *sorted.get(below)?, high: *sorted.get(sorted.len() - 1 - below)? })
}

/// The largest k for which P(Binomial(n, ½) < k) ≤ (1 − [`CONFIDENCE`]) / 2; 0 when there is none.
fn ranks_outside(n: usize) -> usize {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    // Logarithms, since 2⁻ⁿ underflows for n > 1074.
    let mut ln_probability = -(n as f64) * std::f64::consts::LN_2;
    let mut cumulated = 0.0;
    for k in 0..=n / 2 {
        cumulated += ln_probability.exp();
        if cumulated > tail {
            return k;
        }
        ln_probability += ((n - k) as f64 / (k + 1) as f64).ln();
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::quantile::median;
    use super::*;

    #[test]
    fn ranks_agree_with_published_tables() {
        // Conover, table A3: ranks of the 95 % interval of the median.
        for (n, k) in
            [(5, 0), (6, 1), (8, 1), (9, 2), (10, 2), (15, 4), (20, 6), (25, 8), (50, 18), (100, 40)]
        {
            assert_eq!(ranks_outside(n), k, "n = {n}");
        }
        // Far beyond the underflow of 2⁻ⁿ: n/2 − 0.98 √n.
        assert!((49_600..=49_700).contains(&ranks_outside(100_000)), "{}", ranks_outside(100_000));
    }

    #[test]
    fn too_few_samples_give_no_interval() {
        for n in 0..6 {
            assert_eq!(median_interval(&vec![1.0; n]), None, "n = {n}");
        }
        assert_eq!(median_interval(&[f64::NAN; 20]), None);
        let all_alike = median_interval(&[7.0; 6]).unwrap();
        assert_eq!((all_alike.low, all_alike.high), (7.0, 7.0));
    }

    proptest! {
        #[test]
        fn contains_the_median_and_scales(sample in prop::collection::vec(-1e12..1e12f64, 6..80), power in -8..8i32) {
            let interval = median_interval(&sample).unwrap();
            prop_assert!(interval.contains(median(&sample).unwrap()));
            let scale = 2f64.powi(power);
            let scaled = median_interval(&sample.iter().map(|v| v * scale).collect::<Vec<_>>()).unwrap();
            prop_assert_eq!((scaled.low, scaled.high), (interval.low * scale, interval.high * scale));
        }
    }
}
