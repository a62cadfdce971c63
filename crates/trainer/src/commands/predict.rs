//! `predict`: a run's model on single images, with the run's own scaling.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use mnist_data::{Fit, PictureReader, ScalingBatcher, pictures};
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    cli::PredictArgs,
    device::in_pool,
    failure::UsageError,
    interrupt,
    report::prediction::{Pixels, Prediction, describe},
    run::FinishedRun,
    terminal::Terminal,
};

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

#[derive(Serialize)]
struct PredictResult {
    run: PathBuf,
    /// In the order of the arguments.
    predictions: Vec<Prediction>,
}

pub fn run(args: PredictArgs, terminal: &Terminal) -> Result<()> {
    if args.images.iter().filter(|image| is_standard_input(image)).count() > 1 {
        return Err(UsageError("standard input, -, holds one image; name it once".into()).into());
    }
    in_pool(args.compute.threads, || predict(args, terminal))
}

fn predict(args: PredictArgs, terminal: &Terminal) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let reader = reader(&run, args.prepare)?;
    let settings = &run.config.settings;
    let backend = args.compute.backend.unwrap_or(settings.backend);
    let device = backend.open()?;
    let model = run.model(&device)?;
    let batch_size = settings.batch_size.get() as usize;
    let shape = run.fitted.shape();
    let batcher = ScalingBatcher::new(Arc::new(run.fitted)).whitening_on_device(backend.is_gpu());

    let input = if args.images.iter().any(|image| is_standard_input(image)) {
        read_standard_input()?
    } else {
        Vec::new()
    };
    let read = |image: &PathBuf| {
        interrupt::check()?; // Each may be a photograph that takes a while.
        let pixels = if is_standard_input(image) {
            reader.decode(Path::new("standard input"), &input)
        } else {
            reader.read(image)
        };
        Ok(pixels?)
    };
    let bar = terminal.images_bar(args.images.len() as u64);
    let mut predictions = Vec::with_capacity(args.images.len());
    for images in args.images.chunks(batch_size) {
        let decoded: Vec<Result<Vec<u8>>> = images.par_iter().map(read).collect();
        // Of several that cannot be read, the first is named.
        let decoded: Vec<Vec<u8>> = decoded.into_iter().collect::<Result<_>>()?;
        let mut pixels: Vec<&[u8]> = decoded.iter().map(Vec::as_slice).collect();
        if let [alone] = pixels[..] {
            // `gemm` sums a product of one row in another order; an answer must not depend on the batch.
            pixels.push(alone);
        }
        let logits = model.forward(batcher.batch_unlabelled(&pixels, &device)).try_into_vec_as::<f32>()?;
        for ((image, pixels), logits) in images.iter().zip(pixels).zip(logits.chunks(run.classes)) {
            let pixels = args.show.then(|| Pixels::new(pixels, shape));
            predictions.push(Prediction::new(image, logits, run.class_names.as_deref(), pixels));
        }
        bar.inc(images.len() as u64);
    }
    bar.finish_and_clear();
    let result = PredictResult { run: args.run, predictions };
    terminal.result(&result, || describe(&result.predictions, run.class_names.as_deref()))
}

/// Brings pictures to what the run's model was trained on, in the way that the run did.
fn reader(run: &FinishedRun, prepare: bool) -> Result<PictureReader> {
    let fit = match run.config.settings.dataset.resize {
        _ if prepare => Fit::Prepare,
        Some(_) => Fit::Resize,
        None => Fit::Exact,
    };
    Ok(PictureReader::new(run.fitted.shape(), fit).map_err(|error| UsageError(error.to_string()))?)
}

fn is_standard_input(image: &Path) -> bool {
    image.as_os_str() == STANDARD_INPUT
}

/// Reads it on another thread: nothing may ever come, and ctrl-C must not wait for it.
fn read_standard_input() -> Result<Vec<u8>> {
    const BETWEEN_CHECKS: Duration = Duration::from_millis(50);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        sender.send(pictures::read_stream(Path::new("standard input"), io::stdin().lock()))
    });
    loop {
        match receiver.recv_timeout(BETWEEN_CHECKS) {
            Ok(bytes) => return Ok(bytes?),
            Err(RecvTimeoutError::Timeout) => interrupt::check()?,
            Err(RecvTimeoutError::Disconnected) => bail!("cannot read standard input"),
        }
    }
}
