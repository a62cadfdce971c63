//! `evaluate`: measures the accuracy of a run's model on the test images, scaled with the run's statistics.

use std::{cmp::Reverse, path::PathBuf};

use anyhow::Result;
use console::{Alignment, Term, measure_text_width, pad_str};
use mnist_model::ModelConfig;
use mnist_report::numbers::{loss, percent};
use mnist_training::{Evaluation, backend::in_pool, predictor::TrainedModel};
use serde::Serialize;

use crate::{
    cli::EvaluateArgs,
    layout::{fit_name, table},
    terminal::Terminal,
};

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
    let width = Term::stdout().size_checked().map(|(_, columns)| columns.into());
    terminal.result(&result, || describe(&result.evaluation, names, width))
}

/// Maximum number of classes in the confusion matrix. If there are more, only the most frequent errors are printed.
const MOST_CLASSES: usize = 20;

/// Number of most frequent errors printed.
const ERRORS: usize = 10;

/// Maximum widths of the names of the matrix's rows and columns. The first that fit in the terminal are used.
const NAME_WIDTHS: [(usize, usize); 2] = [(24, 6), (12, 4)];

/// Describes an evaluation for a terminal of `width` columns, or for a file.
fn describe(evaluation: &Evaluation, class_names: Option<&[String]>, width: Option<usize>) -> String {
    let name = |class: usize, widest: usize| {
        let name = class_names.map_or_else(|| class.to_string(), |names| names[class].clone());
        fit_name(&name, widest).into_owned()
    };
    let summary = table(
        ["images", "accuracy", "loss"],
        [[evaluation.images.to_string(), percent(evaluation.accuracy), loss(evaluation.loss)]],
    );
    let confusion = &evaluation.confusion;
    let fits = |matrix: &String| {
        width.is_none_or(|width| matrix.lines().skip(1).all(|line| measure_text_width(line) <= width))
    };
    let mut matrices = NAME_WIDTHS.iter().map(|&widths| describe_matrix(confusion, name, widths));
    let matrix = if confusion.len() > MOST_CLASSES { None } else { matrices.find(fits) };
    let confusion =
        matrix.unwrap_or_else(|| describe_errors(confusion, |class| name(class, NAME_WIDTHS[0].0)));
    format!("{summary}\n{confusion}")
}

/// Draws the confusion matrix below its title.
fn describe_matrix(
    confusion: &[Vec<usize>],
    name: impl Fn(usize, usize) -> String,
    (widest_row, widest_column): (usize, usize),
) -> String {
    let classes = 0..confusion.len();
    let names: Vec<String> = classes.clone().map(|class| name(class, widest_row)).collect();
    let width = names.iter().map(|name| measure_text_width(name)).max().unwrap_or(0).max(3);
    let longest_count = confusion.iter().flatten().map(|count| count.to_string().len()).max().unwrap_or(0);
    let cell = width.min(widest_column).max(longest_count).max(4);
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
    if errors.is_empty() {
        return "no errors".to_owned();
    }
    errors.sort_by_key(|&(count, row, column)| (Reverse(count), row, column));
    let most = errors.iter().take(ERRORS);
    let rows = most.map(|&(count, row, column)| [name(row), name(column), count.to_string()]);
    format!("most frequent errors:\n{}", table(["true class", "predicted class", "images"], rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Describes `classes` classes. Each has 900 correct images, and `wrong` that are classified as the next class.
    fn described(classes: usize, wrong: usize, names: Option<&[String]>, width: Option<usize>) -> String {
        let mut confusion = vec![vec![0; classes]; classes];
        for class in 0..classes {
            confusion[class][class] = 900;
            confusion[class][(class + 1) % classes] = wrong;
        }
        let images = classes * (900 + wrong);
        let accuracy = (classes * 900) as f64 / images as f64;
        let evaluation = Evaluation { images, loss: 0.1, accuracy, confusion, predictions: Vec::new() };
        describe(&evaluation, names, width)
    }

    fn widest(text: &str) -> usize {
        text.lines().map(measure_text_width).max().unwrap()
    }

    #[test]
    fn a_matrix_that_is_wider_than_the_terminal_becomes_a_list_of_errors() {
        let names: Vec<String> = (0..20).map(|class| format!("a long name of class {class}")).collect();
        for (classes, is_matrix) in [(10, true), (13, true), (14, false), (20, false), (21, false)] {
            let names = (0..classes).map(|class| names[class % 20].clone()).collect::<Vec<_>>();
            let text = described(classes, 3, Some(&names), Some(80));
            assert_eq!(text.contains("confusion matrix"), is_matrix, "{classes}:\n{text}");
            assert_ne!(text.contains("most frequent errors"), is_matrix, "{classes}:\n{text}");
            assert!(widest(&text) <= 80, "{classes}:\n{text}");
        }
        assert!(described(20, 3, None, None).contains("confusion matrix"), "a file has no width");
    }

    #[test]
    fn many_classes_without_an_error_have_no_table_of_errors() {
        assert!(described(21, 0, None, None).ends_with("\nno errors"));
    }

    #[test]
    fn wide_letters_stay_in_their_columns() {
        let names = ["猫猫猫猫猫".to_owned(), "cat".to_owned()];
        let text = described(2, 3, Some(&names), None);
        let rows = text.lines().skip_while(|line| !line.starts_with("confusion")).skip(1);
        let widths: Vec<usize> = rows.map(measure_text_width).collect();
        assert_eq!(widths, [widths[0]; 3], "{text}");
    }
}
