//! Reports one run to the observer, and keeps the run's folder up to date.

use std::ops::ControlFlow;

use burn::data::dataset::Dataset;
use mnist_model::Classifier;

use crate::{
    Observer, RunSettings, TrainingError, TrainingLoop, TrainingState, checkpoint,
    files::OutputFolder,
    observer::{Task, TaskProgress},
    run::{CHECKPOINTS, METRICS},
    training_loop::{EpochMetrics, TrainingProgress, Watch},
};

pub(crate) struct Monitor<'a> {
    observer: &'a dyn Observer,
    task: Box<dyn TaskProgress + 'a>,
    name: String,
    images_per_epoch: usize,
    epochs: usize,
    folder: &'a OutputFolder,
}

impl<'a> Monitor<'a> {
    pub(crate) fn new(training: &TrainingLoop<'a>, folder: &'a OutputFolder) -> Self {
        let RunSettings { seed, training: settings, scaling } = training.settings;
        let images_per_epoch = training.train.len();
        let epochs = settings.epochs.get() as usize;
        let name = format!("{} seed {seed}", scaling.name());
        let images = (images_per_epoch * epochs) as u64;
        let observer = training.observer;
        let task = observer.begin(&Task::Training { name: name.clone(), images });
        Self { observer, task, name, images_per_epoch, epochs, folder }
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

impl<M: Classifier> Watch<M> for Monitor<'_> {
    fn step(&mut self, progress: &TrainingProgress) -> ControlFlow<()> {
        let images = (progress.epochs.len() * self.images_per_epoch + progress.epoch.images) as u64;
        let (loss, accuracy) = (progress.epoch.mean_loss(), 100.0 * progress.epoch.accuracy());
        let now = progress.curve.points.last().map_or_else(String::new, |point| {
            format!(" (now {:.4}, {:.2}%)", point.loss, 100.0 * point.accuracy)
        });
        let epoch = progress.epochs.len() + 1;
        let message = format!("epoch {epoch}/{}: loss {loss:.4}, accuracy {accuracy:.2}%{now}", self.epochs);
        self.task.at(images, None, &message);
        if self.observer.wants_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, state: &TrainingState<M>) -> Result<(), TrainingError> {
        checkpoint::save(&self.folder.path().join(CHECKPOINTS), state)?;
        self.folder.write_csv(METRICS, &state.progress.epochs)?;
        if let Some(epoch) = state.progress.epochs.last() {
            self.observer.note(&self.describe(epoch));
        }
        Ok(())
    }
}
