//! The verdict: what a comparison found, in sentences.

use crate::{
    arms::ArmStatistics,
    numbers::count,
    pairs::Pair,
    significance::{POWER, SIGNIFICANT},
};

/// The progress of a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Planned trainings.
    pub planned: usize,
    /// Trainings that are finished.
    pub finished: usize,
    /// Seeds planned for each arm.
    pub seeds: usize,
}

/// With more arms than this, the verdict compares only the best arm with the others.
const ALL_PAIRS_UP_TO: usize = 4;

/// With more beaten arms than this, the verdict gives the range of the differences.
const ONE_BY_ONE_UP_TO: usize = 3;

/// The outcome for two arms.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    /// The difference is significant.
    Beats,
    /// It is not.
    Level,
    /// The difference of two trained models is not significant.
    LevelModels,
    /// Both have equally many images right with every seed.
    Equal,
    /// Every seed has the same difference, so there is no spread.
    NoSpread,
    /// There is one seed, so nothing could be tested.
    Untested,
    /// No seed is finished in both.
    NothingShared,
}

/// A pair in the verdict: the arm that is ahead comes first.
struct Finding<'a> {
    outcome: Outcome,
    ahead: &'a str,
    behind: &'a str,
    /// Images that it is ahead by, at least 0.
    images: f64,
    /// Half the width of the interval.
    half_width: Option<f64>,
    detectable: Option<f64>,
    seeds: usize,
}

impl<'a> Finding<'a> {
    fn of(pair: &'a Pair, test_images: usize) -> Self {
        let images = |fraction: f64| fraction * test_images as f64;
        let difference = pair.difference.unwrap_or(0.0);
        let (ahead, behind) = if difference < 0.0 { (&pair.b, &pair.a) } else { (&pair.a, &pair.b) };
        Self {
            outcome: Outcome::of(pair),
            ahead,
            behind,
            images: images(difference.abs()),
            half_width: pair.ci95.map(|[low, high]| images(high - low) / 2.0),
            detectable: pair.detectable.map(images),
            seeds: pair.seeds,
        }
    }

    /// The difference in images, with its interval if it has one.
    fn margin(&self) -> String {
        match self.half_width {
            None => whole(self.images),
            // Rounded to whole images, so narrow an interval would look exact.
            Some(half_width) if half_width < 3.0 && self.images < 1000.0 => {
                format!("{:.1} ± {half_width:.1}", self.images)
            }
            Some(half_width) => format!("{} ± {}", whole(self.images), whole(half_width)),
        }
    }
}

impl Outcome {
    fn of(pair: &Pair) -> Self {
        let is_significant = |p: f64| p < SIGNIFICANT;
        match (pair.seeds, pair.p_holm, &pair.mcnemar) {
            (0, ..) => Self::NothingShared,
            (_, _, Some(mcnemar)) if is_significant(mcnemar.p_holm) => Self::Beats,
            (_, _, Some(_)) => Self::LevelModels,
            (1, ..) => Self::Untested,
            (_, None, _) => Self::NoSpread,
            (_, Some(p), _) if is_significant(p) => Self::Beats,
            _ if pair.ci95 == Some([0.0, 0.0]) => Self::Equal,
            _ => Self::Level,
        }
    }
}

/// The result in a few sentences. `arms` are sorted, best first.
pub(crate) fn verdict(arms: &[ArmStatistics], pairs: &[Pair], test_images: usize, extent: &Extent) -> String {
    let Extent { planned, finished, seeds } = *extent;
    let mut sentences = Vec::new();
    if finished < planned {
        sentences.push(format!("So far, {finished} of {planned} trainings came to an end."));
    }
    let usable: Vec<&ArmStatistics> = arms.iter().filter(|arm| arm.is_usable()).collect();
    match usable[..] {
        [] if arms.is_empty() => {}
        [] => sentences.push("No training came to a usable end.".into()),
        [alone] => {
            let alone = quoted(&alone.name);
            let how = match (arms.len(), finished == planned) {
                (1, true) => "was trained alone",
                _ => "alone came to a usable end",
            };
            sentences.push(format!("{alone} {how}: there is nothing to compare it with."));
        }
        _ => sentences.extend(findings(pairs, usable.len(), test_images, seeds)),
    }
    if !usable.is_empty() {
        sentences.extend(diverged(arms));
    }
    sentences.join(" ")
}

/// Sentences about the pairs of usable arms, which come first.
fn findings(pairs: &[Pair], usable: usize, test_images: usize, seeds: usize) -> Vec<String> {
    let told = pairs
        .iter()
        .filter(|pair| pair.places.iter().all(|&place| place < usable))
        .filter(|pair| usable <= ALL_PAIRS_UP_TO || pair.places[0] == 0);
    let findings: Vec<Finding> = told.map(|pair| Finding::of(pair, test_images)).collect();
    let clauses = clauses(&findings, test_images);
    if seeds == 1 {
        let test = if pairs.iter().any(|pair| pair.mcnemar.is_some()) {
            ", by McNemar's exact test of the trained models,"
        } else {
            ""
        };
        return vec![
            format!("On this one seed{test} {clauses}."),
            "That is about these trained models only: to tell scalings apart, over training seeds, on this \
             test set, repeat with 10 seeds."
                .into(),
        ];
    }
    let has_interval = findings.iter().any(|finding| finding.outcome == Outcome::Beats);
    let interval = if has_interval { "; ± is the 95% interval" } else { "" };
    vec![format!("{clauses}."), format!("All this is over training seeds, on this test set{interval}.")]
}

/// One clause for each outcome and each arm that is ahead, the most important first.
fn clauses(findings: &[Finding], test_images: usize) -> String {
    let mut clauses = Vec::new();
    for outcome in [
        Outcome::Beats,
        Outcome::Level,
        Outcome::LevelModels,
        Outcome::Equal,
        Outcome::NoSpread,
        Outcome::Untested,
        Outcome::NothingShared,
    ] {
        let mut rest: Vec<&Finding> = findings.iter().filter(|finding| finding.outcome == outcome).collect();
        while let Some(first) = rest.first() {
            let ahead = first.ahead;
            let (group, others): (Vec<&Finding>, Vec<&Finding>) =
                rest.into_iter().partition(|finding| finding.ahead == ahead);
            clauses.push(clause(outcome, &group, test_images));
            rest = others;
        }
    }
    clauses.join("; ")
}

/// The clause for findings with the same outcome and the same arm ahead; there is at least one.
fn clause(outcome: Outcome, group: &[&Finding], test_images: usize) -> String {
    let ahead = quoted(group[0].ahead);
    let behind = |last: &str| list(group.iter().map(|finding| quoted(finding.behind)), last);
    let of = count(test_images);
    match outcome {
        Outcome::Beats => format!("{ahead} beats {} images in {of}", margins(group, "")),
        Outcome::Level => {
            let who = match group {
                [_] => format!("{ahead} and {} cannot be told apart", behind("and")),
                _ => format!("{ahead} cannot be told apart from {}", behind("or")),
            };
            format!("{who}: {}", would_have_shown(group, test_images))
        }
        Outcome::LevelModels => {
            let them = if group.len() == 1 { "it" } else { "them" };
            format!("{} and cannot be told apart from {them}", is_ahead(group, &ahead, &of))
        }
        Outcome::Equal => format!("{ahead} has as many images right as {} with every seed", behind("and")),
        Outcome::NoSpread => format!(
            "{}, the same difference in each of {}: no spread to test by",
            is_ahead(group, &ahead, &of),
            seeds(group)
        ),
        Outcome::Untested => format!("{}, which one seed cannot test", is_ahead(group, &ahead, &of)),
        Outcome::NothingShared => format!("{ahead} shares no finished seed with {}", behind("or")),
    }
}

/// "a is ahead of b by 5 and of c by 9 images in 10,000".
fn is_ahead(group: &[&Finding], ahead: &str, of: &str) -> String {
    if group.iter().all(|finding| finding.images < 0.5) {
        let behind = list(group.iter().map(|finding| quoted(finding.behind)), "and");
        return format!("{ahead} is level with {behind}");
    }
    let unit = match group {
        [finding] if whole(finding.images) == "1" => "image",
        _ => "images",
    };
    format!("{ahead} is ahead {} {unit} in {of}", margins(group, "of "))
}

/// "b by 62 ± 18 and c by 300 ± 20", each after `preposition`; for many arms, the range of the differences.
fn margins(group: &[&Finding], preposition: &str) -> String {
    if group.len() > ONE_BY_ONE_UP_TO {
        let behind = list(group.iter().map(|finding| quoted(finding.behind)), "and");
        let images = || group.iter().map(|finding| finding.images);
        let (least, most) = (images().fold(f64::INFINITY, f64::min), images().fold(0.0, f64::max));
        return format!("{preposition}{behind} by {} to {}", whole(least), whole(most));
    }
    let margin =
        |finding: &&Finding| format!("{preposition}{} by {}", quoted(finding.behind), finding.margin());
    list(group.iter().map(margin), "and")
}

/// The smallest difference that each of these pairs could have shown.
fn would_have_shown(group: &[&Finding], test_images: usize) -> String {
    let images = group.iter().filter_map(|finding| finding.detectable).fold(0.0, f64::max).ceil();
    let (seeds, power) = (seeds(group), 100.0 * POWER);
    if images > test_images as f64 {
        return format!(
            "{seeds} with so much spread would not have shown any difference (at {power:.0}% power)"
        );
    }
    let plural = if images < 1.5 { "" } else { "s" };
    format!(
        "{seeds} would have shown a difference of {} image{plural} or more (at {power:.0}% power)",
        whole(images)
    )
}

fn seeds(group: &[&Finding]) -> String {
    let seeds = || group.iter().map(|finding| finding.seeds);
    match (seeds().min().unwrap_or(0), seeds().max().unwrap_or(0)) {
        (least, most) if least == most => format!("{most} seeds"),
        (least, most) => format!("{least} to {most} seeds"),
    }
}

/// Sentences about diverged trainings.
fn diverged(arms: &[ArmStatistics]) -> Vec<String> {
    let mut sentences = Vec::new();
    let (lost, rest): (Vec<_>, Vec<_>) = arms.iter().partition(|arm| !arm.is_usable());
    if !lost.is_empty() {
        let lost = list(lost.iter().map(|arm| quoted(&arm.name)), "and");
        sentences.push(format!("{lost} came to no usable end: every training diverged."));
    }
    let some = rest.iter().filter(|arm| arm.diverged > 0);
    let some: Vec<String> =
        some.map(|arm| format!("{} of {} of {}", arm.diverged, arm.runs, quoted(&arm.name))).collect();
    if !some.is_empty() {
        sentences.push(format!("Diverged and left out: {}.", list(some, "and")));
    }
    sentences
}

/// "a, b and c", or with another `last` word.
fn list(items: impl IntoIterator<Item = String>, last: &str) -> String {
    let items: Vec<String> = items.into_iter().collect();
    match &items[..] {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// In quotes if the name contains a comma, as in a grid.
fn quoted(arm: &str) -> String {
    if arm.contains(',') { format!("\"{arm}\"") } else { arm.to_owned() }
}

/// In whole images.
fn whole(images: f64) -> String {
    count(images.round() as usize)
}
