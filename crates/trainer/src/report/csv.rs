//! `results.csv`: a row per run, for a spreadsheet.

use anyhow::Result;
use serde::Serialize;

use super::Findings;
use crate::{curve::first_reaching, run::Status};

/// Train accuracies whose time is a column.
const REACHED: [f64; 2] = [0.98, 0.99];

/// A value that does not exist is an empty cell; times are in seconds.
#[derive(Serialize)]
struct Row<'a> {
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

/// All runs, arm by arm, best first.
pub fn runs(findings: &Findings) -> Result<String> {
    let mut table = ::csv::Writer::from_writer(Vec::new());
    for arm in &findings.comparison.scalings {
        for run in findings.runs_of(arm) {
            let result = &run.result;
            let last = result.epochs.last();
            let finite = |value: f64| value.is_finite().then_some(value);
            let [at_98, at_99] = REACHED.map(|accuracy| first_reaching(&run.curve, accuracy));
            table.serialize(Row {
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
            })?;
        }
    }
    Ok(String::from_utf8(table.into_inner()?)?)
}
