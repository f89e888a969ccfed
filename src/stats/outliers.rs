//! Outliers, classed by Tukey's fences (*Exploratory Data Analysis*, 2C): counted and shown, never dropped.

use serde::{Deserialize, Serialize};

use super::quantile::quantile_of_sorted;

/// How many values lie far from the middle half of a sample. The unit is the interquartile range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outliers {
    /// More than 3 ranges below the lower quartile.
    pub severe_low: usize,
    /// From 1.5 to 3 ranges below the lower quartile.
    pub mild_low: usize,
    /// From 1.5 to 3 ranges above the upper quartile.
    pub mild_high: usize,
    /// More than 3 ranges above the upper quartile.
    pub severe_high: usize,
}

impl Outliers {
    /// All of them.
    pub fn total(&self) -> usize {
        self.severe_low + self.mild_low + self.mild_high + self.severe_high
    }
}

/// Classes a finite sample in ascending order. `None` below 4 values, whose quartiles say nothing.
pub fn outliers_of_sorted(sorted: &[f64]) -> Option<Outliers> {
    if sorted.len() < 4 {
        return None;
    }
    let (lower, upper) = quantile_of_sorted(sorted, 0.25).zip(quantile_of_sorted(sorted, 0.75))?;
    let range = upper - lower;
    let below = |fence: f64| sorted.partition_point(|value| *value < fence);
    let above = |fence: f64| sorted.len() - sorted.partition_point(|value| *value <= fence);
    let (severe_low, severe_high) = (below(lower - 3.0 * range), above(upper + 3.0 * range));
    Some(Outliers {
        severe_low,
        mild_low: below(lower - 1.5 * range) - severe_low,
        mild_high: above(upper + 1.5 * range) - severe_high,
        severe_high,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::quantile::sorted;
    use super::*;

    fn classed(values: &[f64]) -> Outliers {
        outliers_of_sorted(&sorted(values).unwrap()).unwrap()
    }

    #[test]
    fn fences_are_where_tukey_put_them() {
        // Quartiles of 0 to 8 are 2 and 6: fences at −10, −4, 12 and 18.
        let middle: Vec<f64> = (0..9).map(f64::from).collect();
        assert_eq!(classed(&middle).total(), 0);
        assert_eq!(classed(&[1.0, 1.0, 1.0, 1.0, 7.0]).severe_high, 1, "no range at all");
        let values = [-30.0, 8.0, 9.0, 10.0, 10.0, 11.0, 12.0, 12.0, 13.0, 18.0, 40.0];
        let expected = Outliers { severe_low: 1, mild_low: 0, mild_high: 1, severe_high: 1 };
        assert_eq!(classed(&values), expected);
    }

    #[test]
    fn few_values_have_no_outliers() {
        assert_eq!(outliers_of_sorted(&[]), None);
        assert_eq!(outliers_of_sorted(&[1.0, 2.0, 100.0]), None);
    }

    proptest! {
        #[test]
        fn fewer_than_half_are_outliers_whatever_the_unit(
            sample in prop::collection::vec(-1e9..1e9f64, 4..60), power in -8..8i32,
        ) {
            let scaled: Vec<f64> = sample.iter().map(|value| value * 2f64.powi(power)).collect();
            prop_assert_eq!(classed(&sample), classed(&scaled));
            prop_assert!(2 * classed(&sample).total() <= sample.len() + 2);
            let mirrored = classed(&sample.iter().map(|value| -value).collect::<Vec<_>>());
            prop_assert_eq!(mirrored.severe_low, classed(&sample).severe_high);
        }
    }
}
