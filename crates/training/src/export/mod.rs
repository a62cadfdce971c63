//! Exports a run's model for other programs, with golden outputs to verify an import.

mod golden;
mod layers;
mod onnx;
mod safetensors;

use std::{collections::BTreeMap, fmt, str::FromStr};

use mnist_data::Images;
use mnist_model::Model;

use crate::{
    Predictor, TrainingError,
    files::{ResultKind, State},
    predictor::TrainedModel,
    run::Versions,
};

pub use layers::layers;
pub use onnx::file as onnx_file;

/// A format to export a model in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Weights for PyTorch, by name; the scaling is in the metadata.
    Safetensors,
    /// Scaling and network in one graph, from bytes to probabilities.
    Onnx,
}

impl ExportFormat {
    /// All formats, in the order of the help and the messages.
    pub const ALL: [Self; 2] = [Self::Safetensors, Self::Onnx];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
        }
    }

    /// Returns a few words on what the format contains.
    pub fn about(self) -> &'static str {
        match self {
            Self::Safetensors => "Weights for PyTorch, by name; the scaling is in the metadata",
            Self::Onnx => "Scaling and network in one graph, from bytes to probabilities",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| format!("unknown format `{name}`, expected one of: {names}"))
    }
}

/// How to recognize the folder of an export.
pub const EXPORT: ResultKind = ResultKind {
    contents: &[safetensors::NAME, safetensors::SCALING, onnx::NAME, golden::NAME],
    mark: golden::NAME,
    // Other programs write files of the same names.
    state: |folder| {
        let has_model = [safetensors::NAME, onnx::NAME].iter().any(|model| folder.join(model).exists());
        let state = if has_model { State::Finished } else { State::Unfinished };
        golden::is_golden(&folder.join(golden::NAME)).then_some(state)
    },
    is_resumable: false,
};

/// A file of an export, before it is written.
pub struct ExportedFile {
    /// The name in the folder.
    pub name: &'static str,
    /// The contents, in a few words.
    pub about: &'static str,
    /// The bytes to write.
    pub bytes: Vec<u8>,
}

/// Returns the files of an export: the model first, the golden outputs last. The golden outputs are for the first 16 of the `images`.
///
/// The same run results in the same bytes on the same kind of machine. The formats are specific to the layers of
/// the tutorial's CNN, so another network cannot be exported.
///
/// # Errors
/// When images cannot be read, the device fails, or the model is too large for the format.
pub fn files(
    format: ExportFormat,
    predictor: &Predictor<Model>,
    images: &Images,
) -> Result<Vec<ExportedFile>, TrainingError> {
    let mut files = match format {
        ExportFormat::Safetensors => safetensors::files(predictor)?,
        ExportFormat::Onnx => vec![onnx::file(predictor)?],
    };
    files.push(golden::file(predictor, images)?);
    Ok(files)
}

/// Returns the metadata for every file of an export. Values that are not plain text are JSON.
fn metadata(trained: &TrainedModel) -> Result<BTreeMap<&'static str, String>, TrainingError> {
    let versions = Versions::current();
    let fitted = &trained.fitted;
    let json = || TrainingError::encode("the metadata");
    Ok(BTreeMap::from([
        ("producer", "mnist-trainer".to_owned()),
        ("producer_version", versions.mnist_trainer),
        ("burn_version", versions.burn),
        ("export_version", "1".to_owned()),
        ("image_shape", serde_json::to_string(&fitted.shape()).map_err(json())?),
        ("classes", trained.classes.to_string()),
        ("class_names", serde_json::to_string(&trained.class_names).map_err(json())?),
        ("scaling", fitted.scaling().name().to_owned()),
        ("scaling_description", serde_json::to_string(fitted.scaling()).map_err(json())?),
    ]))
}
