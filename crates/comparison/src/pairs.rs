//! Pairs of arms: their differences, the tests of these differences, and the decisions that follow.

use serde::Serialize;

use crate::{
    arms::{ArmStatistics, Measured},
    decision::Decision,
    design::Design,
    looks::Looks,
    new_images::Crossed,
    significance::{SIGNIFICANT, Sample, confidence_interval, detectable, holm, mcnemar, t_test},
};

/// The smallest number of seeds from which a [`Pair::detectable`] difference is estimated: with fewer than 5 degrees of
/// freedom, the spread is too uncertain.
const SEEDS_FOR_POWER: usize = 6;

/// The comparison of the arms `a` and `b`, seed by seed.
///
/// The intervals are simultaneous: the probability that all of them contain the true differences is at least 95%. To
/// achieve that, each has the confidence level 1 − 5% / number of pairs (Bonferroni).
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
    /// Simultaneous 95% confidence interval of the difference over seeds, on these test images. It is within −1..=1.
    ///
    /// `None` if `p` is.
    pub ci95: Option<[f64; 2]>,
    /// p-value of the two-sided paired t-test. If the comparison may be looked at any number of times, it is
    /// [valid at every look](Looks::p_value).
    ///
    /// `None` if there is no test: with too few seeds, or before the planned end. Also if all differences are equal and
    /// were not rounded to whole images: then no spread can be estimated.
    pub p: Option<f64>,
    /// `p` after the correction for the number of pairs that are tested: Holm's if the comparison is looked at once,
    /// else Bonferroni's, as in the intervals.
    pub p_holm: Option<f64>,
    /// One arm is better if `p_holm` is below 5%. Else, both are equivalent if the interval is within the margin.
    pub decision: Decision,
    /// Simultaneous 95% confidence interval of the difference over seeds *and* test images. `None` without the answers
    /// of the models.
    pub ci95_new_images: Option<[f64; 2]>,
    /// The decision from `ci95_new_images`; `None` if there is none.
    pub decision_new_images: Option<Decision>,
    /// The smallest true difference that this many seeds detect with a probability of 80%, given the spread between
    /// them.
    ///
    /// The significance level is 5% / number of pairs that have a p-value: the strictest one in Holm's method.
    /// `None` if there is no spread, with fewer than 6 seeds, and if the comparison may be looked at more than once. A
    /// value above 1 means that these seeds cannot detect any difference.
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
/// first in each pair. `planned` is the number of pairs that will be tested at some look.
///
/// Runs with the same seed share their initial weights and the order of the images, so the tests are paired.
pub(crate) fn tested(arms: &[ArmStatistics], planned: usize, design: &Design) -> Vec<Pair> {
    let (mut pairs, mut samples) = (Vec::new(), Vec::new());
    for (place, a) in arms.iter().enumerate() {
        for (other, b) in arms.iter().enumerate().skip(place + 1) {
            let differences: Vec<f64> = shared(a, b).map(|(a, b)| a.correct - b.correct).collect();
            let sample = Sample::of(&differences).map(|sample| sample.with_least_std(design.least_std()));
            pairs.push(Pair {
                a: a.name.clone(),
                b: b.name.clone(),
                places: [place, other],
                seeds: differences.len(),
                difference: sample.map(|sample| design.fraction(sample.mean)),
                ci95: None,
                p: sample.and_then(|sample| design.looks.p_value(sample.values, t_test(&sample)?)),
                p_holm: None,
                decision: Decision::Undecided,
                ci95_new_images: None,
                decision_new_images: None,
                detectable: None,
                mcnemar: None,
            });
            samples.push(sample);
        }
    }
    let p_values: Vec<f64> = pairs.iter().filter_map(|pair| pair.p).collect();
    // A look must not be less strict because some arms have no runs yet.
    let tests = match design.looks {
        Looks::Any => planned,
        _ => p_values.len(),
    };
    let level = SIGNIFICANT / tests as f64;
    let adjusted = match design.looks {
        Looks::Any => p_values.iter().map(|p| (p * tests as f64).min(1.0)).collect(),
        _ => holm(&p_values),
    };
    let mut adjusted = adjusted.into_iter();
    for (pair, sample) in pairs.iter_mut().zip(samples) {
        if let Some(sample) = sample.filter(|_| pair.p.is_some()) {
            pair.p_holm = adjusted.next();
            if let Some(interval) = pair.decide(&sample, level, design) {
                let [a, b] = pair.places;
                pair.decide_for_new_images(&arms[a], &arms[b], interval, level, design);
            }
        }
    }
    pairs
}

/// Returns the runs of `a` and `b` with the same seed, if both models are usable.
fn shared<'a>(
    a: &'a ArmStatistics,
    b: &'a ArmStatistics,
) -> impl Iterator<Item = (&'a Measured, &'a Measured)> {
    a.measured.iter().filter_map(|of_a| Some((of_a, b.measured.iter().find(|of_b| of_b.seed == of_a.seed)?)))
}

/// Returns the place of the arm to recommend: the first that no other usable arm beats. The arm with the best mean can
/// lose on the seeds that it shares with another. The `usable` arms come first.
pub(crate) fn leader(pairs: &[Pair], usable: usize) -> usize {
    let is_beaten = |place: usize| {
        let loses = |other| {
            pairs.iter().filter_map(|pair| pair.seen_from(place, other)).any(|seen| seen == Decision::B)
        };
        (0..usable).any(loses)
    };
    (0..usable).find(|&place| !is_beaten(place)).unwrap_or(0)
}

/// Returns whether the leader is better than each other usable arm, or equivalent to it.
pub(crate) fn is_decided(pairs: &[Pair], usable: usize) -> bool {
    let leader = leader(pairs, usable);
    let is_decided = |other| {
        let mut seen = pairs.iter().filter_map(|pair| pair.seen_from(leader, other));
        other == leader || seen.any(|seen| matches!(seen, Decision::A | Decision::Equivalent))
    };
    usable > 1 && (0..usable).all(is_decided)
}

impl Pair {
    /// Returns the decision about the arms at these places as if they were `a` and `b`; `None` for another pair.
    pub(crate) fn seen_from(&self, place: usize, other: usize) -> Option<Decision> {
        if self.places == [place, other] {
            return Some(self.decision);
        }
        (self.places == [other, place]).then(|| self.decision.reversed())
    }

    /// Adds the interval over seeds and the decision. `level` is that of a pair, for all looks together. Returns the
    /// interval as a fraction of the test images, which may exceed −1..=1.
    fn decide(&mut self, sample: &Sample, level: f64, design: &Design) -> Option<[f64; 2]> {
        let test = design.looks.level_of_test(sample.values, level)?;
        let interval = confidence_interval(sample, test)?;
        let is_significant = self.p_holm.is_some_and(|p| p < SIGNIFICANT);
        self.decision = match Decision::from_interval(interval, design.margin) {
            _ if is_significant && sample.mean > 0.0 => Decision::A,
            _ if is_significant => Decision::B,
            Decision::Equivalent => Decision::Equivalent,
            _ => Decision::Undecided,
        };
        if design.looks == Looks::Once && self.seeds >= SEEDS_FOR_POWER {
            self.detectable = detectable(sample, level).map(|images| design.fraction(images));
        }
        let interval = interval.map(|bound| design.fraction(bound));
        self.ci95 = Some(possible(interval));
        Some(interval)
    }

    /// Adds the interval over seeds and images, and its decision.
    fn decide_for_new_images(
        &mut self,
        a: &ArmStatistics,
        b: &ArmStatistics,
        over_seeds: [f64; 2],
        level: f64,
        design: &Design,
    ) {
        let answers: Option<Vec<(&[bool], &[bool])>> =
            shared(a, b).map(|(a, b)| Some((a.answers.as_deref()?, b.answers.as_deref()?))).collect();
        let crossed = answers.and_then(|answers| Crossed::of_pair(&answers));
        let interval = crossed.and_then(|crossed| crossed.widen(over_seeds, level));
        self.ci95_new_images = interval.map(possible);
        self.decision_new_images =
            interval.map(|interval| Decision::from_interval(interval, design.fraction(design.margin)));
    }
}

/// Clips the interval of a difference between two fractions.
fn possible(interval: [f64; 2]) -> [f64; 2] {
    interval.map(|bound| bound.clamp(-1.0, 1.0))
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
