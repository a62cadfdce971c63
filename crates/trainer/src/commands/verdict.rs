//! `verdict`: the statistics alone, on accuracies from any program.

use std::path::Path;

use anyhow::Result;
use mnist_comparison::{
    Accuracy, ArmAccuracies, ArmStatistics, Design, Looks, Pair, SeedAccuracy, Statistics,
    design::default_margin,
};
use mnist_report::numbers::percent;
use mnist_training::settings::Positive;
use serde::{Deserialize, Serialize};

use crate::{
    cli::{LooksFlag, VerdictArgs},
    command_error::HintedError,
    input::{self, is_standard_input},
    layout::{fit_stdout, table},
    terminal::Terminal,
};

/// The unit of differences if the number of test images is unknown.
const UNIT: usize = 10_000;

/// A longer file is not a list of accuracies.
const MOST_BYTES: u64 = 64 << 20;

const COLUMNS: &str = "the file needs the columns arm,seed,accuracy, with accuracies such as 0.9905";

/// A row of the file. A run that diverged has no accuracy.
#[derive(Deserialize)]
struct Row {
    arm: String,
    seed: u64,
    accuracy: Option<f64>,
}

#[derive(Serialize)]
struct VerdictResult {
    arms: Vec<ArmResult>,
    pairs: Vec<Pair>,
    headline: String,
    verdict: String,
}

#[derive(Serialize)]
struct ArmResult {
    arm: String,
    /// Number of seeds with an accuracy.
    seeds: usize,
    #[serde(flatten)]
    accuracy: Accuracy,
    ranks: Vec<usize>,
}

impl ArmResult {
    fn of(arm: ArmStatistics) -> Self {
        Self { arm: arm.name, seeds: arm.runs - arm.diverged, accuracy: arm.accuracy, ranks: arm.ranks }
    }
}

pub fn run(args: &VerdictArgs, terminal: &Terminal) -> Result<()> {
    let arms = read(&args.file)?;
    let test_images = args.test_images.map_or(UNIT, |images| images.get() as usize);
    let design = Design {
        test_images,
        whole_images: args.test_images.is_some(),
        margin: args.margin.map_or_else(|| default_margin(test_images), Positive::get),
        looks: match args.looks {
            LooksFlag::Once => Looks::Once,
            LooksFlag::Any => Looks::Any,
        },
    };
    let statistics = Statistics::of(&arms, design)?;
    let (headline, verdict) = (statistics.headline(), statistics.verdict());
    let Statistics { arms, pairs, .. } = statistics;
    let arms = arms.into_iter().map(ArmResult::of).collect();
    let result = VerdictResult { arms, pairs, headline, verdict };
    terminal.result(&result, || describe(&result))
}

/// Reads the arms in the order of their first rows.
fn read(path: &Path) -> Result<Vec<ArmAccuracies>> {
    let name = if is_standard_input(path) { "standard input".into() } else { path.display().to_string() };
    let failed = |reason: String| HintedError::new(format!("cannot read {name}: {reason}"), COLUMNS);
    let content = input::read(path, MOST_BYTES)?.map_err(|error| failed(error.to_string()))?;
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&content[..]);
    let header = rows.headers().map_err(|error| failed(reason(&error)))?;
    // An empty accuracy is a run that diverged, so a missing column must not look like that.
    if !header.is_empty() && !header.iter().any(|column| column == "accuracy") {
        return Err(failed("it has no column `accuracy`".into()).into());
    }
    let mut arms: Vec<ArmAccuracies> = Vec::new();
    for (number, row) in rows.deserialize().enumerate() {
        let Row { arm: name, seed, accuracy } = row.map_err(|error| failed(reason(&error)))?;
        if name.is_empty() {
            return Err(failed(format!("row {} has no arm", number + 1)).into());
        }
        if let Some(accuracy) = accuracy.filter(|accuracy| !(0.0..=1.0).contains(accuracy)) {
            let row = number + 1;
            return Err(failed(format!("row {row}: accuracy {accuracy} is not between 0 and 1")).into());
        }
        let run = SeedAccuracy { seed, accuracy, answers: None };
        match arms.iter_mut().find(|arm| arm.name == name) {
            Some(arm) => arm.runs.push(run),
            None => arms.push(ArmAccuracies { name, runs: vec![run] }),
        }
    }
    if arms.is_empty() {
        return Err(failed("it has no rows".into()).into());
    }
    Ok(arms)
}

/// Shortens an error of the CSV reader to its line and cause.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { pos, err } => {
            let line =
                pos.as_ref().map_or_else(String::new, |position| format!("line {}: ", position.line()));
            let column = err.field().map_or_else(String::new, |field| format!("column {}: ", field + 1));
            format!("{line}{column}{}", err.kind())
        }
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line =
                pos.as_ref().map_or_else(String::new, |position| format!("line {}: ", position.line()));
            format!("{line}{len} values in place of {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8 text".into(),
        _ => error.to_string(),
    }
}

fn describe(result: &VerdictResult) -> String {
    let rows = result.arms.iter().map(|arm| {
        let or_missing = |value: Option<f64>| value.map_or_else(|| "–".into(), percent);
        let ranks: Vec<String> = arm.ranks.iter().map(usize::to_string).collect();
        let ranks = if ranks.is_empty() { "–".into() } else { ranks.join(", ") };
        vec![
            ranks,
            arm.arm.clone(),
            arm.seeds.to_string(),
            or_missing(arm.accuracy.mean),
            or_missing(arm.accuracy.std),
        ]
    });
    let header = vec!["rank", "arm", "seeds", "accuracy", "std"];
    [fit_stdout(&result.headline), table(header, rows), fit_stdout(&result.verdict)].join("\n")
}
