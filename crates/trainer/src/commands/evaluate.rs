//! `evaluate`: measures the accuracy of a run's model on the test images, scaled with the run's statistics.

use std::{cmp::Reverse, path::PathBuf};

use anyhow::Result;
use console::{Alignment, measure_text_width, pad_str};
use mnist_model::ModelConfig;
use mnist_report::{
    numbers::{loss, percent},
    text::shortened,
};
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

/// Maximum number of classes in the confusion matrix. If there are more, only the most frequent errors are printed.
const MOST_CLASSES: usize = 20;

/// Number of most frequent errors printed.
const ERRORS: usize = 10;

/// Maximum length of the name of a column, so that ten columns fit in a line.
const WIDEST_NAME: usize = 6;

/// Maximum length of the name of a row.
const LONGEST_NAME: usize = 24;

fn describe(evaluation: &Evaluation, class_names: Option<&[String]>) -> String {
    let name = |class: usize, longest: usize| {
        shortened(&class_names.map_or_else(|| class.to_string(), |names| names[class].clone()), longest)
    };
    let summary = table(
        ["images", "accuracy", "loss"],
        [[evaluation.images.to_string(), percent(evaluation.accuracy), loss(evaluation.loss)]],
    );
    let confusion = if evaluation.confusion.len() > MOST_CLASSES {
        describe_errors(&evaluation.confusion, |class| name(class, LONGEST_NAME))
    } else {
        describe_matrix(&evaluation.confusion, name)
    };
    format!("{summary}\n{confusion}")
}

fn describe_matrix(confusion: &[Vec<usize>], name: impl Fn(usize, usize) -> String) -> String {
    let classes = 0..confusion.len();
    let names: Vec<String> = classes.clone().map(|class| name(class, LONGEST_NAME)).collect();
    let width = names.iter().map(|name| measure_text_width(name)).max().unwrap_or(0).max(3);
    let longest_count = confusion.iter().flatten().map(|count| count.to_string().len()).max().unwrap_or(0);
    let cell = width.min(WIDEST_NAME).max(longest_count).max(4);
    let align = |text: &str, width| pad_str(text, width, Alignment::Right, None).into_owned();
    let line = |name: &str, cells: Vec<String>| {
        let cells = cells.iter().map(|text| format!(" {}", align(text, cell)));
        format!("{} │{}", align(name, width), cells.collect::<String>())
    };
    let mut lines = vec![
        "confusion matrix (rows: true classes, columns: predicted classes):".to_owned(),
        line("", classes.clone().map(|class| name(class, cell)).collect()),
    ];
    for (name, counts) in names.iter().zip(confusion) {
        lines.push(line(name, counts.iter().map(usize::to_string).collect()));
    }
    lines.join("\n")
}

fn describe_errors(confusion: &[Vec<usize>], name: impl Fn(usize) -> String) -> String {
    let mut errors: Vec<(usize, usize, usize)> = Vec::new();
    for (row, counts) in confusion.iter().enumerate() {
        let wrong = counts.iter().enumerate().filter(|(column, count)| *column != row && **count > 0);
        errors.extend(wrong.map(|(column, &count)| (count, row, column)));
    }
    errors.sort_by_key(|&(count, row, column)| (Reverse(count), row, column));
    let most = errors.iter().take(ERRORS);
    let rows = most.map(|&(count, row, column)| [name(row), name(column), count.to_string()]);
    format!("most frequent errors:\n{}", table(["true class", "predicted class", "images"], rows))
}
