//! The plan of a comparison: its runs, and the name of each run's folder.

use std::path::Path;

use data_encoding::HEXLOWER;
use mnist_data::source::FileSum;
use mnist_training::{
    RunSettings, TrainingError,
    files::{self, RESULT},
    run::Versions,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Arm, ComparisonSettings};

/// Name of the file that contains the plan.
pub const PLAN: &str = "plan.json";

/// Name of the folder that contains the runs, in a comparison's folder.
pub const RUNS: &str = "runs";

/// All runs of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Checksums of the data files.
    pub data: Vec<FileSum>,
    /// The runs, sorted by seed: a comparison that is stopped early then has arms with a seed in common.
    pub runs: Vec<PlannedRun>,
}

/// One run of a comparison: an arm with a seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRun {
    /// Name of the arm.
    pub arm: String,
    /// Position of the arm in [`ComparisonSettings::arms`].
    #[serde(skip)]
    pub arm_index: usize,
    /// The seed.
    pub seed: u64,
    /// Name of the run's folder.
    pub name: String,
}

impl Plan {
    /// Plans a comparison on data files with the checksums `data`.
    ///
    /// # Errors
    /// When a number is too large for TOML.
    pub fn new(settings: &ComparisonSettings, data: &[FileSum]) -> Result<Self, TrainingError> {
        let (arms, mut runs) = (settings.arms(), Vec::new());
        for seed in 1..=settings.seeds.get().into() {
            for (arm_index, arm) in arms.iter().enumerate() {
                let name = run_name(&arm.with_seed(seed), data)?;
                runs.push(PlannedRun { arm: arm.name.clone(), arm_index, seed, name });
            }
        }
        Ok(Self { data: data.to_vec(), runs })
    }

    /// Reads the plan of a comparison of these arms.
    ///
    /// # Errors
    /// When the file cannot be read, or contains an arm that is not one of these.
    pub fn read(path: &Path, arms: &[Arm]) -> Result<Self, TrainingError> {
        let mut plan: Self = files::read_json(path)?;
        for run in &mut plan.runs {
            let place = arms.iter().position(|arm| arm.name == run.arm);
            run.arm_index = place.ok_or_else(|| {
                TrainingError::damaged(path)(format!("`{}` is not an arm of config.toml", run.arm))
            })?;
        }
        Ok(plan)
    }

    /// Checks that the comparison planned at `path`, if there is one, uses the same data.
    ///
    /// # Errors
    /// When the data differ, or the saved plan cannot be read.
    pub fn check_resumes(&self, path: &Path) -> Result<(), TrainingError> {
        if path.exists() && files::read_json::<Self>(path)?.data != self.data {
            return Err(TrainingError::OtherData(path.parent().unwrap_or(path).to_owned()));
        }
        Ok(())
    }

    /// Returns the runs that are not finished in this comparison's folder. Without a folder, these are all runs.
    pub fn missing(&self, comparison: Option<&Path>) -> Vec<PlannedRun> {
        let is_finished = |run: &PlannedRun| {
            comparison.is_some_and(|folder| folder.join(RUNS).join(&run.name).join(RESULT).exists())
        };
        self.runs.iter().filter(|run| !is_finished(run)).cloned().collect()
    }
}

/// Returns the name of a run's folder: its scaling and its seed for people, and a hash of everything that its
/// result depends on. A run with the same name has the same result, so it is never trained twice.
fn run_name(settings: &RunSettings, data: &[FileSum]) -> Result<String, TrainingError> {
    /// Hexadecimal digits of the hash: 40 bits distinguish the runs of one folder.
    const DIGITS: usize = 10;
    let content = (settings.with_effect()?, data, Versions::current());
    let content = serde_json::to_vec(&content).map_err(TrainingError::encode("the name of a run"))?;
    let hash = HEXLOWER.encode(&Sha256::digest(content));
    Ok(format!("{}-seed{}-{}", settings.scaling.name(), settings.seed, &hash[..DIGITS]))
}
