//! How sure a difference between training seeds is.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Confidence of every interval.
const CONFIDENCE: f64 = 0.95;

/// Arithmetic mean; none of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (n − 1); none of fewer than two values.
pub fn sample_std(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// 95% confidence interval of the mean: x̄ ± t(0.975, n−1)·s/√n.
///
/// <https://www.itl.nist.gov/div898/handbook/eda/section3/eda352.htm>
pub fn confidence_interval(values: &[f64]) -> Option<[f64; 2]> {
    let (mean, std) = (mean(values)?, sample_std(values)?);
    let quantile = students_t(values.len())?.inverse_cdf(0.5 + CONFIDENCE / 2.0);
    let half_width = quantile * std / (values.len() as f64).sqrt();
    Some([mean - half_width, mean + half_width])
}

/// Two-sided p-value of the paired t-test that the mean of these differences is 0.
///
/// <https://www.itl.nist.gov/div898/handbook/prc/section3/prc31.htm>, on the differences of pairs.
/// All differences zero: 1. All equal but not zero: none, for no spread can be estimated.
pub fn paired_t_test(differences: &[f64]) -> Option<f64> {
    let (mean, std) = (mean(differences)?, sample_std(differences)?);
    if std == 0.0 {
        return (mean == 0.0).then_some(1.0);
    }
    let t = mean / (std / (differences.len() as f64).sqrt());
    Some(2.0 * students_t(differences.len())?.cdf(-t.abs()))
}

fn students_t(values: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, values.checked_sub(1)? as f64).ok()
}

/// Holm's step-down adjustment for testing several hypotheses; the order is kept.
///
/// Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).
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
mod tests;
