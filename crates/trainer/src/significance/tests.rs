//! Against SciPy; values from scripts/golden_statistics.py.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    samples: Vec<Sample>,
    pairs: Vec<GoldenPair>,
    holm: Vec<GoldenHolm>,
}

#[derive(Deserialize)]
struct Sample {
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

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/statistics.json")).unwrap()
}

fn assert_close(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-3), "{ours} and {theirs}");
}

#[test]
fn mean_std_and_interval_are_those_of_scipy() {
    for Sample { values, mean: golden_mean, std, ci95: [low, high] } in golden().samples {
        assert_close(mean(&values).unwrap(), golden_mean);
        assert_close(sample_std(&values).unwrap(), std);
        let [our_low, our_high] = confidence_interval(&values).unwrap();
        assert_close(our_low, low);
        assert_close(our_high, high);
    }
}

#[test]
fn paired_t_test_is_that_of_scipy() {
    for GoldenPair { a, b, difference, ci95: [low, high], p } in golden().pairs {
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        assert_close(mean(&differences).unwrap(), difference);
        let [our_low, our_high] = confidence_interval(&differences).unwrap();
        assert_close(our_low, low);
        assert_close(our_high, high);
        assert_close(paired_t_test(&differences).unwrap(), p);
    }
}

#[test]
fn holm_adjusts_as_statsmodels_does() {
    for GoldenHolm { p, adjusted } in golden().holm {
        for (ours, theirs) in holm(&p).into_iter().zip(adjusted) {
            assert_close(ours, theirs);
        }
    }
}

#[test]
fn what_cannot_be_estimated_is_none_and_never_nan() {
    assert_eq!(mean(&[]), None);
    assert_eq!(sample_std(&[0.99]), None);
    assert_eq!(confidence_interval(&[0.99]), None);
    assert_eq!(paired_t_test(&[0.01]), None);
    assert_eq!(paired_t_test(&[0.0, 0.0, 0.0]), Some(1.0));
    assert_eq!(paired_t_test(&[0.5, 0.5, 0.5]), None);
}
