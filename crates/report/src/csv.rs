//! `results.csv`: one row per run, for spreadsheets.

use mnist_comparison::ArmResult;
use mnist_training::{FinishedRun, curve::first_reaching, files, run::Status};

use crate::{
    Findings, ReportError,
    tables::{Table, milestone_percent},
};

/// The columns before those of the milestones, which are `steps_to_98`, `seconds_to_98` and so on. A missing value is an
/// empty cell. Times are in seconds.
const COLUMNS: [&str; 12] = [
    "arm",
    "scaling",
    "learning_rate",
    "batch_size",
    "seed",
    "status",
    "test_accuracy",
    "test_loss",
    "seconds",
    "epochs",
    "train_loss",
    "train_accuracy",
];

/// Returns the content of `results.csv`: all runs, those of the best arm first.
pub fn runs(findings: &Findings) -> Result<String, ReportError> {
    let arms = &findings.comparison.scalings;
    let mut header = COLUMNS.map(str::to_owned).to_vec();
    for milestone in arms.first().iter().flat_map(|arm| &arm.milestones) {
        let percent = milestone_percent(milestone);
        header.extend([format!("steps_to_{percent}"), format!("seconds_to_{percent}")]);
    }
    header.push("run".into());
    let mut rows = vec![header];
    for arm in arms {
        rows.extend(findings.runs_of(arm).runs.iter().map(|run| row(findings, arm, run)));
    }
    Ok(String::from_utf8_lossy(&files::csv_without_header(&rows)?).into_owned())
}

/// Returns a table with the same cells as in the other formats.
pub fn table(table: &Table) -> Result<String, ReportError> {
    let rows = [&table.header].into_iter().chain(&table.rows);
    let rows: Vec<Vec<String>> = rows.map(|row| row.iter().map(|cell| inert(cell)).collect()).collect();
    Ok(String::from_utf8_lossy(&files::csv_without_header(&rows)?).into_owned())
}

/// Puts an apostrophe before a text that a spreadsheet would compute as a formula.
fn inert(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

fn row(findings: &Findings, arm: &ArmResult, run: &FinishedRun) -> Vec<String> {
    let result = &run.result;
    let last = result.epochs.last();
    let number = |value: Option<f64>| {
        // Debug prints 1e-5, Display 0.00001.
        value.filter(|value| value.is_finite()).map_or(String::new(), |value| format!("{value:?}"))
    };
    let mut cells = vec![
        arm.name.clone(),
        arm.scaling.clone(),
        number(Some(arm.learning_rate)),
        arm.batch_size.to_string(),
        result.seed.to_string(),
        match result.status {
            Status::Ok => "ok".into(),
            Status::Diverged => "diverged".into(),
        },
        number(result.test.map(|test| test.accuracy)),
        number(result.test.map(|test| test.loss)),
        number(Some(result.seconds)),
        result.epochs.len().to_string(),
        number(last.map(|epoch| epoch.train_loss)),
        number(last.map(|epoch| epoch.train_accuracy)),
    ];
    for milestone in &arm.milestones {
        let point = first_reaching(&run.curve, milestone.accuracy);
        cells.push(point.map_or(String::new(), |point| point.step.to_string()));
        cells.push(number(point.map(|point| point.seconds)));
    }
    cells.push(findings.folder_of(result));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_texts_and_numbers_stay_numbers() {
        let cells = ["=1+1", "@SUM(A1)", "+14.7", "-2", "center, learning rate 0.001", "−30.0 to +1.0"];
        let expected = ["'=1+1", "'@SUM(A1)", "+14.7", "-2", "center, learning rate 0.001", "−30.0 to +1.0"];
        assert_eq!(cells.map(inert), expected);
        let header = vec!["a".to_owned(), "b".to_owned()];
        let rows = vec![vec!["x, \"y\"".to_owned(), "+1.5".to_owned()]];
        assert_eq!(table(&Table { header, rows }).unwrap(), "a,b\n\"x, \"\"y\"\"\",+1.5\n");
    }
}
