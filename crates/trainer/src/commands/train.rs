//! `train`: one model, one run folder.

use std::sync::Arc;

use anyhow::{Result, bail};
use burn::tensor::Device;
use mnist_model::ModelConfig;
use mnist_report::numbers::percent;
use mnist_training::{
    Experiment, ExperimentData, RunResult, RunSettings, TrainingError,
    backend::in_pool,
    dataset::fit,
    files::{CONFIG, Destination},
    run::{RUN, Status, check_free},
    settings::check_unchanged,
};

use crate::{cli::TrainArgs, terminal::Terminal};

pub fn run(args: TrainArgs, terminal: &Terminal) -> Result<()> {
    let out = args.out.clone();
    let settings = RunSettings::resolve(&args.overrides()?)?;
    let device = settings.training.backend.open()?;
    let name = format!("train-{}-seed{}", settings.scaling.name(), settings.seed);
    let destination = out.destination(name, &RUN)?;
    if let Some(path) = destination.keeps() {
        // Before the data are read; the experiment asks again, once it has locked the folder.
        check_unchanged(&path.join(CONFIG), &settings.to_toml()?, &[])?;
    }
    in_pool(settings.training.threads, || train(&settings, device, destination, terminal))
}

fn train(
    settings: &RunSettings,
    device: Device,
    destination: Destination,
    terminal: &Terminal,
) -> Result<()> {
    let network = ModelConfig::new();
    let scalings = std::slice::from_ref(&settings.scaling);
    let data = ExperimentData::open(&settings.training, scalings, &network, terminal)?;
    let fitted = Arc::new(fit(&settings.scaling, &data.train, terminal)?);
    let experiment = Experiment::new(&network, &data, device)?;
    if let Some(path) = destination.replaces() {
        check_free(path)?;
    }
    let folder = destination.create()?;
    let run = experiment.run(settings, &fitted, folder.path(), terminal)?;
    let result = run.ok_or_else(|| TrainingError::InUse(folder.path().to_owned()))?.result;

    terminal.result(&result, || describe(&result))?;
    match result.status {
        Status::Ok => Ok(()),
        Status::Diverged => {
            bail!("the training diverged: its loss is no longer a number; lower --learning-rate")
        }
    }
}

fn describe(result: &RunResult) -> String {
    let test = result.test.map_or("diverged".to_owned(), |test| {
        format!("test accuracy {}, loss {:.4}", percent(test.accuracy), test.loss)
    });
    format!(
        "{}: {test} after {:.1} s of training\nrun: {}",
        result.scaling,
        result.seconds,
        result.run.display()
    )
}
