//! Properties of the statistics for random outcomes: all numbers are finite and consistent with each other.

use mnist_comparison::{
    Accuracy, ArmAccuracies, ArmRuns, Comparison, Design, Looks, McNemar, Pair, SeedAccuracy, Statistics,
    significance::SIGNIFICANT,
};
use mnist_training::FinishedRun;
use proptest::{collection::vec, prelude::*};

use crate::support::{arm, comparison, predictions, run};

const ARMS: [&str; 5] = ["none", "normalize", "center", "standardize", "zca"];
const FEW_IMAGES: usize = 12;

/// The outcome of a run.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// It is unfinished.
    Missing,
    Diverged,
    /// It classified this many of [`FEW_IMAGES`] correctly.
    Correct(usize),
}

/// Generates the outcome of each seed of each arm.
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

fn statistics(endings: &[Vec<Ending>]) -> Statistics {
    let arms = ARMS.iter().zip(endings).map(|(name, of_arm)| {
        let of_seed = |(seed, ending)| match ending {
            Ending::Missing => None,
            Ending::Diverged => Some(SeedAccuracy { seed, accuracy: None, answers: None }),
            Ending::Correct(correct) => {
                Some(SeedAccuracy { seed, accuracy: Some(correct as f64 / FEW_IMAGES as f64), answers: None })
            }
        };
        let runs = (1..).zip(of_arm.iter().copied()).filter_map(of_seed).collect();
        ArmAccuracies { name: (*name).to_owned(), runs }
    });
    Statistics::of(&arms.collect::<Vec<_>>(), Design::new(FEW_IMAGES, Looks::Once)).unwrap()
}

/// Compares the same outcomes as finished runs with predictions.
fn compare(endings: &[Vec<Ending>]) -> Comparison {
    let runs = |number: usize, of_arm: &[Ending]| {
        let of_seed = |(seed, ending)| {
            let mut run = match ending {
                Ending::Missing => return None,
                Ending::Diverged => run(seed, None),
                Ending::Correct(correct) => FinishedRun {
                    predictions: predictions(FEW_IMAGES, |image| (image + number) % FEW_IMAGES < correct),
                    ..run(seed, Some(correct as f64 / FEW_IMAGES as f64))
                },
            };
            run.result.test_images = FEW_IMAGES;
            Some(run)
        };
        (1..).zip(of_arm.iter().copied()).filter_map(of_seed).collect()
    };
    let arms: Vec<ArmRuns> = ARMS
        .iter()
        .zip(endings)
        .enumerate()
        .map(|(number, (name, of_arm))| arm(name, runs(number, of_arm)))
        .collect();
    comparison(endings[0].len(), &arms)
}

/// Returns whether all values are finite. `None` counts as finite.
fn all_finite(values: impl IntoIterator<Item = Option<f64>>) -> bool {
    values.into_iter().flatten().all(f64::is_finite)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arms_are_sorted_and_their_numbers_finite(endings in endings()) {
        let Statistics { arms, .. } = statistics(&endings);
        for arm in &arms {
            let Accuracy { mean, std, ci95, .. } = arm.accuracy;
            prop_assert!(all_finite([mean, std, ci95.map(|ci| ci[0]), ci95.map(|ci| ci[1])]), "{arm:?}");
            prop_assert!(arm.ranks.is_empty() || mean.is_some());
            prop_assert!(arm.ranks.is_sorted() && arm.ranks.iter().all(|rank| (1..=arms.len()).contains(rank)));
            prop_assert_eq!(arm.is_usable(), arm.diverged < arm.runs);
        }
        let means = arms.iter().map(|arm| arm.accuracy.mean.unwrap_or(-1.0));
        prop_assert!(means.rev().is_sorted(), "{arms:?}");
    }

    #[test]
    fn interval_p_value_and_ranks_of_a_pair_are_consistent(endings in endings()) {
        let Statistics { arms, pairs, .. } = statistics(&endings);
        prop_assert_eq!(pairs.len(), arms.len() * arms.len().saturating_sub(1) / 2);
        for pair in &pairs {
            let Pair { places: [a, b], difference, ci95, p, p_holm, detectable, .. } = pair;
            let share = arms[*a].ranks.iter().any(|rank| arms[*b].ranks.contains(rank));
            if let Some(p) = p_holm {
                prop_assert_eq!(share, *p >= SIGNIFICANT, "{:?}", pair);
                prop_assert_eq!(share, !pair.decision.is_better(), "{:?}", pair);
            }
            prop_assert!(all_finite([*difference, *p, *p_holm, *detectable]), "{pair:?}");
            prop_assert_eq!((p.is_some(), p.is_some()), (ci95.is_some(), p_holm.is_some()));
            prop_assert!(detectable.is_none_or(|detectable| detectable > 0.0 && p.is_some()));
            if let (Some(difference), Some([low, high])) = (difference, ci95) {
                prop_assert!(low <= difference && difference <= high);
                prop_assert!((-1.0..=1.0).contains(low) && (-1.0..=1.0).contains(high), "{pair:?}");
                // The interval is adjusted for all pairs, so it is at least as strict as the decision.
                prop_assert!(pair.decision.is_better() || (*low <= 0.0 && *high >= 0.0), "{pair:?}");
            }
            if let Some((p, p_holm)) = p.zip(*p_holm) {
                prop_assert!(0.0 <= p && p <= p_holm && p_holm <= 1.0, "{:?}", pair);
            }
        }
    }

    #[test]
    fn mcnemars_test_needs_one_seed_and_matches_the_difference(endings in endings()) {
        for pair in &compare(&endings).pairs {
            let Some(McNemar { only_a, only_b, p, p_holm }) = pair.mcnemar else { continue };
            prop_assert!(endings[0].len() == 1 && pair.p.is_none());
            prop_assert!(0.0 <= p && p <= p_holm && p_holm <= 1.0, "{:?}", pair);
            let images = only_a as f64 - only_b as f64;
            prop_assert!((images - pair.difference.unwrap() * FEW_IMAGES as f64).abs() < 1e-9, "{:?}", pair);
        }
    }

    #[test]
    fn comparison_has_the_statistics_of_its_runs(endings in endings()) {
        let (comparison, Statistics { arms, .. }) = (compare(&endings), statistics(&endings));
        let of_arm = comparison.scalings.iter().map(|arm| (&arm.name, arm.accuracy.mean, arm.accuracy.std));
        prop_assert!(of_arm.eq(arms.iter().map(|arm| (&arm.name, arm.accuracy.mean, arm.accuracy.std))));
        let Comparison { verdict, headline, .. } = &comparison;
        for text in [verdict, headline] {
            prop_assert!(text.ends_with('.') && !text.contains("NaN") && !text.contains("inf"), "{}", text);
        }
        prop_assert!(headline.split_whitespace().count() <= 25, "{}", headline);
    }
}
