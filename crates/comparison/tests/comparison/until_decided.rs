//! Which runs come next in a comparison that trains until it is decided.

use mnist_comparison::{ArmAccuracies, Design, Looks, SeedAccuracy, until_decided::next_runs};

use crate::support::{ONCE, TEST_IMAGES};

const ANY: Design = Design { looks: Looks::Any, ..ONCE };

/// The number of images that an arm classifies correctly with a seed; `None` if the run diverges.
type Outcome = fn(u64) -> Option<u32>;

/// Trains until `next_runs` returns nothing. Returns the number of seeds of each arm.
fn train(outcomes: &[Outcome], most_seeds: usize) -> Vec<usize> {
    let mut arms: Vec<ArmAccuracies> =
        (0..outcomes.len()).map(|arm| ArmAccuracies::new(arm.to_string(), [])).collect();
    loop {
        let next = next_runs(&arms, ANY, most_seeds);
        if next.is_empty() {
            return arms.iter().map(|arm| arm.runs.len()).collect();
        }
        for (arm, seed) in next {
            assert!(arms[arm].runs.iter().all(|run| run.seed != seed), "nothing is trained twice");
            let accuracy = outcomes[arm](seed).map(|images| f64::from(images) / TEST_IMAGES as f64);
            arms[arm].runs.push(SeedAccuracy { seed, accuracy, answers: None });
        }
    }
}

const GOOD: Outcome = |seed| Some(9900 + (seed * 7 % 11) as u32);

const AS_GOOD: Outcome = |seed| Some(9900 + (seed * 5 % 13) as u32);

const BAD: Outcome = |seed| Some(9500 + (seed * 3 % 17) as u32);

const DIVERGING: Outcome = |_| None;

#[test]
fn first_look_is_at_three_seeds() {
    let arms = [ArmAccuracies::new("a", []), ArmAccuracies::new("b", [(1, 0.5)])];
    assert_eq!(next_runs(&arms, ANY, 50), [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3)]);
}

#[test]
fn clearly_worse_arm_stops_before_the_others() {
    let seeds = train(&[GOOD, BAD, AS_GOOD], 50);
    assert!(3 <= seeds[1] && seeds[1] < seeds[0] && seeds[0] == seeds[2] && seeds[0] < 50, "{seeds:?}");
}

#[test]
fn identical_arms_are_soon_equivalent() {
    let seeds = train(&[GOOD, GOOD], 50);
    assert!(seeds[0] == seeds[1] && seeds[0] <= 6, "{seeds:?}");
}

#[test]
fn arms_that_diverge_do_not_hold_up_the_others() {
    assert_eq!(train(&[DIVERGING, DIVERGING], 50), [3, 3]);
    let seeds = train(&[GOOD, DIVERGING, BAD], 50);
    assert!(seeds[1] == 3 && seeds[0] < 10, "{seeds:?}");
    // A run that diverges now and then counts for no pair.
    let sometimes: Outcome = |seed| GOOD(seed).filter(|_| !seed.is_multiple_of(3));
    let seeds = train(&[sometimes, BAD], 50);
    assert!(seeds[0] == seeds[1] && (4..20).contains(&seeds[0]), "{seeds:?}");
}

#[test]
fn undecided_comparison_ends_at_the_most_seeds() {
    let scattered: Outcome = |seed| Some(9000 + (seed * 379 % 800) as u32);
    assert_eq!(train(&[scattered, GOOD], 4), [4, 4]);
}

/// Five seeds were planned. The first three decide, but all five do not, so a decision must not come from three.
#[test]
fn seeds_that_are_there_already_all_count_before_an_arm_stops() {
    let accuracies = [9900, 9901, 9900, 9100, 9000];
    let scattered = |arm: usize, seed: u64| {
        let images = if arm == 0 { 9600 } else { accuracies[seed as usize - 1] };
        (seed, f64::from(images) / TEST_IMAGES as f64)
    };
    let arms =
        [0, 1].map(|arm| ArmAccuracies::new(arm.to_string(), (1..=5).map(|seed| scattered(arm, seed))));
    assert_eq!(next_runs(&arms, ANY, 50), [(0, 6), (1, 6)]);
    let first_three =
        [0, 1].map(|arm| ArmAccuracies::new(arm.to_string(), (1..=3).map(|seed| scattered(arm, seed))));
    assert_eq!(next_runs(&first_three, ANY, 50), []);
}

#[test]
fn decision_does_not_depend_on_the_order_in_which_runs_finish() {
    let outcomes: [Outcome; 3] = [GOOD, BAD, AS_GOOD];
    let expected = train(&outcomes, 50);
    // All runs of the end are there, the last seed first.
    let runs = |arm: usize| {
        (1..=expected[arm] as u64)
            .rev()
            .map(move |seed| (seed, f64::from(outcomes[arm](seed).unwrap()) / TEST_IMAGES as f64))
    };
    let arms: Vec<ArmAccuracies> = (0..3).map(|arm| ArmAccuracies::new(arm.to_string(), runs(arm))).collect();
    assert_eq!(next_runs(&arms, ANY, 50), []);
}
