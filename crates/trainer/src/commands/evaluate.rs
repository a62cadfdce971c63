//! `evaluate`: a run's model on the test images, with the run's own scaling.

use std::{path::PathBuf, sync::Arc};

use anyhow::Result;
use mnist_data::ScalingBatcher;
use serde::Serialize;

use crate::{
    cli::EvaluateArgs,
    device::in_pool,
    evaluation::{Evaluation, evaluate},
    report::{percent, text::table},
    run::FinishedRun,
    terminal::Terminal,
};

#[derive(Serialize)]
struct EvaluateResult {
    run: PathBuf,
    #[serde(flatten)]
    evaluation: Evaluation,
}

pub fn run(args: EvaluateArgs, terminal: &Terminal) -> Result<()> {
    in_pool(args.compute.threads, || run_model(args, terminal))
}

fn run_model(args: EvaluateArgs, terminal: &Terminal) -> Result<()> {
    let run = FinishedRun::open(&args.run)?;
    let backend = args.compute.backend.unwrap_or(run.config.settings.backend);
    let device = backend.open()?;
    let test = run.test_images(args.dataset, terminal)?;
    let model = run.model(&device)?;
    let batch_size = args.batch_size.unwrap_or(run.config.settings.batch_size).get() as usize;
    let batcher = ScalingBatcher::new(Arc::new(run.fitted)).whitening_on_device(backend.is_gpu());
    let evaluation = evaluate(&model, &test, run.classes, batch_size, &batcher, &device)?;
    let result = EvaluateResult { run: args.run, evaluation };
    terminal.result(&result, || describe(&result.evaluation))
}

fn describe(evaluation: &Evaluation) -> String {
    let mut rows: Vec<String> = Vec::new();
    for (class, counts) in evaluation.confusion.iter().enumerate() {
        let cells: Vec<String> = counts.iter().map(|count| format!("{count:>5}")).collect();
        rows.push(format!("{class:>3} │{}", cells.concat()));
    }
    let summary = table(
        ["images", "accuracy", "loss"],
        [[evaluation.images.to_string(), percent(evaluation.accuracy), format!("{:.4}", evaluation.loss)]],
    );
    format!("{summary}\nconfusion matrix (row: true class, column: predicted):\n{}", rows.join("\n"))
}
