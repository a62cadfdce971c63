//! Batches in a given order, scaled in advance by one thread.

use std::{
    iter,
    ops::RangeInclusive,
    sync::mpsc::{IntoIter, sync_channel},
    thread,
};

use burn::{data::dataset::Dataset, tensor::Device};
use mnist_data::{DataError, ImageBatch, Images, ScaledImages, ScalingBatcher};

use crate::{TrainingError, backend, transfers::upload};

/// Memory for the images prepared in advance, in bytes.
const AHEAD_BYTES: usize = 4 << 20;

/// Fewest and most pieces prepared in advance. Preparing 64 MNIST images takes about as long as waking a
/// thread, so with only two of these batches in advance, both threads would sleep too often.
const AHEAD: RangeInclusive<usize> = 2..=16;

/// Pieces of this size are not kept ready, in bytes.
const LARGE_BYTES: usize = 64 << 20;

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
) -> impl Iterator<Item = Result<LoadedBatch, DataError>> {
    let batch_size = batch_size.max(1);
    let batch_bytes = batch_size * images.shape().pixels() * size_of::<f32>();
    let batches_per_piece = if backend::is_gpu(device) { (PIECE_BYTES / batch_bytes).max(1) } else { 1 };
    let mut pieces = pieces(images, order, batch_size * batches_per_piece, batcher);
    let (batcher, device) = (batcher.clone(), device.clone());
    let mut piece: Option<LoadedBatch> = None;
    let mut used = 0;
    iter::from_fn(move || {
        if piece.as_ref().is_none_or(|piece| used >= piece.labels.len()) {
            // Frees the memory of the last piece before it takes the next one's.
            piece = None;
            let scaled = match pieces.next()? {
                Ok(scaled) => scaled,
                Err(error) => return Some(Err(error)),
            };
            let labels = scaled.labels.clone();
            piece = Some(LoadedBatch { batch: upload(&batcher, scaled, &device), labels });
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
