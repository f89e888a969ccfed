//! Quantiles of a sample.

/// The sample in ascending order; `None` when it is empty or holds a NaN or an infinity.
pub fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Some(sorted)
}

/// The quantile `p` (0–1) of a sample in ascending order, by linear interpolation between order
/// statistics: type 7 of Hyndman and Fan (1996), the default of R and NumPy.
pub fn quantile_of_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    let position = p * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(position.floor() as usize)?;
    let above = *sorted.get(position.ceil() as usize)?;
    // Rounding must not push the result past its neighbours, or quantiles would not be monotone.
    Some((below + position.fract() * (above - below)).clamp(below, above))
}

/// The quantile `p` (0–1) of a sample in any order.
pub fn quantile(values: &[f64], p: f64) -> Option<f64> {
    quantile_of_sorted(&sorted(values)?, p)
}

/// The median.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The median absolute deviation from the median, not scaled to any distribution.
pub fn mad(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    median(&values.iter().map(|value| (value - centre).abs()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_r() {
        // R: quantile(c(7, 15, 36, 39, 40, 41), c(.25, .5, .75, .9))
        let sample = [41.0, 7.0, 39.0, 15.0, 36.0, 40.0];
        for (p, expected) in [(0.25, 20.25), (0.5, 37.5), (0.75, 39.75), (0.9, 40.5), (0.0, 7.0), (1.0, 41.0)]
        {
            assert_eq!(quantile(&sample, p), Some(expected), "at {p}");
        }
        // R: mad(c(1, 1, 2, 2, 4, 6, 9), constant = 1)
        assert_eq!(mad(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]), Some(1.0));
    }

    #[test]
    fn nothing_comes_from_nothing_or_nonsense() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
        assert_eq!(median(&[f64::INFINITY]), None);
        assert_eq!(quantile(&[1.0], 1.5), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(mad(&[3.0]), Some(0.0));
    }

    proptest! {
        #[test]
        fn quantiles_are_monotone_and_within_the_sample(
            sample in prop::collection::vec(-1e12..1e12f64, 1..60), a in 0.0..=1.0f64, b in 0.0..=1.0f64,
        ) {
            let low = quantile(&sample, a.min(b)).unwrap();
            let high = quantile(&sample, a.max(b)).unwrap();
            prop_assert!(low <= high);
            prop_assert!(quantile(&sample, 0.0).unwrap() <= low && high <= quantile(&sample, 1.0).unwrap());
        }

        #[test]
        fn median_and_mad_scale_with_the_unit(sample in prop::collection::vec(0.0..1e9f64, 1..60), power in -8..8i32) {
            let scale = 2f64.powi(power); // a power of two, so that rounding does not blur the comparison
            let scaled: Vec<f64> = sample.iter().map(|value| value * scale).collect();
            prop_assert_eq!(median(&scaled).unwrap(), median(&sample).unwrap() * scale);
            prop_assert_eq!(mad(&scaled).unwrap(), mad(&sample).unwrap() * scale);
        }
    }
}
