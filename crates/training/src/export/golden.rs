//! Golden outputs: the model's logits for a few images, to verify an import.

use std::path::Path;

use burn::data::dataset::Dataset;
use mnist_data::{ImageShape, Images, input};
use mnist_model::Model;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{ExportedFile, safetensors::serialize};
use crate::{Predictor, TrainingError};

/// The file of the golden outputs.
pub const NAME: &str = "golden.safetensors";

/// Largest number of images.
const IMAGES: usize = 16;

/// A longer file does not contain golden outputs, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// Metadata key that identifies the file.
const TAG: &str = "golden";

/// Returns a file with the first images as `pixels` (`u8`, N×C×H×W), the model's `logits` for them (`f32`,
/// N×classes), and their true classes as `labels` (`i64`, N).
pub fn file(predictor: &Predictor<Model>, images: &Images) -> Result<ExportedFile, TrainingError> {
    let images = images.first(IMAGES);
    let pixels = images.pixels(0..images.len())?;
    let labels: Vec<u8> = images.labels().iter().flat_map(|&label| i64::from(label).to_le_bytes()).collect();
    let logits: Vec<u8> = predictor.logits(&images)?.into_iter().flat_map(f32::to_le_bytes).collect();

    let ImageShape { channels, height, width } = images.shape();
    let (count, classes) = (images.len(), predictor.trained.classes);
    let tensor = |dtype, shape, bytes| {
        TensorView::new(dtype, shape, bytes).map_err(TrainingError::encode("the golden outputs"))
    };
    let tensors = vec![
        ("pixels".to_owned(), tensor(Dtype::U8, vec![count, channels, height, width], &pixels)?),
        ("logits".to_owned(), tensor(Dtype::F32, vec![count, classes], &logits)?),
        ("labels".to_owned(), tensor(Dtype::I64, vec![count], &labels)?),
    ];
    let mut metadata = super::metadata(&predictor.trained)?;
    metadata.insert(TAG, "the first test images and this program's logits for them".into());
    let about = "the first test images and their logits, to check an import against";
    Ok(ExportedFile { name: NAME, about, bytes: serialize(tensors, &metadata)? })
}

/// Returns whether the file at `path` contains golden outputs.
pub fn is_golden(path: &Path) -> bool {
    input::read(path, MOST_BYTES).is_ok_and(|bytes| {
        let header = SafeTensors::read_metadata(&bytes);
        header.is_ok_and(|(_, header)| {
            header.metadata().as_ref().is_some_and(|metadata| metadata.contains_key(TAG))
        })
    })
}
