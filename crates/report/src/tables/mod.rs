//! The tables of a report: the same cells in every format.

use mnist_comparison::{ArmResult, Comparison, Decision, McNemar, Milestone, Pair, significance};
use mnist_training::run::Status;

use crate::{
    notes::has_new_images,
    numbers::{self, MISSING, count, percent, signed, tenths},
};

/// A table of formatted cells.
pub struct Table {
    /// The column headers.
    pub header: Vec<String>,
    /// The rows, each with one cell per column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns whether a column contains numbers, which are aligned right.
    pub fn is_numeric(&self, column: usize) -> bool {
        let header = &self.header[column];
        !["rank", "scaling", "a", "b"].contains(&header.as_str()) && !header.starts_with("decision")
    }
}

/// Returns the ranking: a row per arm, the best first.
pub fn ranking(comparison: &Comparison) -> Table {
    let several = comparison.has_several_seeds();
    let (new_images, times) = (has_new_images(comparison), comparison.comparable_times);
    let mut header: Vec<String> = ["rank", "scaling"].map(String::from).into();
    header.push(if several { "test accuracy ± std" } else { "test accuracy" }.into());
    header.extend(several.then(|| "95% interval".into()));
    header.extend(new_images.then(|| "for new images".into()));
    header.push("test loss".into());
    let milestones = comparison.scalings.first().map_or(&[][..], |arm| &arm.milestones);
    header.extend(
        milestones.iter().map(|reached| format!("time to {}% training accuracy", milestone_percent(reached))),
    );
    header.extend(times.then(|| "training time".into()));
    header.push("runs".into());
    let rows = comparison.scalings.iter().map(|arm| {
        let mut row = vec![rank(arm), arm.name.clone(), accuracy_with_std(arm)];
        row.extend(several.then(|| interval(arm.accuracy.ci95)));
        row.extend(new_images.then(|| interval(arm.accuracy.ci95_new_images)));
        row.push(loss(arm));
        row.extend(arm.milestones.iter().map(|reached| milestone(reached, arm, times)));
        row.extend(times.then(|| seconds(arm)));
        row.push(runs(arm));
        row
    });
    Table { rows: rows.collect(), header }
}

/// Returns the pairs: the differences between arms with a usable seed in common, and their tests.
pub fn pairs(comparison: &Comparison) -> Table {
    let is_mcnemar = comparison.compares_models();
    let new_images = !is_mcnemar && has_new_images(comparison);
    let power = !is_mcnemar && has_power(comparison);
    let mut header = if is_mcnemar {
        vec!["a", "b", "difference (images)", "only a correct", "only b correct", "p (McNemar)", "p (Holm)"]
    } else {
        vec!["a", "b", "seeds", "difference (images)", "95% interval", "p", "p (adjusted)", "decision"]
    };
    header.extend(["95% interval for new images", "decision for new images"].iter().filter(|_| new_images));
    header.extend(power.then_some("detectable"));
    let images = comparison.test_images as f64;
    let rows = comparison.pairs.iter().filter(|pair| pair.seeds > 0).map(|pair| {
        let (a, b) = (pair.a.clone(), pair.b.clone());
        let difference = or_missing(pair.difference.map(|difference| signed(difference * images)));
        if is_mcnemar {
            return mcnemar_row(pair, a, b, difference);
        }
        let mut row = t_test_row(pair, a, b, difference, images);
        if new_images {
            row.push(or_missing(pair.ci95_new_images.map(|interval| in_images(interval, images))));
            row.push(or_missing(pair.decision_new_images.map(|decision| self::decision(pair, decision))));
        }
        if power {
            row.push(or_missing(pair.detectable.map(|fraction| detectable(fraction, images))));
        }
        row
    });
    Table { rows: rows.collect(), header: header.iter().map(|&name| name.to_owned()).collect() }
}

fn mcnemar_row(pair: &Pair, a: String, b: String, difference: String) -> Vec<String> {
    let of = |value: fn(&McNemar) -> String| or_missing(pair.mcnemar.as_ref().map(value));
    vec![
        a,
        b,
        difference,
        of(|test| count(test.only_a)),
        of(|test| count(test.only_b)),
        of(|test| p_value(test.p)),
        of(|test| p_value(test.p_holm)),
    ]
}

fn t_test_row(pair: &Pair, a: String, b: String, difference: String, images: f64) -> Vec<String> {
    vec![
        a,
        b,
        count(pair.seeds),
        difference,
        or_missing(pair.ci95.map(|interval| in_images(interval, images))),
        or_missing(pair.p.map(p_value)),
        or_missing(pair.p_holm.map(p_value)),
        decision(pair, pair.decision),
    ]
}

/// Formats the interval of a difference.
fn in_images([low, high]: [f64; 2], images: f64) -> String {
    format!("{} to {}", signed(low * images), signed(high * images))
}

/// Names the better arm of a pair, or returns "equivalent" or "undecided".
fn decision(pair: &Pair, decision: Decision) -> String {
    match decision {
        Decision::A => format!("{} is better", pair.a),
        Decision::B => format!("{} is better", pair.b),
        Decision::Equivalent => "equivalent".into(),
        Decision::Undecided => "undecided".into(),
    }
}

fn has_power(comparison: &Comparison) -> bool {
    comparison.pairs.iter().any(|pair| pair.detectable.is_some())
}

/// Returns the smallest detectable difference in images. If it is larger than the test set, returns "> 10,000".
fn detectable(fraction: f64, images: f64) -> String {
    if fraction > 1.0 { format!("> {}", count(images as usize)) } else { tenths(fraction * images) }
}

/// Returns an arm's ranks, such as "1", "1–2" or "1, 3". Two arms share a rank if neither is decidedly better.
pub fn rank(arm: &ArmResult) -> String {
    match arm.ranks[..] {
        [] => or_missing(None),
        [first, .., last] if last - first + 1 == arm.ranks.len() => format!("{first}–{last}"),
        _ => arm.ranks.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Returns an arm's name, with the number of diverged runs if there are any.
pub fn name(arm: &ArmResult) -> String {
    match diverged(arm) {
        0 => arm.name.clone(),
        some => format!("{} ({some} of {} diverged)", arm.name, arm.runs.len()),
    }
}

/// Returns an arm's mean test accuracy in percent.
pub fn accuracy(arm: &ArmResult) -> String {
    or_missing(arm.accuracy.mean.map(percent))
}

fn accuracy_with_std(arm: &ArmResult) -> String {
    match arm.accuracy.std {
        None => accuracy(arm),
        Some(std) => format!("{} ± {}", accuracy(arm), percent(std)),
    }
}

/// Returns an interval of accuracies in percent.
pub fn interval(interval: Option<[f64; 2]>) -> String {
    or_missing(interval.map(|[low, high]| format!("{} to {}", percent(low), percent(high))))
}

/// Returns an arm's mean test loss.
pub fn loss(arm: &ArmResult) -> String {
    let losses: Vec<f64> = arm.runs.iter().filter_map(|run| run.loss).collect();
    or_missing(significance::mean(&losses).map(numbers::loss))
}

/// Returns an arm's mean training time. Diverged runs are left out, because they stopped early.
pub fn seconds(arm: &ArmResult) -> String {
    let seconds: Vec<f64> = arm.usable_runs().map(|run| run.seconds).collect();
    or_missing(significance::mean(&seconds).map(|seconds| format!("{} s", tenths(seconds))))
}

fn runs(arm: &ArmResult) -> String {
    match diverged(arm) {
        0 => arm.runs.len().to_string(),
        some => format!("{} ({some} diverged)", arm.runs.len()),
    }
}

/// Formats the accuracy of a milestone in percent, such as "98" or "99.9".
pub fn milestone_percent(milestone: &Milestone) -> String {
    ((1000.0 * milestone.accuracy).round() / 10.0).to_string()
}

fn milestone(reached: &Milestone, arm: &ArmResult, with_times: bool) -> String {
    let usable = arm.runs.len() - diverged(arm);
    if usable == 0 {
        return or_missing(None);
    }
    let (Some(steps), Some(seconds)) = (reached.steps, reached.seconds) else { return "not reached".into() };
    let by =
        if reached.runs < usable { format!(" ({} of {usable} runs)", reached.runs) } else { String::new() };
    let seconds = if with_times { format!(", {} s", tenths(seconds)) } else { String::new() };
    format!("{} steps{seconds}{by}", count(steps.round() as usize))
}

fn diverged(arm: &ArmResult) -> usize {
    arm.runs.iter().filter(|run| run.status == Status::Diverged).count()
}

fn p_value(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".into() } else { format!("{p:.4}") }
}

fn or_missing(value: Option<String>) -> String {
    value.unwrap_or_else(|| MISSING.into())
}
