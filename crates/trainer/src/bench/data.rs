//! Times the data preparation: fitting a scaling and making batches, next to a plain copy of the bytes.

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use burn::{data::dataset::Dataset, tensor::Device};
use mnist_data::{Images, Scaling, ScalingBatcher};
use mnist_training::{TrainingError, loader, observer::watched, training_loop::epoch_order};
use serde::Serialize;

use super::{Spread, check};
use crate::terminal::Terminal;

/// Bytes of pixels per repetition: more than fits in the caches, but not so many that decoding takes minutes.
const BYTES: usize = 1 << 26;
/// Number of repetitions. The first fills the caches, including the system's file cache, and is not counted.
const REPETITIONS: usize = 1 + 5;

/// The measured speeds, in GB of pixels per second.
#[derive(Debug, Serialize)]
pub struct Throughput {
    /// Name of the scaling that was fitted and applied.
    pub scaling: &'static str,
    pub images: usize,
    pub batch_size: usize,
    /// Speed of copying the same number of bytes within memory, on one thread.
    pub copy_gb_per_second: Spread,
    /// Speed of reading all images and fitting the scaling.
    pub fit_gb_per_second: Spread,
    /// Speed of reading all images in a shuffled order, scaling them and copying batches to the device.
    pub batch_gb_per_second: Spread,
    pub batch_images_per_second: Spread,
}

/// Measures the speed of `scaling` on the first training images.
pub fn throughput(
    scaling: &Scaling,
    train: &Images,
    batch_size: usize,
    device: &Device,
    terminal: &Terminal,
) -> Result<Throughput> {
    let images = train.first((BYTES / train.shape().pixels()).max(1));
    let bytes = images.len() * images.shape().pixels();

    let source = vec![1_u8; bytes];
    let mut copy = vec![0_u8; bytes];
    let copying = repeat(terminal, || {
        copy.copy_from_slice(black_box(&source));
        black_box(&copy);
        Ok(())
    })?;
    drop((source, copy));

    let fitting = repeat(terminal, || {
        black_box(watched(terminal, |progress| scaling.fit(&images, progress))?);
        Ok(())
    })?;
    let batcher = ScalingBatcher::new(watched(terminal, |progress| scaling.fit(&images, progress))?.into());
    let order = epoch_order(1, 1, images.len());
    let batching = repeat(terminal, || {
        for batch in loader::batches(&images, &order, batch_size, &batcher, device) {
            check(terminal)?;
            black_box(batch?.batch);
        }
        device.sync().map_err(TrainingError::device)?;
        Ok(())
    })?;

    let rate = |amount: usize, seconds: &[f64]| {
        Spread::of(seconds.iter().map(|seconds| amount as f64 / seconds).collect())
    };
    let gigabytes =
        |seconds: &[f64]| Spread::of(seconds.iter().map(|seconds| bytes as f64 / seconds / 1e9).collect());
    Ok(Throughput {
        scaling: scaling.name(),
        images: images.len(),
        batch_size,
        copy_gb_per_second: gigabytes(&copying),
        fit_gb_per_second: gigabytes(&fitting),
        batch_gb_per_second: gigabytes(&batching),
        batch_images_per_second: rate(images.len(), &batching),
    })
}

/// Returns the seconds of each repetition except the first.
fn repeat(terminal: &Terminal, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let mut seconds = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        check(terminal)?;
        let clock = Instant::now();
        work()?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    Ok(seconds.split_off(1))
}
