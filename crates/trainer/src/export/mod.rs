//! A run's model for other programs, one file per format, with golden outputs to check an import by.

mod golden;
mod onnx;
mod safetensors;

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use burn::tensor::Device;
use clap::ValueEnum;
use mnist_data::Images;
use mnist_model::Model;

use crate::run::{FinishedRun, Versions};

/// What the model becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Weights for PyTorch, by name; the scaling is in the metadata
    Safetensors,
    /// Scaling and network in one graph, from bytes to probabilities
    Onnx,
}

impl ExportFormat {
    /// Its name on the command line and in the name of a folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
        }
    }
}

/// All that the folder of an export may hold.
pub const CONTENTS: [&str; 4] = [safetensors::NAME, safetensors::SCALING, onnx::NAME, golden::NAME];

/// What every export has, and is known by.
pub const MARK: &str = golden::NAME;

/// Whether the folder holds an export, and not files of others that have the same names.
pub fn is_export(folder: &Path) -> bool {
    golden::is_golden(&folder.join(golden::NAME))
}

/// A file of an export, not yet written.
pub struct ExportedFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The files of an export. `model` is the run's, on `device`; its golden outputs are of the first of
/// `images`.
///
/// The same run gives the same bytes on the same kind of machine.
pub fn files(
    format: ExportFormat,
    run: &FinishedRun,
    model: &Model,
    images: &Images,
    device: &Device,
) -> Result<Vec<ExportedFile>> {
    let mut files = match format {
        ExportFormat::Safetensors => safetensors::files(run, model)?,
        ExportFormat::Onnx => vec![onnx::file(run, model)?],
    };
    files.push(golden::file(run, model, images, device)?);
    Ok(files)
}

/// What a receiver may want to know, in every file of an export; values that are no plain text are JSON.
fn metadata(run: &FinishedRun) -> Result<BTreeMap<&'static str, String>> {
    let versions = Versions::current();
    Ok(BTreeMap::from([
        ("producer", "mnist-trainer".to_owned()),
        ("producer_version", versions.mnist_trainer),
        ("burn_version", versions.burn),
        ("export_version", "1".to_owned()),
        ("image_shape", serde_json::to_string(&run.fitted.shape())?),
        ("classes", run.classes.to_string()),
        ("class_names", serde_json::to_string(&run.class_names)?),
        ("scaling", run.fitted.scaling().name().to_owned()),
        ("scaling_description", serde_json::to_string(run.fitted.scaling())?),
    ]))
}
