//! The result of a comparison: counts of runs, tests of models, and time to accuracy.

use mnist_comparison::{ArmRuns, Comparison, McNemar};
use mnist_training::{FinishedRun, curve::CurvePoint};

use crate::support::{TEST_IMAGES, arm, comparison, predictions, run};

/// Compares models of one seed that classify these test images correctly.
fn compare_models(models: &[(&str, &dyn Fn(usize) -> bool)]) -> Comparison {
    let arms: Vec<ArmRuns> = models
        .iter()
        .map(|(name, is_correct)| {
            let predictions = predictions(TEST_IMAGES, is_correct);
            let correct = predictions.iter().filter(|prediction| prediction.is_correct()).count();
            let run = run(1, Some(correct as f64 / TEST_IMAGES as f64));
            arm(name, vec![FinishedRun { predictions, ..run }])
        })
        .collect();
    comparison(1, &arms)
}

#[test]
fn models_of_one_seed_are_compared_by_mcnemars_test() {
    let comparison = compare_models(&[
        ("center", &|image| image >= 300),
        ("normalize", &|image| image >= 103),
        ("standardize", &|image| image < 9_900),
    ]);
    // standardize misclassifies the last 100 images, normalize the first 103, center 197 more.
    let tests: Vec<(&str, &str, usize, usize)> = comparison
        .pairs
        .iter()
        .map(|pair| {
            let test = pair.mcnemar.as_ref().unwrap();
            (pair.a.as_str(), pair.b.as_str(), test.only_a, test.only_b)
        })
        .collect();
    assert_eq!(
        tests,
        [
            ("standardize", "normalize", 103, 100),
            ("standardize", "center", 300, 100),
            ("normalize", "center", 197, 0)
        ]
    );
    let p_values: Vec<[f64; 2]> = comparison
        .pairs
        .iter()
        .map(|pair| pair.mcnemar.as_ref().map(|test| [test.p, test.p_holm]).unwrap())
        .collect();
    // scipy.stats.binomtest(103, 203).pvalue
    assert!((p_values[0][0] - 0.8884106489509462).abs() < 1e-9, "{p_values:?}");
    assert!((p_values[0][1] - p_values[0][0]).abs() < 1e-15, "the largest p-value is unchanged");
    assert!((p_values[1][1] / p_values[1][0] - 2.0).abs() < 1e-12, "the second of three is doubled");
    assert!((p_values[2][1] / p_values[2][0] - 3.0).abs() < 1e-12, "the smallest of three is tripled");
    assert!(comparison.pairs.iter().all(|pair| pair.p.is_none() && pair.p_holm.is_none()));
    assert!(comparison.scalings.iter().all(|arm| arm.ranks.is_empty()), "tests of models do not rank arms");
    assert!(comparison.compares_models() && !comparison.has_several_seeds());
    assert_eq!(
        comparison.verdict,
        "With this one seed and McNemar's exact test of the trained models, standardize beats center by 200 \
         images in 10,000. normalize beats center by 197. standardize is ahead of normalize by 3, but not \
         significantly. This compares the trained models only. To compare the scalings, train 10 seeds."
    );
}

#[test]
fn models_that_classify_the_same_images_correctly_are_tied() {
    let is_correct = |image: usize| image.is_multiple_of(3);
    let comparison = compare_models(&[("center", &is_correct), ("none", &is_correct)]);
    let McNemar { only_a, only_b, p, p_holm } = comparison.pairs[0].mcnemar.as_ref().unwrap();
    assert_eq!((*only_a, *only_b), (0, 0));
    assert_eq!([*p, *p_holm].map(f64::to_bits), [1.0_f64; 2].map(f64::to_bits));
    assert!(
        comparison.verdict.contains("the trained models, center is tied with \"none\". This"),
        "{}",
        comparison.verdict
    );
}

#[test]
fn diverged_runs_are_counted_but_excluded_from_means() {
    let runs = |accuracies: [Option<f64>; 2]| {
        (1..).zip(accuracies).map(|(seed, accuracy)| run(seed, accuracy)).collect()
    };
    let comparison = comparison(
        2,
        &[
            arm("none", runs([None, None])),
            arm("center", runs([Some(0.5), None])),
            arm("normalize", runs([Some(0.9), Some(0.7)])),
            arm("zca", Vec::new()),
        ],
    );
    let [first, second, third] = &comparison.scalings[..] else { panic!("three arms have runs") };
    assert_eq!((first.scaling.as_str(), first.accuracy.mean, first.arm_index), ("normalize", Some(0.8), 2));
    assert_eq!((second.scaling.as_str(), second.accuracy.mean, second.runs.len()), ("center", Some(0.5), 2));
    assert_eq!(second.usable_runs().count(), 1);
    assert_eq!((third.scaling.as_str(), third.accuracy.mean, &third.ranks[..]), ("none", None, &[][..]));
    assert_eq!((comparison.planned, comparison.finished, comparison.diverged), (8, 6, 3));
    assert_eq!((comparison.test_images, comparison.seconds), (TEST_IMAGES, 12.0));
    assert!(comparison.has_several_seeds() && !comparison.compares_models());
}

#[test]
fn seeds_whose_arms_were_rounded_differently_are_named() {
    let with = |seed, backend: &str, instruction_set: Option<&str>, device: &str| {
        let mut run = run(seed, Some(0.9));
        run.result.backend = backend.into();
        run.result.instruction_set = instruction_set.map(str::to_owned);
        run.result.device = device.into();
        run
    };
    let on_cpu = |seed, set| with(seed, "flex", set, "Cpu");
    let center = arm("center", (1..=4).map(|seed| on_cpu(seed, Some("avx2"))).collect());
    // Seed 1 is the same on both arms, seed 2 rounds the same, seed 3 does not, seed 4 has no record, seed 5 is alone.
    let sets = [Some("avx2"), Some("avx512"), Some("portable"), None, Some("neon")];
    let zca = arm("zca", (1..).zip(sets).map(|(seed, set)| on_cpu(seed, set)).collect());
    let mixed = comparison(5, &[center.clone(), zca]);
    assert_eq!(mixed.mixed_seeds, [3].into());
    assert_eq!(mixed.mixed_hardware, ["avx2", "portable"].map(str::to_owned).into());
    assert_eq!(comparison(4, &[center]).mixed_seeds, [].into());

    let with_device = |name, gpu| arm(name, vec![with(1, "wgpu", None, gpu)]);
    let gpus = [with_device("center", "a GPU"), with_device("zca", "another GPU")];
    assert_eq!(comparison(1, &gpus).mixed_seeds, [1].into());
}

#[test]
fn milestones_are_medians_over_the_runs_that_reached_them() {
    let point =
        |step, accuracy, seconds| CurvePoint { epoch: 1, step, images: 3000, loss: 0.1, accuracy, seconds };
    let curves = [
        vec![point(10, 0.5, 1.0), point(20, 0.985, 2.0), point(30, 0.995, 3.0)],
        vec![point(10, 0.985, 1.5), point(20, 0.985, 2.5)],
        vec![point(10, 0.5, 1.0)],
        vec![point(40, 0.981, 4.0)],
        vec![point(10, 1.0, 0.5)],
    ];
    let mut runs = Vec::new();
    for (seed, curve) in (1..).zip(curves) {
        let accuracy = (seed != 5).then_some(0.9); // The last run diverged later.
        runs.push(FinishedRun { curve, ..run(seed, accuracy) });
    }
    let two = comparison(5, &[arm("center", runs[..2].to_vec())]);
    let all = comparison(5, &[arm("center", runs)]);
    let [early, late] = &all.scalings[0].milestones[..] else { panic!("two milestones") };
    assert_eq!((early.accuracy, early.runs, early.steps, early.seconds), (0.98, 3, Some(20.0), Some(2.0)));
    assert_eq!((late.accuracy, late.runs, late.steps, late.seconds), (0.99, 1, Some(30.0), Some(3.0)));
    let early = &two.scalings[0].milestones[0];
    assert_eq!((early.runs, early.steps, early.seconds), (2, Some(15.0), Some(1.75)));
    let never = comparison(1, &[arm("center", vec![run(1, Some(0.9))])]);
    let milestones = &never.scalings[0].milestones;
    assert!(milestones.is_empty(), "no accuracy was reached: {milestones:?}");
}

#[test]
fn milestones_fit_the_accuracies_of_the_data() {
    let milestones = |accuracies: &[f64]| -> Vec<f64> {
        let point = |&accuracy: &f64| {
            vec![CurvePoint { epoch: 1, step: 10, images: 3000, loss: 0.1, accuracy, seconds: 1.0 }]
        };
        let runs = accuracies.iter().map(point).zip(1..);
        let runs = runs.map(|(curve, seed)| FinishedRun { curve, ..run(seed, Some(0.9)) }).collect();
        let all = comparison(accuracies.len(), &[arm("center", runs)]);
        all.scalings[0].milestones.iter().map(|milestone| milestone.accuracy).collect()
    };
    assert_eq!(milestones(&[0.992]), [0.98, 0.99]);
    assert_eq!(milestones(&[0.72, 0.65]), [0.6, 0.7]);
    assert_eq!(milestones(&[0.52]), [0.5]);
    // One of five runs is too few.
    assert_eq!(milestones(&[0.95, 0.72, 0.72, 0.72, 0.72]), [0.6, 0.7]);
}
