//! Reports one run to the observer, and saves its checkpoints.

use std::{
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use burn::data::dataset::Dataset;
use mnist_data::source::FileSum;
use mnist_model::Classifier;

use crate::{
    Observer, RunSettings, TrainingError, TrainingLoop, TrainingState,
    checkpoint::Checkpoints,
    observer::{RunProgress, Task, TaskProgress},
    progress::{EpochMetrics, TrainingProgress},
    run::FolderLock,
    training_loop::Watch,
};

pub(crate) struct Monitor<'a> {
    observer: &'a dyn Observer,
    settings: &'a RunSettings,
    folder: &'a Path,
    data: &'a [FileSum],
    task: Box<dyn TaskProgress + 'a>,
    name: String,
    images_per_epoch: usize,
    epochs: usize,
    checkpoints: &'a mut Checkpoints,
    lock: &'a FolderLock,
    checkpoint_every: Duration,
    last_checkpoint: Instant,
    /// Number of points of the learning curve that the observer knows.
    points: usize,
}

impl<'a> Monitor<'a> {
    /// Reports the run in `folder` on these data files, which begins or resumes at `progress`.
    pub(crate) fn new(
        training: &TrainingLoop<'a>,
        folder: &'a Path,
        data: &'a [FileSum],
        progress: &TrainingProgress,
        checkpoints: &'a mut Checkpoints,
        lock: &'a FolderLock,
    ) -> Self {
        let RunSettings { seed, training: settings, scaling } = training.settings;
        let images_per_epoch = training.train.len();
        let epochs = settings.epochs.get() as usize;
        let name = format!("{} seed {seed}", scaling.name());
        let images = (images_per_epoch * epochs) as u64;
        let observer = training.observer;
        let task = observer.begin(&Task::Training { name: name.clone(), images });
        let checkpoint_every = settings.checkpoint_every();
        let last_checkpoint = Instant::now();
        let mut this = Self {
            observer,
            settings: training.settings,
            folder,
            data,
            task,
            name,
            images_per_epoch,
            epochs,
            checkpoints,
            lock,
            checkpoint_every,
            last_checkpoint,
            points: 0,
        };
        this.report(progress);
        this
    }

    fn report(&mut self, progress: &TrainingProgress) {
        self.points = progress.curve.points.len();
        let Self { folder, settings, data, .. } = *self;
        self.observer.progress(&RunProgress { folder, settings, data, progress });
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
        self.lock.check()?;
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
        let (epoch, epochs) = (progress.epochs.len() + 1, self.epochs);
        let digits = epochs.to_string().len();
        let loss = short_loss(loss);
        let message = format!("epoch {epoch:>digits$}/{epochs}  loss {loss:>6}  {accuracy:>6.2}%");
        self.task.at(images, None, &message);
        if progress.curve.points.len() > self.points {
            self.report(progress);
        }
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
        self.report(&state.progress);
        if let Some(epoch) = state.progress.epochs.last() {
            self.observer.note(&self.describe(epoch));
        }
        Ok(())
    }
}

/// Formats a loss in at most six characters, so that the lines of several runs stay aligned.
fn short_loss(loss: f64) -> String {
    if loss.is_nan() {
        return "NaN".to_owned();
    }
    // Rounding can add a digit, so the shorter text decides.
    let exact = [4, 3, 2, 1, 0].map(|decimals| format!("{loss:.decimals$}"));
    let fits = |text: &String| text.chars().count() <= 6;
    exact.into_iter().find(fits).unwrap_or_else(|| match format!("{loss:.1e}") {
        text if fits(&text) => text,
        _ => format!("{loss:.0e}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_has_at_most_six_characters() {
        for (loss, expected) in [
            (0.0, "0.0000"),
            (0.07123, "0.0712"),
            (9.999_99, "10.000"),
            (123.456, "123.46"),
            (99_999.96, "100000"),
            (1_234_567.0, "1.2e6"),
            (f64::MAX, "2e308"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short_loss(loss), expected);
        }
    }
}
