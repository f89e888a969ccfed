//! The verdict on a ratio.

use serde::{Deserialize, Serialize};

use super::interval::Interval;
use super::ratio::Ratio;

/// What a ratio to the baseline says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Larger than the baseline: slower, where the ratio is one of times.
    Larger,
    /// Smaller than the baseline: faster, where the ratio is one of times.
    Smaller,
    /// Within what the same thing measured twice differs by.
    NoMeasurableDifference,
    /// Too few rounds to tell.
    TooFewRounds,
}

/// Judges `ratio` against the A/A control's interval `noise_floor`. There is no measurable difference
/// when the ratio's own interval holds 1, or when the ratio lies inside the noise floor. The floor
/// counts on both sides of 1, since which of two equal things came out ahead is chance.
pub fn verdict(ratio: &Ratio, noise_floor: Option<&Interval>) -> Verdict {
    let Some(interval) = ratio.interval else { return Verdict::TooFewRounds };
    let noise = noise_floor.map_or(1.0, |floor| floor.high.max(1.0 / floor.low).max(1.0));
    if interval.contains(1.0) || (1.0 / noise <= ratio.ratio && ratio.ratio <= noise) {
        Verdict::NoMeasurableDifference
    } else if ratio.ratio > 1.0 {
        Verdict::Larger
    } else {
        Verdict::Smaller
    }
}

/// Judges a difference with median `median` and its `interval` in the same way: against 0, and against
/// the control's interval mirrored at 0.
pub fn verdict_of_difference(
    median: f64,
    interval: Option<&Interval>,
    noise_floor: Option<&Interval>,
) -> Verdict {
    let Some(interval) = interval else { return Verdict::TooFewRounds };
    let noise = noise_floor.map_or(0.0, |floor| floor.high.abs().max(floor.low.abs()));
    if interval.contains(0.0) || median.abs() <= noise {
        Verdict::NoMeasurableDifference
    } else if median > 0.0 {
        Verdict::Larger
    } else {
        Verdict::Smaller
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval { low, high }
    }

    #[test]
    fn verdicts() {
        let judge = |ratio, low, high, floor: Option<(f64, f64)>| {
            let ratio = Ratio { ratio, interval: Some(interval(low, high)), rounds: 30 };
            verdict(&ratio, floor.map(|(low, high)| interval(low, high)).as_ref())
        };
        assert_eq!(judge(2.0, 1.9, 2.1, Some((0.98, 1.01))), Verdict::Larger);
        assert_eq!(judge(0.5, 0.4, 0.6, Some((0.98, 1.01))), Verdict::Smaller);
        assert_eq!(judge(1.01, 0.99, 1.03, None), Verdict::NoMeasurableDifference);
        assert_eq!(judge(1.01, 1.005, 1.015, None), Verdict::Larger);
        assert_eq!(
            judge(1.01, 1.005, 1.015, Some((0.98, 1.0))),
            Verdict::NoMeasurableDifference,
            "floor mirrored"
        );
        assert_eq!(
            judge(0.99, 0.985, 0.995, Some((1.0, 1.02))),
            Verdict::NoMeasurableDifference,
            "floor mirrored"
        );
        let single = Ratio { ratio: 5.0, interval: None, rounds: 1 };
        assert_eq!(verdict(&single, None), Verdict::TooFewRounds);
    }

    #[test]
    fn verdicts_on_differences() {
        let judge = |median: f64, low, high, floor: Option<(f64, f64)>| {
            let floor = floor.map(|(low, high)| interval(low, high));
            verdict_of_difference(median, Some(&interval(low, high)), floor.as_ref())
        };
        assert_eq!(judge(9.0, 8.0, 10.0, Some((-2.0, 1.0))), Verdict::Larger);
        assert_eq!(judge(-9.0, -10.0, -8.0, Some((-2.0, 1.0))), Verdict::Smaller);
        assert_eq!(judge(1.0, -1.0, 2.0, None), Verdict::NoMeasurableDifference);
        assert_eq!(judge(1.5, 1.0, 2.0, Some((-2.0, 1.0))), Verdict::NoMeasurableDifference);
        assert_eq!(verdict_of_difference(9.0, None, None), Verdict::TooFewRounds);
    }
}
