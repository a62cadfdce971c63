//! The settings of a comparison, and the arms that follow from them.

use std::{collections::BTreeSet, num::NonZeroU32, path::Path};

use mnist_data::{Scaling, scaling::CUSTOM};
use mnist_training::{
    RunSettings, TrainingError, TrainingSettings,
    settings::{Grid, Overrides, Positive, check_unchanged},
};
use serde::Serialize;

use crate::{ComparisonError, looks::FIRST_LOOK, numbers::plural, until_decided::MOST_SEEDS};

/// The settings of a comparison: every scaling × every value of the grid × every seed. All runs share the other
/// settings.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonSettings {
    /// The seeds of each arm.
    #[serde(flatten)]
    pub seeds: Seeds,
    /// Margin in test images within which two arms are equivalent; `None` for the
    /// [default](crate::design::default_margin).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<Positive>,
    /// Settings that all runs share.
    #[serde(flatten)]
    pub training: TrainingSettings,
    /// The scalings to compare, all different.
    pub scalings: Vec<Scaling>,
    /// The learning rates and batch sizes to combine with each scaling.
    #[serde(skip_serializing_if = "Grid::is_empty")]
    pub grid: Grid,
}

/// The seeds of each arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Seeds {
    /// A planned number: each arm is trained with the seeds 1 to `seeds`.
    Planned {
        /// Number of seeds.
        seeds: NonZeroU32,
    },
    /// Seed after seed, until every pair of arms is decided.
    UntilDecided {
        /// Always true, for the configuration file.
        until_decided: bool,
        /// The most seeds.
        max_seeds: NonZeroU32,
    },
}

impl Seeds {
    /// Returns the number of seeds, or the most if it is not planned.
    pub fn most(self) -> NonZeroU32 {
        match self {
            Self::Planned { seeds } => seeds,
            Self::UntilDecided { max_seeds, .. } => max_seeds,
        }
    }

    /// Returns whether the number of seeds depends on the accuracies.
    pub fn is_until_decided(self) -> bool {
        matches!(self, Self::UntilDecided { .. })
    }

    fn resolve(overrides: &Overrides) -> Result<Self, TrainingError> {
        let Overrides { seeds, until_decided, max_seeds, .. } = *overrides;
        match (until_decided.unwrap_or(false), seeds, max_seeds) {
            (false, _, Some(_)) => invalid("`max_seeds` needs `until_decided`".into()),
            (true, Some(_), _) => {
                invalid("`seeds` contradicts `until_decided`; set `max_seeds` to limit the seeds".into())
            }
            (true, None, most) => {
                let max_seeds = most.or(NonZeroU32::new(MOST_SEEDS)).unwrap_or(NonZeroU32::MIN);
                Ok(Self::UntilDecided { until_decided: true, max_seeds })
            }
            (false, seeds, None) => Ok(Self::Planned { seeds: seeds.unwrap_or(NonZeroU32::MIN) }),
        }
    }
}

/// One configuration under comparison: a scaling with a learning rate and a batch size.
#[derive(Debug, Clone)]
pub struct Arm {
    /// The arm's unique name: the scaling's name, plus the values of the grid.
    pub name: String,
    /// Name of the scaling: a preset, or `custom`. Several custom scalings are numbered, such as `custom-1`.
    pub scaling_name: String,
    /// Position of the scaling in [`ComparisonSettings::scalings`].
    pub scaling_index: usize,
    /// The scaling of the pixels.
    pub scaling: Scaling,
    /// All other settings except the seed.
    pub training: TrainingSettings,
}

impl Arm {
    /// Returns the settings of the arm's run with this seed.
    pub fn with_seed(&self, seed: u64) -> RunSettings {
        RunSettings { seed, training: self.training.clone(), scaling: self.scaling.clone() }
    }

    /// Returns the number of arms in words, such as "3 scalings", or "4 arms" if several arms have the same scaling.
    pub fn counted<'a>(arms: impl IntoIterator<Item = &'a Self>) -> String {
        let scalings: Vec<usize> = arms.into_iter().map(|arm| arm.scaling_index).collect();
        let distinct: BTreeSet<&usize> = scalings.iter().collect();
        plural(scalings.len(), if distinct.len() == scalings.len() { "scaling" } else { "arm" })
    }
}

/// The experiment of the Keras tutorial: normalize, center and standardize with seed 1.
impl Default for ComparisonSettings {
    fn default() -> Self {
        let normalize = Scaling { rescale: 1.0 / 255.0, ..Scaling::default() };
        let center = Scaling { featurewise_center: true, ..Scaling::default() };
        let standardize = Scaling { featurewise_std_normalization: true, ..center.clone() };
        Self {
            seeds: Seeds::Planned { seeds: NonZeroU32::MIN },
            margin: None,
            training: TrainingSettings::default(),
            scalings: vec![normalize, center, standardize],
            grid: Grid::default(),
        }
    }
}

impl ComparisonSettings {
    /// Completes the overrides with the defaults: the tutorial's experiment.
    ///
    /// # Errors
    /// When the overrides contradict each other, and as for [`check`](Self::check) and
    /// [`TrainingSettings::resolve`].
    pub fn resolve(overrides: &Overrides) -> Result<Self, TrainingError> {
        Self::check_grid(overrides)?;
        let tutorial = Self::default();
        let settings = Self {
            seeds: Seeds::resolve(overrides)?,
            margin: overrides.margin,
            grid: overrides.grid.clone().unwrap_or_default(),
            training: TrainingSettings::resolve(overrides)?,
            scalings: overrides.scalings.clone().unwrap_or(tutorial.scalings),
        };
        settings.check()?;
        Ok(settings)
    }

    /// Checks the grid of the overrides.
    ///
    /// # Errors
    /// When a setting is set both by itself and in the grid, or the grid contains a value twice.
    pub fn check_grid(overrides: &Overrides) -> Result<(), TrainingError> {
        let Some(grid) = &overrides.grid else { return Ok(()) };
        for (key, varies, is_set) in [
            ("learning_rate", !grid.learning_rate.is_empty(), overrides.learning_rate.is_some()),
            ("batch_size", !grid.batch_size.is_empty(), overrides.batch_size.is_some()),
        ] {
            if varies && is_set {
                return invalid(format!("`{key}` is set both by itself and in [grid]; keep one of them"));
            }
        }
        check_distinct(grid)
    }

    /// Checks that there is something to compare, and that all arms differ.
    ///
    /// # Errors
    /// When there is no scaling, or a scaling or a value of the grid occurs twice. Also when the comparison should run
    /// until it is decided, but has only one arm or too few seeds.
    pub fn check(&self) -> Result<(), TrainingError> {
        if self.scalings.is_empty() {
            return invalid("`scalings` is empty; a comparison needs at least one scaling".into());
        }
        check_distinct(&self.grid)?;
        let values = [self.scalings.len(), self.grid.learning_rate.len(), self.grid.batch_size.len()];
        let arms: u128 = values.iter().map(|&values| values.max(1) as u128).product();
        if arms * u128::from(self.seeds.most().get()) > u128::from(MOST_RUNS) {
            return invalid(format!(
                "{arms} arms with {} seeds each are more than {MOST_RUNS} runs; use fewer seeds or arms",
                self.seeds.most()
            ));
        }
        if let Some(scaling) = repeated(&self.scalings) {
            return invalid(format!("`scalings` contains `{}` twice", scaling.name()));
        }
        if self.seeds.is_until_decided() {
            if self.arms().len() < 2 {
                return invalid("`until_decided` needs two scalings to decide between".into());
            }
            if (self.seeds.most().get() as usize) < FIRST_LOOK {
                return invalid(format!("`max_seeds` must be at least {FIRST_LOOK}: fewer decide nothing"));
            }
        }
        Ok(())
    }

    /// Reads the settings that a comparison has saved.
    ///
    /// # Errors
    /// As for [`Overrides::read`] and [`resolve`](Self::resolve).
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        Self::resolve(&Overrides::read(path)?)
    }

    /// Returns the same settings for the network of this name.
    ///
    /// # Errors
    /// As for [`TrainingSettings::for_network`].
    pub fn for_network(&self, name: &str) -> Result<Self, TrainingError> {
        Ok(Self { training: self.training.for_network(name)?, ..self.clone() })
    }

    /// Returns the names of the scalings, all different.
    pub fn scaling_names(&self) -> Vec<String> {
        scaling_names(&self.scalings)
    }

    /// Returns every arm, scaling by scaling.
    pub fn arms(&self) -> Vec<Arm> {
        let learning_rates = or_else_one(&self.grid.learning_rate, self.training.learning_rate);
        let batch_sizes = or_else_one(&self.grid.batch_size, self.training.batch_size);
        let mut arms = Vec::new();
        let scalings = self.scalings.iter().zip(self.scaling_names()).enumerate();
        for (scaling_index, (scaling, scaling_name)) in scalings {
            for &learning_rate in &learning_rates {
                for &batch_size in &batch_sizes {
                    let mut name = vec![scaling_name.clone()];
                    if learning_rates.len() > 1 {
                        // Debug prints 1e-5, Display 0.00001.
                        name.push(format!("learning rate {:?}", learning_rate.get()));
                    }
                    if batch_sizes.len() > 1 {
                        name.push(format!("batch size {batch_size}"));
                    }
                    arms.push(Arm {
                        name: name.join(", "),
                        scaling_name: scaling_name.clone(),
                        scaling_index,
                        scaling: scaling.clone(),
                        training: TrainingSettings { batch_size, learning_rate, ..self.training.clone() },
                    });
                }
            }
        }
        arms
    }

    /// Returns the TOML to save. It leaves out the single value of a setting that the grid varies.
    ///
    /// # Errors
    /// When a number is too large for TOML.
    pub fn to_toml(&self) -> Result<String, TrainingError> {
        let encode = TrainingError::encode("config.toml");
        if self.grid.is_empty() {
            return toml::to_string(self).map_err(encode);
        }
        let without_varied = || {
            let mut table = toml::Table::try_from(self)?;
            for (key, varies) in [
                ("learning_rate", !self.grid.learning_rate.is_empty()),
                ("batch_size", !self.grid.batch_size.is_empty()),
            ] {
                if varies {
                    table.remove(key);
                }
            }
            toml::to_string(&table)
        };
        without_varied().map_err(encode)
    }

    /// Checks that these settings can resume the comparison whose settings are saved at `path`, if there is one.
    ///
    /// # Errors
    /// When these settings leave out some of its seeds or arms, because resuming can only add. Also when another
    /// setting differs, or the saved settings cannot be read.
    pub fn check_resumes(&self, path: &Path) -> Result<(), ComparisonError> {
        if !path.exists() {
            return Ok(());
        }
        let may_grow =
            ["scalings", "seeds", "until_decided", "max_seeds", "grid", "learning_rate", "batch_size"];
        check_unchanged(path, &self.to_toml()?, &may_grow)?;
        let saved = Self::read(path)?;
        let is_kept = |of: fn(&Arm) -> String| {
            let ours: Vec<String> = self.arms().iter().map(of).collect();
            saved.arms().iter().map(of).all(|saved| ours.contains(&saved))
        };
        for (key, is_kept) in [
            ("until_decided", self.seeds.is_until_decided() || !saved.seeds.is_until_decided()),
            (
                if self.seeds.is_until_decided() { "max_seeds" } else { "seeds" },
                saved.seeds.most() <= self.seeds.most(),
            ),
            ("scalings", saved.scalings.iter().all(|saved| self.scalings.contains(saved))),
            ("learning_rate", is_kept(|arm| arm.training.learning_rate.get().to_string())),
            ("batch_size", is_kept(|arm| arm.training.batch_size.to_string())),
        ] {
            if !is_kept {
                let (saved, current) = (saved.describe(key), self.describe(key));
                return Err(ComparisonError::Shrinks { key, saved, current });
            }
        }
        Ok(())
    }

    /// Describes one of the settings that may grow.
    fn describe(&self, key: &str) -> String {
        let arms = self.arms();
        match key {
            "until_decided" => self.seeds.is_until_decided().to_string(),
            "scalings" => listed(self.scaling_names()),
            "learning_rate" => {
                listed(arms.iter().map(|arm| format!("{:?}", arm.training.learning_rate.get())))
            }
            "batch_size" => listed(arms.iter().map(|arm| arm.training.batch_size.to_string())),
            _ => self.seeds.most().to_string(),
        }
    }
}

/// Largest number of runs in a comparison. A plan lists them all.
const MOST_RUNS: u32 = 100_000;

/// Largest number of values of a setting in a grid.
const MOST_VALUES: usize = 1000;

fn invalid<T>(reason: String) -> Result<T, TrainingError> {
    Err(TrainingError::Settings(reason))
}

/// Returns the names of the scalings, all different.
fn scaling_names(scalings: &[Scaling]) -> Vec<String> {
    let several = scalings.iter().filter(|scaling| scaling.name() == CUSTOM).count() > 1;
    let mut number = 0;
    let mut name = |scaling: &Scaling| {
        if !several || scaling.name() != CUSTOM {
            return scaling.name().to_owned();
        }
        number += 1;
        format!("{CUSTOM}-{number}")
    };
    scalings.iter().map(&mut name).collect()
}

/// Lists the different ones of some values, at most ten.
fn listed(values: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 10;
    let mut different: Vec<String> = Vec::new();
    for value in values {
        if different.len() < MOST && !different.contains(&value) {
            different.push(value);
        } else if !different.contains(&value) {
            different.push("…".into());
            break;
        }
    }
    different.join(", ")
}

fn or_else_one<T: Copy>(many: &[T], one: T) -> Vec<T> {
    if many.is_empty() { vec![one] } else { many.to_vec() }
}

fn repeated<T: PartialEq>(values: &[T]) -> Option<&T> {
    values
        .iter()
        .enumerate()
        .find_map(|(position, value)| values[..position].contains(value).then_some(value))
}

fn check_distinct(grid: &Grid) -> Result<(), TrainingError> {
    for (key, values) in [("learning_rate", grid.learning_rate.len()), ("batch_size", grid.batch_size.len())]
    {
        if values > MOST_VALUES {
            return invalid(format!("`{key}` in [grid] has more than {MOST_VALUES} values"));
        }
    }
    if let Some(twice) = repeated(&grid.learning_rate) {
        return invalid(format!("`learning_rate` in [grid] contains {} twice", twice.get()));
    }
    if let Some(twice) = repeated(&grid.batch_size) {
        return invalid(format!("`batch_size` in [grid] contains {twice} twice"));
    }
    Ok(())
}
