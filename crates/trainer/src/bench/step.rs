//! Times the training step and inference on real images.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use burn::{
    data::{dataloader::batcher::Batcher, dataset::Dataset},
    module::Module,
    tensor::{Device, Tensor},
};
use mnist_data::{FittedScaling, ImageBatch, ScalingBatcher};
use mnist_kernels::launches::count_launches;
use mnist_model::{Classifier, Kernels, Model, ModelConfig};
use mnist_training::{
    Backend, ExperimentData, RunSettings, TrainingError, TrainingLoop, TrainingSettings, TrainingState,
    progress::TrainingProgress,
    training_loop::{adam, step},
    transfers::{ReadEvery, Transfers, read, transfers},
};
use serde::Serialize;

use super::{Spread, check};
use crate::{command_error::UsageError, terminal::Terminal};

/// Learning rate of the tutorial.
pub(super) const LEARNING_RATE: f64 = 1e-3;
/// Number of first steps that are not counted: they fill caches, buffers and a GPU's pipelines.
const WARM_UP_STEPS: usize = 50;
/// Longest time for the steps of a part, unless they are fewer than [`LEAST_STEPS`].
const TIME_LIMIT: Duration = Duration::from_secs(20);
const LEAST_STEPS: usize = 3;
/// Time of the steps after which to wait for a GPU.
const GROUP_SECONDS: f64 = 0.1;
/// Number of steps over which to count what a GPU does.
const COUNTED_STEPS: usize = ReadEvery::MOST;
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
    /// Number of timed steps. On a GPU, minimum and maximum are those of groups of steps.
    pub steps: usize,
    /// Kernels that a training step launches on a GPU. `None` on a CPU.
    pub launches_per_step: Option<f64>,
    /// Times that a training step waits for results of a GPU. `None` on a CPU.
    pub readbacks_per_step: Option<f64>,
    /// Tensors that a training step copies to a GPU. `None` on a CPU.
    pub uploads_per_step: Option<f64>,
    /// CPU time of the training thread per step on a GPU, without waiting for results, in milliseconds, if the system
    /// reports it.
    pub host_ms_per_step: Option<f64>,
    /// Number of launches per step of each kernel. Empty on a CPU.
    pub kernel_launches: BTreeMap<String, f64>,
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
        let model = config.init(1, &device.clone().autodiff())?;
        let (model, Timed { seconds: train_seconds, steps, host_seconds }) =
            self.time_training(model, &batches, backend, terminal)?;
        let peak_memory_mb = peak_is_known.then(peak_memory_mb).flatten();

        let model = model.valid();
        let mut batch = batches.iter().cycle().map(|batch| batch.images.clone().inner());
        let Timed { seconds: inference, .. } = time(self.steps, backend, terminal, || {
            model.forward(batch.next().expect("a cycle")).flatten(0, 1)
        })?;
        let counts = if backend.is_gpu() { Some(self.count(device, data, &config, terminal)?) } else { None };

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
            launches_per_step: counts.as_ref().map(|counts| counts.launches),
            readbacks_per_step: counts.as_ref().map(|counts| counts.readbacks),
            uploads_per_step: counts.as_ref().map(|counts| counts.uploads),
            host_ms_per_step: counts.as_ref().and(host_seconds).map(|seconds| 1e3 * seconds),
            kernel_launches: counts.map(|counts| counts.kernels).unwrap_or_default(),
            inference_images_per_second: Spread::of(inference.iter().map(per_second).collect()),
            gflops: flops / train_step.median / 1e9,
            peak_memory_mb,
        })
    }

    /// Trains on the batches in turn and times the steps. Returns the trained model too.
    pub(super) fn time_training(
        &self,
        model: Model,
        batches: &[ImageBatch],
        backend: Backend,
        terminal: &Terminal,
    ) -> Result<(Model, Timed)> {
        let mut optimizer = adam(self.kernels);
        let mut model = Some(model);
        let mut batch = batches.iter().cycle().cloned();
        let timed = time(self.steps, backend, terminal, || {
            let untrained = model.take().expect("put back by every step");
            let batch = batch.next().expect("a cycle");
            let (trained, _, loss) = step(untrained, &mut optimizer, LEARNING_RATE, batch);
            model = Some(trained);
            loss.inner()
        })?;
        Ok((model.expect("put back by every step"), timed))
    }

    /// Counts what a training on the first images launches and copies on a GPU, per step.
    fn count(
        &self,
        device: &Device,
        data: &ExperimentData,
        config: &ModelConfig,
        terminal: &Terminal,
    ) -> Result<Counts> {
        let mut settings = RunSettings {
            seed: 1,
            training: TrainingSettings::default(),
            scaling: self.scaling.scaling().clone(),
        };
        settings.training.epochs = NonZeroU32::MIN;
        settings.training.batch_size = u32::try_from(self.batch_size)?.try_into()?;
        settings.training.backend = Backend::Wgpu;
        let data =
            ExperimentData { train: data.train.first(COUNTED_STEPS * self.batch_size), ..data.clone() };
        let steps = data.train.len().div_ceil(self.batch_size);
        let mut training =
            TrainingLoop::new(&settings, &data, self.scaling.clone(), device.clone(), terminal);
        // As on a GPU that takes less than 2 ms for a step.
        training.steps_per_read = Some(ReadEvery::MOST);
        let state = TrainingState {
            model: config.init(1, &device.clone().autodiff())?,
            optimizer: adam(self.kernels),
            progress: TrainingProgress::default(),
        };
        let before = transfers();
        let (trained, launches) = count_launches(|| training.run(state, &mut ()));
        trained?;
        let Transfers { reads, uploads } = transfers();
        let per_step = |count: usize| count as f64 / steps as f64;
        Ok(Counts {
            launches: per_step(launches.values().sum()),
            readbacks: per_step(reads - before.reads),
            uploads: per_step(uploads - before.uploads),
            kernels: launches.into_iter().map(|(name, count)| (name, per_step(count))).collect(),
        })
    }

    /// Makes at least one full batch of the first training images, on the device.
    ///
    /// # Errors
    /// When there are fewer images than a batch needs.
    pub(super) fn batches(&self, data: &ExperimentData, device: &Device) -> Result<Vec<ImageBatch>> {
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

/// What a GPU does in a training step.
struct Counts {
    launches: f64,
    readbacks: f64,
    uploads: f64,
    /// Launches by the name of the kernel.
    kernels: BTreeMap<String, f64>,
}

/// The time of steps.
pub(super) struct Timed {
    /// Mean seconds per step of each group of steps.
    pub(super) seconds: Vec<f64>,
    steps: usize,
    /// Mean CPU time of this thread per step, without the waiting.
    host_seconds: Option<f64>,
}

/// Times steps after a warm-up.
///
/// `step` returns a result to wait for. A GPU computes while the CPU goes on, so its steps are timed in groups that end
/// with reading their results.
fn time(
    steps: usize,
    backend: Backend,
    terminal: &Terminal,
    mut step: impl FnMut() -> Tensor<1>,
) -> Result<Timed, TrainingError> {
    let host_seconds = Cell::new(Some(0.0));
    let mut run = |group: usize| {
        let before = thread_seconds();
        let unread = (0..group).map(|_| step()).collect();
        let taken = thread_seconds().zip(before).map(|(end, start)| end - start);
        host_seconds.set(host_seconds.get().zip(taken).map(|(sum, taken)| sum + taken));
        read(unread).map(drop)
    };
    let warm_up = repeat(WARM_UP_STEPS, TIME_LIMIT, terminal, || run(1))?;
    // Compiling kernels takes most of the warm-up.
    let of_warm_up = host_seconds.get();
    let group = if backend.is_gpu() {
        (GROUP_SECONDS / Spread::of(warm_up).median).clamp(1.0, ReadEvery::MOST as f64) as usize
    } else {
        1
    };
    let groups = repeat(steps.div_ceil(group), TIME_LIMIT, terminal, || run(group))?;
    let steps = groups.len() * group;
    let of_steps = host_seconds.get().zip(of_warm_up).map(|(all, warm_up)| all - warm_up);
    Ok(Timed {
        seconds: groups.into_iter().map(|seconds| seconds / group as f64).collect(),
        steps,
        host_seconds: of_steps.map(|seconds| seconds / steps as f64),
    })
}

/// Returns the seconds of each repetition: `steps` of them, or fewer if they take longer than `limit`, but at least
/// [`LEAST_STEPS`].
pub(super) fn repeat(
    steps: usize,
    limit: Duration,
    terminal: &Terminal,
    mut work: impl FnMut() -> Result<(), TrainingError>,
) -> Result<Vec<f64>, TrainingError> {
    let start = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < steps && (seconds.len() < LEAST_STEPS || start.elapsed() < limit) {
        check(terminal)?;
        let clock = Instant::now();
        work()?;
        seconds.push(clock.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// Returns the CPU time of this thread in seconds, if the system reports it. See proc(5), schedstat.
fn thread_seconds() -> Option<f64> {
    let nanoseconds = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(nanoseconds.split(' ').next()?.parse::<f64>().ok()? / 1e9)
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
