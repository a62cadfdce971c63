//! Burn's `Batcher` over scaled images.

use std::sync::Arc;

use burn::{
    data::dataloader::batcher::Batcher,
    tensor::{Device, Int, Tensor, TensorData},
};

use crate::{images::LabelledImage, scaling::FittedScaling};

/// A batch on the device, ready for the network.
#[derive(Debug, Clone)]
pub struct ImageBatch {
    /// Scaled pixels, shape `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// Classes, shape `[batch]`.
    pub targets: Tensor<1, Int>,
}

/// Scales images with one fitted scaling and places them on a device, in one pass over the pixels.
///
/// Train, validation and test batches come from the same batcher, so no split can be scaled
/// differently from another.
#[derive(Clone)]
pub struct ScalingBatcher {
    scaling: Arc<FittedScaling>,
}

impl ScalingBatcher {
    /// A batcher that scales with `scaling`.
    pub fn new(scaling: Arc<FittedScaling>) -> Self {
        Self { scaling }
    }
}

impl Batcher<LabelledImage, ImageBatch> for ScalingBatcher {
    /// # Panics
    /// When an image is not of the shape the scaling was fitted on.
    fn batch(&self, items: Vec<LabelledImage>, device: &Device) -> ImageBatch {
        let shape = self.scaling.shape();
        let mut pixels = Vec::with_capacity(items.len() * shape.pixels());
        for item in &items {
            self.scaling.scale(item.pixels(), &mut pixels);
        }
        let labels: Vec<i32> = items.iter().map(|item| i32::from(item.label())).collect();
        let dimensions = [items.len(), shape.channels, shape.height, shape.width];
        ImageBatch {
            images: Tensor::from_data(TensorData::new(pixels, dimensions), device),
            targets: Tensor::from_data(TensorData::new(labels, [items.len()]), device),
        }
    }
}
