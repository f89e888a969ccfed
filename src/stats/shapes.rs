//! Shapes of data with a known median, for simulations: start-up times look like each of these.

use rand::Rng;
use rand::rngs::StdRng;

/// A standard normal number, by Box and Muller.
pub fn normal(random: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

/// One shape of data.
pub struct Shape {
    /// What it is called.
    pub name: &'static str,
    /// The median of the population.
    pub median: f64,
    /// Draws one.
    pub draw: fn(&mut StdRng) -> f64,
}

/// All of them.
pub const SHAPES: [Shape; 4] = [
    Shape { name: "normal", median: 100.0, draw: |random| 100.0 + 5.0 * normal(random) },
    Shape { name: "log-normal", median: 1.0, draw: |random| (0.3 * normal(random)).exp() },
    Shape {
        name: "bimodal",
        // Of the lower mode, 1 + 0.1 |z|, 5 ÷ 7 lie below it: z = 1.067 570 5.
        median: 1.106_757_05,
        draw: |random| {
            if random.random_bool(0.3) {
                6.0 + 0.2 * normal(random)
            } else {
                1.0 + 0.1 * normal(random).abs()
            }
        },
    },
    Shape {
        // Pareto's distribution with exponent 2: its variance is infinite.
        name: "heavy-tailed",
        median: std::f64::consts::SQRT_2,
        draw: |random| 1.0 / (1.0 - random.random::<f64>()).sqrt(),
    },
];

impl Shape {
    /// Draws `n`.
    pub fn sample(&self, n: usize, random: &mut StdRng) -> Vec<f64> {
        (0..n).map(|_| (self.draw)(random)).collect()
    }
}
