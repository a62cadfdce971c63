//! From flags to settings: flags over a configuration file over the environment.

use std::path::PathBuf;

use mnist_comparison::ComparisonSettings;
use mnist_data::DatasetKind;
use mnist_model::{ModelConfig, Network};
use mnist_training::{
    DatasetSettings, TrainingError,
    files::{Destination, Existing, ResultKind},
    settings::Overrides,
};

use super::{CompareArgs, ConfigFlag, DatasetFlags, OutFlags, TrainArgs, TrainingFlags, WholeOutFlags};

impl DatasetFlags {
    /// These flags over the settings of a file. `$MNIST_DATA_DIR` is the folder of MNIST if neither names one.
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
        let from_environment = || std::env::var_os("MNIST_DATA_DIR").filter(|_| is_mnist).map(PathBuf::from);
        Overrides { data_dir: merged.data_dir.clone().or_else(from_environment), ..merged }
    }

    /// The data set of a run, with what these flags change.
    pub fn of_run(self, run: &DatasetSettings) -> Result<DatasetSettings, TrainingError> {
        let saved = run.as_overrides(self.dataset);
        DatasetSettings::resolve(&self.over(saved))
    }
}

impl TrainingFlags {
    /// These flags over the settings of a file.
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
    /// All settings of the training that the flags and the file give.
    pub fn overrides(self) -> Result<Overrides, TrainingError> {
        let flags = Overrides { scaling: self.scaling, seed: self.seed, ..Overrides::default() };
        Ok(flags.over(self.training.over(self.config.read()?)))
    }
}

impl CompareArgs {
    /// All settings of the comparison that the flags and the file give.
    pub fn overrides(self) -> Result<Overrides, TrainingError> {
        let file = self.config.read()?;
        let flags = Overrides { scalings: self.scalings, seeds: self.seeds, ..Overrides::default() };
        for (one, many, is_misplaced) in [
            (
                "scaling",
                "scalings",
                file.scaling.is_some() && file.scalings.is_none() && flags.scalings.is_none(),
            ),
            ("seed", "seeds", file.seed.is_some() && file.seeds.is_none() && flags.seeds.is_none()),
        ] {
            if is_misplaced {
                return Err(TrainingError::Settings(format!("`{one}` is for train; compare takes `{many}`")));
            }
        }
        // A flag must not hide that the file contradicts itself.
        ComparisonSettings::check_grid(&file)?;
        Ok(flags.over(self.training.over(file)))
    }
}

impl ConfigFlag {
    /// The settings of the file, if there is one. The program trains the tutorial's network only.
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
    /// The folder that the flags name, or a new one whose name begins with `name`.
    pub fn destination(&self, name: String, kind: &ResultKind) -> Result<Destination, TrainingError> {
        let existing = match (self.resume, self.force) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        };
        destination(self.out.clone(), existing, name, kind)
    }
}

impl WholeOutFlags {
    /// The folder that the flags name, or a new one whose name begins with `name`.
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
