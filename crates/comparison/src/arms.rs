//! Arms, the configurations under comparison: their accuracies, means and intervals.

use serde::Serialize;

use crate::{
    design::Design,
    looks::FIRST_LOOK,
    new_images::Crossed,
    significance::{SIGNIFICANT, Sample, confidence_interval},
};

/// The accuracies of an arm: one configuration, trained with several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmAccuracies {
    /// The arm's unique name.
    pub name: String,
    /// One run per seed.
    pub runs: Vec<SeedAccuracy>,
}

/// The accuracy of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedAccuracy {
    /// The seed. Runs of two arms with the same seed form a pair, so they should share their initial weights
    /// and the order of the images.
    pub seed: u64,
    /// Fraction of the test images classified correctly; `None` if the run diverged.
    pub accuracy: Option<f64>,
    /// Whether the model classified each test image correctly. Without these answers, nothing can be said about new
    /// test images.
    pub answers: Option<Vec<bool>>,
}

impl SeedAccuracy {
    /// Returns the accuracy of a model that classified these test images correctly (`true`) or wrongly (`false`).
    pub fn of_answers(seed: u64, answers: Vec<bool>) -> Self {
        let correct = answers.iter().filter(|&&correct| correct).count();
        let accuracy = (!answers.is_empty()).then(|| correct as f64 / answers.len() as f64);
        Self { seed, accuracy, answers: Some(answers) }
    }
}

impl ArmAccuracies {
    /// Returns whether several runs diverged, and all of them did.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.runs.len() >= FIRST_LOOK && self.runs.iter().all(|run| run.accuracy.is_none())
    }

    /// Creates an arm from pairs of seed and accuracy. None of its runs diverged.
    pub fn new(name: impl Into<String>, runs: impl IntoIterator<Item = (u64, f64)>) -> Self {
        let run = |(seed, accuracy)| SeedAccuracy { seed, accuracy: Some(accuracy), answers: None };
        Self { name: name.into(), runs: runs.into_iter().map(run).collect() }
    }
}

/// Test accuracy over the runs that did not diverge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Arithmetic mean; `None` if every run diverged.
    pub mean: Option<f64>,
    /// Sample standard deviation; `None` for fewer than two runs.
    pub std: Option<f64>,
    /// 95% confidence interval of the mean over seeds, on these test images. It is not adjusted for the number of arms.
    /// `None` for too few runs, and before the planned end of a comparison.
    pub ci95: Option<[f64; 2]>,
    /// 95% confidence interval of the mean over seeds *and* test images. `None` without the answers of the models.
    pub ci95_new_images: Option<[f64; 2]>,
}

/// The statistics of an arm, and its rank among the others.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmStatistics {
    /// The arm's name.
    pub name: String,
    /// Position of the arm in the slice passed to [`Statistics::of`](crate::Statistics::of).
    pub index: usize,
    /// Mean, standard deviation and interval of the test accuracy.
    pub accuracy: Accuracy,
    /// The arm's ranks, counted from 1, ascending. Two arms share a rank if and only if neither is decidedly better
    /// (see [`Pair::decision`](crate::Pair::decision)). Empty if none of the arm's pairs could be tested.
    ///
    /// Arms of the same rank need not be equally good. The first of three arms may be better than the third even if
    /// the second is indistinguishable from both. The second then has both ranks.
    ///
    /// With one seed there are no ranks, because McNemar's test compares trained models, not arms.
    pub ranks: Vec<usize>,
    /// Number of runs that diverged.
    pub diverged: usize,
    /// Number of runs, including diverged ones.
    pub runs: usize,
    /// Each run that did not diverge.
    pub(crate) measured: Vec<Measured>,
}

/// A run that did not diverge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub seed: u64,
    /// Number of images classified correctly.
    pub correct: f64,
    /// See [`SeedAccuracy::answers`].
    pub answers: Option<Vec<bool>>,
}

impl ArmStatistics {
    pub(crate) fn of(index: usize, arm: &ArmAccuracies, design: &Design) -> Self {
        let measured = |run: &SeedAccuracy| {
            let (seed, answers) = (run.seed, run.answers.clone());
            Some(Measured { seed, correct: design.images(run.accuracy?), answers })
        };
        let measured: Vec<Measured> = arm.runs.iter().filter_map(measured).collect();
        Self {
            name: arm.name.clone(),
            index,
            accuracy: Accuracy::of(&measured, design),
            ranks: Vec::new(),
            diverged: arm.runs.len() - measured.len(),
            runs: arm.runs.len(),
            measured,
        }
    }

    /// Returns whether any of the arm's runs has an accuracy.
    pub fn is_usable(&self) -> bool {
        self.accuracy.mean.is_some()
    }
}

impl Accuracy {
    fn of(runs: &[Measured], design: &Design) -> Self {
        let correct: Vec<f64> = runs.iter().map(|run| run.correct).collect();
        let sample = Sample::of(&correct);
        let interval = sample.and_then(|sample| {
            let level = design.looks.level_of_test(sample.values, SIGNIFICANT)?;
            confidence_interval(&sample.with_least_std(design.least_std()), level)
        });
        let interval = interval.map(|bounds| bounds.map(|bound| design.fraction(bound)));
        let answers: Option<Vec<&[bool]>> = runs.iter().map(|run| run.answers.as_deref()).collect();
        let crossed = answers.and_then(|answers| Crossed::of_arm(&answers));
        let clipped = |interval: [f64; 2]| interval.map(|bound| bound.clamp(0.0, 1.0));
        Self {
            mean: sample.map(|sample| design.fraction(sample.mean)),
            std: sample.and_then(|sample| sample.std).map(|std| design.fraction(std)),
            ci95: interval.map(clipped),
            ci95_new_images: crossed
                .zip(interval)
                .and_then(|(crossed, interval)| crossed.widen(interval, SIGNIFICANT))
                .map(clipped),
        }
    }
}
