//! The plan of a comparison: its runs, and the name of each run's folder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path},
};

use mnist_data::source::FileSum;
use mnist_training::{
    FinishedRun, RunSettings, TrainingError,
    files::{self, sha256},
    run::Versions,
};
use serde::{Deserialize, Serialize};

use crate::{Arm, ComparisonError, ComparisonSettings, basis::Basis, looks::Looks};

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
    /// Versions of the programs; `None` in plans of old versions.
    #[serde(default)]
    pub versions: Option<Versions>,
    /// Number of seeds that was planned before the first run. `None` if it depends on the accuracies, or is unknown.
    #[serde(default)]
    pub planned_seeds: Option<u32>,
    /// Whether seeds or arms were added since.
    #[serde(default)]
    pub extended: bool,
    /// Whether a report was requested before the planned end.
    #[serde(default)]
    pub looked_at_early: bool,
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

impl PlannedRun {
    /// Reads the result of this run from a comparison's folder of runs. Returns `None` if it is unfinished.
    ///
    /// # Errors
    /// As for [`FinishedRun::read_intact`].
    pub fn read(&self, runs: &Path) -> Result<Option<FinishedRun>, TrainingError> {
        FinishedRun::read_intact(&runs.join(&self.name), self.seed)
    }

    /// Reads what is left of this run, for a report.
    ///
    /// # Errors
    /// As for [`FinishedRun::read_left`].
    pub fn read_left(&self, runs: &Path) -> Result<Option<FinishedRun>, TrainingError> {
        FinishedRun::read_left(&runs.join(&self.name), self.seed)
    }
}

impl Plan {
    /// Plans a comparison on data files with the checksums `data`.
    ///
    /// # Errors
    /// When a number is too large for TOML.
    pub fn new(settings: &ComparisonSettings, data: &[FileSum]) -> Result<Self, TrainingError> {
        let (arms, mut runs) = (settings.arms(), Vec::new());
        for seed in 1..=settings.seeds.most().get().into() {
            for (arm_index, arm) in arms.iter().enumerate() {
                let name = run_name(&arm.with_seed(seed), data)?;
                runs.push(PlannedRun { arm: arm.name.clone(), arm_index, seed, name });
            }
        }
        Ok(Self {
            data: data.to_vec(),
            versions: Some(Versions::current()),
            planned_seeds: (!settings.seeds.is_until_decided()).then_some(settings.seeds.most().get()),
            extended: false,
            looked_at_early: false,
            runs,
        })
    }

    /// Continues the comparison planned at `path`, if there is one: keeps what was planned before its first run.
    ///
    /// # Errors
    /// When the saved plan cannot be read or was edited, its data or versions differ, or there are runs without a plan.
    pub fn continued(mut self, path: &Path) -> Result<Self, ComparisonError> {
        let runs = path.with_file_name(RUNS);
        if !path.exists() && fs::read_dir(&runs).is_ok_and(|mut runs| runs.next().is_some()) {
            // What was planned before the first run decides what a test may claim.
            return Err(TrainingError::damaged(path)("it is missing, but there are runs").into());
        }
        if !path.exists() {
            return Ok(self);
        }
        let saved = Self::read_any(path)?;
        if saved.data != self.data {
            return Err(TrainingError::OtherData(path.parent().unwrap_or(path).to_owned()).into());
        }
        saved.check_version()?;
        let runs = |plan: &Self| -> BTreeSet<(String, u64)> {
            plan.runs.iter().map(|run| (run.arm.clone(), run.seed)).collect()
        };
        self.extended = saved.extended || runs(&saved) != runs(&self);
        self.planned_seeds = saved.planned_seeds;
        self.looked_at_early = saved.looked_at_early;
        Ok(self)
    }

    /// Checks that this version of the program has planned the comparison.
    ///
    /// # Errors
    /// When another one did. Plans of old versions name none.
    pub(crate) fn check_version(&self) -> Result<(), ComparisonError> {
        match &self.versions {
            Some(versions) if *versions != Versions::current() => {
                Err(ComparisonError::OtherVersion { saved: versions.mnist_trainer.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Reads a plan of any arms. The positions of the arms are not set.
    ///
    /// # Errors
    /// When the file cannot be read, or was edited.
    pub(crate) fn read_any(path: &Path) -> Result<Self, TrainingError> {
        let (plan, is_sealed): (Self, bool) = files::read_sealed(path)?;
        // What a test may claim depends on the plan. Only plans of old versions have neither versions nor a checksum.
        if plan.versions.is_some() && !is_sealed {
            return Err(TrainingError::damaged(path)("its checksum is missing"));
        }
        if let Some(run) = plan.runs.iter().find(|run| !is_folder_name(&run.name)) {
            return Err(TrainingError::damaged(path)(format!("{:?} is not the name of a run", run.name)));
        }
        Ok(plan)
    }

    /// Returns when the comparison is tested. `is_finished` says whether all planned runs are finished.
    pub fn basis(&self, is_until_decided: bool, is_finished: bool) -> Basis {
        match self.planned_seeds.map(|seeds| seeds as usize) {
            Some(seeds) if self.extended => Basis::Extended { seeds },
            _ if is_until_decided => Basis::UntilDecided,
            None => Basis::Given(Looks::Any),
            Some(seeds) if self.looked_at_early => Basis::LookedAtEarly { seeds },
            Some(seeds) if is_finished => Basis::Planned { seeds },
            Some(seeds) => Basis::Pending { seeds },
        }
    }

    /// Reads the plan of a comparison of these arms.
    ///
    /// # Errors
    /// When the file cannot be read, or contains an arm that is not one of these.
    pub fn read(path: &Path, arms: &[Arm]) -> Result<Self, TrainingError> {
        let mut plan = Self::read_any(path)?;
        for run in &mut plan.runs {
            let place = arms.iter().position(|arm| arm.name == run.arm);
            run.arm_index = place.ok_or_else(|| {
                TrainingError::damaged(path)(format!("`{}` is not an arm of config.toml", run.arm))
            })?;
        }
        Ok(plan)
    }

    /// Returns the runs that are unfinished or damaged in this comparison's folder. Without a folder, these are all
    /// runs.
    pub fn missing(&self, comparison: Option<&Path>) -> Vec<PlannedRun> {
        let is_finished = |run: &PlannedRun| {
            comparison.is_some_and(|folder| matches!(run.read(&folder.join(RUNS)), Ok(Some(_))))
        };
        self.runs.iter().filter(|run| !is_finished(run)).cloned().collect()
    }
}

/// Returns whether this is a name that [`run_name`] returns, and not a path out of the comparison's folder.
fn is_folder_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
        && !name.contains(char::is_control)
}

/// Returns the name of a run's folder: its scaling and its seed for people, and a hash of everything that its
/// result depends on, with the checksums `data` of the data files. A run with the same name has the same result, so it
/// is never trained twice.
///
/// # Errors
/// When a number is too large for TOML.
pub fn run_name(settings: &RunSettings, data: &[FileSum]) -> Result<String, TrainingError> {
    /// Hexadecimal digits of the hash: 40 bits distinguish the runs of one folder.
    const DIGITS: usize = 10;
    let content = (settings.with_effect()?, data, Versions::current());
    let content = serde_json::to_vec(&content).map_err(TrainingError::encode("the name of a run"))?;
    Ok(format!("{}-seed{}-{}", settings.scaling.name(), settings.seed, &sha256(&content)[..DIGITS]))
}
