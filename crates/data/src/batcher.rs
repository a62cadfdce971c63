//! A Burn `Batcher` that augments and scales images.

use std::sync::Arc;

use burn::{
    data::dataloader::batcher::Batcher,
    tensor::{Device, Int, Tensor, TensorData},
};
use rayon::prelude::*;

use crate::{
    augmentation::Augmentation,
    images::{ImageShape, LabelledImage},
    scaling::FittedScaling,
};

/// A batch on the device, ready for the network.
#[derive(Debug, Clone)]
pub struct ImageBatch {
    /// Scaled pixels, shape `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// Classes, shape `[batch]`.
    pub targets: Tensor<1, Int>,
}

/// Scaled images and their classes in host memory.
#[derive(Debug, Clone, Default)]
pub struct ScaledImages {
    /// Scaled pixels, image by image, each C×H×W.
    pub values: Vec<f32>,
    /// Class of each image.
    pub labels: Vec<i32>,
}

/// Batcher that scales images with one fitted scaling and copies them to a device.
///
/// [`batch`](Batcher::batch) does both. A thread that prepares batches for a GPU calls only
/// [`scale_images`](Self::scale_images): the tensors belong on the thread that uses them, which calls
/// [`place`](Self::place).
///
/// Training, validation and test batches come from the same batcher, so all splits are scaled the same way.
///
/// # Example
/// ```
/// use std::{ops::ControlFlow, sync::Arc};
///
/// use burn::{
///     data::{dataloader::batcher::Batcher, dataset::Dataset},
///     tensor::Device,
/// };
/// use mnist_data::{ImageShape, Images, Scaling, ScalingBatcher};
///
/// let shape = ImageShape { channels: 1, height: 1, width: 2 };
/// let train = Images::new(shape, vec![0, 255, 51, 102], vec![7, 3]);
/// let scaling: Scaling = "normalize".parse()?;
/// let fitted = scaling.fit(&train, &mut |_, _, _| ControlFlow::Continue(()))?;
///
/// let batcher = ScalingBatcher::new(Arc::new(fitted));
/// let batch = batcher.batch(train.get_many(vec![1, 0])?, &Device::flex());
/// assert_eq!(batch.images.dims(), [2, 1, 1, 2]);
/// assert_eq!(batch.images.try_into_vec_as::<f32>()?, [0.2, 0.4, 0.0, 1.0]);
/// assert_eq!(batch.targets.try_into_vec_as::<i64>()?, [3, 7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ScalingBatcher {
    scaling: Arc<FittedScaling>,
    augmentation: Option<AugmentedEpoch>,
}

/// The settings that determine an image's transform in one epoch, together with its position.
#[derive(Clone)]
struct AugmentedEpoch {
    augmentation: Arc<Augmentation>,
    seed: u64,
    epoch: usize,
}

impl ScalingBatcher {
    /// Creates a batcher that scales with `scaling`.
    pub fn new(scaling: Arc<FittedScaling>) -> Self {
        Self { scaling, augmentation: None }
    }

    /// Returns this batcher for the training images of one epoch: it augments each image before scaling it.
    ///
    /// The transform that `augmentation` draws depends only on the seed, the epoch and the image's position.
    #[must_use]
    pub fn augmented(self, augmentation: &Augmentation, seed: u64, epoch: usize) -> Self {
        let epoch = AugmentedEpoch { augmentation: Arc::new(augmentation.clone()), seed, epoch };
        Self { augmentation: Some(epoch).filter(|epoch| !epoch.augmentation.is_identity()), ..self }
    }

    /// Returns whether the batcher augments images. Their values then differ from epoch to epoch.
    pub fn augments(&self) -> bool {
        self.augmentation.is_some()
    }

    /// Scales images without labels, each C×H×W, to a tensor of shape `[batch, channels, height, width]`.
    ///
    /// # Panics
    /// When an image does not have the shape that the scaling was fitted on.
    pub fn batch_unlabelled(&self, images: &[&[u8]], device: &Device) -> Tensor<4> {
        self.place_values(self.scaling.scale(images), device)
    }

    /// Augments and scales images in host memory.
    ///
    /// # Panics
    /// When an image does not have the shape that the scaling was fitted on.
    pub fn scale_images(&self, items: &[LabelledImage]) -> ScaledImages {
        let values = match &self.augmentation {
            None => {
                let images: Vec<&[u8]> = items.iter().map(LabelledImage::pixels).collect();
                self.scaling.scale(&images)
            }
            Some(epoch) => self.augmented_values(epoch, items),
        };
        ScaledImages { values, labels: items.iter().map(|item| item.label() as i32).collect() }
    }

    /// Copies scaled images to a device.
    pub fn place(&self, images: ScaledImages, device: &Device) -> ImageBatch {
        let ScaledImages { values, labels } = images;
        let count = labels.len();
        ImageBatch {
            images: self.place_values(values, device),
            targets: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }

    fn augmented_values(&self, epoch: &AugmentedEpoch, items: &[LabelledImage]) -> Vec<f32> {
        /// Number of values that are augmented at a time, unless an image per thread has more. Large images would not
        /// fit in memory twice.
        const MOST: usize = 1 << 24;
        let size = self.scaling.shape().pixels();
        let all = items.len() * size;
        let mut values = Vec::new();
        for items in items.chunks((MOST / size).max(rayon::current_num_threads())) {
            let images: Vec<Vec<f32>> = items.par_iter().map(|item| epoch.augment(item)).collect();
            let images: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
            let scaled = self.scaling.scale(&images);
            if values.is_empty() {
                values = scaled;
                values.reserve_exact(all - values.len());
            } else {
                values.extend_from_slice(&scaled);
            }
        }
        values
    }

    fn place_values(&self, values: Vec<f32>, device: &Device) -> Tensor<4> {
        let ImageShape { channels, height, width } = self.scaling.shape();
        let shape = [values.len() / self.scaling.shape().pixels(), channels, height, width];
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

impl AugmentedEpoch {
    fn augment(&self, item: &LabelledImage) -> Vec<f32> {
        let Self { augmentation, seed, epoch } = self;
        let transform = augmentation.draw(item.shape(), *seed, *epoch, item.position());
        let mut augmented = Vec::with_capacity(item.pixels().len());
        let Augmentation { fill_mode, cval, .. } = **augmentation;
        transform.apply(item.pixels(), item.shape(), fill_mode, cval, &mut augmented);
        augmented
    }
}

impl Batcher<LabelledImage, ImageBatch> for ScalingBatcher {
    /// # Panics
    /// When an image does not have the shape that the scaling was fitted on.
    fn batch(&self, items: Vec<LabelledImage>, device: &Device) -> ImageBatch {
        self.place(self.scale_images(&items), device)
    }
}
