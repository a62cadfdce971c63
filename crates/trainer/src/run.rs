//! A run: one training in a folder that says everything about it.
//!
//! `result.json` is written last: a folder without it is a run that is not whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use data_encoding::HEXLOWER;
use mnist_data::{DatasetKind, FittedScaling, Images, source::FileSum};
use mnist_model::Model;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    claim::LOCK,
    cli::DatasetFlags,
    config::{ConfigFile, DatasetConfig, TrainingConfig},
    dataset::load_splits,
    folder::{self, CONFIG, RESULT},
    machine::Machine,
    terminal::Terminal,
    training::{EpochMetrics, model_config},
    weights,
};

/// The fitted scaling.
pub const SCALING: &str = "scaling.json";

/// The weights; none if the training diverged.
pub const WEIGHTS: &str = "model.safetensors";

/// Checksums of the data files.
pub const DATA: &str = "data.json";

/// A row per epoch: [`EpochMetrics`].
pub const METRICS: &str = "metrics.csv";

/// The learning curve: rows of [`CurvePoint`](crate::curve::CurvePoint).
pub const CURVE: &str = "curve.csv";

/// What became of each test image: rows of [`Prediction`](crate::evaluation::Prediction); none if the
/// training diverged.
pub const PREDICTIONS: &str = "predictions.csv";

/// See [`crate::checkpoint`].
pub const CHECKPOINTS: &str = "checkpoints";

/// All that a run folder may hold.
pub const CONTENTS: [&str; 10] =
    [CONFIG, SCALING, WEIGHTS, RESULT, DATA, METRICS, CURVE, PREDICTIONS, CHECKPOINTS, LOCK];

/// Whether a training came to a usable end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It did.
    Ok,
    /// Its loss was no longer a number.
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

/// What a run found: its `result.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunResult {
    /// The run's folder, as seen from where the program was called.
    pub run: PathBuf,
    pub status: Status,
    pub scaling: String,
    pub seed: u64,
    pub learning_rate: f64,
    pub batch_size: usize,
    pub backend: String,
    pub device: String,
    pub threads: usize,
    pub machine: Machine,
    /// See [`weights::sha256`]; none if the training diverged.
    pub weights_sha256: Option<String>,
    /// Of the file `scaling.json`: an edited one is not the one that was trained with.
    #[serde(default)]
    pub scaling_sha256: Option<String>,
    pub epochs: Vec<EpochMetrics>,
    pub validation: Option<Scores>,
    pub test: Option<Scores>,
    /// Test images per true class (row) and predicted class (column).
    pub confusion: Option<Vec<Vec<usize>>>,
    pub train_images: usize,
    pub test_images: usize,
    pub classes: usize,
    /// In the order of the labels, where the classes have names.
    pub class_names: Option<Vec<String>>,
    pub parameters: usize,
    /// Training time, validation included, test and loading not.
    pub seconds: f64,
    pub versions: Versions,
    /// Checksums of the data files.
    pub data: Vec<FileSum>,
}

/// What computed a result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Versions {
    pub mnist_trainer: String,
    pub burn: String,
}

impl Versions {
    /// Those of this build.
    pub fn current() -> Self {
        Self { mnist_trainer: env!("CARGO_PKG_VERSION").into(), burn: weights::burn_version() }
    }
}

impl RunResult {
    /// Reads the result in a run's folder; none if the run is not whole.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let file = path.join(RESULT);
        if !file.exists() {
            return Ok(None);
        }
        Ok(Some(Self { run: path.to_owned(), ..folder::read_json(&file)? }))
    }
}

/// A whole run on disk, for those who use its model.
pub struct FinishedRun {
    pub config: TrainingConfig,
    pub fitted: FittedScaling,
    pub classes: usize,
    pub class_names: Option<Vec<String>>,
    pub weights: PathBuf,
}

impl FinishedRun {
    /// Opens a run's folder; one that is not whole is refused.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        if !path.is_dir() {
            bail!("the run {name} does not exist or is not a folder");
        }
        if path.join("runs").is_dir() {
            bail!("{name} is a comparison; name one of its runs, which are in {name}/runs");
        }
        if !path.join(RESULT).exists() {
            bail!("{name} is not a whole run: it has no {RESULT}; finish it with --out {name} --resume");
        }
        let weights = path.join(WEIGHTS);
        if !fs::exists(&weights)? {
            bail!("{name} has no {WEIGHTS}: its training diverged, so there is no model to use");
        }
        let result: RunResult = folder::read_json(&path.join(RESULT))?;
        let scaling = path.join(SCALING);
        let bytes = fs::read(&scaling).with_context(|| format!("cannot read {}", scaling.display()))?;
        match result.scaling_sha256 {
            None => bail!("{name} was trained by an older version of this program; train again"),
            Some(trained_with) if trained_with != sha256(&bytes) => bail!(
                "{} is not the one this run was trained with; put it back, or train again",
                scaling.display()
            ),
            Some(_) => {}
        }
        Ok(Self {
            config: TrainingConfig::read(&path.join(CONFIG))?,
            fitted: serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", scaling.display()))?,
            classes: result.classes,
            class_names: result.class_names,
            weights,
        })
    }

    /// The model, with its weights on `device`.
    pub fn model(&self, device: &Device) -> Result<Model> {
        let fresh = model_config(self.fitted.shape(), self.classes).init(self.config.seed, device)?;
        weights::load(&self.weights, fresh)
    }

    /// The test images of the data set it was trained on, or of that which the flags name; images that the
    /// model was not made for are refused.
    pub fn test_images(&self, flags: DatasetFlags, terminal: &Terminal) -> Result<Images> {
        let of_run = &self.config.settings.dataset;
        let of_pictures = flags.dataset.is_none_or(|kind| kind == DatasetKind::Folder);
        let trained_on = ConfigFile {
            dataset: Some(of_run.dataset),
            data_dir: of_run.data_dir.clone(),
            resize: of_run.resize.filter(|_| of_pictures),
            color_mode: of_run.color_mode.filter(|_| of_pictures),
            ..ConfigFile::default()
        };
        let dataset = DatasetConfig::resolve(flags, None, &trained_on)?;
        let splits = load_splits(&dataset, terminal)?;
        self.fitted.check_shape(splits.test.shape())?;
        if splits.classes > self.classes {
            bail!("the data has {} classes, the model tells {} apart", splits.classes, self.classes);
        }
        if splits.class_names.is_some()
            && self.class_names.is_some()
            && splits.class_names != self.class_names
        {
            bail!("the classes of the data have other names than those the model was trained on");
        }
        Ok(splits.test)
    }
}

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
