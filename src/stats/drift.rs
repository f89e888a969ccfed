//! Did the level of a series change while it was measured?
//!
//! Pettitt's test (*Applied Statistics* 28, 1979): the largest cumulated sum of ranks, of which no
//! assumption about the distribution is made. It names the place where the level most likely changed.
//! Its p-value is found by permutation for short series, where Pettitt's approximation is too
//! careful, and by the approximation for long ones. Neighbours that resemble each other (a noisy
//! neighbour that comes and goes) make a small p-value likely too: so does a host that changes its pace,
//! which is just what is looked for. How large the change is has to be judged beside it.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::quantile::{median, sorted};

/// Series up to this length are judged by permutation.
const MOST_PERMUTED: usize = 200;
/// Permutations at most: p-values down to 0.0001, so that a correction over a hundred cells leaves something.
const PERMUTATIONS: u32 = 9_999;
/// So many of them that show as much are enough to know p to a quarter of itself.
const ENOUGH: u32 = 20;
/// Seed of the permutations, so that one file gives one report.
const SEED: u64 = 1979;
/// Shorter series can show nothing.
const SHORTEST: usize = 8;

/// The most likely change of level in a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// The first place of the new level, from 1.
    pub at: usize,
    /// Pettitt's statistic K.
    pub statistic: f64,
    /// How often a series without any change shows as much.
    pub p: f64,
    /// Median from there on ÷ median before.
    pub ratio: f64,
}

/// The most likely change in `values`, in the order of time. `None` below 8 values, or when one is not a
/// positive, finite number.
pub fn shift(values: &[f64]) -> Option<Shift> {
    if values.len() < SHORTEST || values.iter().any(|value| *value <= 0.0) {
        return None;
    }
    let mut ranks = ranks(values)?;
    let (at, statistic) = largest_sum(&ranks);
    let p = if ranks.len() <= MOST_PERMUTED {
        permuted_p(&mut ranks, statistic)
    } else {
        approximate_p(statistic, ranks.len())
    };
    let (before, after) = values.split_at_checked(at)?;
    Some(Shift { at, statistic, p, ratio: median(after)? / median(before)? })
}

/// The share of permutations that show as much, ended early where it is large anyway (Besag and Clifford,
/// *Biometrika* 78, 1991).
fn permuted_p(ranks: &mut [f64], statistic: f64) -> f64 {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut as_large = 0;
    for drawn in 1..=PERMUTATIONS {
        ranks.shuffle(&mut random);
        as_large += u32::from(largest_sum(ranks).1 >= statistic);
        if as_large == ENOUGH {
            return f64::from(as_large) / f64::from(drawn);
        }
    }
    // The series itself counts as one of its permutations, so that p is never 0.
    f64::from(as_large + 1) / f64::from(PERMUTATIONS + 1)
}

/// Pettitt's approximation, good for p below 0.5 in long series.
fn approximate_p(statistic: f64, length: usize) -> f64 {
    let n = length as f64;
    (2.0 * (-6.0 * statistic * statistic / (n * n * n + n * n)).exp()).min(1.0)
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Option<Vec<f64>> {
    let sorted = sorted(values)?;
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let up_to = sorted.partition_point(|other| other <= value);
        (below + up_to + 1) as f64 / 2.0
    };
    Some(values.iter().map(rank).collect())
}

/// The place that splits the ranks most unevenly, and the largest |2 Σ ranks − t (n + 1)|.
fn largest_sum(ranks: &[f64]) -> (usize, f64) {
    let (mut at, mut largest, mut sum) = (0, 0.0, 0.0);
    let mean = (ranks.len() + 1) as f64;
    for (place, rank) in ranks.iter().enumerate() {
        sum += 2.0 * rank - mean;
        if f64::abs(sum) > largest {
            (at, largest) = (place + 1, f64::abs(sum));
        }
    }
    (at, largest)
}

#[cfg(test)]
mod tests {
    use super::super::shapes::SHAPES;
    use super::*;

    #[test]
    fn a_change_is_found_where_it_is() {
        let mut values = vec![10.0, 11.0, 10.5, 10.2, 10.8, 10.1, 10.9, 10.4, 10.6, 10.3];
        values.extend(values.clone().iter().map(|value| value * 1.2));
        let found = shift(&values).unwrap();
        assert_eq!(found.at, 10);
        assert_eq!(found.statistic, 100.0, "every pair is in order");
        assert!(found.p < 0.001 && (found.ratio - 1.2).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(shift(&[]), None);
        assert_eq!(shift(&[1.0; 7]), None);
        assert_eq!(shift(&[f64::NAN; 20]), None);
        assert_eq!(shift(&[0.0; 20]), None);
        let flat = shift(&[3.0; 20]).map(|shift| shift.p);
        assert!(flat.is_none_or(|p| p == 1.0), "{flat:?}");
    }

    #[test]
    fn steady_series_are_rarely_called_drifting_and_long_ones_alike() {
        let mut random = StdRng::seed_from_u64(3);
        for n in [12, 60, 300] {
            let runs = if n > MOST_PERMUTED { 1_000 } else { 200 };
            let alarms = (0..runs).filter(|run| {
                let sample = SHAPES[run % SHAPES.len()].sample(n, &mut random);
                shift(&sample).unwrap().p <= 0.05
            });
            let share = alarms.count() as f64 / runs as f64;
            assert!(share <= 0.09, "n = {n}: {share}");
        }
    }
}
