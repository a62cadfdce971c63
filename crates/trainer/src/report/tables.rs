//! The numbers of a comparison as cells of tables, for every format.

use indicatif::HumanCount;

use crate::{
    comparison::{Comparison, Milestone, Pair, ScalingResult},
    run::Status,
    significance,
};

use super::percent;

/// What stands where there is no value.
const NONE: &str = "–";

/// A table of words.
pub struct Table {
    /// What the columns hold.
    pub header: Vec<String>,
    /// As many cells each as the header.
    pub rows: Vec<Vec<String>>,
}

/// The arms, best first.
pub fn ranking(comparison: &Comparison) -> Table {
    let mut header =
        ["rank", "scaling", "test accuracy ± std", "95% interval", "test loss"].map(String::from).to_vec();
    let milestones = comparison.scalings.first().map_or(&[][..], |arm| &arm.milestones);
    header.extend(
        milestones.iter().map(|reached| format!("to {:.0}% train accuracy", 100.0 * reached.accuracy)),
    );
    header.extend(["training", "runs"].map(String::from));
    let rows = comparison.scalings.iter().map(|arm| {
        let mut row = vec![rank(arm), arm.name.clone(), accuracy_with_std(arm), interval(arm), loss(arm)];
        row.extend(arm.milestones.iter().map(|reached| milestone(reached, arm)));
        row.extend([seconds(arm), runs(arm)]);
        row
    });
    Table { rows: rows.collect(), header }
}

/// Every two arms: what their difference is and how sure it is.
pub fn pairs(comparison: &Comparison) -> Table {
    let is_mcnemar = is_mcnemar(comparison);
    let header: &[&str] = if is_mcnemar {
        &["a", "b", "difference in images", "only a right", "only b right", "p (McNemar)", "p (Holm)"]
    } else {
        &["a", "b", "seeds", "difference in images", "95% interval", "p", "p (Holm)", "detectable"]
    };
    let images = comparison.test_images as f64;
    let rows = comparison.pairs.iter().filter(|pair| pair.seeds > 0).map(|pair| {
        let (a, b) = (pair.a.clone(), pair.b.clone());
        let difference = or_none(pair.difference.map(|difference| signed(difference * images)));
        if is_mcnemar {
            mcnemar_row(pair, a, b, difference)
        } else {
            t_test_row(pair, a, b, difference, images)
        }
    });
    Table { rows: rows.collect(), header: header.iter().map(|&name| name.to_owned()).collect() }
}

/// Whether there are several seeds, so that there is a spread between them to speak of.
pub fn has_seeds(comparison: &Comparison) -> bool {
    comparison.scalings.iter().any(|arm| arm.accuracy.std.is_some())
}

/// What the columns of the ranking mean.
pub fn ranking_note(comparison: &Comparison) -> String {
    let mut sentences = Vec::new();
    if has_seeds(comparison) {
        sentences.push(
            "Two scalings share a rank exactly if they cannot be told apart. Accuracy and loss are means over \
             training seeds, on the test images; ± is the standard deviation between seeds, the interval is that \
             of the mean.",
        );
    } else {
        sentences.push(
            "One training of each: there is no rank and no interval, for nothing says how much another seed \
             would change.",
        );
    }
    let usable = |arm: &ScalingResult| arm.runs.len() - diverged(arm);
    if comparison.scalings.windows(2).any(|arms| usable(&arms[0]) != usable(&arms[1])) {
        sentences
            .push("Means are over each scaling's own seeds; a difference is over the seeds that both have.");
    }
    if comparison.scalings.iter().any(|arm| !arm.milestones.is_empty()) {
        sentences.push(
            "A train accuracy is reached when the last 3,000 images or more were answered so well, each before \
             the step that learned from it; over several seeds, steps and seconds are medians of those that \
             reached it.",
        );
    }
    sentences.push(
        "Training is seconds per seed, while others may have run beside it; a diverged training counts as a run and in no mean.",
    );
    sentences.join(" ")
}

/// What the pairs are about.
pub fn pairs_heading(comparison: &Comparison) -> &'static str {
    if is_mcnemar(comparison) {
        "Pairs: these trained models, on this test set"
    } else {
        "Pairs, over training seeds, on this test set"
    }
}

/// What the columns of the pairs mean.
pub fn pairs_note(comparison: &Comparison) -> String {
    let images = HumanCount(comparison.test_images as u64);
    let test = if is_mcnemar(comparison) {
        "With one training seed, McNemar's exact test says whether these two trained models differ on this test \
         set, not whether the scalings do: for that, more seeds are needed. Holm's p takes the number of pairs \
         into account."
    } else {
        "The paired t-test is over training seeds, on this test set: it says what another seed would bring, not \
         what other images would. The interval is of this pair alone; “beats” goes by Holm's p, which takes the \
         number of pairs into account. Detectable is the difference that so many seeds would have shown with a \
         probability of 80%, for all pairs together, with the spread seen here."
    };
    format!("A difference is a less b, in images of {images}. {test}")
}

fn is_mcnemar(comparison: &Comparison) -> bool {
    comparison.pairs.iter().any(|pair| pair.mcnemar.is_some())
}

fn mcnemar_row(pair: &Pair, a: String, b: String, difference: String) -> Vec<String> {
    let of = |value: fn(&crate::comparison::McNemar) -> String| or_none(pair.mcnemar.as_ref().map(value));
    vec![
        a,
        b,
        difference,
        of(|test| test.only_a.to_string()),
        of(|test| test.only_b.to_string()),
        of(|test| p_value(test.p)),
        of(|test| p_value(test.p_holm)),
    ]
}

fn t_test_row(pair: &Pair, a: String, b: String, difference: String, images: f64) -> Vec<String> {
    let interval =
        pair.ci95.map(|[low, high]| format!("{} to {}", signed(low * images), signed(high * images)));
    vec![
        a,
        b,
        pair.seeds.to_string(),
        difference,
        or_none(interval),
        or_none(pair.p.map(p_value)),
        or_none(pair.p_holm.map(p_value)),
        match pair.detectable {
            Some(fraction) if fraction > 1.0 => "none".into(),
            detectable => or_none(detectable.map(|fraction| format!("{:.1}", fraction * images))),
        },
    ]
}

/// Its ranks, such as 1, 1–2 or 1, 3: those that cannot be told apart share one.
pub fn rank(arm: &ScalingResult) -> String {
    match arm.ranks[..] {
        [] => or_none(None),
        [first, .., last] if last - first + 1 == arm.ranks.len() => format!("{first}–{last}"),
        _ => arm.ranks.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Its name, with how many of its runs diverged if some did.
pub fn name(arm: &ScalingResult) -> String {
    match diverged(arm) {
        0 => arm.name.clone(),
        some => format!("{} ({some} of {} diverged)", arm.name, arm.runs.len()),
    }
}

/// Its mean test accuracy.
pub fn accuracy(arm: &ScalingResult) -> String {
    or_none(arm.accuracy.mean.map(percent))
}

fn accuracy_with_std(arm: &ScalingResult) -> String {
    match arm.accuracy.std {
        None => accuracy(arm),
        Some(std) => format!("{} ± {}", accuracy(arm), percent(std)),
    }
}

/// The confidence interval of the mean, as far as there are such accuracies.
pub fn interval(arm: &ScalingResult) -> String {
    let [low, high] = match arm.accuracy.ci95 {
        None => return or_none(None),
        Some(ends) => ends.map(|end| percent(end.clamp(0.0, 1.0))),
    };
    format!("{low} to {high}")
}

/// Its mean test loss.
pub fn loss(arm: &ScalingResult) -> String {
    let losses: Vec<f64> = arm.runs.iter().filter_map(|run| run.loss).collect();
    or_none(significance::mean(&losses).map(|loss| format!("{loss:.4}")))
}

/// Its mean training time, of the runs that came to a usable end.
pub fn seconds(arm: &ScalingResult) -> String {
    let usable = arm.runs.iter().filter(|run| run.status == Status::Ok);
    let seconds: Vec<f64> = usable.map(|run| run.seconds).collect();
    or_none(significance::mean(&seconds).map(|seconds| format!("{seconds:.1} s")))
}

fn runs(arm: &ScalingResult) -> String {
    match diverged(arm) {
        0 => arm.runs.len().to_string(),
        some => format!("{}, {some} of them diverged", arm.runs.len()),
    }
}

fn milestone(reached: &Milestone, arm: &ScalingResult) -> String {
    let usable = arm.runs.len() - diverged(arm);
    if usable == 0 {
        return or_none(None);
    }
    let (Some(steps), Some(seconds)) = (reached.steps, reached.seconds) else { return "not reached".into() };
    let by =
        if reached.runs < usable { format!(" ({} of {usable} runs)", reached.runs) } else { String::new() };
    format!("{steps:.0} steps, {seconds:.1} s{by}")
}

fn diverged(arm: &ScalingResult) -> usize {
    arm.runs.iter().filter(|run| run.status == Status::Diverged).count()
}

/// A number of images with its sign.
fn signed(images: f64) -> String {
    match (images * 10.0).round() / 10.0 {
        0.0 => "0".into(),
        tenths if tenths < 0.0 => format!("−{:.1}", -tenths),
        tenths => format!("+{tenths:.1}"),
    }
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".into() } else { format!("{p:.4}") }
}

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| NONE.into())
}

#[cfg(test)]
mod tests;
