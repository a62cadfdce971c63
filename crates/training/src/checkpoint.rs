//! Checkpoints: the state of a run between two steps, on disk.
//!
//! A checkpoint is a folder under `checkpoints/`. Its name contains the epoch and the number of images already
//! trained on in that epoch. It is written under another name and renamed when it is complete. Burn's records
//! keep the ids of the parameters, which the optimizer needs to find its moments.
//!
//! Each checkpoint records the checksums of its files, and the valid parts of the run's `metrics.csv` and `curve.csv`.
//! The last two checkpoints are kept, so that a run can continue from the first if the second is damaged.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use burn::{optim::OptimizerRecord, store::ModuleRecord, tensor::Bytes};
use mnist_data::source::FileSum;
use mnist_model::Classifier;
use serde::{Deserialize, Serialize};

use crate::{
    Observer, TrainingError, TrainingState,
    appended_csv::{AppendedCsv, Extent},
    curve::{CurveBuilder, Sums},
    error::one_line,
    files,
    progress::TrainingProgress,
    run::{CHECKPOINTS, CURVE, METRICS},
};

const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.json";
const UNFINISHED: &str = "unfinished";

/// Number of checkpoints that are kept while a run trains.
const KEPT: usize = 2;

/// The content of `progress.json`. The rows of earlier epochs are in the run's CSV files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedProgress {
    /// See [`Checkpoints::new`].
    identity: String,
    epoch: Sums,
    epoch_seconds: f64,
    step: usize,
    window: Sums,
    metrics: Extent,
    curve: Extent,
    files: Vec<FileSum>,
}

/// The checkpoints of a run, and the CSV files that grow with them.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    identity: String,
    metrics: AppendedCsv,
    curve: AppendedCsv,
}

impl Checkpoints {
    /// Returns the checkpoints in the folder `run`. The `identity` is a checksum of everything that the run's result
    /// depends on. A checkpoint with another identity is not loaded.
    pub fn new(run: &Path, identity: String) -> Self {
        Self {
            folder: run.join(CHECKPOINTS),
            identity,
            metrics: AppendedCsv::new(run.join(METRICS)),
            curve: AppendedCsv::new(run.join(CURVE)),
        }
    }

    /// Saves the state as the newest checkpoint, and removes all but the last two.
    ///
    /// # Errors
    /// When it cannot be written. The earlier checkpoints are then still there.
    pub fn save<M: Classifier>(&mut self, state: &TrainingState<M>) -> Result<(), TrainingError> {
        let TrainingProgress { epochs, epoch, epoch_seconds, curve } = &state.progress;
        let name = format!("epoch-{:010}-images-{:010}", epochs.len() + 1, epoch.images);
        let (unfinished, complete) = (self.folder.join(UNFINISHED), self.folder.join(name));
        self.append_rows(&state.progress)?;
        if complete.exists() {
            // The run was stopped again before its first step.
            return Ok(());
        }
        let encode = || TrainingError::encode("a checkpoint");
        // Burn moves the last running statistics, such as those of a batch normalization, into the module only when
        // something reads them. Its records do not; `valid` does.
        drop(state.model.valid());
        let model = state.model.clone().into_record().into_bytes().map_err(encode())?;
        let optimizer = state.optimizer.to_record().into_bytes().map_err(encode())?;
        let saved = SavedProgress {
            identity: self.identity.clone(),
            epoch: *epoch,
            epoch_seconds: *epoch_seconds,
            step: curve.step(),
            window: curve.window(),
            metrics: self.metrics.extent(),
            curve: self.curve.extent(),
            files: vec![files::sum(MODEL, &model), files::sum(OPTIMIZER, &optimizer)],
        };

        let in_checkpoints = || TrainingError::file("save a checkpoint in", &self.folder);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(in_checkpoints())?;
        }
        // Only the last folder is created: if somebody removes the run while it trains, it must not come back in part.
        for folder in [&self.folder, &unfinished] {
            if !folder.exists() {
                fs::create_dir(folder).map_err(in_checkpoints())?;
            }
        }
        files::write(&unfinished.join(MODEL), &model)?;
        files::write(&unfinished.join(OPTIMIZER), &optimizer)?;
        files::write(&unfinished.join(PROGRESS), files::sealed_json(&saved)?.as_bytes())?;
        fs::rename(&unfinished, &complete).map_err(in_checkpoints())?;
        files::sync_folder(&self.folder)?;
        self.keep(KEPT)
    }

    /// Appends the new rows of the run's CSV files.
    pub(crate) fn append_rows(&mut self, progress: &TrainingProgress) -> Result<(), TrainingError> {
        self.metrics.append(&progress.epochs)?;
        self.curve.append(&progress.curve.points)
    }

    /// Returns the checksums of the run's CSV files.
    pub(crate) fn csv_sums(&self) -> [FileSum; 2] {
        [self.metrics.sum(), self.curve.sum()]
    }

    /// Removes all but the newest `count` checkpoints.
    pub(crate) fn keep(&self, count: usize) -> Result<(), TrainingError> {
        let found = list(&self.folder)?;
        for old in &found[..found.len().saturating_sub(count)] {
            remove(old)?;
        }
        Ok(())
    }

    /// Loads the newest checkpoint's weights, moments and progress into `fresh`. Returns `fresh` unchanged if there
    /// is no checkpoint.
    ///
    /// A damaged checkpoint is removed with a warning, and the one before it is loaded.
    ///
    /// # Errors
    /// When the checkpoint has another identity, a file cannot be read for a reason outside the file, or a damaged
    /// checkpoint cannot be removed.
    pub fn load_newest<M: Classifier>(
        &mut self,
        fresh: TrainingState<M>,
        observer: &dyn Observer,
    ) -> Result<TrainingState<M>, TrainingError> {
        while let Some(newest) = list(&self.folder)?.pop() {
            let error = match self.load(&newest, fresh.model.clone()) {
                Ok(state) => return Ok(state),
                Err(error) if error.is_damage() => error,
                Err(error) => return Err(error),
            };
            remove(&newest)?;
            let next = if list(&self.folder)?.is_empty() {
                "training starts over"
            } else {
                "training continues from the previous checkpoint"
            };
            observer.warning(&format!("{error}; {next}"));
        }
        Ok(fresh)
    }

    fn load<M: Classifier>(&mut self, folder: &Path, model: M) -> Result<TrainingState<M>, TrainingError> {
        let damaged = |reason: &dyn fmt::Display| TrainingError::DamagedCheckpoint {
            path: folder.to_owned(),
            reason: one_line(reason),
        };
        let damage = |error: TrainingError| if error.is_damage() { damaged(&error) } else { error };
        let (saved, is_sealed) =
            files::read_sealed::<SavedProgress>(&folder.join(PROGRESS)).map_err(damage)?;
        if !is_sealed {
            return Err(damaged(&"its progress.json has no checksum"));
        }
        if saved.identity != self.identity {
            // Not damage: the version that saved it can still use it.
            return Err(TrainingError::OtherCheckpoint(folder.to_owned()));
        }
        let SavedProgress { epoch, window, .. } = &saved;
        // A window ends with its epoch at the latest.
        if epoch.correct > epoch.images || window.correct > window.images || window.images > epoch.images {
            return Err(damaged(&"its numbers of images contradict each other"));
        }
        let read = |name: &str| {
            let sum = saved.files.iter().find(|sum| sum.name == name);
            let sum = sum.ok_or_else(|| damaged(&format!("it names no checksum of {name}")))?;
            files::read_unchanged(folder, sum).map(Bytes::from_bytes_vec).map_err(damage)
        };
        let record = ModuleRecord::from_bytes(read(MODEL)?).map_err(|error| damaged(&error))?;
        let moments = OptimizerRecord::from_bytes(read(OPTIMIZER)?).map_err(|error| damaged(&error))?;
        let path = |file: &AppendedCsv| file.path().to_owned();
        let (metrics, epochs) = AppendedCsv::read(path(&self.metrics), &saved.metrics).map_err(damage)?;
        let (curve, points) = AppendedCsv::read(path(&self.curve), &saved.curve).map_err(damage)?;
        let fresh = TrainingState::new(model.try_load_record(record).map_err(|error| damaged(&error))?);
        (self.metrics, self.curve) = (metrics, curve);
        Ok(TrainingState {
            optimizer: fresh.optimizer.load_record(moments),
            progress: TrainingProgress {
                epochs,
                epoch: saved.epoch,
                epoch_seconds: saved.epoch_seconds,
                curve: CurveBuilder::resume(points, saved.step, saved.window),
            },
            ..fresh
        })
    }
}

/// Returns the complete checkpoints, oldest first.
fn list(checkpoints: &Path) -> Result<Vec<PathBuf>, TrainingError> {
    if !checkpoints.exists() {
        return Ok(Vec::new());
    }
    let mut found = fs::read_dir(checkpoints)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>())
        .map_err(TrainingError::file("list the files in", checkpoints))?;
    found.retain(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"epoch-")));
    found.sort();
    Ok(found)
}

fn remove(checkpoint: &Path) -> Result<(), TrainingError> {
    fs::remove_dir_all(checkpoint).map_err(TrainingError::file("remove", checkpoint))
}
