//! Copies between the host and a device. Each read waits until the device has finished its work, so training reads the
//! results of several steps at once.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use burn::tensor::{Device, Int, Tensor, TensorData, Transaction};

use mnist_data::{ImageBatch, ScaledImages, ScalingBatcher};

use crate::{TrainingError, backend};

static READS: AtomicUsize = AtomicUsize::new(0);
static UPLOADS: AtomicUsize = AtomicUsize::new(0);

/// Number of copies that this process has made so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfers {
    /// Copies to the host: calls of [`read`].
    pub reads: usize,
    /// Tensors of images, positions and classes copied to a device.
    pub uploads: usize,
}

/// Returns the number of copies so far.
pub fn transfers() -> Transfers {
    Transfers { reads: READS.load(Ordering::Relaxed), uploads: UPLOADS.load(Ordering::Relaxed) }
}

/// Copies scaled images and their classes to a device.
pub(crate) fn upload(batcher: &ScalingBatcher, images: ScaledImages, device: &Device) -> ImageBatch {
    UPLOADS.fetch_add(2, Ordering::Relaxed);
    batcher.place(images, device)
}

/// Copies integers to a device.
pub(crate) fn upload_integers(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    UPLOADS.fetch_add(1, Ordering::Relaxed);
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Copies tensors of `f32` to the host, in one transaction that waits once for the device.
///
/// # Errors
/// When the device fails.
pub fn read(tensors: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>, TrainingError> {
    READS.fetch_add(1, Ordering::Relaxed);
    let transaction = tensors.into_iter().fold(Transaction::default(), Transaction::register);
    let data = transaction.try_execute().map_err(TrainingError::device)?;
    data.into_iter().map(|data| data.try_into_vec::<f32>().map_err(TrainingError::device)).collect()
}

/// How many steps to read back at once.
///
/// On a CPU it is always one. On a GPU, more steps mean that the CPU waits less often. The program hears ctrl-C and shows
/// progress only between two reads, so their time is limited.
#[derive(Debug)]
pub struct ReadEvery {
    steps: usize,
    limits: RangeInclusive<usize>,
    last: Instant,
}

impl ReadEvery {
    /// Most steps per read.
    pub const MOST: usize = 64;

    /// Times between two reads to aim for.
    const SHORTEST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_millis(200);

    /// Returns the number for a device: up to [`MOST`](Self::MOST) on a GPU, one on a CPU.
    pub fn for_device(device: &Device) -> Self {
        let most = if backend::is_gpu(device) { Self::MOST } else { 1 };
        Self { steps: 1, limits: 1..=most, last: Instant::now() }
    }

    /// Returns a fixed number of steps.
    pub fn fixed(steps: usize) -> Self {
        Self { steps, limits: steps..=steps, last: Instant::now() }
    }

    /// Returns whether to read now, with this many unread steps.
    pub fn is_due(&self, unread: usize) -> bool {
        unread >= self.steps
    }

    /// Adapts the number of steps to the time since the last read. Returns that time.
    pub fn adapt(&mut self) -> Duration {
        let elapsed = self.last.elapsed();
        self.last = Instant::now();
        let steps = match elapsed {
            _ if elapsed < Self::SHORTEST => 2 * self.steps,
            _ if elapsed > Self::LONGEST => self.steps / 2,
            _ => self.steps,
        };
        self.steps = steps.clamp(*self.limits.start(), *self.limits.end());
        elapsed
    }
}
