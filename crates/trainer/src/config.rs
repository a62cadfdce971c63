//! Settings: defaults < `--config FILE` < flags.
//!
//! [`ConfigFile`] is what a file may say, the structs of [`crate::cli`] are what flags may say, and
//! [`TrainingConfig`] and [`ComparisonConfig`] are what is in force and is saved.

use std::{
    fs,
    num::NonZeroU32,
    path::{self, Path, PathBuf},
    str::FromStr,
};

use anyhow::Result;
use mnist_data::{Augmentation, ColorMode, DataError, DatasetKind, Scaling, Size};
use serde::{Deserialize, Serialize};

mod comparison;

pub use comparison::{Arm, ComparisonConfig, Grid};

use crate::{
    cli::{DatasetFlags, TrainingFlags},
    device::Backend,
    failure::UsageError,
};

/// A number above zero, finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Positive(f64);

impl Positive {
    /// Its value.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Positive {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if value.is_finite() && value > 0.0 {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not a finite number above 0"))
        }
    }
}

impl FromStr for Positive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<f64>().map_err(|error| error.to_string())?.try_into()
    }
}

/// A part of a whole, from 0 up to but without 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Fraction(f64);

impl Fraction {
    /// Its value.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Fraction {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not from 0 up to but without 1"))
        }
    }
}

impl FromStr for Fraction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<f64>().map_err(|error| error.to_string())?.try_into()
    }
}

/// Every key that a configuration file may hold; each command takes those it has a use for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// Kind of data set.
    pub dataset: Option<DatasetKind>,
    /// Folder of its files.
    pub data_dir: Option<PathBuf>,
    /// The scaling of `train` and `scale`.
    pub scaling: Option<Scaling>,
    /// The scalings of `compare`.
    pub scalings: Option<Vec<Scaling>>,
    /// The seed of `train`.
    pub seed: Option<u64>,
    /// `compare` trains with the seeds 1 to this.
    pub seeds: Option<NonZeroU32>,
    /// Passes over the train images.
    pub epochs: Option<NonZeroU32>,
    /// Images per step.
    pub batch_size: Option<NonZeroU32>,
    /// Adam's.
    pub learning_rate: Option<Positive>,
    /// Part of the train split, from its end, that is validated on.
    pub validation_split: Option<Fraction>,
    /// Only so many train images, the first ones.
    pub limit: Option<NonZeroU32>,
    /// What computes.
    pub backend: Option<Backend>,
    /// CPU threads; all cores if not given.
    pub threads: Option<NonZeroU32>,
    /// Height and width that pictures are brought to.
    pub resize: Option<Size>,
    /// What pictures are read as.
    pub color_mode: Option<ColorMode>,
    /// Random changes of the train images.
    pub augmentation: Option<Augmentation>,
    /// What `compare` varies besides the scaling.
    pub grid: Option<Grid>,
}

impl ConfigFile {
    /// Reads the file, or gives an empty configuration when there is none to read.
    pub fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let name = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| UsageError(format!("cannot read the configuration {name}: {error}")))?;
        let config = toml::from_str(&text).map_err(|error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            let line = before.matches('\n').count();
            let what = text.lines().nth(line).unwrap_or_default().trim();
            UsageError(format!("{name}:{}: `{what}`: {}", line + 1, error.message().replace('\n', "; ")))
        })?;
        Ok(config)
    }
}

/// Which images, from where.
#[derive(Debug, Clone, Serialize)]
pub struct DatasetConfig {
    pub dataset: DatasetKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color_mode: Option<ColorMode>,
}

impl DatasetConfig {
    /// Flags over file over defaults.
    pub fn resolve(flags: DatasetFlags, limit: Option<NonZeroU32>, file: &ConfigFile) -> Result<Self> {
        let dataset = flags.dataset.or(file.dataset).unwrap_or_default();
        let data_dir = flags.data_dir.or_else(|| file.data_dir.clone()).or_else(|| {
            let of_mnist = std::env::var_os("MNIST_DATA_DIR").filter(|_| dataset == DatasetKind::Mnist);
            of_mnist.map(PathBuf::from)
        });
        if dataset != DatasetKind::Mnist && data_dir.is_none() {
            return Err(UsageError(DataError::NeedsFolder(dataset).to_string()).into());
        }
        // A run is looked at from other folders, too.
        let data_dir = data_dir.map(path::absolute).transpose()?;
        let resize = flags.resize.or(file.resize);
        let color_mode = flags.color_mode.or(file.color_mode);
        for (key, is_given) in [("resize", resize.is_some()), ("color_mode", color_mode.is_some())] {
            if is_given && dataset != DatasetKind::Folder {
                return Err(UsageError(format!("`{key}` is for pictures: --dataset folder")).into());
            }
        }
        Ok(Self { dataset, data_dir, limit: limit.or(file.limit), resize, color_mode })
    }
}

/// Everything about a training but its scaling and its seed.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    #[serde(flatten)]
    pub dataset: DatasetConfig,
    pub epochs: NonZeroU32,
    pub batch_size: NonZeroU32,
    pub learning_rate: Positive,
    pub validation_split: Fraction,
    pub backend: Backend,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Augmentation::is_identity")]
    pub augmentation: Augmentation,
}

/// The tutorial's.
const EPOCHS: NonZeroU32 = NonZeroU32::new(5).unwrap();
const LEARNING_RATE: Positive = Positive(0.001);
const SEED: u64 = 1;

/// The tutorial's, and that of `scale`'s example batch.
pub const BATCH_SIZE: NonZeroU32 = NonZeroU32::new(64).unwrap();

impl Settings {
    /// Flags over file over the tutorial's settings.
    fn resolve(flags: TrainingFlags, file: &ConfigFile) -> Result<Self> {
        Ok(Self {
            dataset: DatasetConfig::resolve(flags.dataset, flags.limit, file)?,
            epochs: flags.epochs.or(file.epochs).unwrap_or(EPOCHS),
            batch_size: flags.batch_size.or(file.batch_size).unwrap_or(BATCH_SIZE),
            learning_rate: flags.learning_rate.or(file.learning_rate).unwrap_or(LEARNING_RATE),
            validation_split: flags.validation_split.or(file.validation_split).unwrap_or_default(),
            backend: flags.compute.backend.or(file.backend).unwrap_or_default(),
            threads: flags.compute.threads.or(file.threads),
            augmentation: file.augmentation.clone().unwrap_or_default(),
        })
    }
}

/// One training.
#[derive(Debug, Clone, Serialize)]
pub struct TrainingConfig {
    pub seed: u64,
    #[serde(flatten)]
    pub settings: Settings,
    pub scaling: Scaling,
}

impl TrainingConfig {
    /// Flags over file over the tutorial's settings; a scaling must be named somewhere.
    pub fn resolve(
        scaling: Option<Scaling>,
        seed: Option<u64>,
        flags: TrainingFlags,
        file: &ConfigFile,
    ) -> Result<Self> {
        let Some(scaling) = scaling.or_else(|| file.scaling.clone()) else {
            let presets = mnist_data::scaling::preset_names().join(", ");
            return Err(UsageError(format!("name a scaling with --scaling: {presets}")).into());
        };
        Ok(Self {
            seed: seed.or(file.seed).unwrap_or(SEED),
            settings: Settings::resolve(flags, file)?,
            scaling,
        })
    }

    /// All that its result depends on, but for the data and the program.
    pub fn with_effect(&self) -> Result<toml::Table> {
        let mut settings = toml::Table::try_from(self)?;
        settings.retain(|key, _| !WITHOUT_EFFECT.contains(&key));
        Ok(settings)
    }

    /// Reads back what a run saved.
    pub fn read(path: &Path) -> Result<Self> {
        Self::resolve(None, None, TrainingFlags::default(), &ConfigFile::read(Some(path))?)
    }
}

/// Keys whose value changes no bit of a result.
const WITHOUT_EFFECT: [&str; 2] = ["threads", "data_dir"];

/// The first key in which two saved configurations differ, but for `may_differ` and those that matter
/// to no result.
pub fn first_difference(saved: &str, current: &str, may_differ: &[&str]) -> Result<Option<String>> {
    let [saved, current]: [toml::Table; 2] = [toml::from_str(saved)?, toml::from_str(current)?];
    let keys = saved.keys().chain(current.keys());
    Ok(keys
        .filter(|key| !WITHOUT_EFFECT.contains(&key.as_str()) && !may_differ.contains(&key.as_str()))
        .find(|&key| saved.get(key) != current.get(key))
        .cloned())
}

#[cfg(test)]
mod tests;
