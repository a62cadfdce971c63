//! Headings and explanations: the same text in every format.

use std::collections::BTreeSet;

use mnist_comparison::{ArmResult, Comparison};

use crate::{
    Findings,
    numbers::{count, plural},
};

/// The title of the report.
pub const TITLE: &str = "Comparison of pixel scalings";

/// The heading above the settings and the command.
pub const REPRODUCTION: &str = "How to reproduce this comparison";

/// Returns a line about the size of the comparison: runs, images and training time.
pub fn extent(findings: &Findings) -> String {
    let comparison = findings.comparison;
    let diverged = match comparison.diverged {
        0 => String::new(),
        some => format!(" ({} diverged)", count(some)),
    };
    let in_total = if comparison.finished > 1 { " in total" } else { "" };
    format!(
        "{}{diverged}, {}, {}, {} s of training time{in_total}.",
        plural(comparison.finished, "run"),
        plural(findings.runs().next().map_or(0, |run| run.result.train_images), "training image"),
        plural(comparison.test_images, "test image"),
        count(comparison.seconds.round() as usize),
    )
}

/// Explains the ranking.
pub fn ranking(comparison: &Comparison) -> String {
    let arms = &comparison.scalings;
    let several = comparison.has_several_seeds();
    let mut notes = Vec::new();
    if arms.iter().any(|arm| !arm.ranks.is_empty()) {
        notes.push("Two scalings share a rank if and only if their difference is not significant.");
    }
    notes.push(if several {
        "Test accuracy and test loss are means over seeds. ± is the standard deviation between seeds, and the \
         interval is the confidence interval of the mean."
    } else {
        "Test accuracy and test loss come from one run per scaling."
    });
    if seeds_differ(arms) {
        notes.push(
            "Means are over each scaling's own seeds. Differences are over the seeds that both scalings have.",
        );
    }
    if arms.iter().any(|arm| !arm.milestones.is_empty()) {
        notes.push("Training accuracy is measured on the last 3,000 images, before each weight update.");
        if several {
            notes.push("The time to a training accuracy is the median over the seeds that reached it.");
        }
    }
    if several {
        notes.push("Training time is the mean per run.");
    }
    if comparison.diverged > 0 {
        notes.push("Diverged runs are counted but excluded from means.");
    }
    notes.join(" ")
}

/// Returns the heading of the pairs.
pub fn pairs_heading(comparison: &Comparison) -> &'static str {
    if comparison.compares_models() {
        "Differences between trained models"
    } else {
        "Differences between scalings"
    }
}

/// Explains the pairs.
pub fn pairs(comparison: &Comparison) -> String {
    let difference =
        format!("Difference: a − b, in correct images out of {}.", count(comparison.test_images));
    let meaning = if comparison.compares_models() {
        "McNemar's exact test compares two trained models on this test set. To compare the scalings themselves, \
         train more seeds. p (Holm) is corrected for the number of pairs. In the verdict, “beats” means that it is \
         below 0.05."
    } else {
        "The paired t-test covers variation between training seeds, not between test sets. The 95% interval is \
         for one pair alone. p (Holm) is corrected for the number of pairs. In the verdict, “beats” means that it \
         is below 0.05. Detectable is the smallest difference that this many seeds detect with a probability of \
         80%. It depends on the spread between seeds and on the number of pairs."
    };
    format!("{difference} {meaning}")
}

fn usable_seeds(arm: &ArmResult) -> BTreeSet<u64> {
    arm.usable_runs().map(|run| run.seed).collect()
}

/// Returns whether the means of two scalings are over different seeds.
fn seeds_differ(arms: &[ArmResult]) -> bool {
    let seeds: BTreeSet<_> = arms.iter().map(usable_seeds).filter(|seeds| !seeds.is_empty()).collect();
    seeds.len() > 1
}
