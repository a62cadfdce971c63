//! Turns flags into settings. Flags override a configuration file, and the file overrides the environment.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use mnist_comparison::ComparisonSettings;
use mnist_data::DatasetKind;
use mnist_model::{ModelConfig, Network};
use mnist_report::notes::quote;
use mnist_training::{
    DatasetSettings, TrainingError, TrainingSettings,
    files::{CONFIG, Destination, Existing, MOST_SETTINGS, ResultKind},
    settings::Overrides,
};

use crate::{
    command_error::{HintedError, UsageError},
    input,
};

use super::{
    CompareArgs, ConfigFlag, DatasetFlags, ExportOutFlags, OutFlags, RunComputeFlags, RunDatasetFlags,
    TrainArgs, TrainingFlags,
};

/// Returns the folder of MNIST that the environment variable `MNIST_DATA_DIR` names.
pub fn data_dir_variable() -> Option<PathBuf> {
    std::env::var_os("MNIST_DATA_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Returns the mirror of MNIST that the environment variable `MNIST_MIRROR` names.
fn mirror_variable() -> Option<String> {
    std::env::var("MNIST_MIRROR").ok().filter(|mirror| !mirror.is_empty())
}

impl DatasetFlags {
    /// Merges these flags with the settings of a file. If neither names the folder or the mirror of MNIST, the
    /// environment does.
    pub fn over(self, below: Overrides) -> Overrides {
        let flags = Overrides {
            dataset: self.dataset,
            data_dir: self.data_dir,
            mirror: self.mirror,
            resize: self.resize,
            color_mode: self.color_mode,
            ..Overrides::default()
        };
        let merged = flags.over(below);
        let is_mnist = merged.dataset.unwrap_or_default() == DatasetKind::Mnist;
        let from_environment = || data_dir_variable().filter(|_| is_mnist);
        let data_dir = merged.data_dir.clone().or_else(from_environment);
        let mirror = merged.mirror.clone().or_else(|| mirror_variable().filter(|_| is_mnist));
        Overrides { data_dir, mirror, ..merged }
    }
}

impl RunComputeFlags {
    /// Opens the device to compute with, by default on the run's backend.
    pub fn open_device(&self, run: &TrainingSettings) -> Result<Device, TrainingError> {
        self.backend.unwrap_or(run.backend).open_device(self.device as usize)
    }
}

impl RunDatasetFlags {
    /// Returns the data set of a run, with the changes that these flags ask for.
    pub fn over(self, run: &DatasetSettings) -> Result<DatasetSettings, TrainingError> {
        let Self { dataset, data_dir, resize, color_mode } = self;
        let saved = run.as_overrides(dataset);
        let flags = DatasetFlags { dataset, data_dir, mirror: None, resize, color_mode };
        DatasetSettings::resolve(&flags.over(saved))
    }
}

impl TrainingFlags {
    /// Merges these flags with the settings of a file.
    pub fn over(self, below: Overrides) -> Overrides {
        let flags = Overrides {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            validation_split: self.validation_split,
            limit: self.limit,
            backend: self.compute.backend,
            device: self.compute.device,
            threads: self.compute.threads,
            checkpoint_every: self.checkpoint_every,
            ..Overrides::default()
        };
        self.dataset.over(flags.over(below))
    }
}

impl TrainArgs {
    /// Merges the flags with the configuration file and with the settings of the run to resume.
    pub fn overrides(self) -> Result<Overrides> {
        let saved = self.out.saved(&Kind::Run)?;
        let file = self.config.read()?;
        let flags = Overrides { scaling: self.scaling, seed: self.seed, ..Overrides::default() };
        // As in `compare`, a flag must not hide a contradiction within the file.
        ComparisonSettings::check_grid(&file)?;
        let merged = flags.over(self.training.over(file.over(saved)));
        // Flags may replace the lists of the grid with single values.
        let has_grid = merged.grid.as_ref().is_some_and(|grid| !grid.is_empty());
        self.config.refuse_misplaced([
            (has_grid, "[grid] is for compare; train takes one `learning_rate` and one `batch_size`"),
            (
                merged.scalings.is_some() && merged.scaling.is_none(),
                "`scalings` is for compare; train takes `scaling`",
            ),
            (merged.seeds.is_some() && merged.seed.is_none(), "`seeds` is for compare; train takes `seed`"),
        ])?;
        Ok(merged)
    }
}

impl CompareArgs {
    /// Merges the flags with the configuration file and with the settings of the comparison to resume.
    pub fn overrides(self) -> Result<Overrides> {
        let saved = self.out.saved(&Kind::Comparison)?;
        let file = self.config.read()?;
        let flags = Overrides {
            scalings: self.scalings,
            seeds: self.seeds,
            until_decided: self.until_decided.then_some(true),
            max_seeds: self.max_seeds,
            margin: self.margin,
            ..Overrides::default()
        };
        // Checked before merging, since a flag would hide a contradiction within the file.
        ComparisonSettings::check_grid(&file)?;
        let merged = flags.over(self.training.over(file.over(saved)));
        self.config.refuse_misplaced([
            (
                merged.scaling.is_some() && merged.scalings.is_none(),
                "`scaling` is for train; compare takes `scalings`",
            ),
            (merged.seed.is_some() && merged.seeds.is_none(), "`seed` is for train; compare takes `seeds`"),
        ])?;
        Ok(merged)
    }
}

impl ConfigFlag {
    /// Reads the configuration file, if there is one. It must be for the tutorial's network, the only one that this
    /// program trains.
    pub fn read(&self) -> Result<Overrides, TrainingError> {
        let Some(path) = &self.config else { return Ok(Overrides::default()) };
        let file = Overrides::from_bytes(path, input::read(path, MOST_SETTINGS)?)?;
        match &file.network {
            Some(network) if *network != ModelConfig::new().name() => {
                Err(self.error(&format!("`network` is `{network}`; this program trains its own CNN only")))
            }
            _ => Ok(file),
        }
    }

    /// Refuses a file that sets a key for another command, instead of ignoring the key.
    fn refuse_misplaced<const N: usize>(&self, keys: [(bool, &str); N]) -> Result<(), TrainingError> {
        match keys.into_iter().find(|(is_misplaced, _)| *is_misplaced) {
            Some((_, message)) => Err(self.error(message)),
            None => Ok(()),
        }
    }

    /// Returns an error that names the configuration file.
    fn error(&self, message: &str) -> TrainingError {
        let file = self.config.as_deref().unwrap_or(Path::new("")).display();
        TrainingError::Settings(format!("{file}: {message}"))
    }
}

impl OutFlags {
    /// Returns the output folder: the one that `--out` or `--resume` names, or a new one whose name starts with `name`.
    pub fn destination(&self, name: String, kind: &ResultKind) -> Result<Destination, TrainingError> {
        let existing = match (&self.resume, self.force) {
            (Some(_), _) => Existing::Resume,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        };
        let resumed = self.resume.clone().flatten();
        destination(resumed.or_else(|| self.out.clone()), existing, name, kind)
    }

    /// Checks that events for TensorBoard can go into a folder, and do not become foreign files of the output folder. Only
    /// its folder `own` may contain them.
    pub fn check_tensorboard(&self, own: Option<&str>) -> Result<()> {
        if let Some(events) = self.tensorboard.as_ref().filter(|events| events.is_file()) {
            let message = format!("{} is a file, not a folder", events.display());
            return Err(HintedError::new(message, "choose another --tensorboard").into());
        }
        let out = self.resume.as_ref().and_then(Option::as_ref).or(self.out.as_ref());
        let (Some(out), Some(events)) = (out, &self.tensorboard) else { return Ok(()) };
        let (out, events) = (resolved(out), resolved(events));
        if events.starts_with(&out) && !own.is_some_and(|own| events.starts_with(out.join(own))) {
            return Err(UsageError("--tensorboard must be outside of the output folder".into()).into());
        }
        Ok(())
    }

    /// Returns the settings that are saved in the folder that `--resume` names. Without one, there are none.
    fn saved(&self, kind: &Kind) -> Result<Overrides> {
        let folder = match (&self.resume, &self.out) {
            (None, _) | (Some(None), Some(_)) => return Ok(Overrides::default()),
            (Some(None), None) => {
                return Err(UsageError(
                    "--resume needs a folder, as in `--resume DIR` or `--out DIR --resume`".into(),
                )
                .into());
            }
            (Some(Some(_)), Some(_)) => {
                return Err(
                    UsageError("--resume already names the output folder; leave out --out".into()).into()
                );
            }
            (Some(Some(folder)), None) => folder,
        };
        let config = folder.join(CONFIG);
        if !folder.is_dir() || !config.exists() {
            let message = format!("there is nothing to resume in {}: it has no {CONFIG}", folder.display());
            return Err(
                HintedError::new(message, "`mnist-trainer runs` lists the runs and comparisons").into()
            );
        }
        let saved = Overrides::read(&config).map_err(TrainingError::damaged(&config))?;
        if let Some(other) = kind.mistaken_for(&saved) {
            let folder = folder.display();
            let message = format!("{folder} is a {}, not a {}", other.name(), kind.name());
            let hint =
                format!("use `mnist-trainer {} --resume {}`", other.command(), quote(&folder.to_string()));
            return Err(HintedError::new(message, hint).into());
        }
        if saved.network.as_ref().is_some_and(|network| *network != ModelConfig::new().name()) {
            return Err(TrainingError::OtherNetwork {
                path: folder.clone(),
                found: saved.network.unwrap_or_default(),
                expected: ModelConfig::new().name(),
            }
            .into());
        }
        Ok(saved)
    }
}

/// What `--resume` continues.
enum Kind {
    Run,
    Comparison,
}

impl Kind {
    /// Returns the other kind if these are its settings.
    fn mistaken_for(&self, saved: &Overrides) -> Option<Self> {
        match self {
            Self::Run => saved.scalings.is_some().then_some(Self::Comparison),
            Self::Comparison => saved.scaling.is_some().then_some(Self::Run),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Comparison => "comparison",
        }
    }

    fn command(&self) -> &'static str {
        match self {
            Self::Run => "train",
            Self::Comparison => "compare",
        }
    }
}

impl ExportOutFlags {
    /// Returns the output folder: the one that `--out` names, or a new one whose name starts with `name`.
    pub fn destination(&self, name: String, kind: &ResultKind) -> Result<Destination, TrainingError> {
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        destination(self.out.clone(), existing, name, kind)
    }
}

/// Returns the absolute path, without links in the part of it that exists.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            // Joining an empty path would add a slash.
            return real.components().chain(rest.components()).collect();
        }
    }
    path
}

fn destination(
    out: Option<PathBuf>,
    existing: Existing,
    name: String,
    kind: &ResultKind,
) -> Result<Destination, TrainingError> {
    match out {
        Some(path) => Destination::at(path, existing, kind),
        None => Ok(Destination::new(name)),
    }
}
