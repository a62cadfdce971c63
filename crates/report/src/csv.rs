//! `results.csv`: one row per run, for spreadsheets.

use mnist_training::{curve::first_reaching, files, run::Status};
use serde::Serialize;

use crate::{Findings, ReportError};

/// The training accuracies whose time to accuracy has a column.
const REACHED: [f64; 2] = [0.98, 0.99];

/// The columns. A missing value is an empty cell. Times are in seconds.
#[derive(Serialize)]
struct RunRow<'a> {
    arm: &'a str,
    scaling: &'a str,
    learning_rate: f64,
    batch_size: u32,
    seed: u64,
    status: Status,
    test_accuracy: Option<f64>,
    test_loss: Option<f64>,
    seconds: f64,
    epochs: usize,
    train_loss: Option<f64>,
    train_accuracy: Option<f64>,
    steps_to_98: Option<usize>,
    seconds_to_98: Option<f64>,
    steps_to_99: Option<usize>,
    seconds_to_99: Option<f64>,
    run: String,
}

/// Returns the content of `results.csv`: all runs, those of the best arm first.
pub fn runs(findings: &Findings) -> Result<String, ReportError> {
    let mut rows = Vec::new();
    for arm in &findings.comparison.scalings {
        for run in &findings.runs_of(arm).runs {
            let result = &run.result;
            let last = result.epochs.last();
            let finite = |value: f64| value.is_finite().then_some(value);
            let [at_98, at_99] = REACHED.map(|accuracy| first_reaching(&run.curve, accuracy));
            rows.push(RunRow {
                arm: &arm.name,
                scaling: &arm.scaling,
                learning_rate: arm.learning_rate,
                batch_size: arm.batch_size,
                seed: result.seed,
                status: result.status,
                test_accuracy: result.test.map(|test| test.accuracy),
                test_loss: result.test.map(|test| test.loss),
                seconds: result.seconds,
                epochs: result.epochs.len(),
                train_loss: last.and_then(|epoch| finite(epoch.train_loss)),
                train_accuracy: last.map(|epoch| epoch.train_accuracy),
                steps_to_98: at_98.map(|point| point.step),
                seconds_to_98: at_98.map(|point| point.seconds),
                steps_to_99: at_99.map(|point| point.step),
                seconds_to_99: at_99.map(|point| point.seconds),
                run: findings.folder_of(result),
            });
        }
    }
    Ok(String::from_utf8_lossy(&files::csv(&rows)?).into_owned())
}
