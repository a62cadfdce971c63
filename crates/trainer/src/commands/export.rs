//! `export`: writes a run's model for other programs.

use std::path::PathBuf;

use anyhow::{Error, Result};
use mnist_data::input::shown;
use mnist_model::ModelConfig;
use mnist_training::{
    TrainingError,
    backend::in_pool,
    export::{self, EXPORT, ExportedFile},
    predictor::TrainedModel,
};
use serde::Serialize;

use crate::{cli::ExportArgs, interrupt, terminal::Terminal};

#[derive(Serialize)]
struct ExportResult {
    run: PathBuf,
    files: Vec<PathBuf>,
}

pub fn run(args: ExportArgs, terminal: &Terminal) -> Result<()> {
    in_pool(args.compute.threads, || export(args, terminal))
}

fn export(args: ExportArgs, terminal: &Terminal) -> Result<()> {
    let trained = TrainedModel::open(&args.run)?;
    let destination = args.out.destination(format!("export-{}", args.to), &EXPORT)?;
    let settings = trained.settings.training.clone();
    let dataset = args.dataset.over(&settings.dataset)?;
    let predictor = trained.load(&ModelConfig::new(), args.compute.open_device(&settings)?)?;
    let test = predictor.trained.test_images(&dataset, terminal).map_err(|error| {
        let is_interrupt = error.is_interrupt();
        let error = Error::from(error);
        if is_interrupt { error } else { error.context("an export contains the logits of test images") }
    })?;
    let files = export::files(args.to, &predictor, &test)?;
    if interrupt::requested() {
        return Err(TrainingError::Interrupted.into());
    }

    let folder = destination.create()?;
    // The golden outputs come first, because they show whose folder it is, and the model last.
    for file in files.iter().rev() {
        folder.write(file.name, &file.bytes)?;
    }
    let paths = files.iter().map(|file| folder.path().join(file.name)).collect();
    let result = ExportResult { run: args.run, files: paths };
    terminal.result(&result, || describe(&result, &files))
}

fn describe(result: &ExportResult, files: &[ExportedFile]) -> String {
    let line = |(path, file): (&PathBuf, &ExportedFile)| format!("{}: {}", shown(path), file.about);
    result.files.iter().zip(files).map(line).collect::<Vec<_>>().join("\n")
}
