//! What a comparison compares: arms, each trained with every seed.

use std::{num::NonZeroU32, path::Path};

use anyhow::Result;
use mnist_data::{Scaling, scaling::CUSTOM};
use serde::{Deserialize, Serialize};

use super::{ConfigFile, Positive, Settings, TrainingConfig};
use crate::{cli::TrainingFlags, failure::UsageError, folder::check_same_config};

/// Values that are combined with every scaling; where there are none, the one of the settings is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grid {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learning_rate: Vec<Positive>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batch_size: Vec<NonZeroU32>,
}

impl Grid {
    fn is_empty(&self) -> bool {
        self.learning_rate.is_empty() && self.batch_size.is_empty()
    }
}

/// Every scaling × every value of the grid × every seed, all else equal.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonConfig {
    pub seeds: NonZeroU32,
    #[serde(flatten)]
    pub settings: Settings,
    pub scalings: Vec<Scaling>,
    #[serde(skip_serializing_if = "Grid::is_empty")]
    pub grid: Grid,
}

/// One way to train: a scaling with a learning rate and a batch size.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Tells it from the other arms: the scaling's name, and what else varies.
    pub name: String,
    /// A preset's name or `custom`; custom ones are numbered where there are several.
    pub scaling_name: String,
    pub scaling: Scaling,
    pub settings: Settings,
}

impl Arm {
    /// Its training with one seed.
    pub fn training(&self, seed: u64) -> TrainingConfig {
        TrainingConfig { seed, settings: self.settings.clone(), scaling: self.scaling.clone() }
    }
}

impl ComparisonConfig {
    /// Flags over file over the tutorial's experiment.
    pub fn resolve(
        scalings: Option<Vec<Scaling>>,
        seeds: Option<NonZeroU32>,
        flags: TrainingFlags,
        file: &ConfigFile,
    ) -> Result<Self> {
        for (one, many, misplaced) in [
            ("scaling", "scalings", file.scaling.is_some() && file.scalings.is_none() && scalings.is_none()),
            ("seed", "seeds", file.seed.is_some() && file.seeds.is_none() && seeds.is_none()),
        ] {
            if misplaced {
                return Err(UsageError(format!("`{one}` is for train; compare takes `{many}`")).into());
            }
        }
        let scalings = match scalings.or_else(|| file.scalings.clone()) {
            Some(scalings) => scalings,
            None => ["normalize", "center", "standardize"]
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_, _>>()?,
        };
        if scalings.is_empty() {
            return Err(UsageError("`scalings` names none; compare needs at least one".into()).into());
        }
        if let Some(scaling) = repeated(&scalings) {
            return Err(UsageError(format!("`scalings` has `{}` twice", scaling.name())).into());
        }
        Ok(Self {
            seeds: seeds.or(file.seeds).unwrap_or(NonZeroU32::MIN),
            grid: resolve_grid(&flags, file)?,
            settings: Settings::resolve(flags, file)?,
            scalings,
        })
    }

    /// Reads back what a comparison saved.
    pub fn read(path: &Path) -> Result<Self> {
        Self::resolve(None, None, TrainingFlags::default(), &ConfigFile::read(Some(path))?)
    }

    /// Names of the scalings, no two alike.
    pub fn scaling_names(&self) -> Vec<String> {
        scaling_names(&self.scalings)
    }

    /// Every arm, scaling by scaling.
    pub fn arms(&self) -> Vec<Arm> {
        let learning_rates = or_else_one(&self.grid.learning_rate, self.settings.learning_rate);
        let batch_sizes = or_else_one(&self.grid.batch_size, self.settings.batch_size);
        let mut arms = Vec::new();
        for (scaling, scaling_name) in self.scalings.iter().zip(scaling_names(&self.scalings)) {
            for &learning_rate in &learning_rates {
                for &batch_size in &batch_sizes {
                    let mut name = vec![scaling_name.clone()];
                    if learning_rates.len() > 1 {
                        // As Rust's Debug: 1e-5, not 0.00001.
                        name.push(format!("learning rate {:?}", learning_rate.get()));
                    }
                    if batch_sizes.len() > 1 {
                        name.push(format!("batch size {batch_size}"));
                    }
                    arms.push(Arm {
                        name: name.join(", "),
                        scaling_name: scaling_name.clone(),
                        scaling: scaling.clone(),
                        settings: Settings { batch_size, learning_rate, ..self.settings.clone() },
                    });
                }
            }
        }
        arms
    }

    /// As it is saved. What the grid varies has no single value there.
    pub fn to_toml(&self) -> Result<String> {
        if self.grid.is_empty() {
            return Ok(toml::to_string(self)?);
        }
        let mut table = toml::Table::try_from(self)?;
        for (key, varies) in [
            ("learning_rate", !self.grid.learning_rate.is_empty()),
            ("batch_size", !self.grid.batch_size.is_empty()),
        ] {
            if varies {
                table.remove(key);
            }
        }
        Ok(toml::to_string(&table)?)
    }

    /// Refuses to add to a comparison of other settings, or to one that has what this one lacks: resuming
    /// adds and takes nothing away.
    pub fn check_resumes(&self, path: &Path) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        check_same_config(
            path,
            &self.to_toml()?,
            &["scalings", "seeds", "grid", "learning_rate", "batch_size"],
        )?;
        let saved = Self::read(path)?;
        let is_kept = |of: fn(&Arm) -> String| {
            let ours: Vec<String> = self.arms().iter().map(of).collect();
            saved.arms().iter().map(of).all(|saved| ours.contains(&saved))
        };
        for (key, is_kept) in [
            ("seeds", saved.seeds <= self.seeds),
            ("scalings", saved.scalings.iter().all(|saved| self.scalings.contains(saved))),
            ("learning_rate", is_kept(|arm| arm.settings.learning_rate.get().to_string())),
            ("batch_size", is_kept(|arm| arm.settings.batch_size.to_string())),
        ] {
            if !is_kept {
                return Err(UsageError(format!(
                    "`{key}` lacks some of the comparison that --resume adds to"
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// The file's grid, less what a flag sets.
fn resolve_grid(flags: &TrainingFlags, file: &ConfigFile) -> Result<Grid> {
    let mut grid = file.grid.clone().unwrap_or_default();
    for (key, varies, is_set) in [
        ("learning_rate", !grid.learning_rate.is_empty(), file.learning_rate.is_some()),
        ("batch_size", !grid.batch_size.is_empty(), file.batch_size.is_some()),
    ] {
        if varies && is_set {
            return Err(UsageError(format!("`{key}` is both set and in [grid]; keep one of them")).into());
        }
    }
    if let Some(twice) = repeated(&grid.learning_rate) {
        return Err(UsageError(format!("`learning_rate` in [grid] has {} twice", twice.get())).into());
    }
    if let Some(twice) = repeated(&grid.batch_size) {
        return Err(UsageError(format!("`batch_size` in [grid] has {twice} twice")).into());
    }
    if flags.learning_rate.is_some() {
        grid.learning_rate.clear();
    }
    if flags.batch_size.is_some() {
        grid.batch_size.clear();
    }
    Ok(grid)
}

/// Names of the scalings, no two alike.
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

fn or_else_one<T: Copy>(many: &[T], one: T) -> Vec<T> {
    if many.is_empty() { vec![one] } else { many.to_vec() }
}

fn repeated<T: PartialEq>(values: &[T]) -> Option<&T> {
    values
        .iter()
        .enumerate()
        .find_map(|(position, value)| values[..position].contains(value).then_some(value))
}
