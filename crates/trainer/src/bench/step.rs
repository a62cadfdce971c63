//! Times the training step and inference on real images.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    module::Module,
    tensor::Device,
};
use mnist_data::{FittedScaling, ImageBatch, ScalingBatcher};
use mnist_model::{Classifier, Kernels, ModelConfig};
use mnist_training::{
    Backend, ExperimentData, TrainingError,
    training_loop::{adam, step},
};
use serde::Serialize;

use super::{Spread, check};
use crate::{failure::UsageError, terminal::Terminal};

/// Learning rate of the tutorial.
const LEARNING_RATE: f64 = 1e-3;
/// Number of first steps that are not counted: they fill caches, buffers and a GPU's pipelines.
const WARM_UP_STEPS: usize = 50;
/// Longest time for the steps of a part, unless they are fewer than [`LEAST_STEPS`].
const TIME_LIMIT: Duration = Duration::from_secs(20);
const LEAST_STEPS: usize = 3;
/// Number of images in the batches: few enough that their memory does not hide the program's.
const IMAGES: usize = 1 << 14;

/// The settings of a measurement.
pub struct Benchmark {
    /// Images per step.
    pub batch_size: usize,
    /// Steps to time, unless they take too long.
    pub steps: usize,
    /// The kernels that compute the layers.
    pub kernels: Kernels,
    /// Scaling of the images.
    pub scaling: Arc<FittedScaling>,
}

/// The measurements on one backend.
#[derive(Debug, Serialize)]
pub struct Measurement {
    pub backend: &'static str,
    pub threads: usize,
    pub batch_size: usize,
    pub kernels: Kernels,
    /// Time of forward pass, backward pass and optimizer for a batch already in memory, in milliseconds.
    pub train_step_ms: Spread,
    pub train_images_per_second: f64,
    /// Number of timed steps.
    pub steps: usize,
    /// Speed of the forward pass without gradients.
    pub inference_images_per_second: Spread,
    /// Speed of the training step in GFLOP/s, see [`mnist_model::ModelConfig::flops`].
    pub gflops: f64,
    /// Peak memory of the process while training, in MB, if the system reports it. It includes memory that an
    /// earlier backend has not released.
    pub peak_memory_mb: Option<f64>,
}

impl Benchmark {
    /// Times one backend.
    pub fn run(
        &self,
        backend: Backend,
        device: &Device,
        data: &ExperimentData,
        terminal: &Terminal,
    ) -> Result<Measurement> {
        let config = ModelConfig::new().with_image(data.image()).with_classes(data.classes);
        let config = config.with_kernels(self.kernels);
        let flops = (config.flops()?.training_step * self.batch_size) as f64;
        let peak_is_known = reset_peak_memory();

        let batches = self.batches(data, &device.clone().autodiff())?;
        let mut optimizer = adam(self.kernels);
        let mut model = Some(config.init(1, &device.clone().autodiff())?);
        let mut batch = batches.iter().cycle().cloned();
        let train_seconds = time(self.steps, terminal, || {
            let untrained = model.take().expect("put back by every step");
            let batch = batch.next().expect("a cycle");
            let (trained, _, loss) = step(untrained, &mut optimizer, LEARNING_RATE, batch);
            model = Some(trained);
            // A GPU computes asynchronously; reading the loss waits for it.
            loss.into_scalar::<f32>();
        })?;
        let peak_memory_mb = peak_is_known.then(peak_memory_mb).flatten();

        let model = model.expect("put back by every step").valid();
        let mut batch = batches.iter().cycle().map(|batch| batch.images.clone().inner());
        let inference = time(self.steps, terminal, || {
            model.forward(batch.next().expect("a cycle")).into_data();
        })?;

        let steps = train_seconds.len();
        let train_step = Spread::of(train_seconds);
        let per_second = |seconds: &f64| self.batch_size as f64 / seconds;
        Ok(Measurement {
            backend: backend.name(),
            threads: rayon::current_num_threads(),
            batch_size: self.batch_size,
            kernels: self.kernels,
            steps,
            train_step_ms: Spread {
                median: 1e3 * train_step.median,
                min: 1e3 * train_step.min,
                max: 1e3 * train_step.max,
            },
            train_images_per_second: per_second(&train_step.median),
            inference_images_per_second: Spread::of(inference.iter().map(per_second).collect()),
            gflops: flops / train_step.median / 1e9,
            peak_memory_mb,
        })
    }

    /// Makes at least one full batch of the first training images, on the device.
    ///
    /// # Errors
    /// When there are fewer images than a batch needs.
    fn batches(&self, data: &ExperimentData, device: &Device) -> Result<Vec<ImageBatch>> {
        let batcher = ScalingBatcher::new(self.scaling.clone());
        let count = (IMAGES.min(data.train.len()) / self.batch_size).max(1);
        if self.batch_size > data.train.len() {
            let (wanted, there) = (self.batch_size, data.train.len());
            return Err(UsageError(format!(
                "--batch-size {wanted} is more than the {there} training images"
            ))
            .into());
        }
        let batch = |index: usize| {
            let positions = (index * self.batch_size..(index + 1) * self.batch_size).collect();
            Ok(batcher.batch(data.train.get_many(positions)?, device))
        };
        (0..count).map(batch).collect()
    }
}

/// Returns the seconds of each call of `work` after the warm-up.
fn time(steps: usize, terminal: &Terminal, mut work: impl FnMut()) -> Result<Vec<f64>, TrainingError> {
    repeat(WARM_UP_STEPS, terminal, &mut work)?;
    repeat(steps, terminal, &mut work)
}

fn repeat(steps: usize, terminal: &Terminal, work: &mut impl FnMut()) -> Result<Vec<f64>, TrainingError> {
    let start = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < steps && (seconds.len() < LEAST_STEPS || start.elapsed() < TIME_LIMIT) {
        check(terminal)?;
        let clock = Instant::now();
        work();
        seconds.push(clock.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// Resets the peak memory of the process; returns false if the system cannot. See proc_pid_clear_refs(5).
fn reset_peak_memory() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Returns the peak memory of the process in MB, if the system reports it.
fn peak_memory_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = kilobytes.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
