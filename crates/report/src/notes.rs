//! Headings and explanations: the same text in every format.

use std::collections::BTreeSet;

use mnist_comparison::{ArmResult, Comparison, Looks, until_decided::MOST_SEEDS};

use crate::{
    Findings,
    numbers::{count, plural},
};

/// The title of the report.
pub const TITLE: &str = "Comparison of pixel scalings";

/// The heading above the settings and the command.
pub const REPRODUCTION: &str = "How to reproduce this comparison";

/// Returns a line about the size of the comparison: runs and training time.
pub fn extent(comparison: &Comparison) -> String {
    let diverged = match comparison.diverged {
        0 => String::new(),
        some => format!(" ({} diverged)", count(some)),
    };
    let in_total = if comparison.finished > 1 { " in total" } else { "" };
    format!(
        "{}{diverged}, {} s of training time{in_total}",
        plural(comparison.finished, "run"),
        count(comparison.seconds.round() as usize),
    )
}

/// Returns the command with which `mnist-trainer` continues an undecided comparison; `None` if there is nothing to
/// decide.
pub fn run_on(comparison: &Comparison) -> Option<String> {
    let seeds = comparison.scalings.iter().map(|arm| arm.runs.len()).max().unwrap_or(0);
    let more = if comparison.finished < comparison.planned {
        ""
    } else if comparison.is_decided() || comparison.pairs.iter().all(|pair| pair.seeds == 0) {
        return None;
    } else {
        match comparison.most_seeds {
            Some(most) => &format!(" --until-decided --max-seeds {}", 2 * most),
            None if seeds as u32 >= MOST_SEEDS => &format!(" --until-decided --max-seeds {}", 2 * seeds),
            None => " --until-decided",
        }
    };
    let folder = quote(&comparison.folder.display().to_string());
    Some(format!("mnist-trainer compare --resume {folder}{more}"))
}

/// Quotes a word for a shell if it contains special characters.
pub fn quote(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./,:=".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Explains the ranking.
pub fn ranking(comparison: &Comparison) -> String {
    let arms = &comparison.scalings;
    let several = comparison.has_several_seeds();
    let mut notes = Vec::new();
    if arms.iter().any(|arm| !arm.ranks.is_empty()) {
        notes.push("Two scalings share a rank if and only if neither is decidedly better.");
    }
    notes.push(if several {
        "Test accuracy and test loss are means over seeds. ± is the standard deviation between seeds, and the \
         95% interval is the confidence interval of the mean over seeds."
    } else {
        "Test accuracy and test loss come from one run per scaling."
    });
    if has_new_images(comparison) {
        notes.push("The interval for new images also covers the choice of the test images.");
    }
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
    if !comparison.comparable_times {
        notes.push("Times are left out: the runs had different CPUs or numbers of threads.");
    } else if several {
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
pub fn pairs(findings: &Findings) -> String {
    let comparison = findings.comparison;
    let mut notes = vec![columns_of_pairs(comparison)];
    if findings.without_predictions() > 0 {
        let lost = if comparison.has_several_seeds() {
            "the intervals and the decisions for new images"
        } else {
            "McNemar's exact test of the trained models"
        };
        notes.push(format!("Some runs have no predictions.csv. Their pairs lack {lost}."));
    }
    notes.extend(mixed_hardware(comparison));
    notes.join(" ")
}

/// Says how many seeds were trained on hardware that rounds differently, and what that means. `None` if there are none.
pub fn mixed_hardware(comparison: &Comparison) -> Option<String> {
    let mixed = comparison.mixed_seeds.len();
    (mixed > 0).then(|| {
        let hardware: Vec<&str> = comparison.mixed_hardware.iter().map(String::as_str).collect();
        format!(
            "The runs of {} were trained on hardware that rounds differently ({}). This adds to the differences between \
             them, as much as another seed would, or more.",
            plural(mixed, "seed"),
            hardware.join(", ")
        )
    })
}

/// Explains the columns of the pairs.
fn columns_of_pairs(comparison: &Comparison) -> String {
    let difference =
        format!("Difference: a − b, in correct images out of {}.", count(comparison.test_images));
    let meaning = if comparison.compares_models() {
        "McNemar's exact test compares two trained models on this test set. To compare the scalings themselves, \
         train more seeds. p (Holm) is corrected for the number of pairs. In the verdict, “beats” means that it is \
         below 0.05."
    } else {
        return [difference, over_seeds(comparison)].join(" ");
    };
    format!("{difference} {meaning}")
}

/// Explains the pairs of a comparison over several seeds.
fn over_seeds(comparison: &Comparison) -> String {
    let mut notes = vec![format!(
        "The 95% intervals are simultaneous: all of them contain the true differences with a probability of 95%. One \
         scaling is better if p (adjusted) is below 0.05. Both are equivalent if the interval is within ± {} images.",
        comparison.margin
    )];
    notes.push(if has_new_images(comparison) {
        "The interval and the decision for new images also cover the choice of the test images; the others cover \
         training seeds only."
            .into()
    } else {
        "This covers variation between training seeds, not between test sets.".into()
    });
    notes.push(match comparison.looks {
        Looks::Once => "p is that of the paired t-test, and p (adjusted) has Holm's correction.".into(),
        Looks::Any => "Intervals and p are valid at any number of seeds, however often one looks.".into(),
        Looks::NotYet => "The differences are tested when all planned seeds are finished.".to_owned(),
    });
    if comparison.pairs.iter().any(|pair| pair.detectable.is_some()) {
        notes.push(
            "Detectable is the smallest difference that this many seeds detect with a probability of 80%."
                .into(),
        );
    }
    notes.join(" ")
}

/// Returns whether any arm has an interval for new images.
pub fn has_new_images(comparison: &Comparison) -> bool {
    comparison.scalings.iter().any(|arm| arm.accuracy.ci95_new_images.is_some())
}

fn usable_seeds(arm: &ArmResult) -> BTreeSet<u64> {
    arm.usable_runs().map(|run| run.seed).collect()
}

/// Returns whether the means of two scalings are over different seeds.
fn seeds_differ(arms: &[ArmResult]) -> bool {
    let seeds: BTreeSet<_> = arms.iter().map(usable_seeds).filter(|seeds| !seeds.is_empty()).collect();
    seeds.len() > 1
}
