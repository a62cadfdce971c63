//! The errors of this crate.

use std::{fmt, io, path::PathBuf};

use mnist_data::{DataError, DatasetKind, ScalingError, input::shown};
use mnist_model::NetworkError;

/// The reason why something could not be trained, evaluated, saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// An invalid setting, or settings that contradict each other, in words.
    #[error("{}", shown(.0))]
    Settings(String),
    /// Settings of a run without a scaling.
    #[error("`scaling` is missing, expected one of: {}", mnist_data::scaling::preset_names().join(", "))]
    NoScaling,
    /// An option for pictures with another kind of data set.
    #[error("`{key}` applies only to pictures, but the data set is `{kind}`")]
    PicturesOnly {
        /// The setting.
        key: &'static str,
        /// The kind of data set.
        kind: DatasetKind,
    },
    /// A validation split that takes all training images of a class.
    #[error("`validation_split` leaves no image of class {0} to train on")]
    ClassNotTrained(usize),
    /// A backend that this build does not include.
    #[error("backend `{0}` is not in this build")]
    BackendNotBuilt(&'static str),
    /// A backend without a device of this number.
    #[error("{}", no_device(backend, *number, reason))]
    NoDevice {
        /// The backend.
        backend: &'static str,
        /// The number of the device, counted from 0.
        number: usize,
        /// Why the last device could not be opened, in the words of its driver; may be empty.
        reason: String,
    },
    /// More CPU threads than a process should start.
    #[error("{asked_for} threads are too many; the maximum is {most}")]
    TooManyThreads {
        /// The requested number of threads.
        asked_for: usize,
        /// The largest number allowed.
        most: usize,
    },
    /// Threads that the operating system did not start.
    #[error("cannot start {0} threads")]
    Threads(usize),
    /// A file or folder that could not be read or written.
    #[error("cannot {action} {}: {}", shown(path), shown(&cause.to_string()))]
    File {
        /// The action that failed, such as "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        cause: io::Error,
    },
    /// A file whose contents this crate cannot have written.
    #[error("{} is damaged: {reason}", shown(path))]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint that cannot be loaded.
    #[error("the checkpoint {} is damaged: {reason}", shown(path))]
    DamagedCheckpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of other settings or of another version.
    #[error("the checkpoint {} belongs to other settings or another version", shown(.0))]
    OtherCheckpoint(PathBuf),
    /// A result that could not be turned into the bytes of a file.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// The file.
        what: &'static str,
        /// The encoder's error.
        reason: String,
    },
    /// An output folder that contains an earlier result.
    #[error("{} already contains a result ({state})", shown(path))]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The state of the result, such as `finished`.
        state: String,
        /// Whether it can be resumed.
        is_resumable: bool,
    },
    /// An output folder that is a file.
    #[error("{} is a file, not a folder", shown(.0))]
    NotAFolder(PathBuf),
    /// An output folder with files that are not part of a result.
    #[error("{} contains `{}`, which is not part of a result", shown(path), shown(entry))]
    ForeignFile {
        /// The folder.
        path: PathBuf,
        /// The name of such a file.
        entry: String,
    },
    /// An output folder with the file names of a result, but without the file that identifies one.
    #[error(
        "{} is not the folder of a result: {mark} is missing or invalid (it contains `{}`)",
        shown(path),
        shown(entry)
    )]
    NotAResult {
        /// The folder.
        path: PathBuf,
        /// The name of a file or folder in it.
        entry: String,
        /// The name of the missing or invalid file.
        mark: &'static str,
    },
    /// A setting that differs from the one in the folder to be resumed.
    #[error("`{}` differs from the value in {}: {current} instead of {saved}", shown(key), shown(path))]
    OtherSettings {
        /// The setting.
        key: String,
        /// Its value in the folder, as TOML.
        saved: String,
        /// The other value, as TOML.
        current: String,
        /// The saved settings.
        path: PathBuf,
    },
    /// Data files that differ from those of the folder to be resumed.
    #[error("the data files differ from those used in {}", shown(.0))]
    OtherData(PathBuf),
    /// A fitted scaling that differs from the one of the run to be resumed.
    #[error("{} differs from the scaling fitted on this machine", shown(.0))]
    OtherFit(PathBuf),
    /// A folder in which another process is training.
    #[error("another process is training in {}", shown(.0))]
    InUse(PathBuf),
    /// A folder that another process has taken over, because this one was suspended or its renewals failed.
    #[error("{holder} has taken over {}: this process had not renewed its lease for a minute", shown(path))]
    TakenOver {
        /// The folder.
        path: PathBuf,
        /// The other process, in words.
        holder: String,
    },
    /// A run's folder that does not exist.
    #[error("the run {} does not exist or is not a folder", shown(.0))]
    NoRun(PathBuf),
    /// A run without a result, so it is unfinished.
    #[error("the run {} is unfinished: it has no result.json", shown(.0))]
    Unfinished(PathBuf),
    /// A folder without a run.
    #[error("{} is not a finished run: it has no config.toml and no result.json", shown(.0))]
    NotARun(PathBuf),
    /// A comparison's folder instead of a run's.
    #[error("{path} is a comparison, not a run: its runs are in {path}/runs", path = shown(.0))]
    IsComparison(PathBuf),
    /// A diverged run, which has no weights.
    #[error("{} has no usable model: its training diverged", shown(.0))]
    Diverged(PathBuf),
    /// A file of a finished run that was changed after the training.
    #[error("{} was changed after the training", shown(.0))]
    Changed(PathBuf),
    /// A run that was trained with another network.
    #[error("{} was trained with the network `{}`, not with `{expected}`", shown(path), shown(found))]
    OtherNetwork {
        /// The run's folder.
        path: PathBuf,
        /// The network that the run was trained with.
        found: String,
        /// The network to load it with.
        expected: String,
    },
    /// A model that is larger than an ONNX file can be.
    #[error("the model takes {:.1} GB, mostly for the whitening, but an ONNX file can have at most 2 GB", *.0 as f64 / 1e9)]
    OnnxTooLarge(usize),
    /// Weights of a network with other layers.
    #[error("the weights in {} belong to a network with other layers", shown(.0))]
    OtherLayers(PathBuf),
    /// A network whose output is not one logit per class.
    #[error(
        "the network `{network}` must return logits of shape {expected:?} for one image, but returns {found:?}"
    )]
    Output {
        /// Its name.
        network: String,
        /// `[1, classes]`.
        expected: [usize; 2],
        /// The shape of its output.
        found: [usize; 2],
    },
    /// Images or classes that do not fit the model.
    #[error("{0}")]
    Mismatch(String),
    /// A scaling that could not be fitted.
    #[error("cannot fit `{scaling}`: {cause}")]
    Fit {
        /// Its name.
        scaling: &'static str,
        /// The error of the fit.
        cause: ScalingError,
    },
    /// A network that could not be built for the images.
    #[error(transparent)]
    Network(NetworkError),
    /// Data that could not be fetched, read or decoded.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A scaling that does not fit the images.
    #[error(transparent)]
    Scaling(#[from] ScalingError),
    /// A device that failed, such as a GPU without enough memory.
    #[error("the device failed: {0}")]
    Device(String),
    /// A request of the observer to stop, before there was progress to save.
    #[error("interrupted")]
    Interrupted,
    /// A request of the observer to stop. The progress is saved in this folder.
    #[error("interrupted; progress saved in {}", shown(.0))]
    Resumable(PathBuf),
}

impl TrainingError {
    /// Returns whether the observer asked to stop, and nothing failed.
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Self::Interrupted
                | Self::Resumable(_)
                | Self::Data(DataError::Interrupted)
                | Self::Scaling(ScalingError::Data(DataError::Interrupted))
                | Self::Fit { cause: ScalingError::Data(DataError::Interrupted), .. }
        )
    }

    /// Returns whether a file that this crate has written is missing or was changed.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::DamagedCheckpoint { .. } | Self::Changed(_) => true,
            Self::File { action: "read", cause, .. } => cause.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Returns whether the settings are wrong, so that no work was started.
    pub fn is_bad_setting(&self) -> bool {
        matches!(
            self,
            Self::Settings(_)
                | Self::NoScaling
                | Self::PicturesOnly { .. }
                | Self::ClassNotTrained(_)
                | Self::BackendNotBuilt(_)
                | Self::TooManyThreads { .. }
                | Self::OtherSettings { .. }
                | Self::OtherData(_)
                | Self::OtherFit(_)
                | Self::OtherCheckpoint(_)
                | Self::Data(DataError::NeedsFolder(_))
        )
    }

    /// Turns an interrupt into [`Resumable`](Self::Resumable) with `folder`. Other errors stay as they are.
    #[must_use]
    pub fn resumable(self, folder: PathBuf) -> Self {
        if self.is_interrupt() { Self::Resumable(folder) } else { self }
    }

    /// Returns a function for `map_err` on file operations: `action` failed on `path`.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { action, path, cause }
    }

    /// Returns a function for `map_err` on parsers: the file at `path` is damaged.
    pub fn damaged<E: fmt::Display>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |error| Self::Damaged { path, reason: one_line(&error) }
    }

    /// Returns a function for `map_err` on encoders: `what` could not be encoded.
    pub fn encode<E: fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Encode { what, reason: one_line(&error) }
    }

    /// Wraps an error of Burn; for `map_err` where Burn reads values from a device.
    pub fn device<E: fmt::Debug>(error: E) -> Self {
        Self::Device(one_line(&root_cause(&format!("{error:?}"))))
    }

    /// Turns the message of a panic inside Burn into an error, with where it happened.
    pub fn device_panic(message: &str, place: &str) -> Self {
        Self::Device(format!("{} ({})", one_line(&root_cause(message)), one_line(place)))
    }
}

/// Returns the first cause of a GPU's error, at most two lines. CubeCL and wgpu write it after the last "Caused by:", and
/// CubeCL then writes where it was noticed, or an empty backtrace.
fn root_cause(error: &str) -> String {
    let chain = error.split("Asked at:").next().unwrap_or(error);
    let chain = chain.split("Backtrace:").next().unwrap_or(chain);
    let cause = chain.rsplit("Caused by:").next().unwrap_or(chain);
    let lines: Vec<&str> = cause.lines().map(str::trim).filter(|line| !line.is_empty()).take(2).collect();
    lines.join("; ")
}

fn no_device(backend: &str, number: usize, reason: &str) -> String {
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", one_line(&reason)) };
    match number {
        0 => format!("backend `{backend}` cannot open a graphics adapter{reason}"),
        _ => format!("backend `{backend}` has no device {number}, counted from 0"),
    }
}

/// Returns the message of an error in one line that is safe to show. Some libraries write several lines, or repeat a long
/// part of the file with its control characters.
pub(crate) fn one_line(error: &(impl fmt::Display + ?Sized)) -> String {
    const MOST: usize = 200;
    let line = error.to_string().trim_end().replace('\n', "; ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", shown(&line[..end])),
        None => shown(&line).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::root_cause;

    #[test]
    fn root_cause_of_a_gpus_error_is_its_last_one() {
        let error = "An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  The bytes \
                     were never written (failure #1)\n  skipped `Loss`\nCaused by:\n  Out of memory\nAsked at:\n  at a.rs";
        assert_eq!(root_cause(error), "Out of memory");
        let of_wgpu = "wgpu error: Out of Memory\n\nCaused by:\n  In Device::create_buffer\n    Not enough memory left.\n";
        assert_eq!(root_cause(of_wgpu), "In Device::create_buffer; Not enough memory left.");
        assert_eq!(root_cause("Unknown: Device is lost\nBacktrace:\n"), "Unknown: Device is lost");
        assert_eq!(root_cause("one line"), "one line");
        assert_eq!(root_cause(""), "");
    }
}
