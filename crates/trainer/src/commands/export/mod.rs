//! `export`: writes a run's model for other programs, or a page on which several models classify drawings.

mod page;

use std::path::PathBuf;

use anyhow::{Error, Result};
use mnist_data::input::shown;
use mnist_model::ModelConfig;
use mnist_training::{
    TrainingError,
    backend::in_pool,
    export::{self, EXPORT, ExportFormat, ExportedFile},
    predictor::TrainedModel,
};
use serde::Serialize;

use crate::{
    cli::{ExportArgs, ExportTo},
    command_error::UsageError,
    interrupt,
    terminal::Terminal,
};

#[derive(Serialize)]
struct ExportResult {
    run: PathBuf,
    files: Vec<PathBuf>,
}

pub fn run(args: ExportArgs, terminal: &Terminal) -> Result<()> {
    let format = match args.to {
        ExportTo::Html => return page::write(args, terminal),
        ExportTo::Model(format) => format,
    };
    let [run] = &args.runs[..] else {
        return Err(UsageError(format!("--to {format} takes one run; --to html takes several")).into());
    };
    let run = run.clone();
    in_pool(args.compute.threads, || export(run, format, args, terminal))
}

fn export(run: PathBuf, format: ExportFormat, args: ExportArgs, terminal: &Terminal) -> Result<()> {
    let trained = TrainedModel::open(&run)?;
    let destination = args.out.destination(format!("export-{format}"), &EXPORT)?;
    let settings = trained.settings.training.clone();
    let dataset = args.dataset.over(&settings.dataset)?;
    let predictor = trained.load(&ModelConfig::new(), args.compute.open_device(&settings)?)?;
    let test = predictor.trained.test_images(&dataset, terminal).map_err(|error| {
        let is_interrupt = error.is_interrupt();
        let error = Error::from(error);
        if is_interrupt { error } else { error.context("an export contains the logits of test images") }
    })?;
    let files = export::files(format, &predictor, &test)?;
    if interrupt::requested() {
        return Err(TrainingError::Interrupted.into());
    }

    let folder = destination.create()?;
    // The golden outputs come first, because they show whose folder it is, and the model last.
    for file in files.iter().rev() {
        folder.write(file.name, &file.bytes)?;
    }
    let paths = files.iter().map(|file| folder.path().join(file.name)).collect();
    let result = ExportResult { run, files: paths };
    terminal.result(&result, || describe(&result, &files))
}

fn describe(result: &ExportResult, files: &[ExportedFile]) -> String {
    let line = |(path, file): (&PathBuf, &ExportedFile)| format!("{}: {}", shown(path), file.about);
    result.files.iter().zip(files).map(line).collect::<Vec<_>>().join("\n")
}
