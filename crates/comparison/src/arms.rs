//! Arms: the ways to train that a comparison compares, each with the accuracies of its seeds.

use serde::Serialize;

use crate::significance::{confidence_interval, mean, sample_std};

/// The accuracies of one arm: one way to train, with several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmAccuracies {
    /// Its name, different from those of the other arms.
    pub name: String,
    /// One entry per seed.
    pub runs: Vec<SeedAccuracy>,
}

/// The accuracy of one seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedAccuracy {
    /// Runs with equal seeds form a pair: they should share initial weights and the order of the images.
    pub seed: u64,
    /// Fraction of the test images classified correctly; `None` if the training diverged.
    pub accuracy: Option<f64>,
}

impl ArmAccuracies {
    /// An arm from pairs of seed and accuracy, without diverged trainings.
    pub fn new(name: impl Into<String>, runs: impl IntoIterator<Item = (u64, f64)>) -> Self {
        let runs = runs.into_iter().map(|(seed, accuracy)| SeedAccuracy { seed, accuracy: Some(accuracy) });
        Self { name: name.into(), runs: runs.collect() }
    }
}

/// Test accuracy over the seeds whose training did not diverge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Arithmetic mean; `None` without a usable seed.
    pub mean: Option<f64>,
    /// Sample standard deviation; `None` with fewer than two seeds.
    pub std: Option<f64>,
    /// 95% confidence interval of the mean; `None` with fewer than two seeds. If all seeds have the same
    /// accuracy, `std` is 0 and the interval has no width.
    pub ci95: Option<[f64; 2]>,
}

/// The statistics of one arm, and its rank among the others.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmStatistics {
    /// Its name.
    pub name: String,
    /// Its position among the arms that were given.
    pub index: usize,
    /// Mean, spread and interval.
    pub accuracy: Accuracy,
    /// Its ranks, from 1, ascending. Two arms share a rank exactly if they are indistinguishable (adjusted p
    /// of at least 5%). Empty if none of its pairs could be tested.
    ///
    /// Indistinguishable arms need not be equal. The first of three arms may beat the third even if the
    /// second is indistinguishable from both; the second then has the ranks of both.
    ///
    /// With one seed there are no ranks: McNemar's test compares trained models, and ranks compare arms.
    pub ranks: Vec<usize>,
    /// Runs that diverged.
    pub diverged: usize,
    /// Runs, including diverged ones.
    pub runs: usize,
    /// Images classified correctly, by seed; a whole number.
    pub(crate) correct: Vec<(u64, f64)>,
}

impl ArmStatistics {
    pub(crate) fn of(index: usize, arm: &ArmAccuracies, test_images: usize) -> Self {
        let correct = |run: &SeedAccuracy| Some((run.seed, (run.accuracy? * test_images as f64).round()));
        let correct: Vec<(u64, f64)> = arm.runs.iter().filter_map(correct).collect();
        let images: Vec<f64> = correct.iter().map(|&(_, images)| images).collect();
        let fraction = |images: f64| images / test_images as f64;
        Self {
            name: arm.name.clone(),
            index,
            accuracy: Accuracy {
                mean: mean(&images).map(fraction),
                std: sample_std(&images).map(fraction),
                ci95: confidence_interval(&images).map(|bounds| bounds.map(fraction)),
            },
            ranks: Vec::new(),
            diverged: arm.runs.len() - correct.len(),
            runs: arm.runs.len(),
            correct,
        }
    }

    /// Whether any of its runs has an accuracy.
    pub fn is_usable(&self) -> bool {
        self.accuracy.mean.is_some()
    }
}
