//! The training loop.

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use burn::{
    data::dataset::Dataset,
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Int, Tensor},
};
use mnist_data::{FittedScaling, ImageBatch, Images, ScalingBatcher};
use mnist_kernels::Adam;
use mnist_model::{Classifier, Kernels};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    ExperimentData, Observer, RunSettings, TrainingError,
    curve::{CurveBuilder, Sums},
    evaluation::{Evaluation, evaluate},
    loader,
};

/// Everything that a training uses.
pub struct TrainingLoop<'a> {
    /// The settings.
    pub settings: &'a RunSettings,
    /// Images to train on.
    pub train: &'a Images,
    /// Images to validate on after each epoch.
    pub validation: Option<&'a Images>,
    /// Number of classes.
    pub classes: usize,
    /// Scales the images of every split; the loop adds the augmentation of the train images.
    pub batcher: ScalingBatcher,
    /// Where to compute, without autodiff.
    pub device: Device,
    /// Asked during validation whether to stop.
    pub observer: &'a dyn Observer,
}

/// The state of a training between two steps. The remaining steps depend on nothing else.
pub struct TrainingState<M> {
    /// The network, with its weights on an autodiff device.
    pub model: M,
    /// Adam, with its moments.
    pub optimizer: ModuleOptimizer,
    /// Its progress.
    pub progress: TrainingProgress,
}

/// The progress of a training.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingProgress {
    /// Finished epochs.
    pub epochs: Vec<EpochMetrics>,
    /// Sums over the images of the epoch in progress, measured before each weight update.
    pub epoch: Sums,
    /// Time spent on the epoch in progress, in seconds.
    pub epoch_seconds: f64,
    /// The learning curve so far.
    pub curve: CurveBuilder,
}

/// Metrics of one epoch, as Keras prints them: each image is measured before the weight update that learns
/// from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean cross-entropy.
    pub train_loss: f64,
    /// Fraction classified correctly.
    pub train_accuracy: f64,
    /// Mean cross-entropy on the validation images after the epoch.
    pub validation_loss: Option<f64>,
    /// Fraction of the validation images classified correctly after the epoch.
    pub validation_accuracy: Option<f64>,
    /// Time spent on it, validation included.
    pub seconds: f64,
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After its last epoch.
    Finished,
    /// The loss became infinite or NaN.
    Diverged,
    /// The watcher stopped it, between two steps.
    Stopped,
}

/// Called between steps and between epochs. `()` does nothing.
pub trait Watch<M> {
    /// After each step; may stop the training.
    fn step(&mut self, _progress: &TrainingProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// After each epoch, with the state between two epochs.
    ///
    /// # Errors
    /// Any error, which ends the training.
    fn epoch(&mut self, _state: &TrainingState<M>) -> Result<(), TrainingError> {
        Ok(())
    }
}

impl<M> Watch<M> for () {}

// Adam's, as in Keras.
const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-7;

/// Adam with Keras' decay rates and ε, computed by the kernels of this project or by Burn's primitives.
pub fn adam(kernels: Kernels) -> ModuleOptimizer {
    match kernels {
        Kernels::Fused => Adam::new(BETA_1, BETA_2, EPSILON).init(),
        Kernels::Primitives => {
            AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON).init()
        }
    }
}

impl<M: Classifier> TrainingState<M> {
    /// A training before its first step, with [`adam`]. `model` was built on an autodiff device.
    pub fn new(model: M) -> Self {
        Self { model, optimizer: adam(Kernels::Fused), progress: TrainingProgress::default() }
    }
}

/// One training step. Returns the network after it, and the logits and the loss before it.
pub fn step<M: Classifier>(
    model: M,
    optimizer: &mut ModuleOptimizer,
    learning_rate: f64,
    batch: ImageBatch,
) -> (M, Tensor<2>, Tensor<1>) {
    let (logits, loss) = model.forward_classification(batch.images, batch.targets);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    (optimizer.step(learning_rate, model, gradients), logits, loss)
}

impl<'a> TrainingLoop<'a> {
    /// A loop over the data of an experiment. With `settings` for a GPU, it whitens on `device`.
    pub fn new(
        settings: &'a RunSettings,
        data: &'a ExperimentData,
        fitted: Arc<FittedScaling>,
        device: Device,
        observer: &'a dyn Observer,
    ) -> Self {
        let on_device = settings.training.backend.is_gpu();
        Self {
            settings,
            train: &data.train,
            validation: data.validation.as_ref(),
            classes: data.classes,
            batcher: ScalingBatcher::new(fitted).whitening_on_device(on_device),
            device,
            observer,
        }
    }

    /// Evaluates a [`valid`](burn::module::Module::valid) model on images, scaled as the train images are.
    ///
    /// # Errors
    /// When images cannot be read, the device fails, or the observer asks to stop.
    pub fn evaluate<M: Classifier>(&self, model: &M, images: &Images) -> Result<Evaluation, TrainingError> {
        let batch_size = self.settings.training.batch_size.get() as usize;
        let Self { classes, batcher, device, observer, .. } = self;
        evaluate(model, images, *classes, batch_size, batcher, device, *observer)
    }

    /// Trains from `state` to the last epoch, unless it diverges or `watch` stops it.
    ///
    /// # Errors
    /// When images cannot be read, or `watch` fails.
    pub fn run<M: Classifier>(
        &self,
        mut state: TrainingState<M>,
        watch: &mut dyn Watch<M>,
    ) -> Result<(Ending, TrainingState<M>), TrainingError> {
        while state.progress.epochs.len() < self.settings.training.epochs.get() as usize {
            let mut ending;
            (ending, state) = self.finish_steps(state, watch)?;
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

    /// Trains the remaining steps of an epoch. Returns an ending if the training ends before the epoch does.
    fn finish_steps<M: Classifier>(
        &self,
        state: TrainingState<M>,
        watch: &mut dyn Watch<M>,
    ) -> Result<(Option<Ending>, TrainingState<M>), TrainingError> {
        let (seed, settings) = (self.settings.seed, &self.settings.training);
        let device = self.device.clone().autodiff();
        let TrainingState { mut model, mut optimizer, mut progress } = state;

        let batch_size = settings.batch_size.get() as usize;
        let epoch = progress.epochs.len() + 1;
        let order = epoch_order(seed, epoch, self.train.len());
        let rest = order.get(progress.epoch.images..).ok_or_else(|| {
            TrainingError::Mismatch("the checkpoint has seen more images than there are".into())
        })?;
        let batcher = self.batcher.clone().augmented(&settings.augmentation, seed, epoch);
        let mut ending = None;
        let mut clock = Instant::now();
        for batch in loader::batches(self.train, rest, batch_size, &batcher, &device) {
            let batch = batch?;
            let targets = batch.targets.clone();
            let (trained, logits, loss) = step(model, &mut optimizer, settings.learning_rate.get(), batch);
            model = trained;

            let step = step_sums(logits, &loss, targets);
            progress.epoch.add(step);
            progress.epoch_seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            progress.curve.add(step, epoch, order.len().div_ceil(batch_size), progress.seconds());
            if !progress.epoch.loss.is_finite() {
                ending = Some(Ending::Diverged);
            } else if watch.step(&progress).is_break() {
                ending = Some(Ending::Stopped);
            }
            if ending.is_some() {
                break;
            }
        }
        Ok((ending, TrainingState { model, optimizer, progress }))
    }

    /// Validates after an epoch's last step and records the epoch's metrics.
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

impl TrainingProgress {
    /// Time spent so far, validation included.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() + self.epoch_seconds
    }
}

/// Sums over a batch, for the predictions before the weight update.
fn step_sums(logits: Tensor<2>, loss: &Tensor<1>, targets: Tensor<1, Int>) -> Sums {
    let [images, _] = logits.dims();
    let correct = logits.argmax(1).flatten::<1>(0, 1).equal(targets).int().sum();
    Sums {
        images,
        loss: f64::from(loss.clone().into_scalar::<f32>()) * images as f64,
        correct: correct.into_scalar::<i64>() as usize,
    }
}

/// The order of the train images in an epoch (counted from 1): a function of seed and epoch alone.
pub fn epoch_order(seed: u64, epoch: usize, images: usize) -> Vec<usize> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(epoch as u64);
    let mut order: Vec<usize> = (0..images).collect();
    order.shuffle(&mut generator);
    order
}
