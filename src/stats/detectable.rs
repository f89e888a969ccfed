//! The smallest effect that a measurement could have seen. "No measurable difference" says little without it.

use statrs::distribution::{ContinuousCDF, Normal};

use super::interval::{CONFIDENCE, Interval};

/// An effect counts as one that can be seen when it is found this often.
pub const POWER: f64 = 0.8;

/// The smallest effect (0.1: slower by 10 %) that a ratio with this `interval` finds with [`POWER`], where a
/// ratio up to `noise` (at least 1) is no difference.
///
/// The interval's own width tells the standard error of the ratio's logarithm, whatever the
/// distribution; a difference is found when the estimate is beyond both the interval's reach and the
/// noise, and the estimate scatters around the truth by that standard error. `None` for an interval that is not
/// positive.
pub fn detectable(interval: &Interval, noise: f64) -> Option<f64> {
    let standard = Normal::standard();
    let two_sided = standard.inverse_cdf(1.0 - (1.0 - CONFIDENCE) / 2.0);
    if !(interval.low > 0.0 && interval.high.is_finite() && noise.is_finite()) {
        return None;
    }
    let standard_error = (interval.high / interval.low).ln() / (2.0 * two_sided);
    let threshold = (two_sided * standard_error).max(noise.max(1.0).ln());
    Some((threshold + standard.inverse_cdf(POWER) * standard_error).exp_m1())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::super::shapes::{SHAPES, normal};
    use super::super::{Verdict, paired_ratio, verdict};
    use super::*;

    #[test]
    fn wider_intervals_and_more_noise_see_less() {
        let at = |low, high, noise| detectable(&Interval { low, high }, noise).unwrap();
        // 1.96 + 0.84 standard errors of 0.01.
        let narrow = at((-0.0196f64).exp(), 0.0196f64.exp(), 1.0);
        assert!((narrow - 0.0284).abs() < 0.000_2, "{narrow}");
        assert!(at(0.9, 1.1, 1.0) > narrow && at(0.99, 1.01, 1.05) > 0.05);
        assert_eq!(at(1.0, 1.0, 1.0), 0.0);
        assert_eq!(detectable(&Interval { low: 0.0, high: 1.0 }, 1.0), None);
    }

    /// Effects of that size are found about as often as promised, with a noise floor and without.
    #[test]
    fn effects_of_that_size_are_found_four_times_of_five() {
        let mut random = StdRng::seed_from_u64(8);
        let floor = Interval { low: 1.0 / 1.03, high: 1.03 };
        for floor in [None, Some(&floor)] {
            let mut pairs = |slower: f64| -> Vec<(f64, f64)> {
                let mut round = || {
                    let shared = (SHAPES[1].draw)(&mut random);
                    let mut one = || shared * (0.05 * normal(&mut random)).exp();
                    (slower * one(), one())
                };
                (0..60).map(|_| round()).collect()
            };
            let noise = floor.map_or(1.0, |floor| floor.high);
            let sizes: Vec<f64> =
                (0..200).filter_map(|_| detectable(&paired_ratio(&pairs(1.0))?.interval?, noise)).collect();
            let typical = super::super::median(&sizes).unwrap();
            let found = (0..400)
                .filter(|_| verdict(&paired_ratio(&pairs(1.0 + typical)).unwrap(), floor) == Verdict::Larger);
            let power = found.count() as f64 / 400.0;
            assert!((0.7..=0.9).contains(&power), "{typical} is found with {power}, floor {floor:?}");
        }
    }
}
