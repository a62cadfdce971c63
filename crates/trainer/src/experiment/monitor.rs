//! Shows a training on the terminal and keeps its folder up to date.

use std::{ops::ControlFlow, sync::atomic::Ordering};

use anyhow::Result;
use burn::data::dataset::Dataset;
use indicatif::ProgressBar;

use super::Experiment;
use crate::{
    checkpoint,
    config::TrainingConfig,
    folder::OutputFolder,
    interrupt,
    run::{CHECKPOINTS, METRICS},
    terminal::take_away,
    training::{EpochMetrics, Training, TrainingProgress, TrainingState, Watch},
};

pub struct Monitor<'a> {
    experiment: &'a Experiment<'a>,
    bar: ProgressBar,
    images_per_epoch: usize,
    epochs: usize,
    /// Images that the overall bar has counted.
    counted: u64,
    folder: &'a OutputFolder,
}

impl<'a> Monitor<'a> {
    pub fn new(experiment: &'a Experiment, training: &Training, folder: &'a OutputFolder) -> Self {
        let TrainingConfig { seed, settings, scaling } = training.config;
        let images_per_epoch = training.train.len();
        let epochs = settings.epochs.get() as usize;
        let bar = experiment.terminal.training_bar((images_per_epoch * epochs) as u64);
        bar.set_prefix(format!("{} seed {seed}", scaling.name()));
        Self { experiment, bar, images_per_epoch, epochs, counted: 0, folder }
    }

    /// Takes the bar away. The overall one counts the images that a training which diverged never saw.
    pub fn close(&mut self) {
        take_away(&self.bar);
        self.count(self.bar.length().unwrap_or_default());
    }

    fn count(&mut self, images: u64) {
        if let Some(overall) = &self.experiment.overall {
            overall.inc(images - self.counted);
            self.counted = images;
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
            self.bar.prefix(),
            epoch.epoch,
            self.epochs,
            epoch.train_loss,
            100.0 * epoch.train_accuracy,
            epoch.seconds,
        )
    }
}

impl Watch for Monitor<'_> {
    fn step(&mut self, progress: &TrainingProgress) -> ControlFlow<()> {
        let images = (progress.epochs.len() * self.images_per_epoch + progress.epoch.images) as u64;
        self.bar.set_position(images);
        self.count(images);
        let (loss, accuracy) = (progress.epoch.mean_loss(), 100.0 * progress.epoch.accuracy());
        let now = progress.curve.points.last().map_or_else(String::new, |point| {
            format!("now loss {:.4}, accuracy {:.2}%; ", point.loss, 100.0 * point.accuracy)
        });
        let epoch = progress.epochs.len() + 1;
        self.bar.set_message(format!("epoch {epoch}/{}: {now}so far {loss:.4}, {accuracy:.2}%", self.epochs));
        if interrupt::requested() || self.experiment.failed.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, state: &TrainingState) -> Result<()> {
        checkpoint::save(&self.folder.path().join(CHECKPOINTS), state)?;
        self.folder.write_csv(METRICS, &state.progress.epochs)?;
        // In a comparison, a line for each run is enough.
        if let (Some(epoch), None) = (state.progress.epochs.last(), &self.experiment.overall) {
            self.experiment.terminal.line(self.describe(epoch));
        }
        Ok(())
    }
}
