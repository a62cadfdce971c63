//! A run or a comparison in a list: what its settings and its result say.

use std::path::{Path, PathBuf};

use mnist_training::{
    RunResult, RunSettings, TrainingError,
    files::{self, CONFIG, RESULT},
    run::{LOCK, Status},
    settings::{DatasetSettings, Overrides},
};
use serde::{Deserialize, Serialize};

use crate::{
    ComparisonSettings,
    numbers::plural,
    plan::{PLAN, Plan, RUNS},
};

/// A run or a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its folder.
    pub path: PathBuf,
    /// What the folder contains.
    pub kind: EntryKind,
    /// Whether it is usable.
    pub state: EntryState,
    /// What is damaged, in one line.
    pub problem: Option<String>,
    /// When the run finished, in UTC, such as `2026-11-26T12:00:00Z`. If that was not saved, when the result was written,
    /// or the settings of an unfinished run or comparison.
    pub date: Option<String>,
    /// Kind of data set.
    pub dataset: Option<String>,
    /// Folder of the data set, if the settings name one.
    pub data_dir: Option<PathBuf>,
    /// The scalings: one for a run.
    pub scalings: Vec<String>,
    /// The seed of a run.
    pub seed: Option<u64>,
    /// The number of seeds of a comparison, or the most.
    pub seeds: Option<u32>,
    /// Test accuracy of a run, or of the best arm of a finished comparison: the mean over its seeds.
    pub accuracy: Option<f64>,
    /// The best arm of a finished comparison.
    pub best: Option<String>,
    /// Number of finished runs of a comparison.
    pub finished_runs: Option<usize>,
    /// Number of planned runs of a comparison. `None` if it depends on the accuracies.
    pub planned_runs: Option<usize>,
}

/// What a folder contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// One trained model.
    Run,
    /// Several runs.
    Comparison,
}

/// Whether a run or a comparison is usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// It has a result.
    Finished,
    /// It has no result, and can be resumed. Another process may be training it.
    Unfinished,
    /// The loss became infinite or NaN, in a comparison in all runs.
    Diverged,
    /// A file is missing, cannot be read or was changed.
    Damaged,
}

/// The part of a comparison's result that a list shows.
#[derive(Deserialize)]
struct SavedResult {
    scalings: Vec<SavedArm>,
}

#[derive(Deserialize)]
struct SavedArm {
    name: String,
    accuracy: SavedAccuracy,
}

#[derive(Deserialize)]
struct SavedAccuracy {
    mean: Option<f64>,
}

impl Entry {
    /// Reads the settings and the result in a folder. Checks that all files of a run exist and have the right length,
    /// but not their checksums. Returns `None` if the folder is not one that this project writes.
    pub fn read(folder: &Path) -> Option<Self> {
        let has = |name: &str| folder.join(name).exists();
        let config = folder.join(CONFIG);
        let has_plan = has(PLAN);
        // Other programs have a file of this name too.
        if !(has(LOCK) || has_plan || has(RESULT)) || !(has_plan || has(CONFIG) || has(RESULT)) {
            return None;
        }
        match Overrides::read(&config) {
            Ok(saved) if has_plan || saved.scalings.is_some() => Some(Self::of_comparison(folder, &saved)),
            Ok(saved) if saved.scaling.is_some() => Some(Self::of_run(folder, &saved)),
            _ if !has(LOCK) => None,
            other => {
                let kind = if has_plan { EntryKind::Comparison } else { EntryKind::Run };
                let reason = match other {
                    Err(error) if has(CONFIG) => error.to_string(),
                    Err(_) => format!("{} is missing", config.display()),
                    Ok(_) => format!("{} names no scaling", config.display()),
                };
                Some(Self::new(folder, kind).damaged(&reason))
            }
        }
    }

    fn new(folder: &Path, kind: EntryKind) -> Self {
        let written = [RESULT, CONFIG, LOCK].iter().find_map(|name| files::modified(&folder.join(name)));
        Self {
            path: folder.to_owned(),
            kind,
            state: EntryState::Unfinished,
            problem: None,
            date: written,
            dataset: None,
            data_dir: None,
            scalings: Vec::new(),
            seed: None,
            seeds: None,
            accuracy: None,
            best: None,
            finished_runs: None,
            planned_runs: None,
        }
    }

    pub(super) fn damaged(self, problem: &impl ToString) -> Self {
        Self { state: EntryState::Damaged, problem: Some(problem.to_string()), ..self }
    }

    fn with_data(self, data: &DatasetSettings) -> Self {
        Self { dataset: Some(data.dataset.to_string()), data_dir: data.data_dir.clone(), ..self }
    }

    fn of_run(folder: &Path, saved: &Overrides) -> Self {
        let entry = Self::new(folder, EntryKind::Run);
        let settings = match RunSettings::resolve(saved) {
            Ok(settings) => settings,
            Err(error) => return entry.damaged(&error),
        };
        let entry = Self {
            scalings: vec![settings.scaling.name().to_owned()],
            seed: Some(settings.seed),
            ..entry.with_data(&settings.training.dataset)
        };
        match read_result(folder, settings.seed) {
            Err(error) => entry.damaged(&error),
            Ok(None) => entry,
            Ok(Some(result)) => Self {
                state: match result.status {
                    Status::Ok => EntryState::Finished,
                    Status::Diverged => EntryState::Diverged,
                },
                accuracy: result.test.map(|test| test.accuracy),
                date: result.finished.or(entry.date),
                ..entry
            },
        }
    }

    fn of_comparison(folder: &Path, saved: &Overrides) -> Self {
        let entry = Self::new(folder, EntryKind::Comparison);
        let settings = match ComparisonSettings::resolve(saved) {
            Ok(settings) => settings,
            Err(error) => return entry.damaged(&error),
        };
        let mut entry = Self {
            scalings: settings.scaling_names(),
            seeds: Some(settings.seeds.most().get()),
            ..entry.with_data(&settings.training.dataset)
        };
        let (plan, result) = (folder.join(PLAN), folder.join(RESULT));
        let planned =
            if plan.exists() { Plan::read_any(&plan).map(|plan| plan.runs) } else { Ok(Vec::new()) };
        let planned = match planned {
            Ok(planned) => planned,
            Err(error) => return entry.damaged(&error),
        };
        let is_finished = |name: &str| folder.join(RUNS).join(name).join(RESULT).exists();
        let finished = planned.iter().filter(|run| is_finished(&run.name)).count();
        entry.finished_runs = Some(finished);
        entry.planned_runs = (!settings.seeds.is_until_decided()).then_some(planned.len());
        if !result.exists() {
            return entry;
        }
        let missing = entry.planned_runs.map_or(0, |planned| planned - finished);
        if missing > 0 {
            return entry.damaged(&format!("the results of {} are missing", plural(missing, "run")));
        }
        match files::read_sealed::<SavedResult>(&result) {
            Err(error) => entry.damaged(&error),
            Ok((result, _)) => {
                let best = result.scalings.into_iter().find(|arm| arm.accuracy.mean.is_some());
                Self {
                    state: if best.is_some() { EntryState::Finished } else { EntryState::Diverged },
                    accuracy: best.as_ref().and_then(|arm| arm.accuracy.mean),
                    best: best.map(|arm| arm.name),
                    ..entry
                }
            }
        }
    }
}

/// Reads the result of the run with this seed, and checks the lengths of the files that it names.
fn read_result(folder: &Path, seed: u64) -> Result<Option<RunResult>, TrainingError> {
    let Some(result) = RunResult::read(folder)? else { return Ok(None) };
    result.check_lengths()?;
    if result.seed != seed {
        return Err(TrainingError::damaged(folder.join(RESULT))("it is the result of another seed"));
    }
    Ok(Some(result))
}
