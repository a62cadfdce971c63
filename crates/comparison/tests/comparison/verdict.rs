//! The words of the verdict.

use mnist_comparison::{ArmAccuracies, Statistics};

use crate::support::{TEST_IMAGES, arm, comparison, predictions, run, statistics};

fn verdict(arms: &[(&str, &[u32])]) -> String {
    statistics(arms).verdict()
}

/// The verdict on trainings with these accuracies for the seeds from 1 on; `None` diverged.
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
fn one_seed_without_predictions_is_called_untested() {
    assert_eq!(
        verdict(&[("center", &[9800]), ("standardize", &[9900])]),
        "On this one seed standardize is ahead of center by 100 images in 10,000, which one seed cannot test. That \
         is about these trained models only: to tell scalings apart, over training seeds, on this test set, \
         repeat with 10 seeds."
    );
}

#[test]
fn tie_on_one_seed_is_called_level() {
    let verdict = verdict(&[("center", &[9800]), ("none", &[9800])]);
    assert!(verdict.contains("center is level with none"), "{verdict}");
}

#[test]
fn one_finished_seed_of_several_is_not_tested_image_by_image() {
    let mut arms = [arm("center", vec![run(1, Some(0.5))]), arm("none", vec![run(1, Some(1.0))])];
    for arm in &mut arms {
        arm.runs[0].predictions = predictions(TEST_IMAGES, |_| true);
    }
    let comparison = comparison(3, &arms);
    assert!(comparison.pairs[0].mcnemar.is_none());
    assert_eq!(
        comparison.verdict,
        "So far, 2 of 6 trainings came to an end. none is ahead of center by 5,000 images in 10,000, which \
         one seed cannot test. All this is over training seeds, on this test set."
    );
}

#[test]
fn clear_difference_over_seeds_is_called_and_a_small_one_is_not() {
    let statistics = statistics(&[
        ("normalize", &[9901, 9888, 9901, 9895]),
        ("center", &[9843, 9796, 9853, 9840]),
        ("standardize", &[9899, 9890, 9904, 9890]),
    ]);
    // From SciPy: ttest_rel and t.interval; Holm by hand; the noncentral t for the last.
    assert_eq!(
        statistics.verdict(),
        "normalize beats center by 63 ± 31 images in 10,000; standardize beats center by 63 ± 33 images in \
         10,000; normalize and standardize cannot be told apart: 4 seeds would have shown a difference of 12 \
         images or more (at 80% power). All this is over training seeds, on this test set; ± is the 95% \
         interval."
    );
    let ranks: Vec<(&str, &[usize])> =
        statistics.arms.iter().map(|arm| (arm.name.as_str(), &arm.ranks[..])).collect();
    assert_eq!(ranks, [("normalize", &[1][..]), ("standardize", &[1]), ("center", &[2])]);
    let lowered = statistics.pairs.iter().filter(|pair| pair.p_holm < pair.p).count();
    assert_eq!(lowered, 0, "adjusting never lowers a p-value");
}

#[test]
fn equal_runs_have_as_many_images_right() {
    assert_eq!(
        verdict(&[("center", &[1000, 2000, 3001]), ("none", &[1000, 2000, 3001])]),
        "center has as many images right as none with every seed. All this is over training seeds, on this \
         test set."
    );
}

#[test]
fn difference_without_spread_is_told_and_not_tested() {
    assert_eq!(
        verdict(&[("center", &[1000, 2000, 3001]), ("none", &[1040, 2040, 3041])]),
        "none is ahead of center by 40 images in 10,000, the same difference in each of 3 seeds: no spread to \
         test by. All this is over training seeds, on this test set."
    );
}

#[test]
fn many_arms_are_held_against_the_best_and_the_beaten_grouped() {
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
        "standardize beats center, sample-center, zca and none by 400 to 900 images in 10,000; standardize \
         and normalize cannot be told apart: 4 seeds would have shown a difference of 12 images or more (at \
         80% power). All this is over training seeds, on this test set; ± is the 95% interval."
    );
}

#[test]
fn seeds_that_only_one_arm_has_finished_are_not_counted() {
    let verdict = verdict_of_runs(
        &[("center", &[Some(0.901), Some(0.903), Some(0.902)]), ("none", &[Some(0.9), Some(0.9)])],
        3,
    );
    assert!(verdict.starts_with("So far, 5 of 6 trainings came to an end. "), "{verdict}");
    assert!(verdict.contains("2 seeds would have shown"), "{verdict}");
}

#[test]
fn narrow_interval_keeps_a_decimal_and_one_image_is_no_images() {
    // From SciPy: ttest_rel of 1, 1, 1, 1 and 2 against 0.
    let narrow = verdict(&[("center", &[9001, 9001, 9001, 9001, 9002]), ("none", &[9000; 5])]);
    assert!(narrow.starts_with("center beats none by 1.2 ± 0.6 images"), "{narrow}");
    let one = verdict(&[("center", &[9001, 9001]), ("none", &[9000, 9000])]);
    assert!(one.starts_with("center is ahead of none by 1 image in 10,000, the same"), "{one}");
}

#[test]
fn arm_with_a_comma_in_its_name_is_quoted() {
    let verdict =
        verdict(&[("none", &[9001, 9001, 9003]), ("center, learning rate 0.1", &[9000, 9002, 9005])]);
    let expected = "\"center, learning rate 0.1\" and none cannot be told apart: 3 seeds";
    assert!(verdict.starts_with(expected), "{verdict}");
}

#[test]
fn spread_beyond_what_images_could_show_is_said() {
    let verdict = verdict(&[("center", &[9000, 1000]), ("none", &[2000, 8500])]);
    assert!(verdict.contains("2 seeds with so much spread would not have shown any difference"), "{verdict}");
}

#[test]
fn diverged_runs_are_told_last() {
    assert_eq!(
        verdict_of_runs(
            &[
                ("none", &[None, None]),
                ("center", &[Some(0.5), None]),
                ("normalize", &[Some(0.9), Some(0.7)])
            ],
            2
        ),
        "normalize is ahead of center by 4,000 images in 10,000, which one seed cannot test. All this is over \
         training seeds, on this test set. none came to no usable end: every training diverged. Diverged and \
         left out: 1 of 2 of center."
    );
}

#[test]
fn nothing_to_compare_is_said() {
    assert_eq!(
        verdict_of_runs(&[("none", &[None, None]), ("normalize", &[Some(0.9), Some(0.7)])], 2),
        "normalize alone came to a usable end: there is nothing to compare it with. none came to no usable \
         end: every training diverged."
    );
    assert_eq!(
        verdict_of_runs(&[("none", &[Some(0.5)])], 1),
        "none was trained alone: there is nothing to compare it with."
    );
    assert_eq!(verdict_of_runs(&[("none", &[None])], 1), "No training came to a usable end.");
    assert_eq!(verdict_of_runs(&[("none", &[])], 3), "So far, 0 of 3 trainings came to an end.");
    let verdict = verdict_of_runs(&[("none", &[Some(0.9), None]), ("center", &[None, Some(0.8)])], 2);
    assert!(verdict.contains("none shares no finished seed with center"), "{verdict}");
}

#[test]
fn accuracies_from_anywhere_count_as_everything_that_is_planned() {
    let arms = [
        ArmAccuracies::new("adam", [(7, 0.95), (9, 0.96)]),
        ArmAccuracies::new("sgd", [(7, 0.95), (9, 0.96)]),
    ];
    assert_eq!(
        Statistics::of(&arms, TEST_IMAGES).unwrap().verdict(),
        "adam has as many images right as sgd with every seed. All this is over training seeds, on this test set."
    );
    assert_eq!(Statistics::of(&[], TEST_IMAGES).unwrap().verdict(), "");
}
