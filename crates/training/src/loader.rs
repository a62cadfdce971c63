//! Batches in a given order, prepared in advance by one thread.

use std::{
    ops::RangeInclusive,
    sync::mpsc::{IntoIter, sync_channel},
    thread,
};

use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    tensor::Device,
};
use mnist_data::{DataError, ImageBatch, Images, ScalingBatcher};

use crate::TrainingError;

/// Memory for the batches prepared in advance, in bytes.
const AHEAD_BYTES: usize = 4 << 20;

/// Fewest and most batches prepared in advance. Preparing 64 MNIST images takes about as long as waking a
/// thread, so with only two of these batches in advance, both threads would sleep too often.
const AHEAD: RangeInclusive<usize> = 2..=16;

/// Batches of this size are not kept ready, in bytes.
const LARGE_BYTES: usize = 64 << 20;

/// Returns the images at the positions `order` in batches of `batch_size`. The last batch may be smaller.
///
/// One thread makes the batches in order, so they do not depend on timing. The thread ends when the iterator is
/// dropped.
pub fn batches(
    images: &Images,
    order: &[usize],
    batch_size: usize,
    batcher: &ScalingBatcher,
    device: &Device,
) -> IntoIter<Result<ImageBatch, DataError>> {
    let batch_size = batch_size.max(1);
    let batch_bytes = batch_size * images.shape().pixels() * size_of::<f32>();
    let ahead = match batch_bytes {
        // While the network uses one batch, the thread prepares the next, which is already much memory.
        LARGE_BYTES.. => 0,
        _ => (AHEAD_BYTES / batch_bytes).clamp(*AHEAD.start(), *AHEAD.end()),
    };
    let (sender, receiver) = sync_channel(ahead);
    let (images, order) = (images.clone(), order.to_vec());
    let (batcher, device) = (batcher.clone(), device.clone());
    thread::spawn(move || {
        for positions in order.chunks(batch_size) {
            let batch = images.get_many(positions.to_vec()).map(|items| batcher.batch(items, &device));
            if sender.send(batch).is_err() {
                break;
            }
        }
    });
    receiver.into_iter()
}

/// Returns an error if the thread that makes the batches ended too early.
pub(crate) fn check_all_arrived(arrived: usize, expected: usize) -> Result<(), TrainingError> {
    if arrived == expected {
        return Ok(());
    }
    Err(TrainingError::Device(format!("only {arrived} of {expected} images arrived")))
}
