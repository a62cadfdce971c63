//! Checkpoints: a training between two steps, on disk.
//!
//! A checkpoint is a folder under `checkpoints/`, named after its epoch and the images seen in it, written under another name and renamed
//! when whole. Burn's records keep the parameters' identities, by which the optimizer finds its moments.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use burn::{module::Module, optim::OptimizerRecord, store::ModuleRecord, tensor::Bytes};

use crate::{
    folder,
    training::{TrainingProgress, TrainingState},
};

const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.json";
const UNFINISHED: &str = "unfinished";

/// Saves the state as the newest checkpoint and removes the older ones.
pub fn save(checkpoints: &Path, state: &TrainingState) -> Result<()> {
    let TrainingProgress { epochs, epoch, .. } = &state.progress;
    let name = format!("epoch-{:010}-images-{:010}", epochs.len() + 1, epoch.images);
    let (unfinished, whole) = (checkpoints.join(UNFINISHED), checkpoints.join(name));
    let older = list(checkpoints)?;
    let written = || -> Result<()> {
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        folder::write(&unfinished.join(MODEL), &state.model.clone().into_record().into_bytes()?)?;
        folder::write(&unfinished.join(OPTIMIZER), &state.optimizer.into_bytes()?)?;
        folder::write(&unfinished.join(PROGRESS), folder::json(&state.progress)?.as_bytes())?;
        if !whole.exists() {
            fs::rename(&unfinished, &whole)?;
        }
        for checkpoint in older.iter().filter(|&checkpoint| *checkpoint != whole) {
            fs::remove_dir_all(checkpoint)?;
        }
        Ok(())
    };
    written().with_context(|| format!("cannot save a checkpoint in {}", checkpoints.display()))
}

/// Puts the newest checkpoint's weights, moments and progress into `fresh`, if there is a checkpoint.
pub fn load_newest(checkpoints: &Path, fresh: TrainingState) -> Result<TrainingState> {
    let Some(newest) = list(checkpoints)?.pop() else { return Ok(fresh) };
    let damaged = || format!("the checkpoint {} is damaged; remove it to start over", newest.display());
    let bytes = |name| fs::read(newest.join(name)).map(Bytes::from_bytes_vec).with_context(damaged);
    let model = ModuleRecord::from_bytes(bytes(MODEL)?).with_context(damaged)?;
    let optimizer = OptimizerRecord::from_bytes(bytes(OPTIMIZER)?).with_context(damaged)?;
    Ok(TrainingState {
        model: fresh.model.try_load_record(model).map_err(|error| anyhow!(error)).with_context(damaged)?,
        optimizer: fresh.optimizer.load_record(optimizer),
        progress: folder::read_json(&newest.join(PROGRESS)).with_context(damaged)?,
    })
}

/// Whole checkpoints, oldest first.
fn list(checkpoints: &Path) -> Result<Vec<PathBuf>> {
    if !checkpoints.exists() {
        return Ok(Vec::new());
    }
    let mut found = fs::read_dir(checkpoints)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>())
        .with_context(|| format!("cannot look into {}", checkpoints.display()))?;
    found.retain(|path| !path.ends_with(UNFINISHED));
    found.sort();
    Ok(found)
}
