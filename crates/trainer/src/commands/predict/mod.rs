//! `predict`: classifies images with a run's model, scaled with the run's statistics.

mod describe;

use std::path::{Path, PathBuf};

use anyhow::Result;
use mnist_data::{DataError, Fit, PictureReader, input::shown, preparation::PREPARED};
use mnist_model::ModelConfig;
use mnist_training::{
    Observer, Prediction, TrainingError, backend::in_pool, observer::Task, predictor::TrainedModel,
};
use rayon::prelude::*;
use serde::Serialize;

use self::describe::{Pixels, describe};
use crate::{
    cli::PredictArgs,
    command_error::UsageError,
    input::{self, is_standard_input, is_stream},
    terminal::Terminal,
};

/// Limit for an image from a pipe or standard input, in bytes. Its length is unknown, so the memory for it grows while
/// it is read.
const MOST_STREAM_BYTES: u64 = 128 << 20;

#[derive(Serialize)]
struct PredictResult {
    run: PathBuf,
    /// Predictions in the order of the arguments.
    predictions: Vec<PredictedImage>,
}

/// The prediction for one image.
#[derive(Debug, Serialize)]
struct PredictedImage {
    /// The image as the command line names it.
    image: String,
    class_name: Option<String>,
    #[serde(flatten)]
    answer: Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    pixels: Option<Pixels>,
}

pub fn run(args: PredictArgs, terminal: &Terminal) -> Result<()> {
    if args.images.iter().filter(|image| is_standard_input(image)).count() > 1 {
        return Err(UsageError("standard input (-) is a single image; name it once".into()).into());
    }
    in_pool(args.compute.threads, || predict(args, terminal))
}

fn predict(args: PredictArgs, terminal: &Terminal) -> Result<()> {
    let trained = TrainedModel::open(&args.run)?;
    let reader = reader(&trained, args.prepare)?;
    let settings = trained.settings.training.clone();
    let predictor = trained.load(&ModelConfig::new(), args.compute.open_device(&settings)?)?;
    let (shape, class_names) = (predictor.trained.fitted.shape(), predictor.trained.class_names.as_deref());

    let read = |image: &PathBuf| {
        check_interrupt(terminal)?; // A large photo takes a while.
        if !is_stream(image) {
            return Ok(reader.read(image)?);
        }
        let name = if is_standard_input(image) { Path::new("standard input") } else { image };
        let bytes = input::read(image, MOST_STREAM_BYTES)?;
        let bytes = bytes.map_err(|cause| DataError::Read { path: name.to_owned(), cause })?;
        Ok(reader.decode(name, &bytes)?)
    };
    let mut task = terminal.begin(&Task::Images { images: args.images.len() as u64 });
    let mut predictions = Vec::with_capacity(args.images.len());
    let mut negatives = Vec::new();
    for images in args.images.chunks(settings.batch_size.get() as usize) {
        let decoded: Vec<Result<Vec<u8>>> = images.par_iter().map(read).collect();
        // If several images cannot be read, the error is about the first.
        let decoded: Vec<Vec<u8>> = decoded.into_iter().collect::<Result<_>>()?;
        let pixels: Vec<&[u8]> = decoded.iter().map(Vec::as_slice).collect();
        for ((image, pixels), answer) in images.iter().zip(&pixels).zip(predictor.predict(&pixels)?) {
            if !args.prepare && predictor.trained.looks_negative(pixels) {
                negatives.push(image.as_path());
            }
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
    if !negatives.is_empty() {
        terminal.warning(&describe_negatives(&negatives, shape == PREPARED));
    }
    let result = PredictResult { run: args.run, predictions };
    terminal.result(&result, || describe(&result.predictions, class_names))
}

/// Describes images that look like negatives of the training images.
fn describe_negatives(images: &[&Path], can_be_prepared: bool) -> String {
    let remedy = if can_be_prepared { "try --prepare" } else { "swap dark and bright" };
    let (first, others) = (shown(images[0]), images.len() - 1);
    match others {
        0 => format!("{first} looks like the negative of the training images; {remedy}"),
        _ => format!("{first} and {others} more look like negatives of the training images; {remedy}"),
    }
}

/// Creates a reader that converts pictures as the run converted its training images, or prepares them.
fn reader(trained: &TrainedModel, prepare: bool) -> Result<PictureReader, DataError> {
    let fit = match trained.settings.training.dataset.resize {
        _ if prepare => Fit::Prepare,
        Some(_) => Fit::Resize,
        None => Fit::Exact,
    };
    PictureReader::new(trained.fitted.shape(), fit)
}

fn check_interrupt(terminal: &Terminal) -> Result<(), TrainingError> {
    if terminal.wants_stop() { Err(TrainingError::Interrupted) } else { Ok(()) }
}
