//! The ratio of two medians, paired by round.
//!
//! Both members of a pair come from the same round, so whatever slows a whole round down (another
//! tenant, a frequency change) hits both, and resampling *rounds* rather than trials keeps that
//! correlation. Up to [`BOOTSTRAP_ROUNDS`] rounds the interval is the percentile bootstrap (Efron
//! and Tibshirani, *An Introduction to the Bootstrap*, 13); with more, its limit in closed form,
//! which by then is the same interval at a thousandth of the work.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::interval::{Interval, Method, median_interval_of_sorted};
use super::quantile::{quantile_of_sorted, sorted};

/// Up to this many rounds the interval is a bootstrap.
pub const BOOTSTRAP_ROUNDS: usize = 400;

/// Resamples of one bootstrap.
pub const RESAMPLES: usize = 2_000;

/// With fewer rounds there is no interval, as for a single median.
const LEAST_ROUNDS: usize = 6;

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_964;

/// A ratio of medians.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Median of the numerators ÷ median of the denominators.
    pub ratio: f64,
    /// Its 95 % interval; `None` below 6 rounds.
    pub interval: Option<Interval>,
    /// Pairs it rests on.
    pub rounds: usize,
}

/// The ratio of the medians of `pairs`, each (numerator, denominator) of one round. `None` without
/// pairs, or when a value is negative or not finite, or when the denominators' median is 0.
pub fn ratio_of_medians(pairs: &[(f64, f64)], seed: u64) -> Option<Ratio> {
    if pairs.iter().any(|&(a, b)| a < 0.0 || b < 0.0) {
        return None;
    }
    let above = Ranked::new(pairs.iter().map(|pair| pair.0))?;
    let below = Ranked::new(pairs.iter().map(|pair| pair.1))?;
    let ratio = above.median()? / below.median()?;
    if !ratio.is_finite() {
        return None;
    }
    let interval = match pairs.len() {
        n if n < LEAST_ROUNDS => None,
        n if n <= BOOTSTRAP_ROUNDS => bootstrap(&above, &below, seed),
        _ => large_sample(pairs, &above, &below),
    }
    // A resample's interval is not bound to hold the estimate itself; a reader expects it to.
    .map(|interval| Interval {
        low: interval.low.min(ratio),
        high: interval.high.max(ratio),
        ..interval
    });
    Some(Ratio { ratio, interval, rounds: pairs.len() })
}

/// A sample in ascending order, and each round's place in it.
struct Ranked {
    sorted: Vec<f64>,
    rank_of_round: Vec<usize>,
}

impl Ranked {
    fn new(values: impl Iterator<Item = f64>) -> Option<Ranked> {
        let values: Vec<f64> = values.collect();
        let mut rounds: Vec<usize> = (0..values.len()).collect();
        rounds.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut rank_of_round = vec![0; values.len()];
        for (rank, &round) in rounds.iter().enumerate() {
            rank_of_round[round] = rank;
        }
        Some(Ranked { sorted: sorted(&values)?, rank_of_round })
    }

    fn median(&self) -> Option<f64> {
        quantile_of_sorted(&self.sorted, 0.5)
    }

    /// The median of a resample in which the value of rank `i` occurs `counts[i]` times. Counting
    /// ranks spares sorting every resample.
    fn resampled_median(&self, counts: &[u32]) -> f64 {
        let n = self.sorted.len();
        let (lower, upper) = ((n - 1) / 2, n / 2);
        let mut seen = 0;
        let mut low = None;
        for (value, &count) in self.sorted.iter().zip(counts) {
            seen += count as usize;
            if seen > lower {
                low.get_or_insert(*value);
            }
            if seen > upper {
                return low.map_or(*value, |low| low + (value - low) / 2.0);
            }
        }
        f64::NAN // not reached: the counts add up to n
    }
}

fn bootstrap(above: &Ranked, below: &Ranked, seed: u64) -> Option<Interval> {
    let n = above.sorted.len();
    let mut random = StdRng::seed_from_u64(seed);
    let (mut counts_above, mut counts_below) = (vec![0u32; n], vec![0u32; n]);
    let mut ratios = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        counts_above.fill(0);
        counts_below.fill(0);
        for _ in 0..n {
            let round = random.random_range(0..n);
            counts_above[above.rank_of_round[round]] += 1;
            counts_below[below.rank_of_round[round]] += 1;
        }
        ratios.push(above.resampled_median(&counts_above) / below.resampled_median(&counts_below));
    }
    // A resample whose denominator is 0 has no ratio, and then the whole has no interval.
    let ratios = sorted(&ratios)?;
    Some(Interval {
        low: quantile_of_sorted(&ratios, 0.025)?,
        high: quantile_of_sorted(&ratios, 0.975)?,
        method: Method::Bootstrap,
    })
}

/// On the logarithmic scale a median's error is normal in the limit, with the standard error that its
/// order-statistic interval shows, and the errors of two paired medians have the correlation
/// 4·P(both at most their median) − 1 (from Bahadur's representation of a quantile).
fn large_sample(pairs: &[(f64, f64)], above: &Ranked, below: &Ranked) -> Option<Interval> {
    let (a, b) = (above.median()?, below.median()?);
    let standard_error = |ranked: &Ranked| {
        let interval = median_interval_of_sorted(&ranked.sorted)?;
        let width = (interval.high / interval.low).ln();
        width.is_finite().then_some(width / (2.0 * Z))
    };
    let (error_a, error_b) = (standard_error(above)?, standard_error(below)?);
    let both = pairs.iter().filter(|pair| pair.0 <= a && pair.1 <= b).count() as f64 / pairs.len() as f64;
    let correlation = (4.0 * both - 1.0).clamp(-1.0, 1.0);
    let variance = error_a.powi(2) + error_b.powi(2) - 2.0 * correlation * error_a * error_b;
    let factor = (Z * variance.max(0.0).sqrt()).exp();
    Some(Interval { low: a / b / factor, high: a / b * factor, method: Method::LargeSample })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::Rng; // by name, since proptest's prelude brings another Rng

    use super::*;

    #[test]
    fn degenerate_samples() {
        assert_eq!(ratio_of_medians(&[], 1), None);
        assert_eq!(ratio_of_medians(&[(1.0, 0.0)], 1), None);
        assert_eq!(ratio_of_medians(&[(1.0, f64::NAN)], 1), None);
        assert_eq!(ratio_of_medians(&[(-1.0, 1.0)], 1), None);
        assert_eq!(ratio_of_medians(&[(3.0, 2.0)], 1), Some(Ratio { ratio: 1.5, interval: None, rounds: 1 }));
        for rounds in [6, BOOTSTRAP_ROUNDS + 1] {
            let alike = ratio_of_medians(&vec![(3.0, 2.0); rounds], 1).unwrap();
            let interval = alike.interval.unwrap();
            assert!(
                (interval.low - 1.5).abs() < 1e-12 && (interval.high - 1.5).abs() < 1e-12,
                "{interval:?}"
            );
        }
        // Some resamples have a zero median: a ratio, but no interval to trust.
        let zeros = [(1.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)];
        assert_eq!(ratio_of_medians(&zeros, 1).unwrap().interval, None);
    }

    #[test]
    fn pairing_cancels_what_a_whole_round_shares() {
        // Rounds differ tenfold, the two members of a round by exactly 1 %.
        let pairs: Vec<(f64, f64)> =
            (1..=60).map(|round| (f64::from(round) * 1.01, f64::from(round))).collect();
        let interval = ratio_of_medians(&pairs, 7).unwrap().interval.unwrap();
        assert!(interval.half_width() < 1e-9, "{interval:?}");
    }

    #[test]
    fn the_closed_form_agrees_with_the_bootstrap_where_they_meet() {
        let mut random = StdRng::seed_from_u64(3);
        let pairs: Vec<(f64, f64)> = (0..BOOTSTRAP_ROUNDS)
            .map(|_| {
                let shared: f64 = random.random_range(1.0..1.5);
                (shared * random.random_range(1.0..1.2), shared * random.random_range(1.0..1.2))
            })
            .collect();
        let (above, below) = (
            Ranked::new(pairs.iter().map(|p| p.0)).unwrap(),
            Ranked::new(pairs.iter().map(|p| p.1)).unwrap(),
        );
        let resampled = bootstrap(&above, &below, 1).unwrap();
        let closed = large_sample(&pairs, &above, &below).unwrap();
        let widths = closed.half_width() / resampled.half_width();
        assert!((0.8..1.25).contains(&widths), "{resampled:?} {closed:?}");
    }

    proptest! {
        #[test]
        fn holds_the_estimate_and_ignores_the_unit(
            pairs in prop::collection::vec((1.0..1e9f64, 1.0..1e9f64), 6..60), seed: u64, power in -8..8i32,
        ) {
            let ratio = ratio_of_medians(&pairs, seed).unwrap();
            prop_assert!(ratio.interval.unwrap().contains(ratio.ratio));
            let scale = 2f64.powi(power);
            let scaled: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (a * scale, b * scale)).collect();
            prop_assert_eq!(ratio_of_medians(&scaled, seed).unwrap(), ratio, "same seed, same answer");
        }
    }
}
