//! Pairing by seed, what is tested, ranks, milestones, and the words of the verdict.

use std::num::NonZeroU32;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    cli::TrainingFlags,
    config::ConfigFile,
    machine::Machine,
    run::Scores,
    significance::{SIGNIFICANT, detectable},
};

pub fn run(scaling: &str, seed: u64, accuracy: Option<f64>) -> RunResult {
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
        machine: Machine::current(),
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

/// One of `test_images` that were classified one by one, the `right` ones correctly.
fn predictions(test_images: usize, right: impl Fn(usize) -> bool) -> Vec<Prediction> {
    let predict = |image| Prediction {
        image,
        label: 3,
        predicted: if right(image) { 3 } else { 5 },
        probability: 0.5,
        label_probability: 0.5,
    };
    (0..test_images).map(predict).collect()
}

fn compared(arm: &str, seed: u64, accuracy: Option<f64>) -> ComparedRun {
    let result = run(arm, seed, accuracy);
    ComparedRun { arm: arm.to_owned(), result, predictions: Vec::new(), curve: Vec::new() }
}

pub fn compare(results: &[(&str, &[Option<f64>])]) -> Comparison {
    compare_planned(results, results[0].1.len())
}

/// Accuracies of the seeds from 1 on, of so many that are asked for.
fn compare_planned(results: &[(&str, &[Option<f64>])], seeds: usize) -> Comparison {
    let runs: Vec<ComparedRun> = results
        .iter()
        .flat_map(|(arm, accuracies)| {
            (1..).zip(*accuracies).map(|(seed, &accuracy)| compared(arm, seed, accuracy))
        })
        .collect();
    let names: Vec<&str> = results.iter().map(|(scaling, _)| *scaling).collect();
    Comparison::of("here".into(), &config(&names, seeds), &runs)
}

/// The same with numbers of images out of 10,000.
fn compare_images(results: &[(&str, &[u32])]) -> Comparison {
    let accuracies: Vec<(&str, Vec<Option<f64>>)> = results
        .iter()
        .map(|(arm, images)| (*arm, images.iter().map(|&images| Some(f64::from(images) / 1e4)).collect()))
        .collect();
    let borrowed: Vec<(&str, &[Option<f64>])> =
        accuracies.iter().map(|(arm, accuracies)| (*arm, &accuracies[..])).collect();
    compare(&borrowed)
}

fn ranks(comparison: &Comparison) -> Vec<(&str, &[usize])> {
    comparison.scalings.iter().map(|arm| (arm.name.as_str(), &arm.ranks[..])).collect()
}

/// Models of one seed that have these of 10,000 images right.
fn compare_models(models: &[(&str, &dyn Fn(usize) -> bool)]) -> Comparison {
    let runs: Vec<ComparedRun> = models
        .iter()
        .map(|(arm, right)| {
            let predictions = predictions(10_000, right);
            let correct = predictions.iter().filter(|prediction| prediction.is_correct()).count();
            ComparedRun { predictions, ..compared(arm, 1, Some(correct as f64 / 1e4)) }
        })
        .collect();
    let names: Vec<&str> = models.iter().map(|(arm, _)| *arm).collect();
    Comparison::of("here".into(), &config(&names, 1), &runs)
}

#[test]
fn one_seed_without_predictions_orders_but_decides_nothing() {
    let comparison = compare(&[("center", &[Some(0.98)]), ("standardize", &[Some(0.99)])]);
    assert_eq!(ranks(&comparison), [("standardize", &[][..]), ("center", &[])]);
    let Pair { a, b, difference, ci95, p, p_holm, detectable, mcnemar, .. } = &comparison.pairs[0];
    assert_eq!((a.as_str(), b.as_str()), ("standardize", "center"));
    assert_eq!((*difference, *ci95, *p, *p_holm, *detectable), (Some(0.01), None, None, None, None));
    assert!(mcnemar.is_none());
    assert_eq!(
        comparison.verdict,
        "On this one seed standardize is ahead of center by 100 images in 10,000, which one seed cannot test. That \
         is about these trained models only: to tell scalings apart, over training seeds, on this test set, \
         repeat with --seeds 10."
    );
}

#[test]
fn tie_on_one_seed_is_called_level() {
    let verdict = compare(&[("center", &[Some(0.98)]), ("none", &[Some(0.98)])]).verdict;
    assert!(verdict.contains("center is level with none"), "{verdict}");
}

#[test]
fn models_of_one_seed_are_tested_image_by_image() {
    let comparison = compare_models(&[
        ("center", &|image| image >= 300),
        ("normalize", &|image| image >= 103),
        ("standardize", &|image| image < 9_900),
    ]);
    // standardize is wrong about the last 100, normalize about the first 103, center about 197 more.
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
    assert!((p_values[0][1] - p_values[0][0]).abs() < 1e-15, "the largest is not adjusted");
    assert!((p_values[1][1] / p_values[1][0] - 2.0).abs() < 1e-12, "the second of three");
    assert!((p_values[2][1] / p_values[2][0] - 3.0).abs() < 1e-12, "the smallest of three");
    assert!(comparison.pairs.iter().all(|pair| pair.p.is_none() && pair.p_holm.is_none()));
    assert!(comparison.scalings.iter().all(|arm| arm.ranks.is_empty()), "tests of models rank no arms");
    assert_eq!(
        comparison.verdict,
        "On this one seed, by McNemar's exact test of the trained models, standardize beats center by 200 \
         images in 10,000; normalize beats center by 197 images in 10,000; standardize is ahead of normalize \
         by 3 images in 10,000 and cannot be told apart from it. That is about these trained models only: to \
         tell scalings apart, over training seeds, on this test set, repeat with --seeds 10."
    );
}

#[test]
fn models_that_are_right_about_the_same_images_are_level() {
    let right = |image: usize| image.is_multiple_of(3);
    let comparison = compare_models(&[("center", &right), ("none", &right)]);
    let McNemar { only_a, only_b, p, p_holm } = comparison.pairs[0].mcnemar.as_ref().unwrap();
    assert_eq!((*only_a, *only_b), (0, 0));
    assert_eq!([*p, *p_holm].map(f64::to_bits), [1.0_f64; 2].map(f64::to_bits));
    assert!(comparison.verdict.contains("center is level with none and cannot be told apart from it"));
}

#[test]
fn one_finished_seed_of_several_is_not_tested_image_by_image() {
    let mut runs = vec![compared("center", 1, Some(0.5)), compared("none", 1, Some(1.0))];
    for run in &mut runs {
        run.predictions = predictions(10_000, |_| true);
    }
    let comparison = Comparison::of("here".into(), &config(&["center", "none"], 3), &runs);
    assert!(comparison.pairs[0].mcnemar.is_none());
    assert_eq!(
        comparison.verdict,
        "So far, 2 of 6 trainings came to an end. none is ahead of center by 5,000 images in 10,000, which \
         one seed cannot test. All this is over training seeds, on this test set."
    );
}

#[test]
fn clear_difference_over_seeds_is_called_and_a_small_one_is_not() {
    let comparison = compare_images(&[
        ("normalize", &[9901, 9888, 9901, 9895]),
        ("center", &[9843, 9796, 9853, 9840]),
        ("standardize", &[9899, 9890, 9904, 9890]),
    ]);
    // From SciPy: ttest_rel and t.interval; Holm by hand; the noncentral t for the last.
    assert_eq!(
        comparison.verdict,
        "normalize beats center by 63 ± 31 images in 10,000; standardize beats center by 63 ± 33 images in \
         10,000; normalize and standardize cannot be told apart: 4 seeds would have shown a difference of 12 \
         images or more (at 80% power). All this is over training seeds, on this test set; ± is the 95% \
         interval."
    );
    assert_eq!(ranks(&comparison), [("normalize", &[1][..]), ("standardize", &[1]), ("center", &[2])]);
    let lowered = comparison.pairs.iter().filter(|pair| pair.p_holm < pair.p).count();
    assert_eq!(lowered, 0, "adjusting never lowers a p-value");
}

#[test]
fn smallest_p_value_of_three_is_tripled() {
    let comparison = compare_images(&[
        ("none", &[9000, 9050, 9030]),
        ("center", &[9500, 9540, 9530]),
        ("normalize", &[9520, 9500, 9580]),
    ]);
    let mut pairs: Vec<&Pair> = comparison.pairs.iter().collect();
    pairs.sort_by(|a, b| a.p.unwrap().total_cmp(&b.p.unwrap()));
    let factors: Vec<f64> = pairs.iter().map(|pair| pair.p_holm.unwrap() / pair.p.unwrap()).collect();
    assert!(
        factors.iter().zip([3.0, 2.0, 1.0]).all(|(ours, holm)| (ours - holm).abs() < 1e-9),
        "{factors:?}"
    );
    let differences = [20.0, -40.0, 50.0];
    let pair = comparison.pairs.iter().find(|pair| pair.b == "center").unwrap();
    let images = detectable(&differences, SIGNIFICANT / 3.0).unwrap();
    assert!((pair.detectable.unwrap() * 1e4 / images - 1.0).abs() < 1e-12, "the level is shared by three");
}

#[test]
fn arms_share_a_rank_exactly_if_they_cannot_be_told_apart() {
    let comparison = compare_images(&[
        ("none", &[9000, 9004, 8998, 9001]),
        ("center", &[9500, 9503, 9498, 9502]),
        ("normalize", &[9900, 9902, 9901, 9898]),
        ("standardize", &[9899, 9903, 9899, 9901]),
    ]);
    let expected = [("standardize", &[1][..]), ("normalize", &[1]), ("center", &[2]), ("none", &[3])];
    assert_eq!(ranks(&comparison), expected);
    // An arm that varies much is told apart from nothing, wherever its mean is.
    let comparison = compare_images(&[
        ("none", &[9980, 2000, 9900, 9300]),
        ("center", &[9500, 9503, 9498, 9502]),
        ("normalize", &[9900, 9902, 9901, 9898]),
    ]);
    assert_eq!(ranks(&comparison), [("normalize", &[1][..]), ("center", &[2]), ("none", &[1, 2])]);
}

#[test]
fn what_only_the_unadjusted_test_finds_neither_ranks_nor_is_called() {
    let comparison = compare_images(&[
        ("none", &[9000, 9000, 9000, 9000]),
        ("center", &[9010, 9020, 9030, 9015]),
        ("normalize", &[9900, 8000, 9990, 8100]),
    ]);
    let pair = comparison.pairs.iter().find(|pair| pair.a == "center" && pair.b == "none").unwrap();
    assert!(pair.p.unwrap() < SIGNIFICANT && pair.p_holm.unwrap() > SIGNIFICANT, "{pair:?}");
    assert!(comparison.scalings.iter().all(|arm| arm.ranks == [1]));
    assert!(!comparison.verdict.contains("beats"), "{}", comparison.verdict);
}

#[test]
fn equal_runs_differ_by_exactly_nothing() {
    // 0.1 + 0.2 and such: as fractions these would differ by roundings.
    let comparison = compare_images(&[("center", &[1000, 2000, 3001]), ("none", &[1000, 2000, 3001])]);
    let Pair { difference, ci95, p, p_holm, detectable, .. } = comparison.pairs[0];
    assert_eq!((difference, ci95), (Some(0.0), Some([0.0, 0.0])));
    assert_eq!((p, p_holm, detectable), (Some(1.0), Some(1.0), None));
    assert_eq!(ranks(&comparison), [("center", &[1][..]), ("none", &[1])]);
    assert_eq!(
        comparison.verdict,
        "center has as many images right as none with every seed. All this is over training seeds, on this \
         test set."
    );
}

#[test]
fn same_difference_with_every_seed_has_no_spread_to_test_by() {
    let comparison = compare_images(&[("center", &[1000, 2000, 3001]), ("none", &[1040, 2040, 3041])]);
    let Pair { seeds, difference, ci95, p, p_holm, detectable, .. } = comparison.pairs[0];
    assert_eq!((seeds, difference), (3, Some(0.004)));
    assert_eq!((ci95, p, p_holm, detectable), (None, None, None, None));
    assert_eq!(ranks(&comparison), [("none", &[][..]), ("center", &[])]);
    assert_eq!(
        comparison.verdict,
        "none is ahead of center by 40 images in 10,000, the same difference in each of 3 seeds: no spread to \
         test by. All this is over training seeds, on this test set."
    );
}

#[test]
fn untested_pair_does_not_count_for_holm() {
    let comparison = compare_images(&[
        ("none", &[9000, 9010, 9030]),
        ("center", &[9040, 9050, 9070]),
        ("normalize", &[9100, 9090, 9120]),
    ]);
    let constant = comparison.pairs.iter().find(|pair| pair.a == "center").unwrap();
    assert_eq!((constant.p, constant.p_holm), (None, None));
    let tested: Vec<f64> = comparison.pairs.iter().filter_map(|pair| Some(pair.p_holm? / pair.p?)).collect();
    assert_eq!(tested.len(), 2);
    assert!(tested.iter().any(|factor| (factor - 2.0).abs() < 1e-12), "{tested:?}");
}

#[test]
fn many_arms_are_held_against_the_best_and_the_beaten_grouped() {
    let comparison = compare_images(&[
        ("none", &[9000, 9004, 8998, 9001]),
        ("center", &[9500, 9503, 9498, 9502]),
        ("normalize", &[9900, 9902, 9901, 9898]),
        ("standardize", &[9899, 9903, 9899, 9901]),
        ("sample-center", &[9400, 9402, 9401, 9398]),
        ("zca", &[9210, 9202, 9201, 9198]),
    ]);
    assert_eq!(comparison.pairs.len(), 15);
    assert_eq!(
        comparison.verdict,
        "standardize beats center, sample-center, zca and none by 400 to 900 images in 10,000; standardize \
         and normalize cannot be told apart: 4 seeds would have shown a difference of 12 images or more (at \
         80% power). All this is over training seeds, on this test set; ± is the 95% interval."
    );
}

#[test]
fn pair_is_paired_by_seed_and_not_by_position() {
    let of = |arm: &str, seed: u64, images: u32| compared(arm, seed, Some(f64::from(images) / 1e4));
    let runs = [
        of("center", 3, 9030),
        of("center", 1, 9010),
        of("center", 2, 9020),
        of("none", 1, 9000),
        of("none", 3, 9000),
    ];
    let comparison = Comparison::of("here".into(), &config(&["center", "none"], 3), &runs);
    let Pair { seeds, difference, ci95, .. } = &comparison.pairs[0];
    assert_eq!((*seeds, *difference), (2, Some(0.002)));
    // Of 10 and 30 images: 20 ± 12.706·14.142/√2.
    let [low, high] = ci95.unwrap();
    assert!((low + 0.010706).abs() < 1e-6 && (high - 0.014706).abs() < 1e-6, "{low} to {high}");
    assert!(comparison.verdict.starts_with("So far, 5 of 6 trainings came to an end. "));
    assert!(comparison.verdict.contains("2 seeds would have shown"), "{}", comparison.verdict);
}

#[test]
fn narrow_interval_keeps_a_decimal_and_one_image_is_no_images() {
    let comparison = compare_images(&[("center", &[9001, 9001, 9001, 9001, 9002]), ("none", &[9000; 5])]);
    // From SciPy: ttest_rel of 1, 1, 1, 1 and 2 against 0.
    assert!(
        comparison.verdict.starts_with("center beats none by 1.2 ± 0.6 images"),
        "{}",
        comparison.verdict
    );
    let verdict = compare_images(&[("center", &[9001, 9001]), ("none", &[9000, 9000])]).verdict;
    assert!(verdict.starts_with("center is ahead of none by 1 image in 10,000, the same"), "{verdict}");
}

#[test]
fn arm_with_a_comma_in_its_name_is_quoted() {
    let mut comparison = compare_images(&[("center", &[9001, 9001, 9003]), ("none", &[9000, 9002, 9005])]);
    for name in [&mut comparison.pairs[0].b, &mut comparison.scalings[1].name] {
        *name = "center, learning rate 0.1".into();
    }
    let verdict = verdict::verdict(&comparison, 3);
    let expected = "none and \"center, learning rate 0.1\" cannot be told apart: 3 seeds";
    assert!(verdict.starts_with(expected), "{verdict}");
}

#[test]
fn spread_beyond_what_images_could_show_is_said() {
    let verdict = compare_images(&[("center", &[9000, 1000]), ("none", &[2000, 8500])]).verdict;
    assert!(verdict.contains("2 seeds with so much spread would not have shown any difference"), "{verdict}");
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
    assert_eq!((third.scaling.as_str(), third.accuracy.mean, &third.ranks[..]), ("none", None, &[][..]));
    assert_eq!((comparison.planned, comparison.finished, comparison.diverged), (6, 6, 3));
    assert_eq!(
        comparison.verdict,
        "normalize is ahead of center by 4,000 images in 10,000, which one seed cannot test. All this is over \
         training seeds, on this test set. none came to no usable end: every training diverged. Diverged and \
         left out: 1 of 2 of center."
    );
}

#[test]
fn nothing_to_compare_is_said() {
    assert_eq!(
        compare(&[("none", &[None, None]), ("normalize", &[Some(0.9), Some(0.7)])]).verdict,
        "normalize alone came to a usable end: there is nothing to compare it with. none came to no usable \
         end: every training diverged."
    );
    assert_eq!(
        compare(&[("none", &[Some(0.5)])]).verdict,
        "none was trained alone: there is nothing to compare it with."
    );
    assert_eq!(compare(&[("none", &[None])]).verdict, "No training came to a usable end.");
    assert_eq!(compare_planned(&[("none", &[])], 3).verdict, "So far, 0 of 3 trainings came to an end.");
    let verdict = compare(&[("none", &[Some(0.9), None]), ("center", &[None, Some(0.8)])]).verdict;
    assert!(verdict.contains("none shares no finished seed with center"), "{verdict}");
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
        let accuracy = (seed != 5).then_some(0.9); // The last one diverged afterwards.
        runs.push(ComparedRun { curve, ..compared("center", seed, accuracy) });
    }
    let comparison = Comparison::of("here".into(), &config(&["center"], 5), &runs);
    let [early, late] = &comparison.scalings[0].milestones[..] else { panic!("two milestones") };
    assert_eq!((early.accuracy, early.runs, early.steps, early.seconds), (0.98, 3, Some(20.0), Some(2.0)));
    assert_eq!((late.accuracy, late.runs, late.steps, late.seconds), (0.99, 1, Some(30.0), Some(3.0)));
    let comparison = Comparison::of("here".into(), &config(&["center"], 5), &runs[..2]);
    let early = &comparison.scalings[0].milestones[0];
    assert_eq!((early.runs, early.steps, early.seconds), (2, Some(15.0), Some(1.75)));
    let never = compare(&[("center", &[Some(0.9)])]);
    let milestones = &never.scalings[0].milestones;
    assert!(milestones.iter().all(|milestone| milestone.runs == 0 && milestone.steps.is_none()));
}

const ARMS: [&str; 5] = ["none", "normalize", "center", "standardize", "zca"];
const FEW_IMAGES: usize = 12;

/// What became of a training.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// It has not come to an end.
    Missing,
    Diverged,
    /// So many of [`FEW_IMAGES`] are right.
    Correct(usize),
}

/// Of each seed of each arm.
fn endings() -> impl Strategy<Value = Vec<Vec<Ending>>> {
    (1..=6_usize, 1..=ARMS.len()).prop_flat_map(|(seeds, arms)| {
        let ending = prop_oneof![
            1 => Just(Ending::Missing),
            1 => Just(Ending::Diverged),
            8 => (0..=FEW_IMAGES).prop_map(Ending::Correct),
        ];
        vec(vec(ending, seeds), arms)
    })
}

fn compare_endings(endings: &[Vec<Ending>]) -> Comparison {
    let mut runs = Vec::new();
    for (number, (arm, of_arm)) in ARMS.iter().zip(endings).enumerate() {
        for (seed, ending) in (1..).zip(of_arm) {
            let mut run = match *ending {
                Ending::Missing => continue,
                Ending::Diverged => compared(arm, seed, None),
                Ending::Correct(correct) => ComparedRun {
                    predictions: predictions(FEW_IMAGES, |image| (image + number) % FEW_IMAGES < correct),
                    ..compared(arm, seed, Some(correct as f64 / FEW_IMAGES as f64))
                },
            };
            run.result.test_images = FEW_IMAGES;
            runs.push(run);
        }
    }
    Comparison::of("here".into(), &config(&ARMS[..endings.len()], endings[0].len()), &runs)
}

/// `None` passes.
fn all_finite(values: impl IntoIterator<Item = Option<f64>>) -> bool {
    values.into_iter().flatten().all(f64::is_finite)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_came_of_the_trainings_every_number_is_one(endings in endings()) {
        let comparison = compare_endings(&endings);
        for arm in &comparison.scalings {
            let Accuracy { mean, std, ci95 } = arm.accuracy;
            prop_assert!(all_finite([mean, std, ci95.map(|ci| ci[0]), ci95.map(|ci| ci[1])]), "{arm:?}");
            prop_assert!(arm.ranks.is_empty() || mean.is_some());
        }
        for pair in &comparison.pairs {
            let Pair { difference, ci95, p, p_holm, detectable, mcnemar, .. } = pair;
            let ranks = |name: &str| &comparison.scalings.iter().find(|arm| arm.name == name).unwrap().ranks;
            let share = ranks(&pair.a).iter().any(|rank| ranks(&pair.b).contains(rank));
            if let Some(p) = p_holm {
                prop_assert_eq!(share, *p >= SIGNIFICANT, "{:?}", pair);
            }
            prop_assert!(all_finite([*difference, *p, *p_holm, *detectable]), "{pair:?}");
            prop_assert_eq!((p.is_some(), p.is_some()), (ci95.is_some(), p_holm.is_some()));
            prop_assert!(detectable.is_none_or(|detectable| detectable > 0.0 && p.is_some()));
            if let (Some(difference), Some([low, high])) = (difference, ci95) {
                prop_assert!(low.is_finite() && high.is_finite() && low <= difference && difference <= high);
                prop_assert_eq!(*low > 0.0 || *high < 0.0, p.unwrap() < SIGNIFICANT, "{:?}", pair);
            }
            let both = p.zip(*p_holm).into_iter().chain(mcnemar.as_ref().map(|test| (test.p, test.p_holm)));
            for (p, p_holm) in both {
                prop_assert!(0.0 <= p && p <= p_holm && p_holm <= 1.0, "{:?}", pair);
            }
            if let (Some(McNemar { only_a, only_b, .. }), Some(difference)) = (mcnemar, difference) {
                let images = *only_a as f64 - *only_b as f64;
                prop_assert!((images - difference * FEW_IMAGES as f64).abs() < 1e-9, "{:?}", pair);
                prop_assert!(p.is_none() && endings[0].len() == 1);
            }
        }
        let verdict = &comparison.verdict;
        prop_assert!(verdict.ends_with('.') && !verdict.contains("NaN") && !verdict.contains("inf"), "{}", verdict);
        // What is not a number would be `null` in JSON, and come back as nothing.
        let json = serde_json::to_value(&comparison).unwrap();
        let again: Comparison = serde_json::from_value(json.clone()).unwrap();
        prop_assert_eq!(serde_json::to_value(&again).unwrap(), json);
    }
}
