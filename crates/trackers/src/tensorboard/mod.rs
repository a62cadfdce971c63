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

    let folder = root.join(&tracked.name);
    let path = begin_file(&folder, began + seconds)?;
    files::write(&path, events.bytes())?;
    Ok(path)
}

/// Creates a run's folder, removes its earlier event files, and returns the path of a new one. TensorBoard reads the
/// files of a folder in the order of their names, so the name begins with a time in seconds since 1970.
fn begin_file(folder: &Path, time: f64) -> Result<PathBuf, TrainingError> {
    fs::create_dir_all(folder).map_err(TrainingError::file("create", folder))?;
    let name = format!("events.out.tfevents.{:010}{SUFFIX}", time as u64);
    for entry in fs::read_dir(folder).map_err(TrainingError::file("list the files in", folder))? {
        let path = entry.map_err(TrainingError::file("list the files in", folder))?.path();
        let is_ours = path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            // A process that was killed while it wrote a file leaves `.<name>.<random>`.
            name.contains(".tfevents.") && name.contains(SUFFIX)
        });
        if is_ours {
            match fs::remove_file(&path) {
                // Another process that finished the same run may remove it too.
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                other => other.map_err(TrainingError::file("remove", &path))?,
            }
        }
    }
    Ok(folder.join(name))
}
