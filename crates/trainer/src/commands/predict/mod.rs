//! `predict`: a run's model on single images, with the run's own scaling.

mod describe;

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use mnist_data::{Fit, PictureReader, pictures};
use mnist_model::ModelConfig;
use mnist_training::{
    Observer, Prediction, TrainingError, backend::in_pool, observer::Task, predictor::TrainedModel,
};
use rayon::prelude::*;
use serde::Serialize;

use self::describe::{Pixels, describe};
use crate::{cli::PredictArgs, failure::UsageError, terminal::Terminal, wording::wording};

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

#[derive(Serialize)]
struct PredictResult {
    run: PathBuf,
    /// In the order of the arguments.
    predictions: Vec<PredictedImage>,
}

/// The answer to one image.
#[derive(Debug, Serialize)]
struct PredictedImage {
    /// As it was named.
    image: String,
    class_name: Option<String>,
    #[serde(flatten)]
    answer: Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pixels: Option<Pixels>,
}

pub fn run(args: PredictArgs, terminal: &Terminal) -> Result<()> {
    if args.images.iter().filter(|image| is_standard_input(image)).count() > 1 {
        return Err(UsageError("standard input, -, holds one image; name it once".into()).into());
    }
    in_pool(args.compute.threads, || predict(args, terminal))
}

fn predict(args: PredictArgs, terminal: &Terminal) -> Result<()> {
    let trained = TrainedModel::open(&args.run)?;
    let reader = reader(&trained, args.prepare)?;
    let settings = trained.settings.training.clone();
    let predictor = trained.load(&ModelConfig::new(), args.compute.backend.unwrap_or(settings.backend))?;
    let (shape, class_names) = (predictor.trained.fitted.shape(), predictor.trained.class_names.as_deref());

    let has_input = args.images.iter().any(|image| is_standard_input(image));
    let input = if has_input { read_standard_input(terminal)? } else { Vec::new() };
    let read = |image: &PathBuf| {
        check_interrupt(terminal)?; // Each may be a photograph that takes a while.
        let pixels = if is_standard_input(image) {
            reader.decode(Path::new("standard input"), &input)
        } else {
            reader.read(image)
        };
        Ok(pixels?)
    };
    let mut task = terminal.begin(&Task::Images { images: args.images.len() as u64 });
    let mut predictions = Vec::with_capacity(args.images.len());
    for images in args.images.chunks(settings.batch_size.get() as usize) {
        let decoded: Vec<Result<Vec<u8>>> = images.par_iter().map(read).collect();
        // Of several that cannot be read, the first is named.
        let decoded: Vec<Vec<u8>> = decoded.into_iter().collect::<Result<_>>()?;
        let pixels: Vec<&[u8]> = decoded.iter().map(Vec::as_slice).collect();
        for ((image, pixels), answer) in images.iter().zip(&pixels).zip(predictor.predict(&pixels)?) {
            predictions.push(PredictedImage {
                image: image.to_string_lossy().into_owned(),
                class_name: class_names.map(|names| names[answer.class].clone()),
                answer,
                pixels: args.show.then(|| Pixels::new(pixels, shape)),
            });
        }
        task.at(predictions.len() as u64, None, "");
    }
    drop(task);
    let result = PredictResult { run: args.run, predictions };
    terminal.result(&result, || describe(&result.predictions, class_names))
}

/// Brings pictures to what the run's model was trained on, in the way that the run did.
fn reader(trained: &TrainedModel, prepare: bool) -> Result<PictureReader> {
    let fit = match trained.settings.training.dataset.resize {
        _ if prepare => Fit::Prepare,
        Some(_) => Fit::Resize,
        None => Fit::Exact,
    };
    let reader = PictureReader::new(trained.fitted.shape(), fit);
    Ok(reader.map_err(|error| UsageError(wording(&error.into()).0))?)
}

fn is_standard_input(image: &Path) -> bool {
    image.as_os_str() == STANDARD_INPUT
}

fn check_interrupt(terminal: &Terminal) -> Result<(), TrainingError> {
    if terminal.wants_stop() { Err(TrainingError::Interrupted) } else { Ok(()) }
}

/// Reads it on another thread: nothing may ever come, and ctrl-C must not wait for it.
fn read_standard_input(terminal: &Terminal) -> Result<Vec<u8>> {
    const BETWEEN_CHECKS: Duration = Duration::from_millis(50);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        sender.send(pictures::read_stream(Path::new("standard input"), io::stdin().lock()))
    });
    loop {
        match receiver.recv_timeout(BETWEEN_CHECKS) {
            Ok(bytes) => return Ok(bytes?),
            Err(RecvTimeoutError::Timeout) => check_interrupt(terminal)?,
            Err(RecvTimeoutError::Disconnected) => bail!("cannot read standard input"),
        }
    }
}
