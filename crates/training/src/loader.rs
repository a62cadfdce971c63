//! Batches in a given order, scaled in advance by one thread.

use std::{
    iter,
    ops::RangeInclusive,
    sync::mpsc::{IntoIter, sync_channel},
    thread,
};

use burn::{
    data::dataset::Dataset,
    tensor::{Device, Tensor},
};
use mnist_data::{DataError, ImageBatch, ImageShape, Images, ScaledImages, ScalingBatcher};
use mnist_kernels::gather;

use crate::{
    Observer, TrainingError, backend,
    transfers::{upload, upload_integers},
};

/// Memory for the images prepared in advance, in bytes.
const AHEAD_BYTES: usize = 4 << 20;

/// Fewest and most pieces prepared in advance. Preparing 64 MNIST images takes about as long as waking a
/// thread, so with only two of these batches in advance, both threads would sleep too often.
const AHEAD: RangeInclusive<usize> = 2..=16;

/// Pieces of this size are not kept ready, in bytes.
const LARGE_BYTES: usize = 64 << 20;

/// Memory for the images that a GPU keeps, in bytes: most GPUs have several times this memory.
const MOST_KEPT_BYTES: usize = 1 << 30;

/// Bytes to copy to a GPU at a time: a few thousand MNIST images. Each copy interrupts its work.
const PIECE_BYTES: usize = 16 << 20;

/// A batch with its classes on the host, too.
#[derive(Debug, Clone)]
pub struct LoadedBatch {
    /// The batch on the device.
    pub batch: ImageBatch,
    /// Class of each image.
    pub labels: Vec<i32>,
}

/// Returns the images at the positions `order` in batches of `batch_size`. The last batch may be smaller.
///
/// One thread scales the images in order, so the batches do not depend on timing. The thread ends when the iterator is
/// dropped. The tensors are created on the thread that calls the iterator: a GPU's tensors are slow to hand over.
///
/// A GPU gets the images of several batches in one piece. Its batches are parts of the piece, which takes no copy.
pub fn batches(
    images: &Images,
    order: &[usize],
    batch_size: usize,
    batcher: &ScalingBatcher,
    device: &Device,
) -> impl Iterator<Item = Result<LoadedBatch, DataError>> + use<> {
    let batch_size = batch_size.max(1);
    let pieces = pieces(images, order, piece(images, batch_size, device), batcher);
    let (batcher, device) = (batcher.clone(), device.clone());
    let pieces = pieces.map(move |scaled| {
        let scaled = scaled?;
        let labels = scaled.labels.clone();
        Ok(LoadedBatch { batch: upload(&batcher, scaled, &device), labels })
    });
    split(pieces, batch_size)
}

/// Number of images that a device gets at a time: a multiple of the batch size.
fn piece(images: &Images, batch_size: usize, device: &Device) -> usize {
    let batch_bytes = batch_size * images.shape().pixels() * size_of::<f32>();
    if backend::is_gpu(device) { batch_size * (PIECE_BYTES / batch_bytes).max(1) } else { batch_size }
}

/// Splits pieces into batches.
fn split(
    mut pieces: impl Iterator<Item = Result<LoadedBatch, DataError>>,
    batch_size: usize,
) -> impl Iterator<Item = Result<LoadedBatch, DataError>> {
    let mut piece: Option<LoadedBatch> = None;
    let mut used = 0;
    iter::from_fn(move || {
        if piece.as_ref().is_none_or(|piece| used >= piece.labels.len()) {
            // Frees the memory of the last piece before it takes the next one's.
            piece = None;
            match pieces.next()? {
                Ok(next) => piece = Some(next),
                Err(error) => return Some(Err(error)),
            }
            used = 0;
        }
        let whole = piece.as_ref()?;
        let end = whole.labels.len().min(used + batch_size);
        let range = used..end;
        used = end;
        if range.len() == whole.labels.len() {
            return piece.take().map(Ok);
        }
        let ImageBatch { images, targets } = whole.batch.clone();
        Some(Ok(LoadedBatch {
            batch: ImageBatch {
                images: images.slice([range.clone()]),
                targets: targets.slice([range.clone()]),
            },
            labels: whole.labels[range].to_vec(),
        }))
    })
}

/// Loads the images of a split in every epoch.
///
/// A GPU keeps them in its memory after the first epoch's copy, unless there are too many, or they are augmented.
pub struct Loader<'a> {
    images: &'a Images,
    device: Device,
    kept: Option<KeptImages>,
}

impl<'a> Loader<'a> {
    /// Creates a loader for a device with autodiff.
    pub fn new(images: &'a Images, device: Device) -> Self {
        Self { images, device, kept: None }
    }

    /// Returns an epoch's [`batches`], when this many epochs are still to come, including this one.
    ///
    /// # Errors
    /// When images cannot be read, or the observer asks to stop.
    pub fn batches<'b>(
        &'b mut self,
        order: &'b [usize],
        batch_size: usize,
        batcher: &ScalingBatcher,
        epochs: usize,
        observer: &dyn Observer,
    ) -> Result<Box<dyn Iterator<Item = Result<LoadedBatch, DataError>> + 'b>, TrainingError> {
        let bytes = self.images.len() * self.images.shape().pixels() * size_of::<f32>();
        let keeps = backend::is_gpu(&self.device) && !batcher.augments() && is_worth_keeping(bytes, epochs);
        if keeps && self.kept.is_none() {
            self.kept = Some(KeptImages::copy(self.images, batcher, &self.device, observer)?);
        }
        let Self { images, device, kept } = self;
        let Some(kept) = kept.as_ref().filter(|_| !batcher.augments()) else {
            return Ok(Box::new(batches(images, order, batch_size, batcher, device)));
        };
        let pieces = kept.pieces(images, order, piece(images, batch_size, device), device);
        Ok(Box::new(split(pieces.map(Ok), batch_size)))
    }
}

/// Whether a GPU should keep images of this size, when this many epochs are still to come.
fn is_worth_keeping(bytes: usize, epochs: usize) -> bool {
    epochs > 1 && bytes <= MOST_KEPT_BYTES
}

/// The scaled images of a split in a GPU's memory.
struct KeptImages {
    /// Values of the images, `[images of the part, values]`, without autodiff.
    parts: Vec<Tensor<2>>,
}

impl KeptImages {
    fn copy(
        images: &Images,
        batcher: &ScalingBatcher,
        device: &Device,
        observer: &dyn Observer,
    ) -> Result<Self, TrainingError> {
        let order: Vec<usize> = (0..images.len()).collect();
        // Parts, because a GPU limits the size of a tensor that a kernel reads. The thread scales the next one meanwhile.
        let part = piece(images, 1, device);
        let device = device.clone().without_autodiff();
        let mut parts = Vec::new();
        let mut arrived = 0;
        for scaled in pieces(images, &order, part, batcher) {
            if observer.wants_stop() {
                return Err(TrainingError::Interrupted);
            }
            let scaled = scaled?;
            arrived += scaled.labels.len();
            parts.push(upload(batcher, scaled, &device).images.flatten(1, 3));
        }
        check_all_arrived(arrived, images.len())?;
        Ok(Self { parts })
    }

    /// Returns the images at the positions `order`, `piece` at a time. Only positions and classes are copied.
    fn pieces<'a>(
        &'a self,
        images: &'a Images,
        order: &'a [usize],
        piece: usize,
        device: &'a Device,
    ) -> impl Iterator<Item = LoadedBatch> + 'a {
        let ImageShape { channels, height, width } = images.shape();
        order.chunks(piece).map(move |positions| {
            let rows = positions.iter().map(|&position| position as i32).collect();
            let labels: Vec<i32> = positions.iter().map(|&at| images.labels()[at] as i32).collect();
            let images = gather(&self.parts, upload_integers(rows, &device.clone().without_autodiff()));
            let images = images.reshape([positions.len(), channels, height, width]);
            let targets = upload_integers(labels.clone(), device);
            LoadedBatch { batch: ImageBatch { images: Tensor::from_inner(images), targets }, labels }
        })
    }
}

/// Scales the images on a thread of its own, `piece` images at a time.
fn pieces(
    images: &Images,
    order: &[usize],
    piece: usize,
    batcher: &ScalingBatcher,
) -> IntoIter<Result<ScaledImages, DataError>> {
    let ahead = match piece * images.shape().pixels() * size_of::<f32>() {
        // While the network uses one piece, the thread prepares the next, which is already much memory.
        LARGE_BYTES.. => 0,
        bytes => (AHEAD_BYTES / bytes).clamp(*AHEAD.start(), *AHEAD.end()),
    };
    let (sender, receiver) = sync_channel(ahead);
    let (images, order, batcher) = (images.clone(), order.to_vec(), batcher.clone());
    thread::spawn(move || {
        for positions in order.chunks(piece) {
            let scaled = images.get_many(positions.to_vec()).map(|items| batcher.scale_images(&items));
            if sender.send(scaled).is_err() {
                break;
            }
        }
    });
    receiver.into_iter()
}

/// Returns an error if the thread that scales the images ended too early.
pub(crate) fn check_all_arrived(arrived: usize, expected: usize) -> Result<(), TrainingError> {
    if arrived == expected {
        return Ok(());
    }
    Err(TrainingError::Device(format!("only {arrived} of {expected} images arrived")))
}

#[cfg(test)]
mod tests {
    use std::{ops::ControlFlow, sync::Arc};

    use mnist_data::Scaling;

    use super::*;

    #[test]
    fn images_are_kept_for_several_epochs_unless_they_are_too_large() {
        assert!(is_worth_keeping(60_000 * 784 * 4, 2));
        assert!(!is_worth_keeping(60_000 * 784 * 4, 1));
        assert!(!is_worth_keeping((1 << 30) + 1, 2));
    }

    #[test]
    fn kept_images_give_the_same_batches_as_images_copied_in_each_epoch() {
        let shape = ImageShape { channels: 3, height: 2, width: 4 };
        let pixels = (0..30 * shape.pixels()).map(|i| (i * i % 251) as u8).collect();
        let images = Images::new(shape, pixels, (0..30).map(|i| i % 7).collect());
        let scaling: Scaling = "standardize".parse().unwrap();
        let fitted = scaling.fit(&images, &mut |_, _, _| ControlFlow::Continue(())).unwrap();
        let batcher = ScalingBatcher::new(Arc::new(fitted));
        let device = Device::default().autodiff();
        let order: Vec<usize> = (0..30).map(|i| i * 7 % 30).collect();

        let values = |batch: LoadedBatch| {
            assert!(batch.batch.images.device().is_autodiff() && batch.batch.targets.device().is_autodiff());
            (batch.batch.images.into_data(), batch.batch.targets.into_data(), batch.labels)
        };
        let copied: Vec<_> =
            batches(&images, &order, 4, &batcher, &device).map(|batch| values(batch.unwrap())).collect();
        let kept = KeptImages::copy(&images, &batcher, &device, &()).unwrap();
        let kept = split(kept.pieces(&images, &order, 12, &device).map(Ok), 4);
        let kept: Vec<_> = kept.map(|batch| values(batch.unwrap())).collect();
        assert_eq!(kept, copied);
        assert_eq!(kept.len(), 8);
    }
}
