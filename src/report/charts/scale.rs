//! The horizontal axis of every chart, linear or logarithmic, and the frame around it. Total for any
//! finite numbers: zeros, equal ends and 2⁶⁴ included.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use plotters::prelude::*;

use super::paint::{Area, Axis, GRID, MUTED, Painted, Side, Size, WIDTH, write};

/// An axis that maps numbers to pixels.
#[derive(Clone, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Ticks are round multiples of this: 1, or a power of 1024 for bytes.
    unit: f64,
}

impl Scale {
    /// From 0 to a little more than `high`.
    pub fn linear(high: f64) -> Scale {
        let high = if high.is_finite() && high > 0.0 { high } else { 1.0 };
        Scale { low: 0.0, high: high * 1.05, logarithmic: false, unit: 1.0 }
    }

    /// From 0, for bytes.
    pub fn bytes(high: f64) -> Scale {
        let scale = Scale::linear(high);
        let unit = 1024f64.powf((scale.high.ln() / 1024f64.ln()).floor().clamp(0.0, 4.0));
        Scale { unit, ..scale }
    }

    /// From below `low` to above `high`, where every factor takes the same width.
    pub fn logarithmic(low: f64, high: f64) -> Scale {
        let low = if low.is_finite() && low > 0.0 { low } else { 1.0 };
        let high = if high.is_finite() { high.max(low) } else { low };
        let (low, high) = (low / 1.15, high * 1.15);
        Scale { low, high, logarithmic: true, unit: 1.0 }
    }

    /// The same for bytes.
    pub fn logarithmic_bytes(low: f64, high: f64) -> Scale {
        Scale { unit: 1024.0, ..Scale::logarithmic(low.max(1.0), high) }
    }

    /// Around `low` and `high`, not from 0.
    pub fn around(low: f64, high: f64) -> Scale {
        let margin = ((high - low) * 0.08).max(high.abs() * 1e-6).max(1e-9);
        Scale { low: low - margin, high: high + margin, logarithmic: false, unit: 1.0 }
    }

    /// Every factor takes the same width.
    pub fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// The place of a value, 0 at the low end and 1 at the high end; what lies outside stops there.
    pub fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Round numbers on the axis, some five of them.
    pub fn ticks(&self) -> Vec<f64> {
        let ticks = match (self.logarithmic, self.unit > 1.0) {
            (true, false) => self.decades(),
            (true, true) => self.powers_of_two(),
            (false, _) => self.steps(),
        };
        ticks.into_iter().filter(|tick| self.low <= *tick && *tick <= self.high).collect()
    }

    fn steps(&self) -> Vec<f64> {
        let span = (self.high - self.low) / self.unit;
        let rough = span / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough).unwrap_or(power);
        let first = (self.low / self.unit / step).ceil();
        (0..=6).map(|i| (first + f64::from(i)) * step * self.unit).collect()
    }

    /// Powers of two, so many apart that there are some five of them.
    fn powers_of_two(&self) -> Vec<f64> {
        let (first, last) = (self.low.log2().ceil() as i32, self.high.log2().floor() as i32);
        let stride = ((last - first) / 5).max(1);
        (first..=last).filter(|power| power % stride == 0).map(|power| 2f64.powi(power)).collect()
    }

    fn decades(&self) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let decades = (last - first).max(1);
        let within: &[f64] = match decades {
            ..=2 => &[1.0, 2.0, 5.0],
            3 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let stride = (decades as usize / 8).max(1);
        (first..=last)
            .step_by(stride)
            .flat_map(|power| within.iter().map(move |factor| factor * 10f64.powi(power)))
            .collect()
    }
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.place(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

/// Room around the plotting area, in pixels: names at the left, values at the right, ticks below.
pub struct Frame {
    /// Room for names.
    pub left: i32,
    /// Room for values.
    pub right: i32,
    /// Left end of the whole, for charts side by side.
    pub from: i32,
    /// Right end of the whole.
    pub to: i32,
    /// Top of the first row.
    pub top: i32,
    /// Bottom of the last row.
    pub bottom: i32,
}

/// Room for the tick labels under the rows, in pixels.
pub const AXIS: i32 = 30;

impl Frame {
    /// A frame as wide as the page, for rows that take `height` pixels together.
    pub fn new(height: i32) -> Frame {
        Frame { left: 150, right: 110, from: 0, to: WIDTH as i32, top: 6, bottom: 6 + height }
    }

    /// Height of the chart with its axis.
    pub fn height(&self) -> u32 {
        (self.bottom + AXIS) as u32
    }

    /// The axis as the page's script reads it; `unit` as in [`Axis::unit`].
    pub fn axis(&self, scale: &Scale, unit: &'static str) -> Option<Axis> {
        let (left, right) = (self.from + self.left, self.to - self.right);
        let Scale { low, high, logarithmic, .. } = *scale;
        Some(Axis { left, right, low, high, logarithmic, unit })
    }

    /// The pixel of a value.
    pub fn x(&self, scale: &Scale, value: f64) -> i32 {
        scale.map(&value, (self.from + self.left, self.to - self.right))
    }

    /// Draws grid lines and tick labels.
    pub fn draw(&self, area: &Area, scale: &Scale, format: fn(f64) -> String) -> Painted {
        let mut free_from = i32::MIN;
        for tick in scale.ticks() {
            let x = self.x(scale, tick);
            area.draw(&PathElement::new([(x, self.top), (x, self.bottom)], GRID.stroke_width(1)))?;
            let text = short(&format(tick));
            let half = text.chars().count() as i32 * 7 / 2;
            if x - half >= free_from {
                write(area, &text, (x - half, self.bottom + 16), Side::After, Size::Small, &MUTED)?;
                free_from = x + half + 8;
            }
        }
        Ok(())
    }
}

/// A tick's label without the zeros that only a measured number earns: `1.00 ms` → `1 ms`.
fn short(text: &str) -> String {
    let (number, unit) = match text.find([' ', '×']) {
        Some(end) => text.split_at(end),
        None => (text, ""),
    };
    let number = if number.contains('.') && !number.contains('e') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number}{unit}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::linear(1000.0).ticks(), [0.0, 500.0, 1000.0]);
        assert_eq!(Scale::logarithmic(450.0, 12_000.0).ticks(), [1000.0, 3000.0, 10_000.0]);
        assert_eq!(Scale::bytes(3.0 * 1024.0 * 1024.0).ticks()[1], 1024.0 * 1024.0);
        let bytes = Scale::logarithmic_bytes(5000.0, 20e6).ticks();
        assert_eq!(bytes, [16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0]);
        assert_eq!(short("1.00 ms"), "1 ms");
        assert_eq!(short("1.500×"), "1.5×");
        assert_eq!(short("200 µs"), "200 µs");
    }

    proptest! {
        #[test]
        fn any_numbers_make_an_axis(a: u64, b: u64, logarithmic: bool) {
            let (low, high) = (a.min(b) as f64, a.max(b) as f64);
            let scales =
                [Scale::linear(high), Scale::bytes(high), Scale::around(low, high), Scale::logarithmic_bytes(low, high)];
            for scale in scales.into_iter().chain(logarithmic.then(|| Scale::logarithmic(low, high))) {
                prop_assert!(scale.ticks().len() < 80 && scale.ticks().iter().all(|tick| tick.is_finite()));
                let x = scale.map(&low, (0, 700))..=scale.map(&high, (0, 700));
                prop_assert!(*x.start() <= *x.end() && (0..=700).contains(x.start()) && (0..=700).contains(x.end()));
            }
        }
    }
}
