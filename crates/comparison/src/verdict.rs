//! The verdict: the result of a comparison in a few sentences.

use crate::{
    arms::ArmStatistics,
    numbers::count,
    pairs::Pair,
    significance::{POWER, SIGNIFICANT},
};

/// The progress of a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Number of planned runs.
    pub planned: usize,
    /// Number of finished runs.
    pub finished: usize,
    /// Number of seeds planned for each arm.
    pub seeds: usize,
}

/// With more arms than this, the verdict compares only the best arm with the others.
const ALL_PAIRS_UP_TO: usize = 4;

/// If an arm is ahead of more arms than this, the verdict prints the range of the differences.
const ONE_BY_ONE_UP_TO: usize = 3;

/// A list of more arms than this names only the first [`NAMED_OF_MORE`] and counts the others: names can be long.
const ALL_NAMED_UP_TO: usize = 5;

/// Number of arms that a long list names.
const NAMED_OF_MORE: usize = 3;

/// The outcome of a pair.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    /// The difference is significant.
    Beats,
    /// The difference over several seeds is not significant.
    NotSignificant,
    /// The difference between two trained models is not significant.
    ModelsNotSignificant,
    /// Both arms classify equally many images correctly with every seed.
    Equal,
    /// The difference is the same with every seed, so there is no spread and no test.
    NoSpread,
    /// Only one seed is shared, so there is no test.
    Untested,
    /// No seed has a usable model of both arms.
    NothingShared,
}

/// A pair in the verdict: the arm that is ahead comes first.
struct Finding<'a> {
    outcome: Outcome,
    ahead: &'a str,
    behind: &'a str,
    /// The difference in images, at least 0.
    images: f64,
    /// Half the width of the interval, in images.
    half_width: Option<f64>,
    /// The smallest detectable difference, in images.
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

    /// Returns whether the difference rounds to no image.
    fn is_tie(&self) -> bool {
        self.images < 0.5
    }

    /// Returns the difference in images, with its interval if it has one.
    fn margin(&self) -> String {
        match self.half_width {
            None => whole(self.images),
            // Rounded to whole images, a narrow interval would lose its precision.
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
            (_, _, Some(_)) => Self::ModelsNotSignificant,
            (1, ..) => Self::Untested,
            (_, None, _) => Self::NoSpread,
            (_, Some(p), _) if is_significant(p) => Self::Beats,
            _ if pair.ci95 == Some([0.0, 0.0]) => Self::Equal,
            _ => Self::NotSignificant,
        }
    }

    /// Returns whether the outcome comes from a test over several seeds.
    fn is_over_seeds(self) -> bool {
        matches!(self, Self::Beats | Self::NotSignificant | Self::Equal)
    }
}

/// The unit of the differences. Only the first difference in the verdict needs it.
struct Unit {
    test_images: usize,
    is_printed: bool,
}

impl Unit {
    /// Returns " images in 10,000" the first time, then `otherwise`.
    fn once(&mut self, is_one_image: bool, otherwise: &str) -> String {
        if self.is_printed {
            return otherwise.to_owned();
        }
        self.is_printed = true;
        format!(" image{} in {}", if is_one_image { "" } else { "s" }, count(self.test_images))
    }
}

/// Returns the result in a few sentences. `arms` are sorted, best first.
pub(crate) fn verdict(arms: &[ArmStatistics], pairs: &[Pair], test_images: usize, extent: &Extent) -> String {
    let Extent { planned, finished, seeds } = *extent;
    let mut sentences = Vec::new();
    if finished < planned {
        sentences.push(format!("So far, {finished} of {planned} runs finished."));
    }
    let usable: Vec<&ArmStatistics> = arms.iter().filter(|arm| arm.is_usable()).collect();
    match usable[..] {
        [] if arms.is_empty() => {}
        [] if finished < planned => sentences.push("All of them diverged.".into()),
        [] => sentences.push("All runs diverged.".into()),
        [alone] => {
            let alone = quoted(&alone.name);
            sentences.push(match (arms.len(), finished == planned) {
                (1, true) => format!("{alone} was trained alone, so there is nothing to compare it with."),
                _ => format!("Only {alone} has a usable model, so there is nothing to compare it with."),
            });
        }
        _ => sentences.extend(findings(pairs, usable.len(), test_images, seeds)),
    }
    if !usable.is_empty() {
        sentences.extend(diverged(arms));
    }
    sentences.join(" ")
}

/// Returns the sentences about the pairs of usable arms, which come first among all arms.
fn findings(pairs: &[Pair], usable: usize, test_images: usize, seeds: usize) -> Vec<String> {
    let shown = pairs
        .iter()
        .filter(|pair| pair.places.iter().all(|&place| place < usable))
        .filter(|pair| usable <= ALL_PAIRS_UP_TO || pair.places[0] == 0);
    let findings: Vec<Finding> = shown.map(|pair| Finding::of(pair, test_images)).collect();
    let mut sentences = vec![outcomes(&findings, test_images)];
    if sentences[0].contains('±') {
        sentences.push("± is the 95% interval.".into());
    }
    if seeds != 1 {
        if findings.iter().any(|finding| finding.outcome.is_over_seeds()) {
            sentences.push("This covers variation between training seeds, not between test sets.".into());
        }
        return sentences;
    }
    if findings.iter().any(|finding| finding.outcome != Outcome::NothingShared) {
        let is_mcnemar = pairs.iter().any(|pair| pair.mcnemar.is_some());
        let test = if is_mcnemar { " and McNemar's exact test of the trained models" } else { "" };
        sentences.insert(0, format!("With this one seed{test},"));
        sentences
            .push("This compares the trained models only. To compare the scalings, train 10 seeds.".into());
    }
    sentences
}

/// Returns a sentence for each outcome and each arm that is ahead, the most important first.
fn outcomes(findings: &[Finding], test_images: usize) -> String {
    let mut unit = Unit { test_images, is_printed: false };
    let mut sentences = Vec::new();
    for outcome in [
        Outcome::Beats,
        Outcome::NotSignificant,
        Outcome::ModelsNotSignificant,
        Outcome::Equal,
        Outcome::NoSpread,
        Outcome::Untested,
        Outcome::NothingShared,
    ] {
        let mut rest: Vec<&Finding> = findings.iter().filter(|finding| finding.outcome == outcome).collect();
        while let Some(first) = rest.first() {
            let (ahead, is_tie) = (first.ahead, first.is_tie());
            // A tie is worded differently, except where the sentence prints no difference.
            let is_alike = |finding: &&Finding| {
                finding.ahead == ahead && (outcome == Outcome::NotSignificant || finding.is_tie() == is_tie)
            };
            let (group, others): (Vec<&Finding>, Vec<&Finding>) = rest.into_iter().partition(is_alike);
            sentences.push(sentence(outcome, &group, &mut unit));
            rest = others;
        }
    }
    sentences.join(" ")
}

/// Returns the sentence about findings with the same outcome and the same arm ahead; there is at least one.
fn sentence(outcome: Outcome, group: &[&Finding], unit: &mut Unit) -> String {
    let ahead = quoted(group[0].ahead);
    let behind = |last: &str| list(group.iter().map(|finding| quoted(finding.behind)), last);
    match outcome {
        Outcome::Beats => format!("{ahead} beats {}.", margins(group, "", unit)),
        Outcome::NotSignificant => {
            let pair = match group {
                [_] => format!("There is no significant difference between {ahead} and {}", behind("and")),
                _ => format!("{ahead} is not significantly different from {}", behind("or")),
            };
            format!("{pair}: {}.", detectable(group, unit))
        }
        Outcome::ModelsNotSignificant if group[0].is_tie() => format!("{}.", standing(group, unit)),
        Outcome::ModelsNotSignificant => format!("{}, but not significantly.", standing(group, unit)),
        Outcome::Equal => {
            format!("{ahead} classifies as many images correctly as {} with every seed.", behind("and"))
        }
        Outcome::NoSpread => format!(
            "{} with each of {} (untested: a test needs differences that vary).",
            standing(group, unit),
            seeds(group)
        ),
        Outcome::Untested => format!("{} (untested: a test needs two seeds).", standing(group, unit)),
        Outcome::NothingShared => format!("{ahead} has no usable seed in common with {}.", behind("or")),
    }
}

/// Returns "a is ahead of b by 5 and of c by 9 images in 10,000", or "a is tied with b and c".
fn standing(group: &[&Finding], unit: &mut Unit) -> String {
    let ahead = quoted(group[0].ahead);
    if group[0].is_tie() {
        let behind = list(group.iter().map(|finding| quoted(finding.behind)), "and");
        return format!("{ahead} is tied with {behind}");
    }
    format!("{ahead} is ahead {}", margins(group, "of ", unit))
}

/// Returns "b by 62 ± 18 and c by 300 ± 20 images in 10,000", with `preposition` before each name. For many arms,
/// returns the range of the differences.
fn margins(group: &[&Finding], preposition: &str, unit: &mut Unit) -> String {
    let is_one_image =
        matches!(group, [finding] if finding.half_width.is_none() && whole(finding.images) == "1");
    let margins = if group.len() > ONE_BY_ONE_UP_TO {
        let behind = list(group.iter().map(|finding| quoted(finding.behind)), "and");
        let images = || group.iter().map(|finding| finding.images);
        let (least, most) = (images().fold(f64::INFINITY, f64::min), images().fold(0.0, f64::max));
        format!("{preposition}{behind} by {} to {}", whole(least), whole(most))
    } else {
        let margin =
            |finding: &&Finding| format!("{preposition}{} by {}", quoted(finding.behind), finding.margin());
        list(group.iter().map(margin), "and")
    };
    margins + &unit.once(is_one_image, "")
}

/// Returns the smallest difference that can be detected in each of these pairs, as a clause.
fn detectable(group: &[&Finding], unit: &mut Unit) -> String {
    let images = group.iter().filter_map(|finding| finding.detectable).fold(0.0, f64::max).ceil();
    let (seeds, power) = (seeds(group), 100.0 * POWER);
    if images > unit.test_images as f64 {
        return format!(
            "with {seeds} that vary this much, no difference can be detected ({power:.0}% power)"
        );
    }
    let is_one = images < 1.5;
    let unit = unit.once(is_one, if is_one { " image" } else { " images" });
    format!(
        "with {seeds}, only differences above about {}{unit} can be detected ({power:.0}% power)",
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

/// Returns the sentences about diverged runs.
fn diverged(arms: &[ArmStatistics]) -> Vec<String> {
    let mut sentences = Vec::new();
    let (lost, rest): (Vec<_>, Vec<_>) = arms.iter().partition(|arm| !arm.is_usable());
    if !lost.is_empty() {
        let lost = list(lost.iter().map(|arm| quoted(&arm.name)), "and");
        sentences.push(format!("Every run of {lost} diverged."));
    }
    let some: Vec<_> = rest.into_iter().filter(|arm| arm.diverged > 0).collect();
    if !some.is_empty() {
        let runs: usize = some.iter().map(|arm| arm.diverged).sum();
        let was = if runs == 1 { "was" } else { "were" };
        let some =
            some.iter().map(|arm| format!("{} of {} runs of {}", arm.diverged, arm.runs, quoted(&arm.name)));
        sentences.push(format!("{} diverged and {was} left out.", list(some, "and")));
    }
    sentences
}

/// Joins items as "a, b and c", with `last` before the last one. A long list becomes "a, b, c and 4 others".
fn list(items: impl IntoIterator<Item = String>, last: &str) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    if items.len() > ALL_NAMED_UP_TO {
        let others = items.len() - NAMED_OF_MORE;
        items.truncate(NAMED_OF_MORE);
        items.push(format!("{others} others"));
    }
    match &items[..] {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// Puts a name in quotes if it contains a comma, as the names of a grid do, or is the word "none".
fn quoted(arm: &str) -> String {
    if arm.contains(',') || arm == "none" { format!("\"{arm}\"") } else { arm.to_owned() }
}

/// Rounds to whole images.
fn whole(images: f64) -> String {
    count(images.round() as usize)
}
