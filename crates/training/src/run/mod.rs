//! A run: one trained model, in a folder that contains everything about it.
//!
//! `result.json` is written last: without it, the run is unfinished.

mod machine;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use mnist_data::source::FileSum;
use serde::{Deserialize, Serialize};

use crate::{
    Backend, TrainingError,
    curve::CurvePoint,
    files::{self, CONFIG, RESULT, ResultKind, State, sha256},
    prediction::LabelledPrediction,
    progress::EpochMetrics,
    settings::{Overrides, RunSettings},
    weights,
};

pub use crate::lease::LEASE;
pub use crate::lock::{FolderLock, LOCK, check_free, is_locked};
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
    contents: &[
        CONFIG,
        SCALING,
        WEIGHTS,
        RESULT,
        DATA,
        METRICS,
        CURVE,
        PREDICTIONS,
        CHECKPOINTS,
        LOCK,
        LEASE,
    ],
    mark: CONFIG,
    state,
    is_resumable: true,
};

fn state(folder: &Path) -> Option<State> {
    // A lock that cannot be opened, as on a read-only disk, is not held.
    if is_locked(folder).unwrap_or(false) {
        return Some(State::Running);
    }
    Overrides::read(&folder.join(CONFIG)).ok()?;
    let finished = RunSettings::read(&folder.join(CONFIG))
        .and_then(|settings| FinishedRun::read_intact(folder, settings.seed));
    Some(match finished {
        Ok(None) => State::Unfinished,
        Ok(Some(_)) => State::Finished,
        Err(_) => State::Damaged,
    })
}

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
    /// Where the training diverged. `None` if it did not.
    #[serde(default)]
    pub diverged: Option<Divergence>,
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
    /// Vector instructions of the kernels, see [`mnist_kernels::instruction_set`]. `None` on backends other than Flex,
    /// and in results of old versions.
    #[serde(default)]
    pub instruction_set: Option<String>,
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
    /// Mean of the border pixels of the first 100 training images, before scaling. `None` in results of old versions.
    #[serde(default)]
    pub border_mean: Option<f64>,
    /// Number of the model's parameters.
    pub parameters: usize,
    /// Training time in seconds. It includes validation, but not testing and loading.
    pub seconds: f64,
    /// When the run finished, in UTC, such as `2026-11-26T12:00:00Z`. `None` in results of old versions.
    #[serde(default)]
    pub finished: Option<String>,
    /// The versions of the programs that computed it.
    pub versions: Versions,
    /// Checksums of the data files.
    pub data: Vec<FileSum>,
    /// Checksums of the other files in the run's folder. Empty in results of old versions.
    #[serde(default)]
    pub files: Vec<FileSum>,
}

/// The step after which the loss was infinite or NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Steps since the start of the run.
    pub step: usize,
}

/// Limit for the size of a file without a recorded checksum, in bytes. Results of old versions record none.
const MOST_UNRECORDED: u64 = 1 << 30;

impl RunResult {
    /// Reads the result in a run's folder. Returns `None` if the run is unfinished.
    ///
    /// # Errors
    /// When the file cannot be read, was changed, or contradicts itself.
    pub fn read(folder: &Path) -> Result<Option<Self>, TrainingError> {
        let path = folder.join(RESULT);
        if !path.exists() {
            return Ok(None);
        }
        let (result, is_sealed) = files::read_sealed::<Self>(&path)?;
        let result = Self { run: folder.to_owned(), ..result };
        match result.contradiction(is_sealed) {
            Some(reason) => Err(TrainingError::damaged(path)(reason)),
            None => Ok(Some(result)),
        }
    }

    /// Returns the hardware that decides how sums were rounded: the vector instructions on Flex, the device on other
    /// backends. `None` if the result does not say.
    pub fn rounding(&self) -> Option<&str> {
        if self.backend != Backend::Flex.name() {
            return Some(&self.device);
        }
        // At batch sizes up to 64, both give the same bits: they fuse multiplication and addition, and the order of
        // sums does not depend on the number of lanes.
        match self.instruction_set.as_deref() {
            Some("avx512") => Some("avx2"),
            set => set,
        }
    }

    /// Returns what this program would not have written.
    fn contradiction(&self, is_sealed: bool) -> Option<&'static str> {
        let classes = self.classes;
        let is_square = |confusion: &Vec<Vec<usize>>| {
            confusion.len() == classes && confusion.iter().all(|row| row.len() == classes)
        };
        let is_usable = self.test.is_some() && self.confusion.is_some() && self.weights_sha256.is_some();
        let names = self.class_names.iter().flatten();
        if !is_sealed && self.versions.mnist_trainer == Versions::current().mnist_trainer {
            Some("its checksum is missing")
        } else if !self.confusion.as_ref().is_none_or(is_square) {
            Some("`confusion` does not have a row and a column per class")
        } else if self.class_names.as_ref().is_some_and(|names| names.len() != classes) {
            Some("`class_names` does not have a name per class")
        } else if names.flat_map(|name| name.chars()).any(char::is_control) {
            Some("`class_names` contains a control character")
        } else if self.files.iter().any(|sum| !RUN.contents.contains(&sum.name.as_str())) {
            Some("`files` names a file that is not part of a run")
        } else if classes == 0 {
            Some("`classes` is 0")
        } else if is_usable != (self.status == Status::Ok) {
            Some("`status` contradicts the other keys")
        } else {
            None
        }
    }

    /// Reads a file of the run.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or was changed after the training.
    pub fn read_file(&self, name: &str) -> Result<Vec<u8>, TrainingError> {
        let path = self.run.join(name);
        let sum = self.files.iter().find(|sum| sum.name == name);
        let bytes = files::read(&path, sum.map_or(MOST_UNRECORDED, |sum| sum.bytes))?;
        match sum {
            Some(sum) if sum.sha256 != sha256(&bytes) => Err(TrainingError::Changed(path)),
            _ => Ok(bytes),
        }
    }

    /// Checks that every file of the run exists and has its length. This is quick, because no file is read.
    ///
    /// # Errors
    /// When a file is missing, or has another length.
    pub fn check_lengths(&self) -> Result<(), TrainingError> {
        self.files.iter().try_for_each(|sum| {
            let path = self.run.join(&sum.name);
            match path.metadata() {
                Ok(found) if found.is_file() && found.len() == sum.bytes => Ok(()),
                Ok(_) => Err(TrainingError::Changed(path)),
                Err(cause) => Err(TrainingError::file("read", path)(cause)),
            }
        })
    }

    /// Checks that no file of the run is missing or was changed.
    ///
    /// # Errors
    /// When one is, or cannot be read.
    pub fn check_files(&self) -> Result<(), TrainingError> {
        self.files.iter().try_for_each(|sum| self.read_file(&sum.name).map(|_| ()))
    }
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
        let Some(result) = RunResult::read(folder)? else { return Ok(None) };
        Self::parse(result, false).map(Some)
    }

    /// Reads the learning curve and, unless they are missing, the predictions.
    fn parse(result: RunResult, without_predictions: bool) -> Result<Self, TrainingError> {
        let curve = files::parse_csv(&result.run.join(CURVE), &result.read_file(CURVE)?)?;
        let predictions = match result.status {
            Status::Ok if !without_predictions => read_predictions(&result)?,
            _ => Vec::new(),
        };
        Ok(Self { result, curve, predictions })
    }

    /// Reads the folder of a run with this seed, and checks the files that it does not read as well.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and when the run has another seed.
    pub fn read_intact(folder: &Path, seed: u64) -> Result<Option<Self>, TrainingError> {
        let Some(finished) = Self::read(folder)? else { return Ok(None) };
        finished.result.check_files()?;
        finished.of_seed(seed).map(Some)
    }

    /// Reads what is left of a run with this seed, for a report. Weights and predictions may be missing; then there are no
    /// predictions. Returns `None` if the run is unfinished.
    ///
    /// # Errors
    /// When another file is missing, one cannot be read or was changed, or the run has another seed.
    pub fn read_left(folder: &Path, seed: u64) -> Result<Option<Self>, TrainingError> {
        let Some(result) = RunResult::read(folder)? else { return Ok(None) };
        let is_gone = |name: &str| {
            let path = folder.join(name);
            let is_optional = [WEIGHTS, PREDICTIONS].contains(&name);
            is_optional && path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        let is_parsed = |name: &str| [CURVE, PREDICTIONS].contains(&name);
        for sum in result.files.iter().filter(|sum| !is_parsed(&sum.name) && !is_gone(&sum.name)) {
            result.read_file(&sum.name)?;
        }
        let without_predictions = is_gone(PREDICTIONS);
        Self::parse(result, without_predictions)?.of_seed(seed).map(Some)
    }

    fn of_seed(self, seed: u64) -> Result<Self, TrainingError> {
        if self.result.seed != seed {
            let path = self.result.run.join(RESULT);
            return Err(TrainingError::damaged(path)("it is the result of another seed"));
        }
        Ok(self)
    }

    /// Returns whether the run has a usable model.
    pub fn is_usable(&self) -> bool {
        self.result.status == Status::Ok
    }
}

fn read_predictions(result: &RunResult) -> Result<Vec<LabelledPrediction>, TrainingError> {
    let (file, images, classes) = (result.run.join(PREDICTIONS), result.test_images, result.classes);
    let predictions: Vec<LabelledPrediction> = files::parse_csv(&file, &result.read_file(PREDICTIONS)?)?;
    let is_in_order = |(image, prediction): (usize, &LabelledPrediction)| {
        prediction.image == image && prediction.label < classes && prediction.predicted < classes
    };
    if predictions.len() != images {
        return Err(TrainingError::damaged(file)(format!("it has {} of {images} images", predictions.len())));
    }
    if !predictions.iter().enumerate().all(is_in_order) {
        return Err(TrainingError::damaged(file)(
            "an image is out of order, or of a class that the run does not have",
        ));
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
