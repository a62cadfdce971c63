//! `train`: trains one model and writes its run folder.

use std::sync::Arc;

use anyhow::{Result, bail};
use burn::tensor::Device;
use mnist_data::input::shown;
use mnist_model::ModelConfig;
use mnist_report::numbers::{loss, percent};
use mnist_trackers::{TrackedRun, tensorboard::Live};
use mnist_training::{
    Experiment, ExperimentData, Observer, RunResult, RunSettings, TrainingError,
    backend::in_pool,
    files::{CONFIG, Destination},
    run::{RUN, Status},
    settings::check_unchanged,
};

use super::{describe_machine, describe_training};
use crate::{cli::TrainArgs, terminal::Terminal};

pub fn run(args: TrainArgs, terminal: &Terminal) -> Result<()> {
    let out = args.out.clone();
    out.check_tensorboard(None)?;
    let settings = RunSettings::resolve(&args.overrides()?)?;
    let device = settings.training.open_device()?;
    let name = format!("train-{}-seed{}", settings.scaling.name(), settings.seed);
    let destination = out.destination(name, &RUN)?;
    let live = out.tensorboard.map(|root| Live::new(root, terminal)).transpose()?;
    if let Some(path) = destination.keeps() {
        // Fails early, before the data are read. The experiment checks again when it has locked the folder.
        check_unchanged(&path.join(CONFIG), &settings.to_toml()?, &[])?;
    }
    in_pool(settings.training.threads, || train(&settings, device, destination, live.as_ref(), terminal))
}

fn train(
    settings: &RunSettings,
    device: Device,
    destination: Destination,
    live: Option<&Live>,
    terminal: &Terminal,
) -> Result<()> {
    let network = ModelConfig::new();
    let scalings = std::slice::from_ref(&settings.scaling);
    let data = ExperimentData::open(&settings.training, scalings, &network, terminal)?;
    let fitted = Arc::new(data.fit(&settings.scaling, terminal)?);
    let experiment = Experiment::new(&network, &data, device)?;
    let folder = destination.create()?;
    let header = describe_training(&[settings.scaling.name().to_owned()], &settings.training, 1);
    terminal.announce([header, describe_machine(&format!("seed {}", settings.seed), &settings.training)]);
    let observer: &dyn Observer = live.map_or(terminal, |live| live);
    let run = experiment.run(settings, &fitted, folder.path(), observer)?;
    let run = run.finished().ok_or_else(|| TrainingError::InUse(folder.path().to_owned()))?;
    if let Some(live) = live {
        live.finish(&TrackedRun::single(settings, &run)?, Some(&data.test));
    }
    let result = run.result;

    terminal.saved_result(&result, || describe(&result))?;
    match result.status {
        Status::Ok => Ok(()),
        // One line, since notes about the training come before it.
        Status::Diverged => {
            let at = result.diverged;
            bail!(
                "the training diverged: with {} and learning rate {:?}, the loss became infinite or NaN{}; \
                 use a smaller --learning-rate",
                result.scaling,
                result.learning_rate,
                at.map_or_else(String::new, |at| format!(" at step {} in epoch {}", at.step, at.epoch))
            )
        }
    }
}

fn describe(result: &RunResult) -> String {
    let test = result.test.map_or("diverged".to_owned(), |test| {
        format!("test accuracy {}, loss {}", percent(test.accuracy), loss(test.loss))
    });
    format!(
        "{}: {test} after {:.1} s of training\nrun: {}",
        result.scaling,
        result.seconds,
        shown(&result.run)
    )
}
