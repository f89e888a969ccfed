//! Do the 95 % intervals hold the truth as often as they say? A simulation with a known truth and a
//! fixed seed.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::bootstrap::{self, Method};
use super::shapes::{SHAPES, normal};
use super::{Verdict, median_interval, paired_ratio, verdict};

fn share(experiments: u32, mut hit: impl FnMut(&mut StdRng) -> bool) -> f64 {
    let mut random = StdRng::seed_from_u64(20);
    f64::from((0..experiments).map(|_| u32::from(hit(&mut random))).sum::<u32>()) / f64::from(experiments)
}

#[test]
fn median_intervals_cover() {
    for shape in SHAPES {
        for n in [6, 20, 50, 200] {
            let coverage = share(4_000, |random| {
                median_interval(&shape.sample(n, random)).unwrap().contains(shape.median)
            });
            // 0.93 is six standard errors of this simulation below 0.95. With 6 values, the range of all of them is
            // nearly needed.
            let least = if n == 6 { 0.92 } else { 0.93 };
            assert!((least..=0.97).contains(&coverage), "{}, n = {n}: {coverage}", shape.name);
        }
    }
}

/// The second opinion is worth its name.
#[test]
fn bootstrap_intervals_of_a_median_cover_too() {
    let coverage = |shape: &super::shapes::Shape, n: usize, method| {
        share(200, |random| {
            let sample = shape.sample(n, random);
            let median = |groups: &[Vec<f64>]| super::median(&groups[0]);
            let interval = bootstrap::interval(&[&sample], &median, method, 300, 1);
            interval.is_some_and(|interval| interval.contains(shape.median))
        })
    };
    for method in [Method::Percentile, Method::Bca] {
        for shape in SHAPES {
            let covered = coverage(&shape, 50, method);
            // Three standard errors of 200 experiments are 4.6 %.
            assert!(covered >= 0.9, "{method:?}, {}: {covered}", shape.name);
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
        assert!((0.93..=0.97).contains(&coverage), "n = {n}: {coverage}");
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
