//! Bootstrap intervals: of any statistic, by resampling (Efron and Tibshirani, *An Introduction to the
//! Bootstrap*, 13 and 14).
//!
//! What they are used for here: a second opinion beside the intervals between order statistics, in the report's
//! table of how far the numbers can be trusted, and statistics for which there is no exact interval. They
//! are no first choice for a median: its bootstrap distribution is lumpy, and the jackknife, on which the
//! acceleration of BCa rests, is not consistent for quantiles; at n = 20 both cover less than they promise (`coverage.rs`).

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::interval::{CONFIDENCE, Interval};
use super::quantile::{median, quantile_of_sorted, sorted};

/// Enough that the ends of a 95 % interval move by a few percent of its width from seed to seed.
pub const RESAMPLES: usize = 2_000;

/// How an interval is read off the bootstrap distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Its 2.5 % and 97.5 % quantiles.
    Percentile,
    /// Quantiles corrected for bias and skewness (bias-corrected and accelerated).
    Bca,
}

/// What an interval is wanted of. Every group is resampled by itself.
pub type Statistic<'a, T> = &'a dyn Fn(&[Vec<T>]) -> Option<f64>;

/// The 95 % interval of `statistic` over independent `groups`, from `resamples` resamples. `None` for a group
/// of fewer than 2 values, or when the statistic has no value.
pub fn interval<T: Copy>(
    groups: &[&[T]],
    statistic: Statistic<'_, T>,
    method: Method,
    resamples: usize,
    seed: u64,
) -> Option<Interval> {
    if groups.is_empty() || groups.iter().any(|group| group.len() < 2) {
        return None;
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut drawn: Vec<Vec<T>> = groups.iter().map(|group| group.to_vec()).collect();
    let estimate = statistic(&drawn)?;
    let mut estimates = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for (own, group) in drawn.iter_mut().zip(groups) {
            resample(own, group, &mut random);
        }
        estimates.push(statistic(&drawn)?);
    }
    let distribution = sorted(&estimates)?;
    let tails = match method {
        Method::Percentile => [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0],
        Method::Bca => corrected_tails(&distribution, estimate, acceleration(groups, statistic)?)?,
    };
    let [low, high] = tails.map(|p| quantile_of_sorted(&distribution, p));
    Some(Interval { low: low?, high: high? })
}

/// The interval of a median.
pub fn of_median(values: &[f64], method: Method, seed: u64) -> Option<Interval> {
    interval(&[values], &|groups| median(groups.first()?), method, RESAMPLES, seed)
}

/// The interval of median(above) ÷ median(below) of independent samples.
pub fn of_median_ratio(above: &[f64], below: &[f64], method: Method, seed: u64) -> Option<Interval> {
    let ratio = |groups: &[Vec<f64>]| Some(median(groups.first()?)? / median(groups.get(1)?)?);
    interval(&[above, below], &ratio, method, RESAMPLES, seed)
}

/// The interval of the median of ratios within pairs.
pub fn of_paired_ratio(pairs: &[(f64, f64)], method: Method, seed: u64) -> Option<Interval> {
    let ratio = |groups: &[Vec<(f64, f64)>]| {
        median(&groups.first()?.iter().map(|(above, below)| above / below).collect::<Vec<_>>())
    };
    interval(&[pairs], &ratio, method, RESAMPLES, seed)
}

/// Draws with replacement.
fn resample<T: Copy>(drawn: &mut [T], from: &[T], random: &mut StdRng) {
    for value in drawn {
        *value = from[random.random_range(0..from.len())];
    }
}

/// Which quantiles BCa takes (equation 14.10); `None` where all resamples lie to one side of the estimate.
fn corrected_tails(distribution: &[f64], estimate: f64, acceleration: f64) -> Option<[f64; 2]> {
    let standard = Normal::standard();
    let below = distribution.partition_point(|value| *value < estimate);
    let up_to = distribution.partition_point(|value| *value <= estimate);
    // Half of those that equal the estimate: a median's resamples often do.
    let bias = standard.inverse_cdf((below + up_to) as f64 / 2.0 / distribution.len() as f64);
    let tails = [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0].map(|p| {
        let shifted = bias + standard.inverse_cdf(p);
        standard.cdf(bias + shifted / (1.0 - acceleration * shifted))
    });
    tails.iter().all(|p| p.is_finite()).then_some(tails)
}

/// The skewness of the statistic, from leaving out each value in turn (equation 14.15; over several groups
/// as the sums of their terms).
fn acceleration<T: Copy>(groups: &[&[T]], statistic: Statistic<'_, T>) -> Option<f64> {
    let (mut cubes, mut squares) = (0.0, 0.0);
    let whole: Vec<Vec<T>> = groups.iter().map(|group| group.to_vec()).collect();
    for (number, group) in groups.iter().enumerate() {
        let mut groups = whole.clone();
        let mut estimates = Vec::with_capacity(group.len());
        for left_out in 0..group.len() {
            groups[number] = [&group[..left_out], &group[left_out + 1..]].concat();
            estimates.push(statistic(&groups)?);
        }
        let n = group.len() as f64;
        let mean = estimates.iter().sum::<f64>() / n;
        for estimate in estimates {
            let influence = (n - 1.0) * (mean - estimate);
            cubes += influence.powi(3) / n.powi(3);
            squares += influence.powi(2) / n.powi(2);
        }
    }
    // A statistic that no single value moves is not skewed.
    Some(if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn degenerate_samples() {
        for method in [Method::Percentile, Method::Bca] {
            assert_eq!(of_median(&[], method, 1), None);
            assert_eq!(of_median(&[1.0], method, 1), None);
            assert_eq!(of_median(&[1.0, f64::NAN, 2.0], method, 1), None);
            assert_eq!(of_median_ratio(&[1.0, 2.0], &[0.0, 0.0], method, 1), None);
            assert_eq!(of_median(&[7.0; 10], method, 1), Some(Interval { low: 7.0, high: 7.0 }));
        }
    }

    #[test]
    fn a_mean_of_normal_numbers_gets_the_textbook_interval() {
        let mut random = StdRng::seed_from_u64(5);
        let sample: Vec<f64> = (0..400).map(|_| 50.0 + super::super::shapes::normal(&mut random)).collect();
        let mean = |groups: &[Vec<f64>]| Some(groups[0].iter().sum::<f64>() / groups[0].len() as f64);
        for method in [Method::Percentile, Method::Bca] {
            let interval = interval(&[&sample], &mean, method, RESAMPLES, 1).unwrap();
            assert!((interval.half_width() / (1.96 / 20.0) - 1.0).abs() < 0.12, "{method:?}: {interval:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn same_seed_same_interval_within_the_sample(
            sample in prop::collection::vec(1.0..1e6f64, 3..30), seed: u64,
        ) {
            for method in [Method::Percentile, Method::Bca] {
                let interval = of_median(&sample, method, seed);
                prop_assert_eq!(interval, of_median(&sample, method, seed));
                if let Some(interval) = interval {
                    let sorted = sorted(&sample).unwrap();
                    prop_assert!(sorted[0] <= interval.low && interval.low <= interval.high);
                    prop_assert!(interval.high <= sorted[sorted.len() - 1]);
                }
            }
        }
    }
}
