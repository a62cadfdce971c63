//! Every two arms against each other.

use super::{ComparedRun, McNemar, Pair, ScalingResult};
use crate::significance::{SIGNIFICANT, confidence_interval, detectable, holm, mcnemar, mean, paired_t_test};

/// Every two arms, the one with the better mean first, with all but [`Pair::detectable`] and [`Pair::mcnemar`].
///
/// All arms train with the same initial weights and the same order of images where the seed is the same, so
/// that seeds are pairs. `arms` are sorted.
pub fn tested(arms: &[ScalingResult], test_images: usize) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = every_two(arms).map(|(a, b)| pair(a, b, test_images)).collect();
    let p_values: Vec<f64> = pairs.iter().filter_map(|pair| pair.p).collect();
    let tested = pairs.iter_mut().filter(|pair| pair.p.is_some());
    for (pair, p_holm) in tested.zip(holm(&p_values)) {
        pair.p_holm = Some(p_holm);
    }
    pairs
}

fn every_two(arms: &[ScalingResult]) -> impl Iterator<Item = (&ScalingResult, &ScalingResult)> {
    (1..).zip(arms).flat_map(|(next, a)| arms[next..].iter().map(move |b| (a, b)))
}

fn pair(a: &ScalingResult, b: &ScalingResult, test_images: usize) -> Pair {
    let differences = differences(a, b, test_images);
    let fraction = |images: f64| images / test_images as f64;
    let p = paired_t_test(&differences);
    Pair {
        a: a.name.clone(),
        b: b.name.clone(),
        seeds: differences.len(),
        difference: mean(&differences).map(fraction),
        ci95: p.and_then(|_| confidence_interval(&differences)).map(|bounds| bounds.map(fraction)),
        p,
        p_holm: None,
        detectable: None,
        mcnemar: None,
    }
}

/// Images that `a` has right less those of `b`, for each seed that both finished.
fn differences(a: &ScalingResult, b: &ScalingResult, test_images: usize) -> Vec<f64> {
    let of_seed = |run: &super::RunSummary| {
        let partner = b.runs.iter().find(|partner| partner.seed == run.seed)?;
        Some(run.correct(test_images)? - partner.correct(test_images)?)
    };
    a.runs.iter().filter_map(of_seed).collect()
}

/// Fills in what the pairs of these `arms` would have shown.
pub fn add_detectable(pairs: &mut [Pair], arms: &[ScalingResult], test_images: usize) {
    let level = SIGNIFICANT / pairs.iter().filter(|pair| pair.p.is_some()).count() as f64;
    for (pair, (a, b)) in pairs.iter_mut().zip(every_two(arms)) {
        let images = pair.p.and_then(|_| detectable(&differences(a, b, test_images), level));
        pair.detectable = images.map(|images| images / test_images as f64);
    }
}

/// Fills in McNemar's test, where `runs` has one run of each arm.
pub fn add_mcnemar(pairs: &mut [Pair], runs: &[ComparedRun]) {
    let run = |arm: &str| runs.iter().find(|run| run.arm == arm);
    for pair in pairs.iter_mut() {
        pair.mcnemar = run(&pair.a).zip(run(&pair.b)).and_then(|(a, b)| two_models(a, b));
    }
    let p_values: Vec<f64> = pairs.iter().filter_map(|pair| Some(pair.mcnemar.as_ref()?.p)).collect();
    let tests = pairs.iter_mut().filter_map(|pair| pair.mcnemar.as_mut());
    for (test, p_holm) in tests.zip(holm(&p_values)) {
        test.p_holm = p_holm;
    }
}

/// None where a training diverged or the images are not the same. Not adjusted yet.
fn two_models(a: &ComparedRun, b: &ComparedRun) -> Option<McNemar> {
    let (a, b) = (&a.predictions, &b.predictions);
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    let alone = |is_a: bool| {
        let models = a.iter().zip(b).map(|(a, b)| [a.is_correct(), b.is_correct()]);
        models.filter(|&correct| correct == [is_a, !is_a]).count()
    };
    let (only_a, only_b) = (alone(true), alone(false));
    let p = mcnemar(only_a, only_b);
    Some(McNemar { only_a, only_b, p, p_holm: p })
}
