//! Do the 95 % intervals hold the truth as often as they say? A simulation with a known truth and a
//! fixed seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Verdict, median_interval, paired_ratio, verdict};

/// A standard normal number, by Box and Muller.
fn normal(random: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

fn share(experiments: u32, mut hit: impl FnMut(&mut StdRng) -> bool) -> f64 {
    let mut random = StdRng::seed_from_u64(20);
    f64::from((0..experiments).map(|_| u32::from(hit(&mut random))).sum::<u32>()) / f64::from(experiments)
}

#[test]
fn median_intervals_cover() {
    for n in [6, 20, 50, 200] {
        let of_normal = share(2_000, |random| {
            let sample: Vec<f64> = (0..n).map(|_| 100.0 + normal(random)).collect();
            median_interval(&sample).unwrap().contains(100.0)
        });
        let of_lognormal = share(2_000, |random| {
            let sample: Vec<f64> = (0..n).map(|_| normal(random).exp()).collect();
            median_interval(&sample).unwrap().contains(1.0)
        });
        // Conservative by construction, and not by much: at n = 20 the exact coverage is 0.959.
        for coverage in [of_normal, of_lognormal] {
            assert!((0.93..=0.99).contains(&coverage), "n = {n}: {coverage}");
        }
    }
}

/// A round of two equal things: what the round shares, and each one's own skewed noise.
fn round_of(random: &mut StdRng, truth: f64) -> (f64, f64) {
    let shared = (0.3 * normal(random)).exp();
    (truth * shared * (0.1 * normal(random)).exp(), shared * (0.1 * normal(random)).exp())
}

#[test]
fn ratio_intervals_cover() {
    for n in [20, 50, 200] {
        let coverage = share(2_000, |random| {
            let pairs: Vec<(f64, f64)> = (0..n).map(|_| round_of(random, 1.3)).collect();
            paired_ratio(&pairs).unwrap().interval.unwrap().contains(1.3)
        });
        assert!((0.93..=0.99).contains(&coverage), "n = {n}: {coverage}");
    }
}

#[test]
fn equal_things_are_rarely_called_different() {
    let flagged = share(2_000, |random| {
        let mut pairs = || (0..30).map(|_| round_of(random, 1.0)).collect::<Vec<_>>();
        let control = paired_ratio(&pairs()).unwrap();
        let ratio = paired_ratio(&pairs()).unwrap();
        verdict(&ratio, control.interval.as_ref()) != Verdict::NoMeasurableDifference
    });
    assert!(flagged <= 0.05, "{flagged}");
}
