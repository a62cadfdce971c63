//! Arms, the configurations under comparison: their accuracies, means and intervals.

use serde::Serialize;

use crate::significance::{confidence_interval, mean, sample_std};

/// The accuracies of an arm: one configuration, trained with several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmAccuracies {
    /// The arm's unique name.
    pub name: String,
    /// One run per seed.
    pub runs: Vec<SeedAccuracy>,
}

/// The accuracy of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedAccuracy {
    /// The seed. Runs of two arms with the same seed form a pair, so they should share their initial weights
    /// and the order of the images.
    pub seed: u64,
    /// Fraction of the test images classified correctly; `None` if the run diverged.
    pub accuracy: Option<f64>,
}

impl ArmAccuracies {
    /// Creates an arm from pairs of seed and accuracy. None of its runs diverged.
    pub fn new(name: impl Into<String>, runs: impl IntoIterator<Item = (u64, f64)>) -> Self {
        let runs = runs.into_iter().map(|(seed, accuracy)| SeedAccuracy { seed, accuracy: Some(accuracy) });
        Self { name: name.into(), runs: runs.collect() }
    }
}

/// Test accuracy over the runs that did not diverge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Arithmetic mean; `None` if every run diverged.
    pub mean: Option<f64>,
    /// Sample standard deviation; `None` for fewer than two runs.
    pub std: Option<f64>,
    /// 95% confidence interval of the mean; `None` for fewer than two runs. If all runs have the same accuracy,
    /// `std` is 0 and the width of the interval is 0.
    pub ci95: Option<[f64; 2]>,
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
    /// The arm's ranks, counted from 1, ascending. Two arms share a rank if and only if their difference is
    /// not significant (p after Holm's correction is at least 5%). Empty if none of the arm's pairs could be tested.
    ///
    /// Arms of the same rank need not be equally good. The first of three arms may beat the third even if the
    /// second is indistinguishable from both. The second then has both ranks.
    ///
    /// With one seed there are no ranks, because McNemar's test compares trained models, not arms.
    pub ranks: Vec<usize>,
    /// Number of runs that diverged.
    pub diverged: usize,
    /// Number of runs, including diverged ones.
    pub runs: usize,
    /// `(seed, number of images classified correctly)` for each run that did not diverge.
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

    /// Returns whether any of the arm's runs has an accuracy.
    pub fn is_usable(&self) -> bool {
        self.accuracy.mean.is_some()
    }
}
