//! Settings: the defaults of the Keras tutorial, changed by [`Overrides`].
//!
//! [`Overrides`] come from a file or a caller, and may leave out any key. They resolve to [`RunSettings`], which
//! are complete and saved with the run.

use std::{
    io,
    num::NonZeroU32,
    path::{self, Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use burn::tensor::Device;
use mnist_data::{
    Augmentation, ColorMode, DataError, DatasetKind, Scaling, Size, Source,
    input::{self, shown},
};
use serde::{Deserialize, Serialize};

use crate::{
    Backend, TrainingError,
    files::{self, MOST_SETTINGS},
    toml_message,
};

/// Defines a number that is checked when it is parsed.
macro_rules! checked_number {
    ($(#[$doc:meta])* $name:ident, $condition:expr, $must:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "f64")]
        pub struct $name(f64);

        impl $name {
            /// Returns the number.
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(value: f64) -> Result<Self, String> {
                let is_valid: fn(f64) -> bool = $condition;
                if is_valid(value) { Ok(Self(value)) } else { Err($must.to_owned()) }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                text.parse::<f64>().map_err(|_| "must be a number".to_owned())?.try_into()
            }
        }
    };
}

checked_number!(
    /// A finite number above 0.
    Positive, |value| value.is_finite() && value > 0.0, "must be a finite number above 0"
);
checked_number!(
    /// A number of at least 0 and less than 1.
    Fraction, |value| (0.0..1.0).contains(&value), "must be at least 0 and less than 1"
);

impl Fraction {
    /// The fraction 0.
    pub const NONE: Self = Self(0.0);
}

/// Settings from a configuration file or a caller. A key that is left out is `None`.
///
/// One file can serve single runs and comparisons: each uses the keys that it needs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Kind of data set.
    pub dataset: Option<DatasetKind>,
    /// Folder of its files.
    pub data_dir: Option<PathBuf>,
    /// The only mirror to download the data set from: the URL of a folder.
    pub mirror: Option<String>,
    /// Scaling of a single run.
    pub scaling: Option<Scaling>,
    /// Scalings of a comparison.
    pub scalings: Option<Vec<Scaling>>,
    /// Seed of a single run.
    pub seed: Option<u64>,
    /// Number of seeds of a comparison, which trains with the seeds 1 to this number.
    pub seeds: Option<NonZeroU32>,
    /// Whether a comparison trains seed after seed until every pair is decided.
    pub until_decided: Option<bool>,
    /// The most seeds of a comparison that trains until it is decided.
    pub max_seeds: Option<NonZeroU32>,
    /// Margin in test images within which two arms of a comparison are equivalent.
    pub margin: Option<Positive>,
    /// Passes over the training images.
    pub epochs: Option<NonZeroU32>,
    /// Images per step.
    pub batch_size: Option<NonZeroU32>,
    /// Adam's learning rate.
    pub learning_rate: Option<Positive>,
    /// Fraction of the train split to validate on, taken from its end.
    pub validation_split: Option<Fraction>,
    /// Number of images to use of the train split: the first ones.
    pub limit: Option<NonZeroU32>,
    /// The backend that computes.
    pub backend: Option<Backend>,
    /// Number of the backend's device, counted from 0.
    pub device: Option<u32>,
    /// CPU threads; by default one per core.
    pub threads: Option<NonZeroU32>,
    /// Seconds between two checkpoints of a run.
    pub checkpoint_every: Option<Positive>,
    /// Height and width to resize pictures to.
    pub resize: Option<Size>,
    /// Whether to read pictures in grayscale or in color.
    pub color_mode: Option<ColorMode>,
    /// Name of the network.
    pub network: Option<String>,
    /// Random changes of the training images.
    pub augmentation: Option<Augmentation>,
    /// Values that a comparison varies besides the scaling.
    pub grid: Option<Grid>,
}

/// Values that a comparison combines with every scaling. If a list is empty, the single value of the settings
/// applies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grid {
    /// Learning rates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learning_rate: Vec<Positive>,
    /// Batch sizes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batch_size: Vec<NonZeroU32>,
}

impl Grid {
    /// Returns whether both lists are empty.
    pub fn is_empty(&self) -> bool {
        self.learning_rate.is_empty() && self.batch_size.is_empty()
    }
}

impl Overrides {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// When the file cannot be read, or contains an unknown key or an invalid value. The message names the line.
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        Self::from_bytes(path, input::read(path, MOST_SETTINGS))
    }

    /// Reads the bytes of a TOML file. Errors show `path` as its name.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn from_bytes(path: &Path, bytes: io::Result<Vec<u8>>) -> Result<Self, TrainingError> {
        let unreadable = |reason: &str| {
            TrainingError::Settings(format!("cannot read the configuration {}: {reason}", path.display()))
        };
        let bytes = bytes.map_err(|error| unreadable(&error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text"))?;
        toml::from_str(&text).map_err(|error| {
            TrainingError::Settings(format!("{}:{}", path.display(), toml_message::describe(&error, &text)))
        })
    }

    /// Returns these settings, with missing keys taken from `below`.
    ///
    /// A single learning rate or batch size here replaces the list in the grid of `below`. A list in the grid
    /// here replaces the single value of `below`.
    #[must_use]
    pub fn over(self, mut below: Self) -> Self {
        if let Some(grid) = &self.grid {
            below.learning_rate = below.learning_rate.filter(|_| grid.learning_rate.is_empty());
            below.batch_size = below.batch_size.filter(|_| grid.batch_size.is_empty());
        }
        let mut grid = below.grid;
        if let Some(grid) = &mut grid {
            if self.learning_rate.is_some() {
                grid.learning_rate.clear();
            }
            if self.batch_size.is_some() {
                grid.batch_size.clear();
            }
        }
        Self {
            dataset: self.dataset.or(below.dataset),
            data_dir: self.data_dir.or(below.data_dir),
            mirror: self.mirror.or(below.mirror),
            scaling: self.scaling.or(below.scaling),
            scalings: self.scalings.or(below.scalings),
            seed: self.seed.or(below.seed),
            // Either replaces the other.
            seeds: self.seeds.or(below.seeds.filter(|_| self.until_decided != Some(true))),
            until_decided: self.until_decided.or(below.until_decided.filter(|_| self.seeds.is_none())),
            max_seeds: self.max_seeds.or(below.max_seeds.filter(|_| self.seeds.is_none())),
            margin: self.margin.or(below.margin),
            epochs: self.epochs.or(below.epochs),
            batch_size: self.batch_size.or(below.batch_size),
            learning_rate: self.learning_rate.or(below.learning_rate),
            validation_split: self.validation_split.or(below.validation_split),
            limit: self.limit.or(below.limit),
            backend: self.backend.or(below.backend),
            device: self.device.or(below.device),
            threads: self.threads.or(below.threads),
            checkpoint_every: self.checkpoint_every.or(below.checkpoint_every),
            resize: self.resize.or(below.resize),
            color_mode: self.color_mode.or(below.color_mode),
            network: self.network.or(below.network),
            augmentation: self.augmentation.or(below.augmentation),
            grid: self.grid.or(grid),
        }
    }
}

/// The data set. The default is all of MNIST.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DatasetSettings {
    /// Kind of data set.
    pub dataset: DatasetKind,
    /// Folder of its files. By default, a known data set is in the user's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// The only mirror to download the data set from: the URL of a folder. It is not saved, because the checksums of
    /// the files are known.
    #[serde(skip)]
    pub mirror: Option<String>,
    /// Number of images to use of the train split: the first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<NonZeroU32>,
    /// Height and width to resize pictures to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<Size>,
    /// Whether to read pictures in grayscale or in color.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color_mode: Option<ColorMode>,
}

impl DatasetSettings {
    /// Completes the overrides with the defaults.
    ///
    /// # Errors
    /// When the data set needs a folder and `data_dir` is missing, or an option belongs to another kind of data
    /// set.
    pub fn resolve(overrides: &Overrides) -> Result<Self, TrainingError> {
        let dataset = overrides.dataset.unwrap_or_default();
        if dataset.known().is_none() && overrides.data_dir.is_none() {
            return Err(DataError::NeedsFolder(dataset).into());
        }
        // A run may later be opened from another working directory.
        let data_dir = overrides
            .data_dir
            .as_deref()
            .map(|folder| path::absolute(folder).map_err(TrainingError::file("find", folder)));
        let (resize, color_mode) = (overrides.resize, overrides.color_mode);
        for (key, is_given) in [("resize", resize.is_some()), ("color_mode", color_mode.is_some())] {
            if is_given && dataset != DatasetKind::Folder {
                return Err(TrainingError::PicturesOnly { key, kind: dataset });
            }
        }
        let (data_dir, mirror) = (data_dir.transpose()?, overrides.mirror.clone());
        Ok(Self { dataset, data_dir, mirror, limit: overrides.limit, resize, color_mode })
    }

    /// Returns these settings as overrides, without the limit. They contain the options for pictures only if
    /// `kind` is `None` or [`DatasetKind::Folder`].
    pub fn as_overrides(&self, kind: Option<DatasetKind>) -> Overrides {
        let is_pictures = kind.is_none_or(|kind| kind == DatasetKind::Folder);
        Overrides {
            dataset: Some(self.dataset),
            data_dir: self.data_dir.clone(),
            resize: self.resize.filter(|_| is_pictures),
            color_mode: self.color_mode.filter(|_| is_pictures),
            ..Overrides::default()
        }
    }

    /// Returns the source of the files.
    pub fn source(&self) -> Source {
        let pictures = mnist_data::PictureOptions { resize: self.resize, color_mode: self.color_mode };
        let source = Source::new(self.dataset, self.data_dir.clone()).with_pictures(pictures);
        match &self.mirror {
            Some(mirror) => source.with_mirror(mirror.clone()),
            None => source,
        }
    }
}

/// All settings of a run except its scaling and its seed. The defaults are the tutorial's.
#[derive(Debug, Clone, Serialize)]
pub struct TrainingSettings {
    /// The data set.
    #[serde(flatten)]
    pub dataset: DatasetSettings,
    /// Passes over the training images.
    pub epochs: NonZeroU32,
    /// Images per step.
    pub batch_size: NonZeroU32,
    /// Adam's learning rate.
    pub learning_rate: Positive,
    /// Fraction of the train split to validate on, taken from its end and never trained on.
    pub validation_split: Fraction,
    /// The backend that computes.
    pub backend: Backend,
    /// Number of the backend's device, counted from 0; see [`Backend::devices`].
    #[serde(skip_serializing_if = "is_first")]
    pub device: u32,
    /// CPU threads; by default one per core. The number does not change the results. A comparison starts this many
    /// threads. An [`Experiment`](crate::Experiment) ignores it and uses the pool that it is called in, see
    /// [`in_pool`](crate::backend::in_pool).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroU32>,
    /// Seconds between two checkpoints; a minute by default. Each epoch ends with one as well. The number does not
    /// change the results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<Positive>,
    /// Name of the network: [`Network::name`](crate::Network::name). An experiment fills it in.
    #[serde(skip_serializing_if = "is_tutorials_network")]
    pub network: String,
    /// Random changes of the training images.
    #[serde(skip_serializing_if = "Augmentation::is_identity")]
    pub augmentation: Augmentation,
}

/// The tutorial's batch size.
pub const BATCH_SIZE: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// Name of the tutorial's network. Saved settings leave it out.
const NETWORK: &str = "cnn";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(device: &u32) -> bool {
    *device == 0
}

fn is_tutorials_network(name: &str) -> bool {
    name == NETWORK
}

impl Default for TrainingSettings {
    fn default() -> Self {
        const EPOCHS: NonZeroU32 = NonZeroU32::new(5).unwrap();
        Self {
            dataset: DatasetSettings::default(),
            epochs: EPOCHS,
            batch_size: BATCH_SIZE,
            learning_rate: Positive(0.001),
            validation_split: Fraction::NONE,
            backend: Backend::default(),
            device: 0,
            threads: None,
            checkpoint_every: None,
            network: NETWORK.to_owned(),
            augmentation: Augmentation::default(),
        }
    }
}

impl TrainingSettings {
    /// Completes the overrides with the tutorial's settings.
    ///
    /// # Errors
    /// As for [`DatasetSettings::resolve`].
    pub fn resolve(overrides: &Overrides) -> Result<Self, TrainingError> {
        let tutorial = Self::default();
        Ok(Self {
            dataset: DatasetSettings::resolve(overrides)?,
            epochs: overrides.epochs.unwrap_or(tutorial.epochs),
            batch_size: overrides.batch_size.unwrap_or(tutorial.batch_size),
            learning_rate: overrides.learning_rate.unwrap_or(tutorial.learning_rate),
            validation_split: overrides.validation_split.unwrap_or(tutorial.validation_split),
            backend: overrides.backend.unwrap_or_default(),
            device: overrides.device.unwrap_or(tutorial.device),
            threads: overrides.threads,
            checkpoint_every: overrides.checkpoint_every,
            network: overrides.network.clone().unwrap_or(tutorial.network),
            augmentation: overrides.augmentation.clone().unwrap_or_default(),
        })
    }

    /// Opens the device that computes.
    ///
    /// # Errors
    /// As for [`Backend::open_device`].
    pub fn open_device(&self) -> Result<Device, TrainingError> {
        self.backend.open_device(self.device as usize)
    }

    /// Returns the time between two checkpoints.
    pub fn checkpoint_every(&self) -> Duration {
        const MINUTE: Duration = Duration::from_mins(1);
        let given = self.checkpoint_every.map(Positive::get);
        given.map_or(MINUTE, |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Returns the same settings for the network of this name.
    ///
    /// # Errors
    /// When the settings name a network that is neither this one nor the tutorial's.
    pub fn for_network(&self, name: &str) -> Result<Self, TrainingError> {
        if self.network != name && !is_tutorials_network(&self.network) {
            return Err(TrainingError::Settings(format!(
                "the settings are for the network `{}`, not for `{name}`",
                self.network
            )));
        }
        Ok(Self { network: name.to_owned(), ..self.clone() })
    }
}

/// The settings of one run: its `config.toml`.
#[derive(Debug, Clone, Serialize)]
pub struct RunSettings {
    /// The seed of the initial weights, the order of the images and the augmentation.
    pub seed: u64,
    /// The settings besides seed and scaling.
    #[serde(flatten)]
    pub training: TrainingSettings,
    /// The scaling of the pixels.
    pub scaling: Scaling,
}

impl RunSettings {
    /// Completes the overrides with the tutorial's settings. The default seed is 1.
    ///
    /// # Errors
    /// When `scaling` is missing, and as for [`DatasetSettings::resolve`].
    pub fn resolve(overrides: &Overrides) -> Result<Self, TrainingError> {
        let scaling = overrides.scaling.clone().ok_or(TrainingError::NoScaling)?;
        let seed = overrides.seed.unwrap_or(1);
        Ok(Self { seed, training: TrainingSettings::resolve(overrides)?, scaling })
    }

    /// Reads the `config.toml` of a run.
    ///
    /// # Errors
    /// As for [`Overrides::read`] and [`resolve`](Self::resolve).
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        Self::resolve(&Overrides::read(path)?)
    }

    /// Returns the contents of `config.toml`.
    ///
    /// # Errors
    /// When a number is too large for TOML.
    pub fn to_toml(&self) -> Result<String, TrainingError> {
        toml::to_string(self).map_err(TrainingError::encode("config.toml"))
    }

    /// Returns the settings that the result depends on.
    ///
    /// # Errors
    /// When a number is too large for TOML.
    pub fn with_effect(&self) -> Result<toml::Table, TrainingError> {
        let mut settings = toml::Table::try_from(self).map_err(TrainingError::encode("config.toml"))?;
        settings.retain(|key, _| !WITHOUT_EFFECT.contains(&key));
        Ok(settings)
    }
}

/// Keys that do not change the result. Another GPU changes only its rounding.
const WITHOUT_EFFECT: [&str; 4] = ["device", "threads", "data_dir", "checkpoint_every"];

/// Refuses settings that differ from those saved at `path`, if that file exists. Ignores the keys in `may_differ`
/// and the keys that do not change the result.
///
/// # Errors
/// When a key differs (the error names it), or the file cannot be read.
pub fn check_unchanged(path: &Path, current: &str, may_differ: &[&str]) -> Result<(), TrainingError> {
    if !path.exists() {
        return Ok(());
    }
    match first_difference(&read_saved(path)?, current, may_differ).map_err(TrainingError::damaged(path))? {
        None => Ok(()),
        Some(Difference { key, values: [saved, current] }) => {
            Err(TrainingError::OtherSettings { key, saved, current, path: path.to_owned() })
        }
    }
}

/// Returns the text of saved settings.
///
/// # Errors
/// When the file is missing, cannot be read, or is not text.
pub fn read_saved(path: &Path) -> Result<String, TrainingError> {
    String::from_utf8(files::read(path, MOST_SETTINGS)?).map_err(TrainingError::damaged(path))
}

/// A key with two values, as text that is safe to show. Of two tables, it shows the first key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// Its values as TOML, or "nothing" where it is missing.
    pub values: [String; 2],
}

impl Difference {
    /// Compares a key of two tables. Returns `None` if the values are equal.
    pub fn of(key: &str, tables: [&toml::Table; 2]) -> Option<Self> {
        let values = tables.map(|table| table.get(key));
        let show = |value: Option<&toml::Value>| {
            value.map_or_else(
                || "nothing".to_owned(),
                |value| shown(&toml_message::shorten(&value.to_string())).to_string(),
            )
        };
        if values[0] == values[1] {
            return None;
        }
        let key = shown(&toml_message::shorten(key)).to_string();
        if let [Some(toml::Value::Table(a)), Some(toml::Value::Table(b))] = values
            && let Some(within) = a.keys().chain(b.keys()).find_map(|key| Self::of(key, [a, b]))
        {
            let values = within.values.map(|value| format!("{{ {} = {value}, … }}", within.key));
            return Some(Self { key, values });
        }
        Some(Self { key, values: values.map(show) })
    }
}

/// Returns the first key in which two saved settings differ. Ignores the keys in `may_differ` and the keys that
/// do not change the result.
///
/// # Errors
/// When one of the texts is not TOML. The error is the reason, without the line in question.
pub fn first_difference(
    saved: &str,
    current: &str,
    may_differ: &[&str],
) -> Result<Option<Difference>, String> {
    let parse = |text| toml::from_str(text).map_err(|error| error.message().to_owned());
    let [saved, current]: [toml::Table; 2] = [parse(saved)?, parse(current)?];
    let keys = saved.keys().chain(current.keys());
    Ok(keys
        .filter(|key| !WITHOUT_EFFECT.contains(&key.as_str()) && !may_differ.contains(&key.as_str()))
        .find_map(|key| Difference::of(key, [&saved, &current])))
}
