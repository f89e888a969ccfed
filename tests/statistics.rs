//! The figures of `src/stats/` are those of SciPy, NumPy and statsmodels, on the data sets that
//! `scripts/statistics-reference` made.

use std::fs;
use std::path::Path;

use isobench::stats::bootstrap::{self, Method};
use isobench::stats::{self, Interval, quantile};
use serde_json::Value;

/// What is computed by the same formula agrees to this share: the last digits differ in order of summation.
const SAME: f64 = 1e-9;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/statistics")
}

fn data_sets() -> Vec<Value> {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let sets: Vec<Value> =
        paths.iter().map(|path| read(path)).filter(|set| set["before"].is_array()).collect();
    assert!(sets.len() >= 25, "only {} data sets", sets.len());
    sets
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn assert_near(ours: f64, theirs: &Value, tolerance: f64, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    let error = (ours - theirs).abs();
    assert!(error <= tolerance * theirs.abs().max(1e-3), "{what}: {ours}, and by the reference {theirs}");
}

fn assert_same_interval(ours: Option<Interval>, theirs: &Value, what: &str) {
    let Some(ours) = ours else { return assert!(theirs.is_null(), "{what}: none, and {theirs}") };
    assert_near(ours.low, &theirs[0], SAME, what);
    assert_near(ours.high, &theirs[1], SAME, what);
}

fn named(set: &Value, what: &str) -> String {
    format!("{what} of {} with n = {}", set["name"], set["before"].as_array().unwrap().len())
}

#[test]
fn quantiles_spread_and_intervals_of_medians_agree() {
    for set in data_sets() {
        let before = numbers(&set["before"]);
        for (p, expected) in set["quantiles"].as_object().unwrap() {
            let ours = quantile(&before, p.parse().unwrap()).unwrap();
            assert_near(ours, expected, SAME, &named(&set, p));
        }
        assert_near(stats::mad(&before).unwrap(), &set["mad"], SAME, &named(&set, "MAD"));
        let interval = stats::median_interval(&before);
        assert_same_interval(interval, &set["median_interval"], &named(&set, "median"));
    }
}

#[test]
fn paired_ratios_and_changes_agree() {
    for set in data_sets() {
        let (before, after) = (numbers(&set["before"]), numbers(&set["after"]));
        let pairs: Vec<(f64, f64)> = after.iter().copied().zip(before.iter().copied()).collect();
        let ratio = stats::paired_ratio(&pairs).unwrap();
        assert_near(ratio.ratio, &set["paired_ratio"]["ratio"], SAME, &named(&set, "paired ratio"));
        assert_same_interval(ratio.interval, &set["paired_ratio"]["interval"], &named(&set, "paired ratio"));

        let change = stats::change(&before, &after).unwrap();
        assert_near(change.ratio, &set["change"]["ratio"], SAME, &named(&set, "change"));
        assert_same_interval(change.interval, &set["change"]["interval"], &named(&set, "change"));
        let few_with_ties = set["name"] == "ties" && before.len() * after.len() <= 400;
        if !few_with_ties {
            assert_near(change.p, &set["change"]["p"], 1e-7, &named(&set, "Mann–Whitney's p"));
        }
    }
}

#[test]
fn outliers_and_changes_of_level_agree() {
    for set in data_sets() {
        let before = numbers(&set["before"]);
        let sorted = stats::quantile::sorted(&before).unwrap();
        let outliers = stats::outliers::outliers_of_sorted(&sorted).unwrap();
        assert_eq!(serde_json::to_value(outliers).unwrap(), set["outliers"], "{}", named(&set, "outliers"));
        let series = [before, numbers(&set["after"])].concat();
        let shift = stats::shift(&series).unwrap();
        assert_near(shift.statistic, &set["pettitt"]["statistic"], SAME, &named(&set, "Pettitt's K"));
        assert_eq!(set["pettitt"]["at"], shift.at, "{}", named(&set, "place of the change"));
    }
}

/// Two random streams: the ends agree to 15 % of the interval's width. (A median's resamples are lumpy at n = 50.)
#[test]
fn bootstrap_intervals_agree() {
    let mut compared = 0;
    for set in data_sets().into_iter().filter(|set| set["bootstrap"].is_object()) {
        let (before, after) = (numbers(&set["before"]), numbers(&set["after"]));
        let pairs: Vec<(f64, f64)> = after.iter().copied().zip(before.iter().copied()).collect();
        for (method, name) in [(Method::Percentile, "percentile"), (Method::Bca, "bca")] {
            let ours = [
                ("median", bootstrap::of_median(&before, method, 1)),
                ("median_ratio", bootstrap::of_median_ratio(&after, &before, method, 1)),
                ("paired_ratio", bootstrap::of_paired_ratio(&pairs, method, 1)),
            ];
            for (what, ours) in ours {
                let ours = ours.unwrap();
                let theirs = numbers(&set["bootstrap"][name][what]);
                let width = theirs[1] - theirs[0];
                for (ours, theirs) in [(ours.low, theirs[0]), (ours.high, theirs[1])] {
                    let what = named(&set, &format!("{name} {what}"));
                    assert!((ours - theirs).abs() <= 0.15 * width, "{what}: {ours} and {theirs} of {width}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared >= 40, "only {compared} intervals");
}

#[test]
fn holms_correction_agrees() {
    for case in read(&folder().join("holm.json"))["cases"].as_array().unwrap() {
        let corrected = stats::holm(&numbers(&case["p"]));
        for (ours, theirs) in corrected.iter().zip(case["corrected"].as_array().unwrap()) {
            assert_near(*ours, theirs, SAME, "Holm");
        }
    }
}
