//! Significance of differences between arms over training seeds, and between two trained models.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use statrs::{
    consts::SQRT_2PI,
    distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF, StudentsT},
};

/// A difference with a p-value below this is significant. Every interval has a confidence of 1 − this.
pub const SIGNIFICANT: f64 = 0.05;

/// Probability of detecting a difference that is called detectable.
pub const POWER: f64 = 0.8;

/// Arithmetic mean; `None` for no values. Exact sums of whole numbers make equal arms differ by exactly 0; the
/// running mean of `statrs` is off by a rounding there.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation, √(Σ(x − x̄)² / (n − 1)); `None` for fewer than two values. Exactly 0 for equal
/// whole numbers.
///
/// <https://www.itl.nist.gov/div898/handbook/eda/section3/eda356.htm>.
pub fn sample_std(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// 95% confidence interval of the mean, x̄ ± t(0.975, n − 1)·s/√n; `None` for fewer than two values.
///
/// <https://www.itl.nist.gov/div898/handbook/eda/section3/eda352.htm>. For equal values it has no width.
pub fn confidence_interval(values: &[f64]) -> Option<[f64; 2]> {
    let (mean, std) = (mean(values)?, sample_std(values)?);
    let half_width = critical_t(values.len(), SIGNIFICANT)? * std / (values.len() as f64).sqrt();
    Some([mean - half_width, mean + half_width])
}

/// Two-sided p-value of the paired t-test that the mean of these differences is 0: of t = x̄ / (s/√n), which
/// has n − 1 degrees of freedom.
///
/// <https://www.itl.nist.gov/div898/handbook/prc/section3/prc31.htm>, on the differences of pairs. It is 1 if
/// all differences are zero, and `None` if they are equal but not zero: then no spread can be estimated.
pub fn paired_t_test(differences: &[f64]) -> Option<f64> {
    let (mean, std) = (mean(differences)?, sample_std(differences)?);
    if std == 0.0 {
        return (mean == 0.0).then_some(1.0);
    }
    let t = mean / (std / (differences.len() as f64).sqrt());
    Some(2.0 * students_t(differences.len())?.cdf(-t.abs()))
}

/// The t-distribution for the mean of this many values, with n − 1 degrees of freedom.
fn students_t(values: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, values.checked_sub(1)? as f64).ok()
}

/// |t| of this many values exceeds this with the probability `level` if their true mean is 0.
fn critical_t(values: usize, level: f64) -> Option<f64> {
    Some(-students_t(values)?.inverse_cdf(level / 2.0))
}

/// The smallest true mean that the two-sided t-test of this many values at `level` detects with the
/// probability [`POWER`], if their true spread is the one estimated here: noncentrality·s/√n.
///
/// `None` for fewer than two values, and for values without spread.
pub fn detectable(values: &[f64], level: f64) -> Option<f64> {
    let std = sample_std(values).filter(|&std| std > 0.0)?;
    Some(known_noncentrality(values.len(), level)? * std / (values.len() as f64).sqrt())
}

/// [`noncentrality`], computed once: it takes a millisecond, and every pair of a comparison needs the same.
fn known_noncentrality(values: usize, level: f64) -> Option<f64> {
    static KNOWN: Mutex<BTreeMap<(usize, u64), Option<f64>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry((values, level.to_bits())).or_insert_with(|| noncentrality(values, level))
}

/// The noncentrality δ√n/σ at which the two-sided t-test of `values` values at `level` rejects with the
/// probability [`POWER`]; δ is their true mean and σ their spread.
///
/// `None` for fewer than two values. Cohen, "Statistical Power Analysis for the Behavioral Sciences" (1988),
/// chapter 2; <https://www.itl.nist.gov/div898/handbook/prc/section2/prc222.htm> has the approximation for
/// known σ.
fn noncentrality(values: usize, level: f64) -> Option<f64> {
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let (freedom, critical) = (values.checked_sub(1)? as f64, critical_t(values, level)?);
    let scaled_variance = ChiSquared::new(freedom).ok()?;
    // Power grows with the noncentrality: bisection, to a part in 2⁴⁰.
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

/// P(|T| > `critical`) for T = (Z + `noncentrality`) / √(V/ν) of the noncentral t-distribution, Z standard
/// normal and V chi-squared with ν degrees of freedom.
///
/// Definition: <https://en.wikipedia.org/wiki/Noncentral_t-distribution>. With U = |Z + noncentrality|, |T|
/// exceeds `critical` where V < ν·(U/critical)², so this integrates V's distribution function over U's
/// density, which is φ(u − noncentrality) + φ(u + noncentrality) for u ≥ 0. Both are smooth, and both ends of
/// the integral are flat except for small powers, so the trapezoidal rule is right to 10⁻⁸ where the power is
/// [`POWER`].
fn power(noncentrality: f64, critical: f64, scaled_variance: &ChiSquared) -> f64 {
    /// No normal variable is farther from its mean than this, in its standard deviations.
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
    // The integrand is almost zero at both ends.
    STEP * (1..steps).map(integrand).sum::<f64>()
}

/// Two-sided p-value of McNemar's exact test of two models on the same images. `only_a` and `only_b` images
/// are classified correctly by one model only. The p-value is the probability that n = `only_a` + `only_b`
/// fair coin tosses are split at least as unevenly: 2·P(X ≤ min(`only_a`, `only_b`)), at most 1. It is 1 if n
/// is 0.
///
/// McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
/// Psychometrika 12 (1947), <https://doi.org/10.1007/BF02295996>; in its exact form
/// <https://en.wikipedia.org/wiki/McNemar%27s_test#Variations>.
pub fn mcnemar(only_a: usize, only_b: usize) -> f64 {
    match Binomial::new(0.5, (only_a + only_b) as u64) {
        Ok(tosses) if only_a != only_b => (2.0 * tosses.cdf(only_a.min(only_b) as u64)).min(1.0),
        _ => 1.0,
    }
}

/// Holm's step-down adjustment for testing several hypotheses; the order is kept.
///
/// The k-th smallest of m p-values is multiplied by m − k + 1, and raised to the previous result if that is
/// larger. Rejecting results below 5% then rejects any true hypothesis with a probability of at most 5%.
/// Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6
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
            // The trapezoidal rule is only exact where its ends are flat; with two values they are not here.
            assert!((level - SIGNIFICANT).abs() < 1e-3, "{values}: {level}");
        }
    }
}
