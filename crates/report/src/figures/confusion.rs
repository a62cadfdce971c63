//! Confusion matrices, one per arm, with errors in red.

use mnist_training::RunResult;
use plotters::style::Color;

use super::{
    Figure, SHOWN_ARMS,
    matrix::{Cell, Matrix},
    slug,
};
use crate::{
    Findings, ReportError,
    numbers::{count, percent, plural},
    style::{ERROR, INK},
    text::shortened,
};

/// Maximum number of classes shown. If there are more, those with the most errors are shown.
pub const SHOWN_CLASSES: usize = 20;

/// A matrix of more classes than this is illegible if it is shrunk.
const UNSHRUNK: usize = 10;

/// Maximum length of a class name in the description of a figure or a cell.
const LONGEST_NAME: usize = 40;

/// The confusion matrix of an arm, summed over its seeds.
struct Summed<'a> {
    arm: usize,
    name: &'a str,
    seeds: usize,
    counts: Vec<Vec<usize>>,
}

impl Summed<'_> {
    fn predictions(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Returns the number of predictions in the cell with the most errors, as a fraction of all predictions.
    fn most_errors(&self) -> f64 {
        let most = off_diagonal(&self.counts).map(|(_, _, count)| count).max().unwrap_or(0);
        most as f64 / self.predictions().max(1) as f64
    }
}

/// Draws the matrices of the best arms, each summed over all seeds. The same color means the same share of errors in all
/// of them.
pub fn all(findings: &Findings) -> Result<Vec<Figure>, ReportError> {
    let summed = findings.comparison.scalings.iter().filter_map(|arm| {
        let counts: Vec<_> =
            findings.runs_of(arm).runs.iter().filter_map(|run| matrix(&run.result)).collect();
        let seeds = counts.len();
        let counts = counts.into_iter().cloned().reduce(|a, b| add(&a, &b))?;
        Some(Summed { arm: arm.arm_index, name: &arm.name, seeds, counts })
    });
    let summed: Vec<Summed> = summed.take(SHOWN_ARMS).collect();
    let most_errors = summed.iter().map(Summed::most_errors).fold(0.0, f64::max);
    summed.iter().map(|arm| draw(findings, arm, most_errors)).collect()
}

fn draw(findings: &Findings, arm: &Summed, most_errors: f64) -> Result<Figure, ReportError> {
    let Summed { counts, name, seeds, .. } = arm;
    let class = |class: usize| shortened(&findings.class(class), LONGEST_NAME);
    let errors: usize = off_diagonal(counts).map(|(_, _, count)| count).sum();
    let worst = off_diagonal(counts).max_by_key(|&(_, _, count)| count).filter(|&(_, _, count)| count > 0);
    let worst = worst.map_or(String::new(), |(row, column, times)| {
        format!("; most frequent error: {} as {} ({})", class(row), class(column), plural(times, "time"))
    });
    let predictions = plural(arm.predictions(), "prediction");
    let of_seeds = if *seeds > 1 { format!(" ({})", plural(*seeds, "seed")) } else { String::new() };
    let found = format!("{} of {predictions}{of_seeds} wrong{worst}", count(errors));

    let classes = most_confused(counts);
    let cell = |row: usize, column: usize| {
        let number = counts[row][column];
        // The square root keeps rare errors visible.
        let share =
            (number as f64 / arm.predictions().max(1) as f64 / most_errors.max(f64::MIN_POSITIVE)).sqrt();
        let of_class: usize = counts[row].iter().sum();
        let details = format!(
            "{name}: {} predicted as {}: {} of {} ({})",
            class(row),
            class(column),
            count(number),
            count(of_class),
            percent(number as f64 / of_class.max(1) as f64)
        );
        Cell {
            text: if number > 0 { count(number) } else { String::new() },
            fill: if row == column { INK.mix(0.08) } else { ERROR.mix(0.7 * share) },
            details: (number > 0).then_some(details),
        }
    };
    let names: Vec<String> = classes.iter().map(|&class| findings.class(class)).collect();
    let matrix = Matrix {
        columns_are: "predicted class",
        rows_are: "true class",
        columns: names.clone(),
        rows: names,
        cells: classes.iter().map(|&row| classes.iter().map(|&column| cell(row, column)).collect()).collect(),
    };
    Ok(Figure {
        name: format!("confusion-{}", slug(name)),
        caption: format!("{name}: {found}"),
        title: format!("Confusion matrix of {name}: {found}"),
        is_wide: classes.len() > UNSHRUNK,
        arm: Some(arm.arm),
        svg: matrix.draw()?,
    })
}

/// Returns a run's confusion matrix; `None` if its size is wrong, as in an edited file.
fn matrix(run: &RunResult) -> Option<&Vec<Vec<usize>>> {
    let counts = run.confusion.as_ref()?;
    let is_square = |counts: &Vec<Vec<usize>>| counts.iter().all(|row| row.len() == counts.len());
    Some(counts).filter(|counts| counts.len() == run.classes && is_square(counts))
}

fn add(a: &[Vec<usize>], b: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let add_rows = |(a, b): (&Vec<usize>, &Vec<usize>)| a.iter().zip(b).map(|(a, b)| a + b).collect();
    a.iter().zip(b).map(add_rows).collect()
}

/// Returns the errors: `(true class, predicted class, count)`.
fn off_diagonal(counts: &[Vec<usize>]) -> impl Iterator<Item = (usize, usize, usize)> {
    let cells = counts.iter().enumerate();
    let cells = cells.flat_map(|(row, of_row)| {
        of_row.iter().enumerate().map(move |(column, &count)| (row, column, count))
    });
    cells.filter(|(row, column, _)| row != column)
}

/// Returns all classes or, if there are too many, those with the most errors in their row and column. Keeps the order
/// of the classes.
pub fn most_confused(counts: &[Vec<usize>]) -> Vec<usize> {
    let mut errors = vec![0; counts.len()];
    for (row, column, count) in off_diagonal(counts) {
        errors[row] += count;
        errors[column] += count;
    }
    let mut classes: Vec<usize> = (0..counts.len()).collect();
    classes.sort_by_key(|&class| std::cmp::Reverse(errors[class]));
    classes.truncate(SHOWN_CLASSES);
    classes.sort_unstable();
    classes
}
