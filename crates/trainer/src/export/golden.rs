//! What this program's model answers to a few images, for a receiver to check his import by.

use std::{fs, path::Path, sync::Arc};

use anyhow::Result;
use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    tensor::Device,
};
use mnist_data::{ImageShape, Images, ScalingBatcher};
use mnist_model::Model;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{ExportedFile, safetensors::serialize};
use crate::run::FinishedRun;

/// The file.
pub const NAME: &str = "golden.safetensors";

/// As many images as there are, up to this.
const IMAGES: usize = 16;

/// Key of the metadata that tells the file from others of its name.
const TAG: &str = "golden";

/// The first images as `pixels` (`u8`, N×C×H×W), what the model makes of them as `logits` (`f32`, N×classes),
/// and their true classes as `labels` (`i64`, N).
pub fn file(run: &FinishedRun, model: &Model, images: &Images, device: &Device) -> Result<ExportedFile> {
    let images = images.first(IMAGES);
    let pixels = images.pixels(0..images.len())?;
    let labels: Vec<u8> = images.labels().iter().flat_map(|&label| i64::from(label).to_le_bytes()).collect();

    let batcher = ScalingBatcher::new(Arc::new(run.fitted.clone()));
    let items = images.get_many((0..images.len()).collect())?;
    let logits = model.forward(batcher.batch(items, device).images).try_into_vec_as::<f32>()?;
    let logits: Vec<u8> = logits.into_iter().flat_map(f32::to_le_bytes).collect();

    let ImageShape { channels, height, width } = images.shape();
    let shape = vec![images.len(), channels, height, width];
    let tensors = vec![
        ("pixels".to_owned(), TensorView::new(Dtype::U8, shape, &pixels)?),
        ("logits".to_owned(), TensorView::new(Dtype::F32, vec![images.len(), run.classes], &logits)?),
        ("labels".to_owned(), TensorView::new(Dtype::I64, vec![images.len()], &labels)?),
    ];
    let mut metadata = super::metadata(run)?;
    metadata.insert(TAG, "the first test images and this program's logits for them".into());
    let about = "the first test images and their logits, to check an import by";
    Ok(ExportedFile { name: NAME, about, bytes: serialize(tensors, &metadata)? })
}

/// Whether this is such a file.
pub fn is_golden(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| {
        let header = SafeTensors::read_metadata(&bytes);
        header.is_ok_and(|(_, header)| {
            header.metadata().as_ref().is_some_and(|metadata| metadata.contains_key(TAG))
        })
    })
}
