//! `train`: one model, one run folder.

use std::sync::Arc;

use anyhow::{Result, bail};
use burn::tensor::Device;

use crate::{
    claim,
    cli::TrainArgs,
    config::{ConfigFile, TrainingConfig},
    dataset::{ExperimentData, fit},
    device::in_pool,
    experiment::Experiment,
    folder::Destination,
    report::percent,
    run::{self, RunResult, Status},
    terminal::Terminal,
};

pub fn run(args: TrainArgs, terminal: &Terminal) -> Result<()> {
    let file = ConfigFile::read(args.config.config.as_deref())?;
    let config = TrainingConfig::resolve(args.scaling, args.seed, args.training, &file)?;
    let settings = &config.settings;
    let device = settings.backend.open()?;
    let name = format!("train-{}-seed{}", config.scaling.name(), config.seed);
    let destination = Destination::choose(&args.out, name, &run::CONTENTS)?;
    if args.out.resume {
        destination.check_same_config(&toml::to_string(&config)?, &[])?;
    }
    in_pool(settings.threads, || train(&config, device, destination, args.out.force, terminal))
}

fn train(
    config: &TrainingConfig,
    device: Device,
    destination: Destination,
    force: bool,
    terminal: &Terminal,
) -> Result<()> {
    let settings = &config.settings;
    let scalings = std::slice::from_ref(&config.scaling);
    let (data, files) =
        ExperimentData::load_checked(&settings.dataset, settings.validation_split, scalings, terminal)?;
    let fitted = Arc::new(fit(&config.scaling, &data.train, terminal)?);
    let experiment = Experiment::new(&data, files, device, terminal)?;
    if let (Some(path), true) = (destination.path(), force) {
        claim::check_free(path)?;
    }
    let folder = destination.create(force, &run::CONTENTS)?;
    let Some(result) = experiment.run(config, &fitted, folder.path())? else {
        bail!("another process is training in {}", folder.path().display());
    };

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
