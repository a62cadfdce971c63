//! How often a growing comparison is tested, and how strict each test must be.
//!
//! A t-test at 5% is wrong 5 times in 100 if it is made once. Repeated after every new seed, it is wrong 33 times in
//! 100 within 50 seeds. [`Looks::Any`] is a group-sequential test that remains valid: it divides the 5% among all
//! looks (Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983). The first look
//! is at three seeds, and there is no last one.
//!
//! With n seeds, the t-test has the level
//!
//! ```text
//! α(n) = 0.022·α / (1 + 0.19·ln(0.05/α)) · (1 + n/5) / (1 + (n/50)⁶)
//! ```
//!
//! so that the probability of any rejection among all n ≥ 3 is at most α, for α ≤ 5%. scripts/golden_looks.py computes
//! this probability for t-statistics with the recursion of Jennison and Turnbull, "Exact calculations for sequential
//! t, χ² and F tests", Biometrika 78 (1991): it is 0.91α to 0.995α at the five levels of the golden values, from 5% to
//! 5%/4950. Most of α is spent by 50 seeds. The anytime-valid t-tests of Lai (1976) and of Wang and Ramdas (2024) need
//! 13 to 20% more runs for a decision here; scripts/looks.py compares them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of seeds at the first look of [`Looks::Any`]: with two, a t-test has one degree of freedom and almost no
/// power.
pub const FIRST_LOOK: usize = 3;

/// How often the accuracies are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Looks {
    /// Once: the number of seeds was decided before the first accuracy was known.
    Once,
    /// At any number of seeds, as often as desired. Whether training continues may depend on the result.
    Any,
    /// Not yet: the comparison was planned for one test at its end, and is not there yet.
    NotYet,
}

impl Looks {
    /// Returns the level at which to test `values` values, so that all looks together have the level `level`. `None` if
    /// there is no test yet.
    pub fn level_of_test(self, values: usize, level: f64) -> Option<f64> {
        match self {
            Self::NotYet => None,
            Self::Once => (values >= 2).then_some(level),
            Self::Any => (values >= FIRST_LOOK).then(|| level_at_any_look(values, level)),
        }
    }

    /// Returns the p-value that holds for all looks together: the smallest `level` at which
    /// [`level_of_test`](Self::level_of_test) is at least `p`, the p-value of the t-test. At most 1.
    pub fn p_value(self, values: usize, p: f64) -> Option<f64> {
        match self {
            Self::NotYet => None,
            Self::Once => (values >= 2).then_some(p),
            Self::Any => (values >= FIRST_LOOK).then(|| smallest_level(values, p)),
        }
    }
}

impl fmt::Display for Looks {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::Once => "once",
            Self::Any => "any",
            Self::NotYet => "not-yet",
        })
    }
}

/// Returns α(n) of the [module](self).
fn level_at_any_look(values: usize, level: f64) -> f64 {
    // Smaller levels get a smaller share: their looks depend less on each other.
    let share = 0.022 / (1.0 + 0.19 * (0.05 / level).ln().max(0.0));
    let seeds = values as f64;
    share * level * (1.0 + seeds / 5.0) / (1.0 + (seeds / 50.0).powi(6))
}

/// Returns the level α ≤ 1 with α(n) = `p`. α(n) grows with α, so bisection finds it.
fn smallest_level(values: usize, p: f64) -> f64 {
    if level_at_any_look(values, 1.0) <= p {
        return 1.0;
    }
    // α is larger than p, and the logarithm of α is bisected because p can be tiny.
    let (mut low, mut high) = (p.max(f64::MIN_POSITIVE).ln(), 0.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if level_at_any_look(values, middle.exp()) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high.exp()
}
