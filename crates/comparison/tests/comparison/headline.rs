//! The headline: an answer in at most 25 words, with a next step.

use mnist_comparison::{ArmAccuracies, Design, Looks, Statistics};

use crate::support::{ONCE, TEST_IMAGES, arm, comparison, predictions, run, statistics};

fn headline(arms: &[(&str, &[u32])]) -> String {
    statistics(arms).headline()
}

const BEST: &[u32] = &[9901, 9902, 9900, 9901, 9903, 9899];
const AS_GOOD: &[u32] = &[9900, 9902, 9901, 9899, 9902, 9901];
const WORSE: &[u32] = &[9849, 9851, 9845, 9850, 9846, 9852];

#[test]
fn best_arm_is_recommended_with_its_equivalents() {
    assert_eq!(
        headline(&[("normalize", BEST), ("center", WORSE)]),
        "Use normalize. center is 52 images in 10,000 worse."
    );
    assert_eq!(
        headline(&[("normalize", BEST), ("center", WORSE), ("standardize", AS_GOOD)]),
        "Use normalize or standardize. center is 52 images in 10,000 worse; normalize and standardize are equivalent \
         within 20."
    );
    assert_eq!(
        headline(&[("normalize", BEST), ("standardize", AS_GOOD)]),
        "Use normalize or standardize. normalize and standardize are equivalent within 20 images."
    );
}

#[test]
fn undecided_comparison_asks_for_more_seeds() {
    let scattered: &[u32] = &[9890, 9940, 9800, 9960, 9850, 9930];
    let headline = headline(&[("normalize", BEST), ("center", scattered)]);
    assert_eq!(
        headline,
        "Not decided yet: normalize leads center by 6 ± 64 images in 10,000 after 6 seeds. Train more seeds."
    );
}

#[test]
fn undecided_headline_names_the_arms_that_are_decidedly_worse() {
    let close: &[u32] = &[9890, 9925, 9880, 9915, 9893, 9890];
    let much_worse: &[u32] = &[9649, 9651, 9645, 9650, 9646, 9652];
    assert_eq!(
        headline(&[("normalize", BEST), ("standardize", close), ("center", much_worse)]),
        "Not decided yet: normalize leads standardize by 2 ± 24 images in 10,000 after 6 seeds; center is worse. Train \
         more seeds."
    );
}

#[test]
fn one_seed_could_be_chance() {
    assert_eq!(
        headline(&[("center", &[9800]), ("standardize", &[9900])]),
        "Not decided: with one seed, standardize leads center by 100 images in 10,000, which could be chance. Train \
         10 seeds."
    );
    let tied = headline(&[("center", &[9800]), ("none", &[9800])]);
    assert!(tied.starts_with("Not decided: with one seed, center and \"none\" are tied"), "{tied}");
}

#[test]
fn plan_that_is_not_finished_decides_nothing() {
    let arms = [
        arm("normalize", (1..=4).map(|seed| run(seed, Some(0.99))).collect()),
        arm("center", (1..=4).map(|seed| run(seed, Some(0.5))).collect()),
    ];
    let comparison = comparison(10, &arms);
    assert_eq!(
        comparison.headline,
        "Not decided yet: normalize leads center by 4,900 images in 10,000 after 4 of 10 seeds. Let it finish."
    );
    assert!(comparison.pairs[0].p.is_none() && comparison.pairs[0].ci95.is_none());
    assert!(comparison.scalings.iter().all(|arm| arm.ranks.is_empty()));
    assert!(comparison.verdict.ends_with("Planned for 10 seeds, and tested once they are finished."));
}

/// The interval over seeds is narrow because each seed's models answer the same few images differently.
#[test]
fn answer_that_does_not_hold_for_new_images_says_so() {
    let correct = |seed: usize, worse: usize| {
        let images = 9_900 - worse - seed % 2;
        let accuracy = images as f64 / TEST_IMAGES as f64;
        let mut run = run(seed as u64, Some(accuracy));
        run.predictions = predictions(TEST_IMAGES, |image| image < images);
        run
    };
    let arms = [
        arm("normalize", (1..=6).map(|seed| correct(seed, 0)).collect()),
        arm("center", (1..=6).map(|seed| correct(seed, 2 + usize::from(seed == 3))).collect()),
    ];
    let few = comparison(6, &arms);
    assert_eq!(few.headline, "On these test images: use normalize. center is 2 images in 10,000 worse.");
    assert!(
        few.verdict
            .starts_with("For new seeds and new test images: normalize is equivalent to center within 20")
    );
}

#[test]
fn headline_has_at_most_25_words_for_any_number_of_arms() {
    for names in [["a", "b", "c", "d", "e", "f", "g", "h"].map(String::from).to_vec(), long_names()] {
        for number in 1..=names.len() {
            for distance in [0, 1, 40] {
                let arms: Vec<ArmAccuracies> = (0..number)
                    .map(|arm| {
                        let images = |seed: usize| 9900 - distance * arm + (seed * (arm + 3)) % 5;
                        let runs =
                            (1..=6).map(|seed| (seed as u64, images(seed) as f64 / TEST_IMAGES as f64));
                        ArmAccuracies::new(&names[arm], runs)
                    })
                    .collect();
                for looks in [Looks::Once, Looks::Any, Looks::NotYet] {
                    let headline = Statistics::of(&arms, Design { looks, ..ONCE }).unwrap().headline();
                    assert!(headline.split_whitespace().count() <= 25, "{headline}");
                    assert!(headline.ends_with('.'), "{headline}");
                }
            }
        }
    }
}

fn long_names() -> Vec<String> {
    (1..=8).map(|number| format!("standardize, learning rate 0.00{number}, batch size 64")).collect()
}

/// The arm with the best mean can lose on the seeds that both arms have.
#[test]
fn arm_that_loses_on_the_shared_seeds_is_not_recommended() {
    let accuracies = |images: &[u32], first: u64| {
        (first..).zip(images.iter().map(|&images| f64::from(images) / TEST_IMAGES as f64)).collect::<Vec<_>>()
    };
    let arms = [
        ArmAccuracies::new("a", accuracies(&[9400, 9401, 9399, 9400, 9401, 9402, 9990, 9990, 9990, 9990], 1)),
        ArmAccuracies::new("b", accuracies(&[9500, 9502, 9500, 9499, 9501, 9503], 1)),
    ];
    let statistics = Statistics::of(&arms, ONCE).unwrap();
    assert_eq!(statistics.arms[0].name, "a");
    assert_eq!(statistics.headline(), "Use b. a is 100 images in 10,000 worse.");
    let apart = [ArmAccuracies::new("a", [(1, 0.9)]), ArmAccuracies::new("b", [(2, 0.8), (3, 0.8)])];
    assert_eq!(
        Statistics::of(&apart, ONCE).unwrap().headline(),
        "Not decided yet: a and b have no seed in common. Train more seeds."
    );
}
