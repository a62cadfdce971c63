//! Downloads MNIST on the first run, and tells the user before and after.

use std::ops::ControlFlow;

use mnist_data::{DataError, DatasetKind, Files};
use mnist_training::{DatasetSettings, Observer, TrainingError, observer::watched};

use crate::terminal::Terminal;

/// Downloads MNIST into the cache if the settings need it and it is not there.
pub fn download_missing(settings: &DatasetSettings, terminal: &Terminal) -> Result<(), TrainingError> {
    if is_missing(settings) {
        let files = fetch(settings, terminal)?;
        terminal.note(&format!("downloaded MNIST from {} into {}", files.source, files.folder.display()));
    }
    Ok(())
}

/// Reads the files of the data set, and downloads them if they are missing.
pub fn fetch(settings: &DatasetSettings, terminal: &Terminal) -> Result<Files, TrainingError> {
    let mut is_announced = !is_missing(settings);
    let files = watched(terminal, |progress| {
        settings.source().fetch(&mut |name, done, total| {
            // With the first progress, a server has answered. Without a network, only the error is printed.
            if !is_announced {
                terminal.note("downloading MNIST (11 MB)");
                is_announced = true;
            }
            progress(name, done, total)
        })
    })?;
    Ok(files)
}

/// Returns whether the data set is MNIST in the cache, and the cache is empty.
fn is_missing(settings: &DatasetSettings) -> bool {
    if settings.dataset != DatasetKind::Mnist || settings.data_dir.is_some() {
        return false;
    }
    // Progress is reported only where there is a file to read, and then the rest need not be checked.
    let checked = settings.source().verify(&mut |_, _, _| ControlFlow::Break(()));
    matches!(checked, Err(DataError::NoCache(_) | DataError::NotCached { .. }))
}
