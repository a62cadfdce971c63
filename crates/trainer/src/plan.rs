//! What a comparison is going to train, and in which folder each run is.

use std::path::Path;

use anyhow::Result;
use data_encoding::HEXLOWER;
use mnist_data::source::FileSum;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    config::{ComparisonConfig, TrainingConfig},
    failure::UsageError,
    folder::{self, RESULT},
    run::Versions,
};

/// The file that a plan is saved in.
pub const PLAN: &str = "plan.json";

/// The folder of the runs in a comparison's folder.
pub const RUNS: &str = "runs";

/// Every training of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Checksums of the data files.
    pub data: Vec<FileSum>,
    /// Seed by seed, so that one that is stopped early has pairs to compare.
    pub runs: Vec<PlannedRun>,
}

/// One training of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRun {
    /// Name of its arm.
    pub arm: String,
    pub seed: u64,
    /// Its folder's name.
    pub name: String,
}

impl Plan {
    /// Plans a comparison on data files with these checksums.
    pub fn new(config: &ComparisonConfig, data: &[FileSum]) -> Result<Self> {
        let (arms, mut runs) = (config.arms(), Vec::new());
        for seed in 1..=config.seeds.get().into() {
            for arm in &arms {
                let name = run_name(&arm.training(seed), data)?;
                runs.push(PlannedRun { arm: arm.name.clone(), seed, name });
            }
        }
        Ok(Self { data: data.to_vec(), runs })
    }

    /// Refuses to add to a comparison of other data.
    pub fn check_resumes(&self, path: &Path) -> Result<()> {
        if path.exists() && folder::read_json::<Self>(path)?.data != self.data {
            let began_with = path.parent().unwrap_or(path);
            return Err(UsageError(format!(
                "the data files are not those that {} began with",
                began_with.display()
            ))
            .into());
        }
        Ok(())
    }

    /// Numbers of the runs that are not whole in this comparison's folder.
    pub fn missing(&self, comparison: &Path) -> Vec<usize> {
        let is_whole = |run: &PlannedRun| comparison.join(RUNS).join(&run.name).join(RESULT).exists();
        (0..self.runs.len()).filter(|&number| !is_whole(&self.runs[number])).collect()
    }
}

/// The name of a training's folder: for people its scaling and its seed, and a hash of all that its result
/// depends on, so that a whole run in a folder of this name need not be repeated.
fn run_name(config: &TrainingConfig, data: &[FileSum]) -> Result<String> {
    /// 40 bits: enough to tell apart the runs in one folder.
    const DIGITS: usize = 10;
    let content = (config.with_effect()?, data, Versions::current());
    let hash = HEXLOWER.encode(&Sha256::digest(serde_json::to_vec(&content)?));
    Ok(format!("{}-seed{}-{}", config.scaling.name(), config.seed, &hash[..DIGITS]))
}

#[cfg(test)]
mod tests;
