//! Errors of trainings.

use std::{fmt, io, path::PathBuf};

use mnist_data::{DataError, DatasetKind, ScalingError};
use mnist_model::NetworkError;

/// Why something could not be trained, evaluated, saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// An invalid setting, or settings that contradict each other.
    #[error("{0}")]
    Settings(String),
    /// Settings of a training without a scaling.
    #[error("name a scaling: {}", mnist_data::scaling::preset_names().join(", "))]
    NoScaling,
    /// An option for pictures with another kind of data set.
    #[error("`{key}` is for pictures, but the data set is `{kind}`")]
    PicturesOnly {
        /// The setting.
        key: &'static str,
        /// The kind of data set.
        kind: DatasetKind,
    },
    /// A backend that this build does not include.
    #[error("backend `{0}` is not in this build")]
    BackendNotBuilt(&'static str),
    /// A backend without a device.
    #[error("backend `{0}` found no graphics adapter")]
    NoDevice(&'static str),
    /// More CPU threads than a process should start.
    #[error("{asked_for} threads are too many, the most are {most}")]
    TooManyThreads {
        /// Threads asked for.
        asked_for: usize,
        /// The largest number allowed.
        most: usize,
    },
    /// The system started no threads.
    #[error("cannot start {0} threads")]
    Threads(usize),
    /// A file or folder that could not be read or written.
    #[error("cannot {action} {}: {cause}", path.display())]
    File {
        /// What was tried, such as "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A file with other contents than this crate writes.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint that cannot be loaded.
    #[error("the checkpoint {} is damaged: {reason}", path.display())]
    DamagedCheckpoint {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A result that could not be turned into the bytes of a file.
    #[error("cannot encode {what}: {reason}")]
    Encode {
        /// The file.
        what: &'static str,
        /// What the encoder said.
        reason: String,
    },
    /// An output folder that contains an earlier result.
    #[error("{} already holds a result", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Whether it could be resumed.
        is_resumable: bool,
    },
    /// An output folder that is a file.
    #[error("{} is a file, not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// An output folder with files that are not part of a result.
    #[error("{} holds `{entry}`, which is no part of such a result", path.display())]
    ForeignFile {
        /// The folder.
        path: PathBuf,
        /// The name of such a file.
        entry: String,
    },
    /// An output folder whose file names fit, but which lacks the file that identifies a result.
    #[error("{} holds `{entry}`, but no {mark} of a result", path.display())]
    NotAResult {
        /// The folder.
        path: PathBuf,
        /// The name of something in it.
        entry: String,
        /// The name of the missing file.
        mark: &'static str,
    },
    /// Settings that differ from those in the folder to be resumed.
    #[error("`{key}` differs from {}", path.display())]
    OtherSettings {
        /// The setting.
        key: String,
        /// The saved settings.
        path: PathBuf,
    },
    /// Data files that differ from those of the folder to be resumed.
    #[error("the data files are not those that {} began with", .0.display())]
    OtherData(PathBuf),
    /// A fitted scaling that differs from that of the run to be resumed.
    #[error("{} is not what is fitted now", .0.display())]
    OtherFit(PathBuf),
    /// Another process is training in the folder.
    #[error("another process is training in {}", .0.display())]
    InUse(PathBuf),
    /// A run's folder that does not exist.
    #[error("the run {} does not exist or is not a folder", .0.display())]
    NoRun(PathBuf),
    /// A run that is unfinished: it has no result.
    #[error("{} is not a whole run: it has no result.json", .0.display())]
    Unfinished(PathBuf),
    /// A comparison's folder instead of a run's.
    #[error("{path} is a comparison, not a run: its runs are in {path}/runs", path = .0.display())]
    IsComparison(PathBuf),
    /// A run without weights.
    #[error("{} has no model to use: its training diverged", .0.display())]
    Diverged(PathBuf),
    /// A `scaling.json` that was changed after the training.
    #[error("{} is not the one this run was trained with", .0.display())]
    ScalingChanged(PathBuf),
    /// A run that was trained with another network.
    #[error("{} was trained with the network `{found}`, not with `{expected}`", path.display())]
    OtherNetwork {
        /// The run's folder.
        path: PathBuf,
        /// The network that the run was trained with.
        found: String,
        /// The network to load it with.
        expected: String,
    },
    /// A model that is larger than an ONNX file can be.
    #[error("the model takes {:.1} GB, most of it for the whitening, and an ONNX file has at most 2 GB", *.0 as f64 / 1e9)]
    OnnxTooLarge(usize),
    /// Weights of a network with other layers.
    #[error("the weights in {} are of a network with other layers", .0.display())]
    OtherLayers(PathBuf),
    /// A network whose output is not one logit per class.
    #[error("the network `{network}` must give {expected:?} logits for one image, but gives {found:?}")]
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
        /// What went wrong.
        cause: ScalingError,
    },
    /// The network could not be built for the images.
    #[error(transparent)]
    Network(NetworkError),
    /// Data that could not be fetched, read or decoded.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A scaling that does not fit the images.
    #[error(transparent)]
    Scaling(#[from] ScalingError),
    /// Burn could not read a tensor from the device.
    #[error("the device returned no values: {0}")]
    Device(String),
    /// The observer asked to stop, before there was progress to save.
    #[error("interrupted")]
    Interrupted,
    /// The observer asked to stop; the progress is saved in this folder.
    #[error("interrupted; progress saved in {}", .0.display())]
    Resumable(PathBuf),
}

impl TrainingError {
    /// Whether the observer asked to stop, and nothing failed.
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

    /// Whether the settings are wrong, so that no work was started.
    pub fn is_bad_setting(&self) -> bool {
        matches!(
            self,
            Self::Settings(_)
                | Self::NoScaling
                | Self::PicturesOnly { .. }
                | Self::BackendNotBuilt(_)
                | Self::TooManyThreads { .. }
                | Self::OtherSettings { .. }
                | Self::OtherData(_)
                | Self::OtherFit(_)
                | Self::Data(DataError::NeedsFolder(_))
        )
    }

    /// Adds to an interrupt that `folder` contains the progress. Other errors stay as they are.
    #[must_use]
    pub fn resumable(self, folder: PathBuf) -> Self {
        if self.is_interrupt() { Self::Resumable(folder) } else { self }
    }

    /// For `map_err` on file operations: `action` failed on `path`.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { action, path, cause }
    }

    /// For `map_err` on parsers: the file at `path` cannot be used.
    pub fn damaged<E: fmt::Display>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |error| Self::Damaged { path, reason: one_line(&error) }
    }

    /// For `map_err` on encoders: `what` could not be encoded.
    pub fn encode<E: fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Encode { what, reason: one_line(&error) }
    }

    /// For `map_err` where Burn reads values from a device.
    pub fn device<E: fmt::Debug>(error: E) -> Self {
        Self::Device(one_line(&format!("{error:?}")))
    }
}

/// Some libraries write messages of several lines.
pub(crate) fn one_line(error: &impl fmt::Display) -> String {
    error.to_string().trim_end().replace('\n', "; ")
}
