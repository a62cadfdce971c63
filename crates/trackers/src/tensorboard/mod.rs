//! TensorBoard: event files that its web page shows, one folder per run.
//!
//! [`write()`] writes finished runs. [`Live`] also writes while a run trains, so that a running TensorBoard shows it.

mod event_file;
mod hyperparameters;
mod live;
mod messages;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsStr,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use mnist_data::Images;
use mnist_report::pictures;
use mnist_training::{TrainingError, files};

use crate::{TrackedRun, TrackerError};
use event_file::Events;

pub use live::Live;

/// The end of the names of all event files that this crate writes.
const SUFFIX: &str = ".mnist-trainer";

/// Writes a finished run into its folder below `root`, and returns the file. Replaces the run's earlier event files.
///
/// The same run results in the same bytes. With the images that the run was tested on, the file also shows the most
/// confident errors.
///
/// # Errors
/// When the file cannot be written, or `test` does not contain the images that the run was tested on.
pub fn write(root: &Path, tracked: &TrackedRun, test: Option<&Images>) -> Result<PathBuf, TrackerError> {
    let path = write_beside(root, tracked, test)?;
    remove_others(&path, |_| true)?;
    Ok(path)
}

/// Returns the path of a finished run's event file.
fn finished_path(root: &Path, tracked: &TrackedRun) -> PathBuf {
    let ended = tracked.began() + tracked.run.result.seconds;
    root.join(&tracked.name).join(file_name(ended, ""))
}

/// Writes a finished run into its folder, beside its earlier event files.
fn write_beside(root: &Path, tracked: &TrackedRun, test: Option<&Images>) -> Result<PathBuf, TrackerError> {
    let (run, result) = (tracked.run, &tracked.run.result);
    let (began, seconds) = (tracked.began(), result.seconds);
    let mut events = Events::begin(began);
    hyperparameters::begin(&mut events, &tracked.settings, began)?;
    events.metrics(&tracked.metrics());
    let last = run.curve.last().map_or(0, |point| point.step) as u64;
    if let Some(matrix) = pictures::confusion_matrix(result) {
        events.image(last, seconds, "confusion_matrix", &matrix)?;
    }
    if let Some(test) = test
        && let Some(misread) = pictures::misread_images(run, test)?
    {
        events.image(last, seconds, "most_confident_errors", &misread)?;
    }
    hyperparameters::end(&mut events, began, seconds, run.is_usable());

    let path = finished_path(root, tracked);
    create_folder_of(&path)?;
    files::write(&path, events.bytes())?;
    Ok(path)
}

fn create_folder_of(path: &Path) -> Result<(), TrainingError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(TrainingError::file("create", folder))
}

/// Returns the name of an event file. TensorBoard reads the files of a folder in the order of their names, so the name
/// begins with a time in seconds since 1970.
fn file_name(time: f64, kind: &str) -> String {
    format!("events.out.tfevents.{:010}{kind}{SUFFIX}", time as u64)
}

/// Removes the other event files that this crate has written beside `path`, if `is_removed` accepts their names. A
/// process that was killed while it wrote a file leaves `.<name>.<random>`, which this removes too.
fn remove_others(path: &Path, is_removed: impl Fn(&str) -> bool) -> Result<(), TrainingError> {
    let folder = path.parent().unwrap_or(path);
    for entry in fs::read_dir(folder).map_err(TrainingError::file("list the files in", folder))? {
        let other = entry.map_err(TrainingError::file("list the files in", folder))?.path();
        let name = other.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        if other != path && name.contains(".tfevents.") && name.contains(SUFFIX) && is_removed(&name) {
            match fs::remove_file(&other) {
                // Another process that finished the same run may remove it too.
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                removed => removed.map_err(TrainingError::file("remove", &other))?,
            }
        }
    }
    Ok(())
}
