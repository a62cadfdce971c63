//! The training loop.

use std::{ops::ControlFlow, time::Instant};

use anyhow::{Context, Result, ensure};
use burn::{
    data::dataset::Dataset,
    module::Module,
    optim::{AdamConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Int, Tensor},
};
use mnist_data::{ImageBatch, ImageShape, Images, ScalingBatcher};
use mnist_kernels::Adam;
use mnist_model::{Kernels, Model, ModelConfig, ModelError};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    config::TrainingConfig,
    curve::{Curve, Sums},
    evaluation::{Evaluation, evaluate},
    failure::Interrupted,
    loader,
};

/// What one training works with.
pub struct Training<'a> {
    /// Settings in force.
    pub config: &'a TrainingConfig,
    /// Images to train on.
    pub train: &'a Images,
    /// Images to look at after each epoch.
    pub validation: Option<&'a Images>,
    /// Number of classes.
    pub classes: usize,
    /// Scales every image, of whichever split; augments none by itself.
    pub batcher: ScalingBatcher,
    /// Where to compute, without autodiff.
    pub device: Device,
}

/// A training between two steps: all that the rest of it depends on.
pub struct TrainingState {
    /// The network, with its weights on an autodiff device.
    pub model: Model,
    /// Adam, with its moments.
    pub optimizer: ModuleOptimizer,
    /// How far it has come.
    pub progress: TrainingProgress,
}

/// How far a training has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingProgress {
    /// Epochs that are complete.
    pub epochs: Vec<EpochMetrics>,
    /// Images of the epoch in progress, each as it was answered before the step that learned from it.
    pub epoch: Sums,
    /// Time spent on the epoch in progress, in seconds.
    pub epoch_seconds: f64,
    /// All steps so far, a few at a time.
    pub curve: Curve,
}

/// One epoch, as Keras prints it: means over its images while the weights were changing.
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
    /// The loss was no longer a number.
    Diverged,
    /// Its watcher said stop; the state is that between two steps.
    Stopped,
}

/// Is told how a training goes, and can stop it.
pub trait Watch {
    /// After each step.
    fn step(&mut self, progress: &TrainingProgress) -> ControlFlow<()>;
    /// After each epoch; the state is that between two epochs.
    fn epoch(&mut self, state: &TrainingState) -> Result<()>;
}

/// The tutorial's network for images of this shape in so many classes.
pub fn model_config(shape: ImageShape, classes: usize) -> ModelConfig {
    ModelConfig::new().with_image([shape.channels, shape.height, shape.width]).with_classes(classes)
}

// Adam's, as in Keras.
const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-7;

impl TrainingState {
    /// A training before its first step.
    pub fn new(model: &ModelConfig, seed: u64, device: &Device) -> Result<Self, ModelError> {
        Ok(Self {
            model: model.init(seed, &device.clone().autodiff())?,
            optimizer: match model.kernels {
                Kernels::Fused => Adam::new(BETA_1, BETA_2, EPSILON).init(),
                Kernels::Primitives => {
                    AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON).init()
                }
            },
            progress: TrainingProgress::default(),
        })
    }
}

/// One training step: the network after it, and what it made of the batch before.
pub fn step(
    model: Model,
    optimizer: &mut ModuleOptimizer,
    learning_rate: f64,
    batch: ImageBatch,
) -> (Model, Tensor<2>, Tensor<1>) {
    let (logits, loss) = model.forward_classification(batch);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    (optimizer.step(learning_rate, model, gradients), logits, loss)
}

impl Training<'_> {
    /// Trains from `state` to the last epoch, unless it diverges or `watch` stops it.
    pub fn run(&self, mut state: TrainingState, watch: &mut dyn Watch) -> Result<(Ending, TrainingState)> {
        while state.progress.epochs.len() < self.config.settings.epochs.get() as usize {
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

    /// The steps that are left of an epoch; gives an ending if they are its last.
    fn finish_steps(
        &self,
        state: TrainingState,
        watch: &mut dyn Watch,
    ) -> Result<(Option<Ending>, TrainingState)> {
        let settings = &self.config.settings;
        let device = self.device.clone().autodiff();
        let TrainingState { mut model, mut optimizer, mut progress } = state;

        let batch_size = settings.batch_size.get() as usize;
        let epoch = progress.epochs.len() + 1;
        let order = epoch_order(self.config.seed, epoch, self.train.len());
        let rest = order.get(progress.epoch.images..).context("the checkpoint has seen other images")?;
        let batcher = self.batcher.clone().augmented(&settings.augmentation, self.config.seed, epoch);
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

    /// Validates after an epoch's last step and files its metrics.
    fn close_epoch(&self, state: &mut TrainingState) -> Result<Option<Ending>> {
        let (arrived, all) = (state.progress.epoch.images, self.train.len());
        ensure!(arrived == all, "only {arrived} of {all} images arrived");
        let clock = Instant::now();
        let validation = match self.validate(&state.model) {
            Err(error) if error.is::<Interrupted>() => return Ok(Some(Ending::Stopped)),
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

    fn validate(&self, model: &Model) -> Result<Option<Evaluation>> {
        let batch_size = self.config.settings.batch_size.get() as usize;
        self.validation
            .map(|images| {
                evaluate(&model.valid(), images, self.classes, batch_size, &self.batcher, &self.device)
            })
            .transpose()
    }
}

impl TrainingProgress {
    /// Time spent so far, validation included.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() + self.epoch_seconds
    }
}

/// What the network made of a batch before it learned from it.
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

#[cfg(test)]
mod tests;
