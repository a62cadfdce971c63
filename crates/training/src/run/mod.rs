//! A run: one trained model, in a folder that contains everything about it.
//!
//! `result.json` is written last: without it, the run is unfinished.

mod lock;
mod machine;

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use mnist_data::source::FileSum;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    TrainingError,
    curve::CurvePoint,
    files::{self, CONFIG, RESULT, ResultKind},
    prediction::LabelledPrediction,
    settings::Overrides,
    training_loop::EpochMetrics,
    weights,
};

pub use lock::{FolderLock, LOCK, check_free};
pub use machine::Machine;

/// The file of the fitted scaling.
pub const SCALING: &str = "scaling.json";

/// The file of the weights. It is missing if the training diverged.
pub const WEIGHTS: &str = "model.safetensors";

/// The file of the data files' checksums.
pub const DATA: &str = "data.json";

/// The file of the metrics: one row of [`EpochMetrics`] per epoch.
pub const METRICS: &str = "metrics.csv";

/// The file of the learning curve: rows of [`CurvePoint`].
pub const CURVE: &str = "curve.csv";

/// The file of the predictions: one row of [`LabelledPrediction`] per test image. It is missing if the training
/// diverged.
pub const PREDICTIONS: &str = "predictions.csv";

/// The folder of the checkpoints, see [`crate::checkpoint`].
pub const CHECKPOINTS: &str = "checkpoints";

/// How to recognize a run's folder.
pub const RUN: ResultKind = ResultKind {
    contents: &[CONFIG, SCALING, WEIGHTS, RESULT, DATA, METRICS, CURVE, PREDICTIONS, CHECKPOINTS, LOCK],
    mark: CONFIG,
    is_ours: |folder| Overrides::read(&folder.join(CONFIG)).is_ok(),
    is_resumable: true,
};

/// Whether a finished run has a usable model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The model is usable.
    Ok,
    /// The run has no model: the loss became infinite or NaN.
    Diverged,
}

/// Loss and accuracy on a split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Fraction classified correctly.
    pub accuracy: f64,
}

/// The result of a run: its `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResult {
    /// The run's folder, relative to the working directory.
    pub run: PathBuf,
    /// Whether the model is usable.
    pub status: Status,
    /// The scaling's name.
    pub scaling: String,
    /// The seed.
    pub seed: u64,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Images per step.
    pub batch_size: usize,
    /// Name of the backend.
    pub backend: String,
    /// Burn's name for the device.
    pub device: String,
    /// Number of CPU threads.
    pub threads: usize,
    /// The machine that trained it.
    pub machine: Machine,
    /// SHA-256 of the weights, see [`weights::sha256`]. `None` if the training diverged.
    pub weights_sha256: Option<String>,
    /// SHA-256 of the file `scaling.json`, to detect edits.
    pub scaling_sha256: String,
    /// Metrics of each epoch.
    pub epochs: Vec<EpochMetrics>,
    /// Scores on the validation images after the last epoch.
    pub validation: Option<Scores>,
    /// Scores on the test images. `None` if the training diverged.
    pub test: Option<Scores>,
    /// Test images per true class (row) and predicted class (column).
    pub confusion: Option<Vec<Vec<usize>>>,
    /// Number of training images.
    pub train_images: usize,
    /// Number of test images.
    pub test_images: usize,
    /// Number of classes.
    pub classes: usize,
    /// Names of the classes in the order of the labels, if they have names.
    pub class_names: Option<Vec<String>>,
    /// Number of the model's parameters.
    pub parameters: usize,
    /// Training time in seconds. It includes validation, but not testing and loading.
    pub seconds: f64,
    /// The versions of the programs that computed it.
    pub versions: Versions,
    /// Checksums of the data files.
    pub data: Vec<FileSum>,
}

/// A finished run: its result, learning curve and predictions.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    /// The result.
    pub result: RunResult,
    /// The learning curve.
    pub curve: Vec<CurvePoint>,
    /// The predictions for all test images, in order. Empty if the training diverged.
    pub predictions: Vec<LabelledPrediction>,
}

impl FinishedRun {
    /// Reads a run's folder. Returns `None` if the run is unfinished.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, TrainingError> {
        let file = folder.join(RESULT);
        if !file.exists() {
            return Ok(None);
        }
        let result = RunResult { run: folder.to_owned(), ..files::read_json(&file)? };
        let curve = files::read_csv(&folder.join(CURVE))?;
        let predictions = match result.status {
            Status::Ok => read_predictions(&folder.join(PREDICTIONS), result.test_images)?,
            Status::Diverged => Vec::new(),
        };
        Ok(Some(Self { result, curve, predictions }))
    }

    /// Returns whether the run has a usable model.
    pub fn is_usable(&self) -> bool {
        self.result.status == Status::Ok
    }
}

fn read_predictions(file: &Path, images: usize) -> Result<Vec<LabelledPrediction>, TrainingError> {
    let predictions: Vec<LabelledPrediction> = files::read_csv(file)?;
    if predictions.len() != images {
        let reason = format!("it has {} of {images} images", predictions.len());
        return Err(TrainingError::Damaged { path: file.to_owned(), reason });
    }
    Ok(predictions)
}

/// Versions of the programs that computed a result.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Versions {
    /// Version of this project's crates.
    pub mnist_trainer: String,
    /// Version of Burn.
    pub burn: String,
}

impl Versions {
    /// Returns the versions of this build.
    pub fn current() -> Self {
        Self { mnist_trainer: env!("CARGO_PKG_VERSION").into(), burn: weights::burn_version() }
    }
}

/// Returns the SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
