//! The progress of a run: its epochs and its learning curve.

use serde::{Deserialize, Serialize};

use crate::curve::{CurveBuilder, Sums};

/// The progress of a run.
#[derive(Debug, Clone, Default)]
pub struct TrainingProgress {
    /// Finished epochs.
    pub epochs: Vec<EpochMetrics>,
    /// Sums over the images of the current epoch, measured before each weight update.
    pub epoch: Sums,
    /// Training time of the current epoch, in seconds.
    pub epoch_seconds: f64,
    /// The learning curve so far.
    pub curve: CurveBuilder,
}

/// Metrics of one epoch, as Keras prints them: each image is measured before the weight update that learns
/// from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Mean cross-entropy.
    pub train_loss: f64,
    /// Fraction classified correctly.
    pub train_accuracy: f64,
    /// Mean cross-entropy on the validation images after the epoch.
    pub validation_loss: Option<f64>,
    /// Fraction of the validation images classified correctly after the epoch.
    pub validation_accuracy: Option<f64>,
    /// Training time of the epoch in seconds, including validation.
    pub seconds: f64,
}

impl TrainingProgress {
    /// Returns the training time so far in seconds, including validation.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() + self.epoch_seconds
    }
}
