//! The formulas agree with SciPy and statsmodels. scripts/golden_statistics.py computes the expected values.

use mnist_comparison::significance::{
    SIGNIFICANT, Sample, confidence_interval, detectable, holm, mcnemar, mean, sample_std, t_test,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    samples: Vec<GoldenSample>,
    pairs: Vec<GoldenPair>,
    holm: Vec<GoldenHolm>,
    detectable: Vec<GoldenDetectable>,
    mcnemar: Vec<GoldenMcNemar>,
}

#[derive(Deserialize)]
struct GoldenSample {
    values: Vec<f64>,
    mean: f64,
    std: f64,
    ci95: [f64; 2],
}

#[derive(Deserialize)]
struct GoldenPair {
    a: Vec<f64>,
    b: Vec<f64>,
    difference: f64,
    ci95: [f64; 2],
    p: f64,
}

#[derive(Deserialize)]
struct GoldenHolm {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct GoldenDetectable {
    seeds: usize,
    tests: usize,
    std: f64,
    difference: f64,
}

#[derive(Deserialize)]
struct GoldenMcNemar {
    only_a: usize,
    only_b: usize,
    p: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/statistics.json")).unwrap()
}

fn sample(values: &[f64]) -> Sample {
    Sample::of(values).unwrap()
}

fn assert_close(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-3), "{ours} and {theirs}");
}

#[test]
fn mean_std_and_interval_agree_with_scipy() {
    for GoldenSample { values, mean: their_mean, std, ci95: [low, high] } in golden().samples {
        assert_close(mean(&values).unwrap(), their_mean);
        assert_close(sample_std(&values).unwrap(), std);
        let [our_low, our_high] = confidence_interval(&sample(&values), SIGNIFICANT).unwrap();
        assert_close(our_low, low);
        assert_close(our_high, high);
    }
}

#[test]
fn paired_t_test_agrees_with_scipy() {
    for GoldenPair { a, b, difference, ci95: [low, high], p } in golden().pairs {
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        assert_close(mean(&differences).unwrap(), difference);
        let [our_low, our_high] = confidence_interval(&sample(&differences), SIGNIFICANT).unwrap();
        assert_close(our_low, low);
        assert_close(our_high, high);
        assert_close(t_test(&sample(&differences)).unwrap(), p);
    }
}

#[test]
fn holm_correction_agrees_with_statsmodels() {
    for GoldenHolm { p, adjusted } in golden().holm {
        for (ours, theirs) in holm(&p).into_iter().zip(adjusted) {
            assert_close(ours, theirs);
        }
    }
}

/// Returns this many values with this sample standard deviation.
fn values_with_std(values: usize, std: f64) -> Vec<f64> {
    let values: Vec<f64> = (0..values).map(|value| value as f64).collect();
    let scale = std / sample_std(&values).unwrap();
    values.iter().map(|value| value * scale).collect()
}

#[test]
fn detectable_difference_agrees_with_the_noncentral_t_distribution() {
    for GoldenDetectable { seeds, tests, std, difference } in golden().detectable {
        let ours = detectable(&sample(&values_with_std(seeds, std)), SIGNIFICANT / tests as f64).unwrap();
        assert!((ours / difference - 1.0).abs() < 1e-8, "{seeds} seeds, {tests} tests: {ours}, {difference}");
    }
}

#[test]
fn mcnemar_agrees_with_the_binomial_test_of_scipy() {
    for GoldenMcNemar { only_a, only_b, p } in golden().mcnemar {
        assert_close(mcnemar(only_a, only_b), p);
    }
}

#[test]
fn holm_keeps_order_and_ties_and_never_exceeds_one() {
    assert_eq!(holm(&[]), Vec::<f64>::new());
    assert_eq!(holm(&[0.5, 0.02, 0.02]), [0.5, 0.06, 0.06]);
    assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
}

/// A running mean would have a rounding error here, and equal arms would differ.
#[test]
fn mean_of_whole_numbers_with_sum_zero_is_exactly_zero() {
    let differences = [7.0, -19.0, 13.0, -1.0];
    assert_eq!(mean(&differences).map(f64::to_bits), Some(0.0_f64.to_bits()));
    assert_eq!(t_test(&sample(&differences)), Some(1.0));
}

#[test]
fn values_that_cannot_be_estimated_are_none() {
    assert_eq!(mean(&[]), None);
    assert_eq!(sample_std(&[0.99]), None);
    assert_eq!(Sample::of(&[]), None);
    for values in [&[0.99][..], &[0.5, 0.5, 0.5]] {
        assert_eq!(confidence_interval(&sample(values), SIGNIFICANT), None);
        assert_eq!(t_test(&sample(values)), None);
        assert_eq!(detectable(&sample(values), SIGNIFICANT), None);
        // With a least spread, equal values can be tested.
        let rounded = sample(values).with_least_std(0.5);
        assert_eq!(t_test(&rounded).is_some(), values.len() > 1);
    }
}
