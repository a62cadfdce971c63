//! Explains the tables and says how much was trained: the same sentences in every format.

use std::collections::BTreeSet;

use mnist_comparison::{ArmResult, Comparison};

use crate::{
    Findings,
    numbers::{count, plural},
};

/// How much was trained.
pub fn extent(findings: &Findings) -> String {
    let comparison = findings.comparison;
    let diverged = match comparison.diverged {
        0 => String::new(),
        some => format!(", {} of them diverged", count(some)),
    };
    let summed = if comparison.finished > 1 { ", summed over all trainings" } else { "" };
    format!(
        "{}{diverged}; {} to train on, {} to test on; {} s of training time{summed}.",
        plural(comparison.finished, "training"),
        plural(findings.runs().next().map_or(0, |run| run.result.train_images), "image"),
        count(comparison.test_images),
        count(comparison.seconds.round() as usize),
    )
}

/// Explains the ranking.
pub fn ranking(comparison: &Comparison) -> String {
    let arms = &comparison.scalings;
    let several = comparison.has_several_seeds();
    let mut notes = Vec::new();
    if arms.iter().any(|arm| !arm.ranks.is_empty()) {
        notes.push("Two scalings share a rank exactly if their difference is not significant.");
    }
    notes.push(if several {
        "Accuracy and loss on the test images are means over training seeds; ± is the standard deviation \
         between seeds, and the interval is a confidence interval of the mean."
    } else {
        "Accuracy and loss are measured on the test images, after one training each."
    });
    if seeds_differ(arms) {
        notes.push("Means are over each scaling's own seeds; a difference is over the seeds that both scalings have.");
    }
    if arms.iter().any(|arm| !arm.milestones.is_empty()) {
        notes.push(if several {
            "Steps and seconds to a train accuracy are medians over the seeds that reached it; the accuracy is \
             measured over the last 3,000 images."
        } else {
            "Train accuracy is measured over the last 3,000 images."
        });
    }
    notes.push(if several { "Training time is per seed." } else { "Training time is of the one seed." });
    if comparison.diverged > 0 {
        notes.push("Diverged runs are counted but excluded from means.");
    }
    notes.join(" ")
}

/// The heading of the pairs.
pub fn pairs_heading(comparison: &Comparison) -> &'static str {
    if comparison.compares_models() {
        "Pairs: these trained models, on this test set"
    } else {
        "Pairs: over training seeds, on this test set"
    }
}

/// Explains the pairs.
pub fn pairs(comparison: &Comparison) -> String {
    let difference =
        format!("difference = a − b, in correct images out of {}.", count(comparison.test_images));
    let meaning = if comparison.compares_models() {
        "With one training seed, McNemar's exact test says whether these two trained models differ on this \
         test set, not whether the scalings do: that takes more seeds. Holm's p accounts for the number of \
         pairs; “beats” means that it is below 0.05."
    } else {
        "The paired t-test covers variation between training seeds, not between test sets. The interval is of \
         this pair alone, while Holm's p accounts for the number of pairs; “beats” means that Holm's p is below \
         0.05. Detectable is the smallest difference that this many seeds would have detected with a \
         probability of 80%, given the spread between seeds and the number of pairs."
    };
    format!("{difference} {meaning}")
}

fn usable_seeds(arm: &ArmResult) -> BTreeSet<u64> {
    arm.usable_runs().map(|run| run.seed).collect()
}

/// Whether the means of two scalings are over different seeds.
fn seeds_differ(arms: &[ArmResult]) -> bool {
    let seeds: BTreeSet<_> = arms.iter().map(usable_seeds).filter(|seeds| !seeds.is_empty()).collect();
    seeds.len() > 1
}
