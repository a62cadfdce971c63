//! `evaluate`: measures the accuracy of a run's model on the test images, scaled with the run's statistics.

use std::path::PathBuf;

use anyhow::Result;
use mnist_model::ModelConfig;
use mnist_report::numbers::{loss, percent};
use mnist_training::{Evaluation, backend::in_pool, predictor::TrainedModel};
use serde::Serialize;

use crate::{cli::EvaluateArgs, layout::table, terminal::Terminal};

#[derive(Serialize)]
struct EvaluateResult {
    run: PathBuf,
    #[serde(flatten)]
    evaluation: Evaluation,
}

pub fn run(args: EvaluateArgs, terminal: &Terminal) -> Result<()> {
    in_pool(args.compute.threads, || evaluate(args, terminal))
}

fn evaluate(args: EvaluateArgs, terminal: &Terminal) -> Result<()> {
    let trained = TrainedModel::open(&args.run)?;
    let settings = trained.settings.training.clone();
    let dataset = args.dataset.over(&settings.dataset)?;
    let predictor = trained.load(&ModelConfig::new(), args.compute.open_device(&settings)?)?;
    let test = predictor.trained.test_images(&dataset, terminal)?;
    let batch_size = args.batch_size.unwrap_or(settings.batch_size).get() as usize;
    let evaluation = predictor.evaluate(&test, batch_size, terminal)?;
    let result = EvaluateResult { run: args.run, evaluation };
    let names = predictor.trained.class_names.as_deref();
    terminal.result(&result, || describe(&result.evaluation, names))
}

fn describe(evaluation: &Evaluation, class_names: Option<&[String]>) -> String {
    let classes = evaluation.confusion.len();
    let name = |class: usize| class_names.map_or_else(|| class.to_string(), |names| names[class].clone());
    let width = (0..classes).map(|class| name(class).chars().count()).max().unwrap_or(0).max(3);
    let mut rows: Vec<String> = Vec::new();
    for (class, counts) in evaluation.confusion.iter().enumerate() {
        let cells: Vec<String> = counts.iter().map(|count| format!("{count:>5}")).collect();
        rows.push(format!("{:>width$} │{}", name(class), cells.concat()));
    }
    let summary = table(
        ["images", "accuracy", "loss"],
        [[evaluation.images.to_string(), percent(evaluation.accuracy), loss(evaluation.loss)]],
    );
    format!(
        "{summary}\nconfusion matrix (rows: true classes, columns: predicted classes):\n{}",
        rows.join("\n")
    )
}
