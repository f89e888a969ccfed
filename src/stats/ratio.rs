//! The ratio of two quantities, paired by round.
//!
//! Both members of a pair come from the same round, so whatever slows a whole round down (another
//! tenant, a change of frequency) hits both and cancels in their quotient. The estimate is therefore
//! the median over rounds of the ratio within a round, and its interval the exact one of
//! [`super::interval`]. Against the ratio of the two medians with a bootstrap over rounds it is
//! narrower wherever rounds differ, and needs neither a seed nor resampling.

use serde::{Deserialize, Serialize};

use super::interval::{Interval, median_interval_of_sorted};
use super::quantile::{quantile_of_sorted, sorted};

/// A ratio over rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Median over rounds of numerator ÷ denominator.
    pub ratio: f64,
    /// Its 95 % interval; `None` below 6 rounds.
    pub interval: Option<Interval>,
    /// Pairs it rests on.
    pub rounds: usize,
}

/// The ratio of `pairs`, each (numerator, denominator) of one round. `None` without pairs, or when a
/// value is negative or not finite, or a denominator is 0.
pub fn paired_ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    if pairs.iter().any(|&(above, below)| above < 0.0 || below <= 0.0) {
        return None;
    }
    let ratios = sorted(&pairs.iter().map(|(above, below)| above / below).collect::<Vec<_>>())?;
    Some(Ratio {
        ratio: quantile_of_sorted(&ratios, 0.5)?,
        interval: median_interval_of_sorted(&ratios),
        rounds: ratios.len(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn degenerate_samples() {
        assert_eq!(paired_ratio(&[]), None);
        assert_eq!(paired_ratio(&[(1.0, 0.0)]), None);
        assert_eq!(paired_ratio(&[(1.0, f64::NAN)]), None);
        assert_eq!(paired_ratio(&[(-1.0, 1.0)]), None);
        assert_eq!(paired_ratio(&[(3.0, 2.0)]), Some(Ratio { ratio: 1.5, interval: None, rounds: 1 }));
        let alike = paired_ratio(&[(3.0, 2.0); 6]).unwrap();
        assert_eq!(alike.interval, Some(Interval { low: 1.5, high: 1.5 }));
    }

    #[test]
    fn pairing_cancels_what_a_whole_round_shares() {
        // Rounds differ sixtyfold, the two members of a round by exactly 1 %.
        let pairs: Vec<(f64, f64)> =
            (1..=60).map(|round| (f64::from(round) * 1.01, f64::from(round))).collect();
        let interval = paired_ratio(&pairs).unwrap().interval.unwrap();
        assert!(interval.half_width() < 1e-12 && interval.contains(1.01), "{interval:?}");
    }

    proptest! {
        #[test]
        fn holds_the_estimate_and_ignores_the_unit(
            pairs in prop::collection::vec((1.0..1e9f64, 1.0..1e9f64), 6..60), power in -8..8i32,
        ) {
            let ratio = paired_ratio(&pairs).unwrap();
            prop_assert!(ratio.interval.unwrap().contains(ratio.ratio));
            let scale = 2f64.powi(power);
            let scaled: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (a * scale, b * scale)).collect();
            prop_assert_eq!(paired_ratio(&scaled).unwrap(), ratio);
        }
    }
}
