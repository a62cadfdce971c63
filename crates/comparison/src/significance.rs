//! The formulas of the statistics: intervals, t-tests, their power, McNemar's test and Holm's correction.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use statrs::{
    consts::SQRT_2PI,
    distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF, StudentsT},
};

/// The significance level: a difference with a smaller p-value is significant. The confidence level of intervals
/// is 1 − `SIGNIFICANT`.
pub const SIGNIFICANT: f64 = 0.05;

/// The probability with which a [`detectable`] difference is detected.
pub const POWER: f64 = 0.8;

/// Returns the arithmetic mean; `None` for no values.
///
/// Sums of whole numbers are exact, so equal arms differ by exactly 0. The running mean of `statrs` would have a
/// rounding error there.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns the sample standard deviation, √(Σ(x − x̄)² / (n − 1)); `None` for fewer than two values. It is
/// exactly 0 for equal whole numbers.
///
/// Source: <https://www.itl.nist.gov/div898/handbook/eda/section3/eda356.htm>.
pub fn sample_std(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// The size, mean and standard deviation of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Number of values, at least 1.
    pub values: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation; `None` for one value.
    pub std: Option<f64>,
}

impl Sample {
    /// Returns the sample of these values; `None` for no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        Some(Self { values: values.len(), mean: mean(values)?, std: sample_std(values) })
    }

    /// Raises the standard deviation to `least`. A few rounded values can be equal by chance, and would then seem to be
    /// exact.
    #[must_use]
    pub fn with_least_std(self, least: f64) -> Self {
        Self { std: self.std.map(|std| std.max(least)), ..self }
    }

    /// Returns the standard error of the mean, s/√n; `None` if it cannot be estimated, because there is one value or
    /// no spread.
    fn standard_error(&self) -> Option<f64> {
        let std = self.std.filter(|&std| std > 0.0)?;
        Some(std / (self.values as f64).sqrt())
    }
}

/// Returns the confidence interval of the mean at the confidence level 1 − `level`, x̄ ± t(1 − level/2, n − 1)·s/√n.
///
/// `None` for one value, and for equal values, because no spread can be estimated from them.
///
/// Source: <https://www.itl.nist.gov/div898/handbook/eda/section3/eda352.htm>.
pub fn confidence_interval(sample: &Sample, level: f64) -> Option<[f64; 2]> {
    let half_width = critical_t(sample.values, level)? * sample.standard_error()?;
    Some([sample.mean - half_width, sample.mean + half_width])
}

/// Returns the two-sided p-value of the t-test that the true mean is 0. The statistic t = x̄ / (s/√n) has n − 1 degrees
/// of freedom. For a sample of paired differences, this is the paired t-test.
///
/// `None` for one value, and for equal values, because no spread can be estimated from them.
///
/// Source: <https://www.itl.nist.gov/div898/handbook/prc/section3/prc31.htm>.
pub fn t_test(sample: &Sample) -> Option<f64> {
    let t = sample.mean / sample.standard_error()?;
    Some(2.0 * students_t(sample.values)?.cdf(-t.abs()))
}

/// Returns the t-distribution with n − 1 degrees of freedom for n values.
fn students_t(values: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, values.checked_sub(1)? as f64).ok()
}

/// Returns the two-sided critical value: if the true mean is 0, |t| of this many values exceeds it with the
/// probability `level`.
pub(crate) fn critical_t(values: usize, level: f64) -> Option<f64> {
    Some(-students_t(values)?.inverse_cdf(level / 2.0))
}

/// Returns the smallest true mean that the two-sided t-test at `level` detects with the probability [`POWER`]:
/// noncentrality·s/√n. Assumes that the true standard deviation is the one of the sample.
///
/// `None` for one value, and for equal values.
pub fn detectable(sample: &Sample, level: f64) -> Option<f64> {
    Some(known_noncentrality(sample.values, level)? * sample.standard_error()?)
}

/// Returns [`noncentrality`] from a cache: it takes a millisecond, and all pairs of a comparison need the same.
fn known_noncentrality(values: usize, level: f64) -> Option<f64> {
    static KNOWN: Mutex<BTreeMap<(usize, u64), Option<f64>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry((values, level.to_bits())).or_insert_with(|| noncentrality(values, level))
}

/// Returns the noncentrality δ√n/σ at which the two-sided t-test of n = `values` values at `level` rejects with
/// the probability [`POWER`]; δ is their true mean, σ their true standard deviation. `None` for fewer than two
/// values.
///
/// Sources: Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988), chapter 2;
/// <https://www.itl.nist.gov/div898/handbook/prc/section2/prc222.htm> has the approximation for known σ.
fn noncentrality(values: usize, level: f64) -> Option<f64> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let (freedom, critical) = (values.checked_sub(1)? as f64, critical_t(values, level)?);
    let scaled_variance = ChiSquared::new(freedom).ok()?;
    // Power grows with the noncentrality, so bisection finds it; 40 steps give a relative precision of 2⁻⁴⁰.
    let (mut low, mut high) = (0.0, 1.0);
    while power(high, critical, &scaled_variance) < POWER {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        let is_enough = power(middle, critical, &scaled_variance) >= POWER;
        (low, high) = if is_enough { (low, middle) } else { (middle, high) };
    }
    Some(f64::midpoint(low, high))
}

/// Returns P(|T| > `critical`) for T = (Z + `noncentrality`) / √(V/ν) of the noncentral t-distribution. Z is
/// standard normal, V is chi-squared with ν degrees of freedom.
///
/// With U = |Z + noncentrality|, |T| exceeds `critical` where V < ν·(U/critical)². So this integrates V's
/// distribution function over U's density, φ(u − noncentrality) + φ(u + noncentrality) for u ≥ 0. Both are
/// smooth. Unless the power is small, the integrand is flat at both ends, so the trapezoidal rule is accurate
/// to 10⁻⁸ where the power is [`POWER`].
///
/// Definition: <https://en.wikipedia.org/wiki/Noncentral_t-distribution>.
fn power(noncentrality: f64, critical: f64, scaled_variance: &ChiSquared) -> f64 {
    /// A normal variable is practically never farther from its mean than this many standard deviations.
    const TAIL: f64 = 8.0;
    const STEP: f64 = 1.0 / 16.0;
    let density = |z: f64| (-0.5 * z * z).exp() / SQRT_2PI;
    let start = (noncentrality - TAIL).max(0.0);
    let steps = ((noncentrality + TAIL - start) / STEP).ceil() as usize;
    let integrand = |step: usize| {
        let u = start + step as f64 * STEP;
        let beyond = scaled_variance.cdf(scaled_variance.freedom() * (u / critical).powi(2));
        (density(u - noncentrality) + density(u + noncentrality)) * beyond
    };
    // The trapezoidal rule, without its two ends: the integrand is almost zero there.
    STEP * (1..steps).map(integrand).sum::<f64>()
}

/// Returns the two-sided p-value of McNemar's exact test of two models on the same images. `only_a` images are
/// classified correctly by the first model only, `only_b` by the second only.
///
/// The p-value is the probability that n = `only_a` + `only_b` fair coin tosses split at least as unevenly:
/// 2·P(X ≤ min(`only_a`, `only_b`)), at most 1. It is 1 if n is 0.
///
/// Sources: McNemar, "Note on the sampling error of the difference between correlated proportions or
/// percentages", Psychometrika 12 (1947), <https://doi.org/10.1007/BF02295996>; the exact form:
/// <https://en.wikipedia.org/wiki/McNemar%27s_test#Variations>.
pub fn mcnemar(only_a: usize, only_b: usize) -> f64 {
    match Binomial::new(0.5, (only_a + only_b) as u64) {
        Ok(tosses) if only_a != only_b => (2.0 * tosses.cdf(only_a.min(only_b) as u64)).min(1.0),
        _ => 1.0,
    }
}

/// Returns the p-values after Holm's step-down correction for multiple tests, in the same order.
///
/// The k-th smallest of m p-values is multiplied by m − k + 1, and raised to the previous result if that is
/// larger. If hypotheses with results below 5% are rejected, the probability of rejecting any true one is at most 5%.
///
/// Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6
/// (1979), <https://www.jstor.org/stable/4615733>.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut ascending: Vec<usize> = (0..p_values.len()).collect();
    ascending.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &index) in ascending.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_without_a_difference_is_the_level() {
        for values in [2, 3, 5, 10, 30] {
            let critical = critical_t(values, SIGNIFICANT).unwrap();
            let level = power(0.0, critical, &ChiSquared::new((values - 1) as f64).unwrap());
            // Without a difference, the integrand of few values is not flat at both ends, hence the tolerance.
            assert!((level - SIGNIFICANT).abs() < 1e-3, "{values}: {level}");
        }
    }
}
