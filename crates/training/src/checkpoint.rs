//! Checkpoints: the state of a run between two steps, on disk.
//!
//! A checkpoint is a folder under `checkpoints/`. Its name contains the epoch and the number of images already
//! trained on in that epoch. It is written under another name and renamed when it is complete. Burn's records
//! keep the ids of the parameters, which the optimizer needs to find its moments.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use burn::{optim::OptimizerRecord, store::ModuleRecord, tensor::Bytes};
use mnist_model::Classifier;

use crate::{TrainingError, TrainingState, error::one_line, files, training_loop::TrainingProgress};

const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.json";
const UNFINISHED: &str = "unfinished";

/// Saves the state as the newest checkpoint and removes the older ones.
///
/// # Errors
/// When it cannot be written.
pub fn save<M: Classifier>(checkpoints: &Path, state: &TrainingState<M>) -> Result<(), TrainingError> {
    let TrainingProgress { epochs, epoch, .. } = &state.progress;
    let name = format!("epoch-{:010}-images-{:010}", epochs.len() + 1, epoch.images);
    let (unfinished, complete) = (checkpoints.join(UNFINISHED), checkpoints.join(name));
    let older = list(checkpoints)?;
    let encode = || TrainingError::encode("a checkpoint");
    // Burn moves the last running statistics, such as those of a batch normalization, into the module only when
    // something reads them. Its records do not; `valid` does.
    drop(state.model.valid());
    let model = state.model.clone().into_record().into_bytes().map_err(encode())?;
    let optimizer = state.optimizer.into_bytes().map_err(encode())?;

    let in_checkpoints = || TrainingError::file("save a checkpoint in", checkpoints);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(in_checkpoints())?;
    }
    fs::create_dir_all(&unfinished).map_err(in_checkpoints())?;
    files::write(&unfinished.join(MODEL), &model)?;
    files::write(&unfinished.join(OPTIMIZER), &optimizer)?;
    files::write(&unfinished.join(PROGRESS), files::json(&state.progress)?.as_bytes())?;
    if !complete.exists() {
        fs::rename(&unfinished, &complete).map_err(in_checkpoints())?;
    }
    for checkpoint in older.iter().filter(|&checkpoint| *checkpoint != complete) {
        fs::remove_dir_all(checkpoint).map_err(in_checkpoints())?;
    }
    Ok(())
}

/// Loads the newest checkpoint's weights, moments and progress into `fresh`. Returns `fresh` unchanged if there
/// is no checkpoint.
///
/// # Errors
/// When the checkpoint cannot be read or is damaged.
pub fn load_newest<M: Classifier>(
    checkpoints: &Path,
    fresh: TrainingState<M>,
) -> Result<TrainingState<M>, TrainingError> {
    let Some(newest) = list(checkpoints)?.pop() else { return Ok(fresh) };
    load(&newest, fresh).map_err(|reason| TrainingError::DamagedCheckpoint { path: newest, reason })
}

fn load<M: Classifier>(checkpoint: &Path, fresh: TrainingState<M>) -> Result<TrainingState<M>, String> {
    fn reason(error: impl fmt::Display) -> String {
        one_line(&error)
    }
    let bytes = |name| fs::read(checkpoint.join(name)).map(Bytes::from_bytes_vec).map_err(reason);
    let model = ModuleRecord::from_bytes(bytes(MODEL)?).map_err(reason)?;
    let optimizer = OptimizerRecord::from_bytes(bytes(OPTIMIZER)?).map_err(reason)?;
    Ok(TrainingState {
        model: fresh.model.try_load_record(model).map_err(reason)?,
        optimizer: fresh.optimizer.load_record(optimizer),
        progress: files::read_json(&checkpoint.join(PROGRESS)).map_err(reason)?,
    })
}

/// Returns the complete checkpoints, oldest first.
fn list(checkpoints: &Path) -> Result<Vec<PathBuf>, TrainingError> {
    if !checkpoints.exists() {
        return Ok(Vec::new());
    }
    let mut found = fs::read_dir(checkpoints)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>())
        .map_err(TrainingError::file("list the files in", checkpoints))?;
    found.retain(|path| !path.ends_with(UNFINISHED));
    found.sort();
    Ok(found)
}
