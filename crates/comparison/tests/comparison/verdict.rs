//! The sentences of the verdict.

use mnist_comparison::{ArmAccuracies, Statistics};

use crate::support::{ONCE, TEST_IMAGES, arm, comparison, predictions, run, statistics};

fn verdict(arms: &[(&str, &[u32])]) -> String {
    statistics(arms).verdict()
}

/// Returns the verdict on runs with these accuracies, one per seed from 1 on. `None` is a diverged run.
fn verdict_of_runs(arms: &[(&str, &[Option<f64>])], seeds: usize) -> String {
    let arms: Vec<_> = arms
        .iter()
        .map(|(name, accuracies)| {
            let runs = (1..).zip(*accuracies).map(|(seed, &accuracy)| run(seed, accuracy));
            arm(name, runs.collect())
        })
        .collect();
    comparison(seeds, &arms).verdict
}

#[test]
fn one_seed_without_predictions_is_untested() {
    assert_eq!(
        verdict(&[("center", &[9800]), ("standardize", &[9900])]),
        "With this one seed, standardize is ahead of center by 100 images in 10,000 (not \
         tested). This compares the trained models only. To compare the scalings, train 10 seeds."
    );
}

#[test]
fn equal_accuracies_on_one_seed_are_a_tie() {
    let tie = verdict(&[("center", &[9800]), ("none", &[9800])]);
    assert!(tie.starts_with("With this one seed, center is tied with \"none\" (not tested"), "{tie}");
    let one_tie = verdict(&[("center", &[9800]), ("none", &[9800]), ("zca", &[9700])]);
    assert!(
        one_tie.starts_with(
            "With this one seed, center is tied with \"none\" (not tested). center is ahead \
             of zca by 100 images in 10,000 (not tested). \"none\" is ahead of zca by 100 \
             (not tested"
        ),
        "{one_tie}"
    );
}

#[test]
fn one_finished_seed_of_several_is_not_tested_by_mcnemar() {
    let mut arms = [arm("center", vec![run(1, Some(0.5))]), arm("none", vec![run(1, Some(1.0))])];
    for arm in &mut arms {
        arm.runs[0].predictions = predictions(TEST_IMAGES, |_| true);
    }
    let comparison = comparison(3, &arms);
    assert!(comparison.pairs[0].mcnemar.is_none());
    assert_eq!(
        comparison.verdict,
        "So far, 2 of 6 runs finished. \"none\" is ahead of center by 5,000 images in 10,000 (not tested). Planned \
         for 3 seeds, and tested once they are finished."
    );
}

#[test]
fn better_arms_are_reported_with_intervals_and_equivalent_ones_with_the_margin() {
    let statistics = statistics(&[
        ("normalize", &[9901, 9888, 9901, 9895]),
        ("center", &[9843, 9796, 9853, 9840]),
        ("standardize", &[9899, 9890, 9904, 9890]),
    ]);
    // The numbers come from SciPy: t.interval of the differences at the level 5%/3.
    assert_eq!(
        statistics.verdict(),
        "normalize beats center by 63 ± 48 images in 10,000. standardize beats center by 63 ± 51. normalize is \
         equivalent to standardize within 20. ± is the 95% interval, adjusted for 3 pairs. This covers variation \
         between training seeds, not between test sets. Valid if looked at once, at a number of seeds chosen \
         beforehand."
    );
    let ranks: Vec<(&str, &[usize])> =
        statistics.arms.iter().map(|arm| (arm.name.as_str(), &arm.ranks[..])).collect();
    assert_eq!(ranks, [("normalize", &[1][..]), ("standardize", &[1]), ("center", &[2])]);
    let lowered = statistics.pairs.iter().filter(|pair| pair.p_holm < pair.p).count();
    assert_eq!(lowered, 0, "Holm's correction never lowers a p-value");
}

#[test]
fn undecided_arms_are_reported_with_the_detectable_difference() {
    let verdict = verdict(&[
        ("center", &[9890, 9940, 9800, 9960, 9850, 9930]),
        ("none", &[9901, 9902, 9900, 9901, 9903, 9899]),
    ]);
    // From SciPy: t.interval and the noncentral t-distribution.
    assert_eq!(
        verdict,
        "\"none\" is ahead of center by 6 ± 64 images in 10,000 (not decided). 6 seeds detect differences of about \
         88 images and more (80% power). ± is the 95% interval. This covers variation between training seeds, not \
         between test sets. Valid if looked at once, at a number of seeds chosen beforehand."
    );
}

#[test]
fn equal_arms_are_equivalent() {
    let verdict = verdict(&[("center", &[1000, 2000, 3001]), ("none", &[1000, 2000, 3001])]);
    assert!(
        verdict.starts_with("center is equivalent to \"none\" within 20 images in 10,000. "),
        "{verdict}"
    );
}

#[test]
fn many_arms_are_compared_with_the_best_only_and_the_beaten_ones_are_grouped() {
    let statistics = statistics(&[
        ("none", &[9000, 9004, 8998, 9001]),
        ("center", &[9500, 9503, 9498, 9502]),
        ("normalize", &[9900, 9902, 9901, 9898]),
        ("standardize", &[9899, 9903, 9899, 9901]),
        ("sample-center", &[9400, 9402, 9401, 9398]),
        ("zca", &[9210, 9202, 9201, 9198]),
    ]);
    assert_eq!(statistics.pairs.len(), 15);
    assert_eq!(
        statistics.verdict(),
        "standardize beats center, sample-center, zca and \"none\" by 400 to 900 images in 10,000. standardize is \
         equivalent to normalize within 20. This covers variation between training seeds, not between test sets. \
         Valid if looked at once, at a number of seeds chosen beforehand."
    );
}

#[test]
fn interval_is_explained_exactly_if_one_is_printed() {
    let best: &[u32] = &[9900, 9902, 9901, 9898];
    let beaten: [&[u32]; 4] = [
        &[9500, 9503, 9498, 9502],
        &[9400, 9405, 9399, 9398],
        &[9210, 9202, 9201, 9198],
        &[9000, 9004, 8998, 9001],
    ];
    for number in 1..=4 {
        let arms = ["center", "none", "sample-center", "zca"].into_iter().zip(beaten);
        let arms: Vec<(&str, &[u32])> = [("normalize", best)].into_iter().chain(arms.take(number)).collect();
        let verdict = verdict(&arms);
        assert!(verdict.contains("normalize beats"), "{verdict}");
        // The differences from four beaten arms are printed as a range.
        assert_eq!(verdict.contains(" ± "), number <= 3, "{verdict}");
        assert_eq!(verdict.contains("± is the 95% interval"), number <= 3, "{verdict}");
    }
    for without in [
        verdict(&[("center", &[9001, 9001, 9003]), ("none", &[9000, 9002, 9002])]),
        verdict(&[("center", &[9040]), ("none", &[9000])]),
    ] {
        assert!(!without.contains('±'), "{without}");
    }
}

#[test]
fn long_list_of_arms_names_the_first_three() {
    let name = |number: usize| format!("normalize, learning rate 0.00{number}, batch size 64");
    // 100 images from one arm to the next, plus up to 10 images that depend on the seed.
    let images = |number: usize, seed: usize| 9900 - 100 * number + 7 * number * seed % 11;
    let arms: Vec<_> = (1..=9)
        .map(|number| {
            let accuracies = (1..=4).map(|seed| images(number, seed) as f64 / TEST_IMAGES as f64);
            ArmAccuracies::new(name(number), (1..).zip(accuracies))
        })
        .collect();
    let verdict = Statistics::of(&arms, ONCE).unwrap().verdict();
    let [best, second, third, fourth] = [1, 2, 3, 4].map(|number| format!("\"{}\"", name(number)));
    let expected = format!("{best} beats {second}, {third}, {fourth} and 5 others by ");
    assert!(verdict.starts_with(&expected), "{verdict}");
}

#[test]
fn seeds_that_only_one_arm_finished_are_ignored() {
    let verdict = verdict_of_runs(
        &[("center", &[Some(0.901), Some(0.903), Some(0.902)]), ("none", &[Some(0.9), Some(0.9)])],
        3,
    );
    assert!(verdict.starts_with("So far, 5 of 6 runs finished. "), "{verdict}");
    assert!(
        verdict.contains("center is ahead of \"none\" by 20 images in 10,000 (not tested)."),
        "{verdict}"
    );
}

#[test]
fn narrow_interval_has_a_decimal_and_one_image_is_singular() {
    // From SciPy: ttest_rel of the differences 31, 31, 31, 31 and 32.
    let narrow = verdict(&[("center", &[9031, 9031, 9031, 9031, 9032]), ("none", &[9000; 5])]);
    assert!(narrow.starts_with("center beats \"none\" by 31.2 ± 0.6 images"), "{narrow}");
    let one = verdict(&[("center", &[9001]), ("none", &[9000])]);
    assert!(one.contains("center is ahead of \"none\" by 1 image in 10,000"), "{one}");
}

#[test]
fn name_with_a_comma_and_the_name_none_are_quoted() {
    let verdict =
        verdict(&[("none", &[9001, 9001, 9003]), ("center, learning rate 0.1", &[9000, 9002, 9005])]);
    let expected = "\"center, learning rate 0.1\" is equivalent to \"none\" within 20";
    assert!(verdict.starts_with(expected), "{verdict}");
}

#[test]
fn interval_wider_than_the_test_set_is_not_printed() {
    let verdict = verdict(&[("center", &[9000, 1000]), ("none", &[2000, 8500])]);
    assert!(
        verdict.starts_with("\"none\" is ahead of center by 250 images in 10,000 (not decided)."),
        "{verdict}"
    );
    assert!(!verdict.contains('±') && !verdict.contains("power"), "{verdict}");
}

#[test]
fn diverged_runs_come_last() {
    assert_eq!(
        verdict_of_runs(
            &[
                ("none", &[None, None]),
                ("center", &[Some(0.5), None]),
                ("normalize", &[Some(0.9), Some(0.7)])
            ],
            2
        ),
        "normalize is ahead of center by 4,000 images in 10,000 (not tested). Every run of \
         \"none\" diverged. 1 of 2 runs of center diverged and was left out."
    );
    let verdict = verdict_of_runs(
        &[("center", &[Some(0.5), None, None]), ("normalize", &[Some(0.9), Some(0.7), None])],
        3,
    );
    let expected = "1 of 3 runs of normalize and 2 of 3 runs of center diverged and were left out.";
    assert!(verdict.ends_with(expected), "{verdict}");
}

#[test]
fn fewer_than_two_usable_arms_cannot_be_compared() {
    assert_eq!(
        verdict_of_runs(&[("none", &[None, None]), ("normalize", &[Some(0.9), Some(0.7)])], 2),
        "Only normalize has a usable model, so there is nothing to compare it with. Every run of \"none\" \
         diverged."
    );
    assert_eq!(
        verdict_of_runs(&[("none", &[Some(0.5)])], 1),
        "\"none\" was trained alone, so there is nothing to compare it with."
    );
    assert_eq!(verdict_of_runs(&[("none", &[None])], 1), "All runs diverged.");
    assert_eq!(
        verdict_of_runs(&[("none", &[None])], 2),
        "So far, 1 of 2 runs finished. All of them diverged."
    );
    assert_eq!(verdict_of_runs(&[("none", &[])], 3), "So far, 0 of 3 runs finished.");
    let verdict = verdict_of_runs(&[("none", &[Some(0.9), None]), ("center", &[None, Some(0.8)])], 2);
    assert_eq!(
        verdict,
        "\"none\" has no usable seed in common with center. 1 of 2 runs of \"none\" and 1 of 2 runs of center \
         diverged and were left out."
    );
}

#[test]
fn verdict_on_given_accuracies_assumes_that_all_runs_are_finished() {
    let arms = [
        ArmAccuracies::new("adam", [(7, 0.95), (9, 0.96)]),
        ArmAccuracies::new("sgd", [(7, 0.95), (9, 0.96)]),
    ];
    assert_eq!(
        Statistics::of(&arms, ONCE).unwrap().verdict(),
        "adam is equivalent to sgd within 20 images in 10,000. This covers variation between training seeds, not \
         between test sets. Valid if looked at once, at a number of seeds chosen beforehand."
    );
    assert_eq!(Statistics::of(&[], ONCE).unwrap().verdict(), "");
}
