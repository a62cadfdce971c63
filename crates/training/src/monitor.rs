//! Reports one run to the observer, and saves its checkpoints.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use burn::data::dataset::Dataset;
use mnist_model::Classifier;

use crate::{
    Observer, RunSettings, TrainingError, TrainingLoop, TrainingState,
    checkpoint::Checkpoints,
    observer::{Task, TaskProgress},
    training_loop::{EpochMetrics, Watch},
};

pub(crate) struct Monitor<'a> {
    observer: &'a dyn Observer,
    task: Box<dyn TaskProgress + 'a>,
    name: String,
    images_per_epoch: usize,
    epochs: usize,
    checkpoints: &'a mut Checkpoints,
    checkpoint_every: Duration,
    last_checkpoint: Instant,
}

impl<'a> Monitor<'a> {
    pub(crate) fn new(training: &TrainingLoop<'a>, checkpoints: &'a mut Checkpoints) -> Self {
        let RunSettings { seed, training: settings, scaling } = training.settings;
        let images_per_epoch = training.train.len();
        let epochs = settings.epochs.get() as usize;
        let name = format!("{} seed {seed}", scaling.name());
        let images = (images_per_epoch * epochs) as u64;
        let observer = training.observer;
        let task = observer.begin(&Task::Training { name: name.clone(), images });
        let checkpoint_every = settings.checkpoint_every();
        let last_checkpoint = Instant::now();
        Self {
            observer,
            task,
            name,
            images_per_epoch,
            epochs,
            checkpoints,
            checkpoint_every,
            last_checkpoint,
        }
    }

    fn describe(&self, epoch: &EpochMetrics) -> String {
        let validation = match (epoch.validation_loss, epoch.validation_accuracy) {
            (Some(loss), Some(accuracy)) => {
                format!(", validation loss {loss:.4}, accuracy {:.2}%", 100.0 * accuracy)
            }
            _ => String::new(),
        };
        format!(
            "{}: epoch {}/{}: loss {:.4}, accuracy {:.2}%{validation} ({:.1} s)",
            self.name,
            epoch.epoch,
            self.epochs,
            epoch.train_loss,
            100.0 * epoch.train_accuracy,
            epoch.seconds,
        )
    }
}

impl Monitor<'_> {
    fn save<M: Classifier>(&mut self, state: &TrainingState<M>) -> Result<(), TrainingError> {
        self.checkpoints.save(state)?;
        self.last_checkpoint = Instant::now();
        Ok(())
    }
}

impl<M: Classifier> Watch<M> for Monitor<'_> {
    fn step(&mut self, state: &TrainingState<M>) -> Result<ControlFlow<()>, TrainingError> {
        let progress = &state.progress;
        let images = (progress.epochs.len() * self.images_per_epoch + progress.epoch.images) as u64;
        let (loss, accuracy) = (progress.epoch.mean_loss(), 100.0 * progress.epoch.accuracy());
        let now = progress.curve.points.last().map_or_else(String::new, |point| {
            format!(" (now {:.4}, {:.2}%)", point.loss, 100.0 * point.accuracy)
        });
        let epoch = progress.epochs.len() + 1;
        let message = format!("epoch {epoch}/{}: loss {loss:.4}, accuracy {accuracy:.2}%{now}", self.epochs);
        self.task.at(images, None, &message);
        if self.observer.wants_stop() {
            return Ok(ControlFlow::Break(()));
        }
        if self.last_checkpoint.elapsed() >= self.checkpoint_every {
            self.save(state)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn epoch(&mut self, state: &TrainingState<M>) -> Result<(), TrainingError> {
        self.save(state)?;
        if let Some(epoch) = state.progress.epochs.last() {
            self.observer.note(&self.describe(epoch));
        }
        Ok(())
    }
}
