//! The training loop: Adam steps over shuffled batches, epoch by epoch.

use std::{mem, ops::ControlFlow, sync::Arc, time::Instant};

use burn::{
    data::dataset::Dataset,
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use mnist_data::{FittedScaling, ImageBatch, Images, ScalingBatcher};
use mnist_kernels::{Adam, ModuleAdam};
use mnist_model::{Classifier, Kernels};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    ExperimentData, Observer, RunSettings, TrainingError,
    curve::Sums,
    evaluation::{Evaluation, evaluate},
    loader::{self, LoadedBatch, Loader},
    prediction::class,
    progress::{EpochMetrics, TrainingProgress},
    transfers::{ReadEvery, read},
};

/// The settings, images and device of one run.
pub struct TrainingLoop<'a> {
    /// The settings.
    pub settings: &'a RunSettings,
    /// The training images.
    pub train: &'a Images,
    /// The images to validate on after each epoch.
    pub validation: Option<&'a Images>,
    /// Number of classes.
    pub classes: usize,
    /// Scales the images of every split. The loop adds the augmentation of the training images.
    pub batcher: ScalingBatcher,
    /// The device, without autodiff.
    pub device: Device,
    /// The observer, which may stop the run during validation.
    pub observer: &'a dyn Observer,
    /// Number of steps after which to read the losses. By default, one on a CPU and more on a GPU. It affects only how
    /// late an interruption and a diverged loss are noticed.
    pub steps_per_read: Option<usize>,
}

/// The state of a run between two steps. The remaining steps depend on no other state.
pub struct TrainingState<M> {
    /// The network, with its weights on an autodiff device.
    pub model: M,
    /// Adam with its moments.
    pub optimizer: ModuleAdam,
    /// The finished epochs, the sums of the current one and the learning curve.
    pub progress: TrainingProgress,
}

/// How the training of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The last epoch is finished.
    Finished,
    /// The loss became infinite or NaN.
    Diverged,
    /// [`Watch`] stopped it between two steps, or the observer during validation.
    Stopped,
}

/// Callbacks after each step and each epoch. `()` does nothing.
pub trait Watch<M> {
    /// Called after each step, or on a GPU after each few steps. Returns whether to continue.
    ///
    /// # Errors
    /// Any error; it ends the run.
    fn step(&mut self, _state: &TrainingState<M>) -> Result<ControlFlow<()>, TrainingError> {
        Ok(ControlFlow::Continue(()))
    }

    /// Called after each epoch.
    ///
    /// # Errors
    /// Any error; it ends the run.
    fn epoch(&mut self, _state: &TrainingState<M>) -> Result<(), TrainingError> {
        Ok(())
    }
}

impl<M> Watch<M> for () {}

// Keras' defaults for Adam.
const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-7;

/// Returns Adam with Keras' decay rates and ε, computed by this project's kernels or by Burn's primitives.
pub fn adam(kernels: Kernels) -> ModuleAdam {
    let adam = Adam::new(BETA_1, BETA_2, EPSILON);
    match kernels {
        Kernels::Fused => adam.init(),
        Kernels::Primitives => adam.init_primitives(),
    }
}

impl<M: Classifier> TrainingState<M> {
    /// Returns the state before the first step, with [`adam`]. `model` must be on an autodiff device.
    pub fn new(model: M) -> Self {
        Self { model, optimizer: adam(Kernels::Fused), progress: TrainingProgress::default() }
    }
}

/// Trains one step. Returns the network after the update, and the logits and the loss before it.
pub fn step<M: Classifier>(
    model: M,
    optimizer: &mut ModuleAdam,
    learning_rate: f64,
    batch: ImageBatch,
) -> (M, Tensor<2>, Tensor<1>) {
    let (logits, loss) = model.forward_classification(batch.images, batch.targets);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    (optimizer.step(learning_rate, model, gradients), logits, loss)
}

impl<'a> TrainingLoop<'a> {
    /// Creates a loop over an experiment's data.
    pub fn new(
        settings: &'a RunSettings,
        data: &'a ExperimentData,
        fitted: Arc<FittedScaling>,
        device: Device,
        observer: &'a dyn Observer,
    ) -> Self {
        Self {
            settings,
            train: &data.train,
            validation: data.validation.as_ref(),
            classes: data.classes,
            batcher: ScalingBatcher::new(fitted),
            device,
            observer,
            steps_per_read: None,
        }
    }

    /// Evaluates a model on images, with the scaling of the training images. The model must be without autodiff,
    /// as [`valid`](burn::module::Module::valid) returns it.
    ///
    /// # Errors
    /// When images cannot be read, the device fails, or the observer asks to stop.
    pub fn evaluate<M: Classifier>(&self, model: &M, images: &Images) -> Result<Evaluation, TrainingError> {
        let batch_size = self.settings.training.batch_size.get() as usize;
        let Self { classes, batcher, device, observer, .. } = self;
        evaluate(model, images, *classes, batch_size, batcher, device, *observer)
    }

    /// Trains from `state` to the last epoch. Ends earlier if the loss diverges, or if `watch` or the observer stops
    /// the run.
    ///
    /// # Errors
    /// When images cannot be read, or `watch` fails.
    pub fn run<M: Classifier>(
        &self,
        mut state: TrainingState<M>,
        watch: &mut dyn Watch<M>,
    ) -> Result<(Ending, TrainingState<M>), TrainingError> {
        let mut loader = Loader::new(self.train, self.device.clone().autodiff());
        while state.progress.epochs.len() < self.settings.training.epochs.get() as usize {
            let mut ending;
            (ending, state) = self.finish_steps(state, &mut loader, watch)?;
            if ending.is_none() {
                ending = self.close_epoch(&mut state)?;
            }
            if let Some(ending) = ending {
                return Ok((ending, state));
            }
            watch.epoch(&state)?;
        }
        Ok((Ending::Finished, state))
    }

    /// Trains the remaining steps of an epoch. Returns an ending if the run ends before the epoch does.
    fn finish_steps<M: Classifier>(
        &self,
        mut state: TrainingState<M>,
        loader: &mut Loader,
        watch: &mut dyn Watch<M>,
    ) -> Result<(Option<Ending>, TrainingState<M>), TrainingError> {
        let (seed, settings) = (self.settings.seed, &self.settings.training);
        let batch_size = settings.batch_size.get() as usize;
        let epoch = state.progress.epochs.len() + 1;
        let order = epoch_order(seed, epoch, self.train.len());
        let rest = order.get(state.progress.epoch.images..).ok_or_else(|| {
            TrainingError::Mismatch(
                "the checkpoint has trained on more images than the train split contains".into(),
            )
        })?;
        let steps_per_epoch = order.len().div_ceil(batch_size);
        let steps_before = (epoch - 1) * steps_per_epoch + state.progress.epoch.images.div_ceil(batch_size);
        if state.progress.curve.step() != steps_before {
            return Err(TrainingError::Mismatch(
                "the checkpoint has trained for another number of steps than its images take".into(),
            ));
        }
        let batcher = self.batcher.clone().augmented(&settings.augmentation, seed, epoch);
        let epochs = settings.epochs.get() as usize + 1 - epoch;
        let upcoming = match loader.batches(rest, batch_size, &batcher, epochs, self.observer) {
            Err(error) if error.is_interrupt() => return Ok((Some(Ending::Stopped), state)),
            other => other?,
        };
        let mut upcoming = upcoming.peekable();
        let mut read_every = self.read_every();
        let mut unread = UnreadSteps::default();
        while let Some(next) = upcoming.next() {
            let LoadedBatch { batch, labels } = next?;
            let learning_rate = settings.learning_rate.get();
            let (trained, logits, loss) = step(state.model, &mut state.optimizer, learning_rate, batch);
            state.model = trained;
            unread.push(logits, loss, labels);
            if !read_every.is_due(unread.labels.len()) && upcoming.peek().is_some() {
                continue;
            }

            let steps = unread.read()?;
            let seconds_per_step = read_every.adapt().as_secs_f64() / steps.len() as f64;
            let progress = &mut state.progress;
            for step in steps {
                progress.epoch.add(step);
                progress.epoch_seconds += seconds_per_step;
                progress.curve.add(step, epoch, steps_per_epoch, progress.seconds());
                if !progress.epoch.loss.is_finite() {
                    // Later steps learned from infinite or NaN gradients, so they do not count.
                    return Ok((Some(Ending::Diverged), state));
                }
            }
            if watch.step(&state)?.is_break() {
                return Ok((Some(Ending::Stopped), state));
            }
        }
        Ok((None, state))
    }

    fn read_every(&self) -> ReadEvery {
        self.steps_per_read.map_or_else(|| ReadEvery::for_device(&self.device), ReadEvery::fixed)
    }

    /// Validates after an epoch's last step, and records the epoch's metrics.
    fn close_epoch<M: Classifier>(
        &self,
        state: &mut TrainingState<M>,
    ) -> Result<Option<Ending>, TrainingError> {
        loader::check_all_arrived(state.progress.epoch.images, self.train.len())?;
        let clock = Instant::now();
        let validation = match self.validate(&state.model) {
            Err(error) if error.is_interrupt() => return Ok(Some(Ending::Stopped)),
            other => other?,
        };
        if validation.as_ref().is_some_and(|validation| !validation.loss.is_finite()) {
            return Ok(Some(Ending::Diverged));
        }
        let TrainingProgress { epochs, epoch, epoch_seconds, .. } = &mut state.progress;
        let (epoch, seconds) = (std::mem::take(epoch), std::mem::take(epoch_seconds));
        epochs.push(EpochMetrics {
            epoch: epochs.len() + 1,
            train_loss: epoch.mean_loss(),
            train_accuracy: epoch.accuracy(),
            validation_loss: validation.as_ref().map(|validation| validation.loss),
            validation_accuracy: validation.as_ref().map(|validation| validation.accuracy),
            seconds: seconds + clock.elapsed().as_secs_f64(),
        });
        Ok(None)
    }

    fn validate<M: Classifier>(&self, model: &M) -> Result<Option<Evaluation>, TrainingError> {
        self.validation.map(|images| self.evaluate(&model.valid(), images)).transpose()
    }
}

/// Steps whose results are still on the device.
#[derive(Default)]
struct UnreadSteps {
    /// The logits and the loss of each step.
    tensors: Vec<Tensor<1>>,
    /// The classes of each step's images.
    labels: Vec<Vec<i32>>,
}

impl UnreadSteps {
    fn push(&mut self, logits: Tensor<2>, loss: Tensor<1>, labels: Vec<i32>) {
        self.tensors.extend([logits.inner().flatten::<1>(0, 1), loss.inner()]);
        self.labels.push(labels);
    }

    /// Returns the sums over the images of each step, for the predictions before the weight update.
    fn read(&mut self) -> Result<Vec<Sums>, TrainingError> {
        let values = read(mem::take(&mut self.tensors))?;
        let sums = |(values, labels): (&[Vec<f32>], Vec<i32>)| {
            let (logits, loss) = (&values[0], f64::from(values[1][0]));
            let images = labels.len();
            let of_image = logits.chunks(logits.len() / images).zip(labels);
            let correct = of_image.filter(|(logits, label)| class(logits) == *label as usize).count();
            Sums { images, loss: loss * images as f64, correct }
        };
        Ok(values.chunks(2).zip(mem::take(&mut self.labels)).map(sums).collect())
    }
}

/// Returns the order of the training images in an epoch (counted from 1). It depends on seed and epoch alone.
pub fn epoch_order(seed: u64, epoch: usize, images: usize) -> Vec<usize> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(epoch as u64);
    let mut order: Vec<usize> = (0..images).collect();
    order.shuffle(&mut generator);
    order
}
