//! The test that is valid at every look agrees with SciPy, and the equivalence test with statsmodels.
//! scripts/golden_looks.py computes the expected values.

use mnist_comparison::{
    Decision, Looks,
    significance::{Sample, confidence_interval},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    levels: Vec<Level>,
    p_values: Vec<PValue>,
    equivalence: Vec<Equivalence>,
}

#[derive(Deserialize)]
struct Level {
    alpha: f64,
    n: usize,
    #[serde(rename = "level")]
    of_test: f64,
    critical: f64,
}

#[derive(Deserialize)]
struct PValue {
    n: usize,
    p: f64,
    always_valid: f64,
}

#[derive(Deserialize)]
struct Equivalence {
    margin: f64,
    a: Vec<f64>,
    b: Vec<f64>,
    p: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/looks.json")).unwrap()
}

fn assert_close(ours: f64, theirs: f64, what: &str) {
    assert!((ours / theirs - 1.0).abs() < 1e-7, "{what}: {ours} and {theirs}");
}

#[test]
fn level_and_interval_at_every_look_agree_with_scipy() {
    for Level { alpha, n, of_test, critical } in golden().levels {
        let what = format!("{n} seeds, level {alpha}");
        let ours = Looks::Any.level_of_test(n, alpha).unwrap();
        assert_close(ours, of_test, &what);
        // With this spread, the standard error is 1.
        let sample = Sample { values: n, mean: 0.0, std: Some((n as f64).sqrt()) };
        let [_, high] = confidence_interval(&sample, ours).unwrap();
        assert_close(high, critical, &what);
    }
}

#[test]
fn p_value_is_the_smallest_level_that_rejects() {
    for PValue { n, p, always_valid } in golden().p_values {
        let ours = Looks::Any.p_value(n, p).unwrap();
        assert_close(ours, always_valid, &format!("{n} seeds, p {p}"));
        assert!(ours >= p);
    }
}

#[test]
fn one_look_has_the_usual_level_and_there_is_none_before_the_end() {
    assert_eq!((Looks::Once.level_of_test(2, 0.05), Looks::Once.p_value(2, 0.3)), (Some(0.05), Some(0.3)));
    assert_eq!((Looks::Once.level_of_test(1, 0.05), Looks::Once.p_value(1, 0.3)), (None, None));
    assert_eq!((Looks::Any.level_of_test(2, 0.05), Looks::Any.p_value(2, 0.3)), (None, None));
    assert_eq!((Looks::NotYet.level_of_test(50, 0.05), Looks::NotYet.p_value(50, 0.3)), (None, None));
}

/// Two one-sided tests at level/2 each reject exactly if the interval at that level is within the margin.
#[test]
fn equivalence_by_interval_agrees_with_two_one_sided_tests() {
    for Equivalence { margin, a, b, p } in golden().equivalence {
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let sample = Sample::of(&differences).unwrap();
        let is_within = |level: f64| {
            let [low, high] = confidence_interval(&sample, level).unwrap();
            -margin < low && high < margin
        };
        assert!(is_within(2.0 * p * (1.0 + 1e-6)), "{differences:?}, margin {margin}");
        assert!(!is_within(2.0 * p * (1.0 - 1e-6)), "{differences:?}, margin {margin}");
    }
}

#[test]
fn decision_follows_from_the_interval() {
    for (interval, decision) in [
        ([1.0, 50.0], Decision::A),
        ([-50.0, -1.0], Decision::B),
        ([-19.0, 19.9], Decision::Equivalent),
        ([-19.0, 20.0], Decision::Undecided),
        ([1.0, 2.0], Decision::A),
    ] {
        assert_eq!(Decision::from_interval(interval, 20.0), decision, "{interval:?}");
    }
}
