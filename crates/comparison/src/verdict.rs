//! The verdict: the result of a comparison in a few sentences.

use crate::{
    arms::ArmStatistics,
    basis::Basis,
    decision::Decision,
    design::Design,
    numbers::{count, plural},
    pairs::Pair,
    phrases::{difference, half_width, list, margin, quoted, whole},
    significance::{POWER, SIGNIFICANT},
};

/// The progress of a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Number of planned runs; `None` if more runs follow until the comparison is decided.
    pub planned: Option<usize>,
    /// Number of finished runs.
    pub finished: usize,
    /// Number of seeds planned for each arm: the most if it is not known.
    pub seeds: usize,
    /// When the comparison is tested.
    pub basis: Basis,
}

impl Extent {
    /// Returns whether runs are missing.
    pub fn is_unfinished(&self) -> bool {
        self.planned.is_none_or(|planned| self.finished < planned)
    }
}

/// With more arms than this, the verdict compares only the best arm with the others.
const ALL_PAIRS_UP_TO: usize = 4;

/// If an arm is ahead of more arms than this, the verdict prints the range of the differences.
const ONE_BY_ONE_UP_TO: usize = 3;

/// The outcome of a pair.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    /// One arm is better.
    Beats,
    /// The difference is smaller than the margin.
    Equivalent,
    /// Neither, after a test over several seeds.
    Undecided,
    /// The difference between two trained models is not significant.
    ModelsNotSignificant,
    /// There are too few seeds for a test, or they do not vary.
    Untested,
    /// No seed has a usable model of both arms.
    NothingShared,
}

/// What a statement is about.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// New seeds, on the same test images.
    Seeds,
    /// New seeds and new test images.
    Images,
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
    fn of(pair: &'a Pair, scope: Scope, design: &Design) -> Self {
        let images = |fraction: f64| fraction * design.test_images as f64;
        let difference = pair.difference.unwrap_or(0.0);
        let (ahead, behind) = if difference < 0.0 { (&pair.b, &pair.a) } else { (&pair.a, &pair.b) };
        let interval = if scope == Scope::Images { pair.ci95_new_images } else { pair.ci95 };
        let outcome = Outcome::of(pair, scope);
        Self {
            outcome,
            ahead,
            behind,
            images: images(difference.abs()),
            half_width: interval
                // Holm's correction may decide where the simultaneous interval is a little too wide.
                .filter(|&[low, high]| outcome != Outcome::Beats || low > 0.0 || high < 0.0)
                .and_then(|interval| half_width(interval, design.test_images)),
            detectable: pair.detectable.map(images),
            seeds: pair.seeds,
        }
    }

    /// Returns whether the difference rounds to no image.
    fn is_tie(&self) -> bool {
        self.images < 0.5
    }

    /// Returns the difference in images, with its interval if it has one.
    fn difference(&self) -> String {
        difference(self.images, self.half_width)
    }
}

impl Outcome {
    fn of(pair: &Pair, scope: Scope) -> Self {
        let decision = if scope == Scope::Images {
            pair.decision_new_images.unwrap_or(Decision::Undecided)
        } else {
            pair.decision
        };
        match (pair.seeds, &pair.mcnemar, decision) {
            (0, ..) => Self::NothingShared,
            (_, Some(mcnemar), _) if mcnemar.p_holm < SIGNIFICANT => Self::Beats,
            (_, Some(_), _) => Self::ModelsNotSignificant,
            (.., Decision::A | Decision::B) => Self::Beats,
            (.., Decision::Equivalent) => Self::Equivalent,
            (.., Decision::Undecided) if pair.p.is_some() => Self::Undecided,
            (.., Decision::Undecided) => Self::Untested,
        }
    }
}

/// The unit of the differences. Only the first difference in the verdict needs it.
struct Unit {
    test_images: usize,
    is_printed: bool,
}

impl Unit {
    /// Returns " images in 10,000" the first time, then nothing.
    fn once(&mut self, is_one_image: bool) -> String {
        if self.is_printed {
            return String::new();
        }
        self.is_printed = true;
        format!(" image{} in {}", if is_one_image { "" } else { "s" }, count(self.test_images))
    }
}

/// Returns the result in a few sentences. `arms` are sorted, best first.
pub(crate) fn verdict(arms: &[ArmStatistics], pairs: &[Pair], design: &Design, extent: &Extent) -> String {
    let Extent { planned, finished, .. } = *extent;
    let mut sentences = Vec::new();
    if extent.is_unfinished() {
        sentences.push(match planned {
            Some(planned) => format!("So far, {} of {} finished.", count(finished), plural(planned, "run")),
            None => format!("So far, {} finished.", plural(finished, "run")),
        });
    }
    let usable: Vec<&ArmStatistics> = arms.iter().filter(|arm| arm.is_usable()).collect();
    match usable[..] {
        [] if arms.is_empty() => {}
        [] if extent.is_unfinished() => sentences.push("All of them diverged.".into()),
        [] => sentences.push("All runs diverged.".into()),
        [alone] => {
            let alone = quoted(&alone.name);
            sentences.push(match (arms.len(), extent.is_unfinished()) {
                (_, true) => format!("Only {alone} has a usable model so far."),
                (1, false) => format!("{alone} was trained alone, so there is nothing to compare it with."),
                _ => format!("Only {alone} has a usable model, so there is nothing to compare it with."),
            });
        }
        _ => sentences.extend(findings(pairs, usable.len(), design, extent)),
    }
    if !usable.is_empty() {
        sentences.extend(diverged(arms));
    }
    sentences.join(" ")
}

/// Returns the sentences about the pairs of usable arms, which come first among all arms.
fn findings(pairs: &[Pair], usable: usize, design: &Design, extent: &Extent) -> Vec<String> {
    let is_usable = |pair: &&Pair| pair.places.iter().all(|&place| place < usable);
    let all: Vec<&Pair> = pairs.iter().filter(is_usable).collect();
    let shown: Vec<&Pair> =
        all.iter().copied().filter(|pair| usable <= ALL_PAIRS_UP_TO || pair.places[0] == 0).collect();
    let in_scope =
        |scope| -> Vec<Finding> { shown.iter().map(|pair| Finding::of(pair, scope, design)).collect() };
    let mut unit = Unit { test_images: design.test_images, is_printed: false };
    let mut sentences = Vec::new();
    let covers_images = shown.iter().any(|pair| pair.ci95_new_images.is_some());
    if covers_images {
        let new = outcomes(&in_scope(Scope::Images), design, &mut unit);
        sentences.push(format!("For new seeds and new test images: {new}"));
    }
    let over_seeds = in_scope(Scope::Seeds);
    let known = outcomes(&over_seeds, design, &mut unit);
    sentences.push(if covers_images {
        format!("For new seeds on these test images: {known}")
    } else {
        known
    });
    sentences.extend(detectable(&over_seeds));
    if extent.seeds == 1 {
        if over_seeds.iter().any(|finding| finding.outcome != Outcome::NothingShared) {
            let is_mcnemar = pairs.iter().any(|pair| pair.mcnemar.is_some());
            let test = if is_mcnemar { " and McNemar's exact test of the trained models" } else { "" };
            sentences.insert(0, format!("With this one seed{test},"));
            sentences.push(
                "This compares the trained models only. To compare the scalings, train 10 seeds.".into(),
            );
        }
        return sentences;
    }
    if sentences.iter().any(|sentence| sentence.contains('±')) {
        let adjusted = match all.len() {
            1 => String::new(),
            pairs => format!(", adjusted for {}", plural(pairs, "pair")),
        };
        sentences.push(format!("± is the 95% interval{adjusted}."));
    }
    let is_tested = |finding: &Finding| {
        matches!(finding.outcome, Outcome::Beats | Outcome::Equivalent | Outcome::Undecided)
    };
    let any_tested = over_seeds.iter().any(is_tested);
    if any_tested && !covers_images {
        sentences.push("This covers variation between training seeds, not between test sets.".into());
    }
    if any_tested || extent.is_unfinished() {
        sentences.push(extent.basis.sentence());
    }
    sentences
}

/// Returns a sentence for each outcome and each arm that is ahead, the most important first.
fn outcomes(findings: &[Finding], design: &Design, unit: &mut Unit) -> String {
    let mut sentences = Vec::new();
    for outcome in [
        Outcome::Beats,
        Outcome::Equivalent,
        Outcome::Undecided,
        Outcome::ModelsNotSignificant,
        Outcome::Untested,
        Outcome::NothingShared,
    ] {
        let mut rest: Vec<&Finding> = findings.iter().filter(|finding| finding.outcome == outcome).collect();
        while let Some(first) = rest.first() {
            let (ahead, is_tie) = (first.ahead, first.is_tie());
            // A tie is worded differently, except where the sentence prints no difference.
            let is_alike = |finding: &&Finding| {
                finding.ahead == ahead && (outcome == Outcome::Equivalent || finding.is_tie() == is_tie)
            };
            let (group, others): (Vec<&Finding>, Vec<&Finding>) = rest.into_iter().partition(is_alike);
            sentences.push(sentence(outcome, &group, design, unit));
            rest = others;
        }
    }
    sentences.join(" ")
}

/// Returns the sentence about findings with the same outcome and the same arm ahead; there is at least one.
fn sentence(outcome: Outcome, group: &[&Finding], design: &Design, unit: &mut Unit) -> String {
    let ahead = quoted(group[0].ahead);
    let behind = |last: &str| list(group.iter().map(|finding| quoted(finding.behind)), last);
    match outcome {
        Outcome::Beats => format!("{ahead} beats {}.", differences(group, "", unit)),
        Outcome::Equivalent => {
            let is_one_image = design.margin.to_bits() == 1.0_f64.to_bits();
            let unit = unit.once(is_one_image);
            format!("{ahead} is equivalent to {} within {}{unit}.", behind("and"), margin(design.margin))
        }
        Outcome::ModelsNotSignificant if group[0].is_tie() => format!("{}.", standing(group, unit)),
        Outcome::ModelsNotSignificant => format!("{}, but not significantly.", standing(group, unit)),
        Outcome::Undecided => format!("{} (not decided).", standing(group, unit)),
        Outcome::Untested => format!("{} (not tested).", standing(group, unit)),
        Outcome::NothingShared => format!("{ahead} has no usable seed in common with {}.", behind("or")),
    }
}

/// Returns "a is ahead of b by 5 and of c by 9 images in 10,000", or "a is tied with b and c".
fn standing(group: &[&Finding], unit: &mut Unit) -> String {
    let ahead = quoted(group[0].ahead);
    if group[0].is_tie() && group[0].half_width.is_none() {
        let behind = list(group.iter().map(|finding| quoted(finding.behind)), "and");
        return format!("{ahead} is tied with {behind}");
    }
    format!("{ahead} is ahead {}", differences(group, "of ", unit))
}

/// Returns "b by 62 ± 18 and c by 300 ± 20 images in 10,000", with `preposition` before each name. For many arms,
/// returns the range of the differences.
fn differences(group: &[&Finding], preposition: &str, unit: &mut Unit) -> String {
    let is_one_image =
        matches!(group, [finding] if finding.half_width.is_none() && whole(finding.images) == "1");
    let differences = if group.len() > ONE_BY_ONE_UP_TO {
        let behind = list(group.iter().map(|finding| quoted(finding.behind)), "and");
        let images = || group.iter().map(|finding| finding.images);
        let (least, most) = (images().fold(f64::INFINITY, f64::min), images().fold(0.0, f64::max));
        format!("{preposition}{behind} by {} to {}", whole(least), whole(most))
    } else {
        let difference = |finding: &&Finding| {
            format!("{preposition}{} by {}", quoted(finding.behind), finding.difference())
        };
        list(group.iter().map(difference), "and")
    };
    differences + &unit.once(is_one_image)
}

/// Returns a sentence about the smallest difference that can be detected in the undecided pairs.
fn detectable(findings: &[Finding]) -> Option<String> {
    let undecided = || findings.iter().filter(|finding| finding.outcome == Outcome::Undecided);
    let images = undecided().filter_map(|finding| finding.detectable).reduce(f64::max)?.ceil();
    let seeds = || undecided().map(|finding| finding.seeds);
    let (least, most) = (seeds().min()?, seeds().max()?);
    let seeds = if least == most { count(most) } else { format!("{least} to {most}") };
    Some(format!(
        "{seeds} seeds detect differences of about {} images and more ({:.0}% power).",
        whole(images),
        100.0 * POWER
    ))
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
