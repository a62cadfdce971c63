//! Ranking, pairing by seed, and the words of the verdict.

use std::num::NonZeroU32;

use super::*;
use crate::{cli::TrainingFlags, config::ConfigFile, run::Scores};

fn run(scaling: &str, seed: u64, accuracy: Option<f64>) -> RunResult {
    RunResult {
        run: format!("runs/{scaling}-seed{seed}").into(),
        status: if accuracy.is_some() { Status::Ok } else { Status::Diverged },
        scaling: scaling.into(),
        seed,
        learning_rate: 0.001,
        batch_size: 64,
        backend: "flex".into(),
        device: String::new(),
        threads: 1,
        weights_sha256: None,
        scaling_sha256: None,
        epochs: Vec::new(),
        validation: None,
        test: accuracy.map(|accuracy| Scores { loss: 0.1, accuracy }),
        confusion: None,
        train_images: 1,
        test_images: 10_000,
        classes: 10,
        class_names: None,
        parameters: 1,
        seconds: 2.0,
        versions: Versions::current(),
        data: Vec::new(),
    }
}

fn config(scalings: &[&str], seeds: usize) -> ComparisonConfig {
    let scalings = scalings.iter().map(|name| name.parse().unwrap()).collect();
    let (seeds, file) = (NonZeroU32::new(seeds as u32), ConfigFile::default());
    ComparisonConfig::resolve(Some(scalings), seeds, TrainingFlags::default(), &file).unwrap()
}

fn compare(results: &[(&str, &[Option<f64>])]) -> Comparison {
    let mut runs = Vec::new();
    for (scaling, accuracies) in results {
        for (seed, &accuracy) in (1..).zip(*accuracies) {
            let result = run(scaling, seed, accuracy);
            let arm = (*scaling).to_owned();
            runs.push(ComparedRun { arm, result, predictions: Vec::new(), curve: Vec::new() });
        }
    }
    let names: Vec<&str> = results.iter().map(|(scaling, _)| *scaling).collect();
    Comparison::of("here".into(), &config(&names, results[0].1.len()), &runs)
}

#[test]
fn one_seed_ranks_but_decides_nothing() {
    let comparison = compare(&[("center", &[Some(0.98)]), ("standardize", &[Some(0.99)])]);
    assert_eq!(comparison.scalings[0].scaling, "standardize");
    let Pair { a, b, difference, ci95, p, p_holm, .. } = &comparison.pairs[0];
    assert_eq!((a.as_str(), b.as_str()), ("standardize", "center"));
    assert!((difference.unwrap() - 0.01).abs() < 1e-12);
    assert_eq!((*ci95, *p, *p_holm), (None, None, None));
    assert!(comparison.verdict.contains("ahead of center by 100 images in 10000"), "{}", comparison.verdict);
    assert!(comparison.verdict.contains("--seeds"), "{}", comparison.verdict);
}

#[test]
fn tie_on_one_seed_is_called_level() {
    let verdict = compare(&[("center", &[Some(0.98)]), ("none", &[Some(0.98)])]).verdict;
    assert!(verdict.contains("center and none are level"), "{verdict}");
}

#[test]
fn clear_difference_over_seeds_is_called_and_a_small_one_is_not() {
    let comparison = compare(&[
        ("normalize", &[Some(0.9901), Some(0.9888), Some(0.9901), Some(0.9895)]),
        ("center", &[Some(0.9843), Some(0.9796), Some(0.9853), Some(0.9840)]),
        ("standardize", &[Some(0.9899), Some(0.9890), Some(0.9904), Some(0.9890)]),
    ]);
    assert!(comparison.verdict.contains("beats center by"), "{}", comparison.verdict);
    assert!(comparison.verdict.contains("cannot be told apart"), "{}", comparison.verdict);
    let untested = comparison.pairs.iter().filter(|pair| pair.p_holm < pair.p).count();
    assert_eq!(untested, 0, "adjusting never lowers a p-value");
}

#[test]
fn diverged_run_is_counted_and_left_out_of_the_mean() {
    let comparison = compare(&[
        ("none", &[None, None]),
        ("center", &[Some(0.5), None]),
        ("normalize", &[Some(0.9), Some(0.7)]),
    ]);
    let [first, second, third] = &comparison.scalings[..] else { panic!("three scalings") };
    assert_eq!((first.scaling.as_str(), first.accuracy.mean), ("normalize", Some(0.8)));
    assert_eq!((second.scaling.as_str(), second.accuracy.mean, second.runs.len()), ("center", Some(0.5), 2));
    assert_eq!((third.scaling.as_str(), third.accuracy.mean), ("none", None));
    assert_eq!(
        compare(&[("none", &[None, None]), ("normalize", &[Some(0.9), Some(0.7)])]).verdict,
        "none came to no usable end."
    );
    assert_eq!(compare(&[("none", &[None])]).verdict, "No training came to a usable end.");
}
