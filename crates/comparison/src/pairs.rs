//! Comparisons of every two arms.

use serde::Serialize;

use crate::{
    arms::ArmStatistics,
    significance::{SIGNIFICANT, confidence_interval, detectable, holm, mcnemar, mean, paired_t_test},
};

/// Arm `a` compared with arm `b`, seed by seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// Name of the arm with the better mean.
    pub a: String,
    /// Name of the other arm.
    pub b: String,
    /// Positions of the two in [`Statistics::arms`](crate::Statistics::arms).
    #[serde(skip)]
    pub places: [usize; 2],
    /// Seeds with which both have a usable model.
    pub seeds: usize,
    /// Mean accuracy of `a` minus that of `b`, over the seeds that both finished.
    pub difference: Option<f64>,
    /// 95% confidence interval of the difference, not adjusted for the number of pairs.
    ///
    /// It is [0, 0] if both classify equally many images correctly with every seed. It is `None` if `p` is:
    /// with fewer than two seeds, or if the difference is the same with every seed but not 0. Without a
    /// spread there is no test, and an interval without width would claim a certainty that a few seeds cannot
    /// give.
    pub ci95: Option<[f64; 2]>,
    /// p-value of the two-sided paired t-test; 1 if both classify equally many images correctly with every
    /// seed.
    pub p: Option<f64>,
    /// `p`, adjusted by Holm's method for the number of pairs that have a p-value.
    pub p_holm: Option<f64>,
    /// The smallest true difference that this many seeds with this spread detect with a probability of 80%.
    ///
    /// The level of the test is 5% / number of pairs that have a p-value, which is the strictest level of
    /// Holm's method. `None` without a spread. A value above 1 means that these seeds cannot detect any
    /// difference.
    pub detectable: Option<f64>,
    /// McNemar's test of the two models, if one seed is planned and both are usable.
    pub mcnemar: Option<McNemar>,
}

/// McNemar's exact test of two trained models on the same test images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct McNemar {
    /// Images that `a` alone classified correctly.
    pub only_a: usize,
    /// Images that `b` alone classified correctly.
    pub only_b: usize,
    /// Two-sided p-value.
    pub p: f64,
    /// `p`, adjusted by Holm's method for the number of pairs.
    pub p_holm: f64,
}

/// Every two arms, the one with the better mean first, with everything but [`Pair::mcnemar`].
///
/// Runs with the same seed share initial weights and the order of images, so they are paired. `arms` are
/// sorted.
pub(crate) fn tested(arms: &[ArmStatistics], test_images: usize) -> Vec<Pair> {
    let fraction = |images: f64| images / test_images as f64;
    let (mut pairs, mut differences) = (Vec::new(), Vec::new());
    for (place, a) in arms.iter().enumerate() {
        for (other, b) in arms.iter().enumerate().skip(place + 1) {
            let of_pair = self::differences(a, b);
            let p = paired_t_test(&of_pair);
            pairs.push(Pair {
                a: a.name.clone(),
                b: b.name.clone(),
                places: [place, other],
                seeds: of_pair.len(),
                difference: mean(&of_pair).map(fraction),
                ci95: p.and_then(|_| confidence_interval(&of_pair)).map(|bounds| bounds.map(fraction)),
                p,
                p_holm: None,
                detectable: None,
                mcnemar: None,
            });
            differences.push(of_pair);
        }
    }
    let p_values: Vec<f64> = pairs.iter().filter_map(|pair| pair.p).collect();
    let level = SIGNIFICANT / p_values.len() as f64;
    let mut adjusted = holm(&p_values).into_iter();
    for (pair, of_pair) in pairs.iter_mut().zip(&differences).filter(|(pair, _)| pair.p.is_some()) {
        pair.p_holm = adjusted.next();
        pair.detectable = detectable(of_pair, level).map(fraction);
    }
    pairs
}

/// Correct images of `a` minus those of `b`, for each seed that both finished.
fn differences(a: &ArmStatistics, b: &ArmStatistics) -> Vec<f64> {
    let of_seed = |(seed, images): &(u64, f64)| {
        let (_, partner) = b.correct.iter().find(|(other, _)| other == seed)?;
        Some(images - partner)
    };
    a.correct.iter().filter_map(of_seed).collect()
}

impl McNemar {
    /// Adds the test to each pair. `images` counts, pair by pair, the images that only one of its two models
    /// classified correctly.
    pub(crate) fn add(pairs: &mut [Pair], images: &[Option<[usize; 2]>]) {
        let p_values: Vec<f64> =
            images.iter().flatten().map(|&[only_a, only_b]| mcnemar(only_a, only_b)).collect();
        let mut tests = p_values.iter().zip(holm(&p_values));
        for (pair, &counted) in pairs.iter_mut().zip(images) {
            pair.mcnemar = counted
                .zip(counted.and_then(|_| tests.next()))
                .map(|([only_a, only_b], (&p, p_holm))| Self { only_a, only_b, p, p_holm });
        }
    }
}
