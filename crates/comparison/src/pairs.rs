//! Pairs of arms: their differences, and the significance tests of these differences.

use serde::Serialize;

use crate::{
    arms::ArmStatistics,
    significance::{SIGNIFICANT, confidence_interval, detectable, holm, mcnemar, mean, paired_t_test},
};

/// The comparison of the arms `a` and `b`, seed by seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// Name of the arm with the better mean.
    pub a: String,
    /// Name of the other arm.
    pub b: String,
    /// Positions of both arms in [`Statistics::arms`](crate::Statistics::arms).
    #[serde(skip)]
    pub places: [usize; 2],
    /// Number of seeds with which both arms have a usable model.
    pub seeds: usize,
    /// Mean accuracy of `a` minus mean accuracy of `b`, over these seeds.
    pub difference: Option<f64>,
    /// 95% confidence interval of the difference, not adjusted for the number of pairs.
    ///
    /// It is [0, 0] if both arms classify equally many images correctly with every seed. It is `None` if `p`
    /// is: with fewer than two seeds, or if the difference is the same with every seed but not 0. In the last
    /// case no spread can be estimated, and an interval of width 0 would suggest a certainty that a few seeds
    /// cannot provide.
    pub ci95: Option<[f64; 2]>,
    /// p-value of the two-sided paired t-test. It is 1 if both arms classify equally many images correctly with
    /// every seed.
    pub p: Option<f64>,
    /// `p` after Holm's correction for the number of pairs that have a p-value.
    pub p_holm: Option<f64>,
    /// The smallest true difference that this many seeds detect with a probability of 80%, given the spread
    /// between them.
    ///
    /// The significance level is 5% / number of pairs that have a p-value: the strictest one in Holm's method.
    /// `None` if there is no spread. A value above 1 means that these seeds cannot detect any difference.
    pub detectable: Option<f64>,
    /// McNemar's test of the two trained models, if one seed is planned and both models are usable.
    pub mcnemar: Option<McNemar>,
}

/// McNemar's exact test of two trained models on the same test images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct McNemar {
    /// Number of images that only `a` classified correctly.
    pub only_a: usize,
    /// Number of images that only `b` classified correctly.
    pub only_b: usize,
    /// Two-sided p-value.
    pub p: f64,
    /// `p` after Holm's correction for the number of tested pairs.
    pub p_holm: f64,
}

/// Tests every pair of arms, without [`Pair::mcnemar`]. `arms` are sorted, so the one with the better mean comes
/// first in each pair.
///
/// Runs with the same seed share their initial weights and the order of the images, so the tests are paired.
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

/// Returns the correct images of `a` minus those of `b`, for each seed with a usable model of both.
fn differences(a: &ArmStatistics, b: &ArmStatistics) -> Vec<f64> {
    let of_seed = |(seed, images): &(u64, f64)| {
        let (_, partner) = b.correct.iter().find(|(other, _)| other == seed)?;
        Some(images - partner)
    };
    a.correct.iter().filter_map(of_seed).collect()
}

impl McNemar {
    /// Adds the test to each pair. `images` contains, for each pair, the number of images that only its first
    /// model and only its second model classified correctly.
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
