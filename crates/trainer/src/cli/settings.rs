//! Turns flags into settings. Flags override a configuration file, and the file overrides the environment.

use std::path::PathBuf;

use mnist_comparison::ComparisonSettings;
use mnist_data::DatasetKind;
use mnist_model::{ModelConfig, Network};
use mnist_training::{
    DatasetSettings, TrainingError,
    files::{Destination, Existing, ResultKind},
    settings::Overrides,
};

use super::{
    CompareArgs, ConfigFlag, DatasetFlags, FinalOutFlags, OutFlags, RunDatasetFlags, TrainArgs, TrainingFlags,
};

/// Returns the folder of MNIST that the environment variable `MNIST_DATA_DIR` names.
pub fn data_dir_variable() -> Option<PathBuf> {
    std::env::var_os("MNIST_DATA_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

impl DatasetFlags {
    /// Merges these flags with the settings of a file. If neither names the folder of MNIST, the environment does.
    pub fn over(self, below: Overrides) -> Overrides {
        let flags = Overrides {
            dataset: self.dataset,
            data_dir: self.data_dir,
            resize: self.resize,
            color_mode: self.color_mode,
            ..Overrides::default()
        };
        let merged = flags.over(below);
        let is_mnist = merged.dataset.unwrap_or_default() == DatasetKind::Mnist;
        let from_environment = || data_dir_variable().filter(|_| is_mnist);
        Overrides { data_dir: merged.data_dir.clone().or_else(from_environment), ..merged }
    }
}

impl RunDatasetFlags {
    /// Returns the data set of a run, with the changes that these flags ask for.
    pub fn over(self, run: &DatasetSettings) -> Result<DatasetSettings, TrainingError> {
        let Self { dataset, data_dir, resize, color_mode } = self;
        let saved = run.as_overrides(dataset);
        DatasetSettings::resolve(&DatasetFlags { dataset, data_dir, resize, color_mode }.over(saved))
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
            threads: self.compute.threads,
            ..Overrides::default()
        };
        self.dataset.over(flags.over(below))
    }
}

impl TrainArgs {
    /// Merges the flags with the configuration file.
    pub fn overrides(self) -> Result<Overrides, TrainingError> {
        let file = self.config.read()?;
        let flags = Overrides { scaling: self.scaling, seed: self.seed, ..Overrides::default() };
        let has_scaling = file.scaling.is_some() || flags.scaling.is_some();
        let has_seed = file.seed.is_some() || flags.seed.is_some();
        refuse_misplaced([
            (
                file.grid.is_some(),
                "[grid] is for compare; train takes one `learning_rate` and one `batch_size`",
            ),
            (file.scalings.is_some() && !has_scaling, "`scalings` is for compare; train takes `scaling`"),
            (file.seeds.is_some() && !has_seed, "`seeds` is for compare; train takes `seed`"),
        ])?;
        Ok(flags.over(self.training.over(file)))
    }
}

impl CompareArgs {
    /// Merges the flags with the configuration file.
    pub fn overrides(self) -> Result<Overrides, TrainingError> {
        let file = self.config.read()?;
        let flags = Overrides { scalings: self.scalings, seeds: self.seeds, ..Overrides::default() };
        let has_scalings = file.scalings.is_some() || flags.scalings.is_some();
        let has_seeds = file.seeds.is_some() || flags.seeds.is_some();
        refuse_misplaced([
            (file.scaling.is_some() && !has_scalings, "`scaling` is for train; compare takes `scalings`"),
            (file.seed.is_some() && !has_seeds, "`seed` is for train; compare takes `seeds`"),
        ])?;
        // Checked before merging, since a flag would hide a contradiction within the file.
        ComparisonSettings::check_grid(&file)?;
        Ok(flags.over(self.training.over(file)))
    }
}

/// Refuses a file that sets a key for another command, instead of ignoring the key.
fn refuse_misplaced<const N: usize>(keys: [(bool, &str); N]) -> Result<(), TrainingError> {
    match keys.into_iter().find(|(is_misplaced, _)| *is_misplaced) {
        Some((_, message)) => Err(TrainingError::Settings(message.to_owned())),
        None => Ok(()),
    }
}

impl ConfigFlag {
    /// Reads the configuration file, if there is one. It must be for the tutorial's network, the only one that this
    /// program trains.
    pub fn read(&self) -> Result<Overrides, TrainingError> {
        let Some(path) = &self.config else { return Ok(Overrides::default()) };
        let file = Overrides::read(path)?;
        match &file.network {
            Some(network) if *network != ModelConfig::new().name() => Err(TrainingError::Settings(format!(
                "{}: `network` is `{network}`; this program trains its own CNN only",
                path.display()
            ))),
            _ => Ok(file),
        }
    }
}

impl OutFlags {
    /// Returns the output folder: the one that `--out` names, or a new one whose name starts with `name`.
    pub fn destination(&self, name: String, kind: &ResultKind) -> Result<Destination, TrainingError> {
        let existing = match (self.resume, self.force) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        };
        destination(self.out.clone(), existing, name, kind)
    }
}

impl FinalOutFlags {
    /// Returns the output folder: the one that `--out` names, or a new one whose name starts with `name`.
    pub fn destination(&self, name: String, kind: &ResultKind) -> Result<Destination, TrainingError> {
        let existing = if self.force { Existing::Replace } else { Existing::Refuse };
        destination(self.out.clone(), existing, name, kind)
    }
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
