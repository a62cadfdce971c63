//! What the tables mean, and how much is behind them: the same sentences in every format.

use std::collections::BTreeSet;

use super::{
    Findings,
    numbers::{count, plural},
    tables,
};
use crate::{
    comparison::{Comparison, ScalingResult},
    run::Status,
};

/// Whether any scaling has more than one training that came to a usable end.
pub fn has_several_seeds(comparison: &Comparison) -> bool {
    comparison.scalings.iter().any(|arm| usable_seeds(arm).len() > 1)
}

/// How much was trained.
pub fn extent(findings: &Findings) -> String {
    let comparison = findings.comparison;
    let diverged = match comparison.diverged {
        0 => String::new(),
        some => format!(", {} of them diverged", count(some)),
    };
    let side_by_side =
        if comparison.finished > 1 { ", summed over trainings, which may run side by side" } else { "" };
    format!(
        "{}{diverged}; {} to train on, {} to test on; {} s of training{side_by_side}.",
        plural(comparison.finished, "training"),
        plural(findings.runs.first().map_or(0, |run| run.result.train_images), "image"),
        count(comparison.test_images),
        count(comparison.seconds.round() as usize),
    )
}

/// Of the ranking.
pub fn ranking(comparison: &Comparison) -> String {
    let arms = &comparison.scalings;
    let several = has_several_seeds(comparison);
    let mut notes = Vec::new();
    if arms.iter().any(|arm| !arm.ranks.is_empty()) {
        notes.push("Two scalings share a rank exactly if they cannot be told apart.");
    }
    notes.push(if several {
        "Accuracy and loss are means over training seeds, on the test images; ± is the standard deviation \
         between seeds, the interval is that of the mean."
    } else {
        "Accuracy and loss are of one training each, on the test images."
    });
    if seeds_differ(arms) {
        notes.push("Means are over each scaling's own seeds; a difference is over the seeds that both have.");
    }
    if arms.iter().any(|arm| !arm.milestones.is_empty()) {
        notes.push(if several {
            "Steps and seconds until a train accuracy are medians over the seeds that reached it, in a window \
             of 3,000 images."
        } else {
            "A train accuracy is reached in a window of 3,000 images."
        });
    }
    notes.push(if several { "Training is seconds per seed." } else { "Training is in seconds." });
    if comparison.diverged > 0 {
        notes.push("A diverged training counts as a run and in no mean.");
    }
    notes.join(" ")
}

/// What the pairs are about.
pub fn pairs_heading(comparison: &Comparison) -> &'static str {
    if tables::is_mcnemar(comparison) {
        "Pairs: these trained models, on this test set"
    } else {
        "Pairs: over training seeds, on this test set"
    }
}

/// Of the pairs.
pub fn pairs(comparison: &Comparison) -> String {
    let difference = format!("A difference is a less b, in images of {}.", count(comparison.test_images));
    let meaning = if tables::is_mcnemar(comparison) {
        "With one training seed, McNemar's exact test says whether these two trained models differ on this \
         test set, not whether the scalings do: for that, more seeds are needed. “Beats” goes by Holm's p, \
         which takes the number of pairs into account."
    } else {
        "The paired t-test is over training seeds, on this test set: it says what another seed would bring, \
         not what other images would. Detectable is the difference that so many seeds would have shown with \
         a probability of 80%. Holm's p takes the number of pairs into account. The interval is of this pair \
         alone; “beats” goes by Holm's p; detectable is for all pairs together, with the spread seen here."
    };
    format!("{difference} {meaning}")
}

fn usable_seeds(arm: &ScalingResult) -> BTreeSet<u64> {
    arm.runs.iter().filter(|run| run.status == Status::Ok).map(|run| run.seed).collect()
}

/// Whether scalings that have a mean have it over other seeds than each other.
fn seeds_differ(arms: &[ScalingResult]) -> bool {
    let seeds: BTreeSet<_> = arms.iter().map(usable_seeds).filter(|seeds| !seeds.is_empty()).collect();
    seeds.len() > 1
}
