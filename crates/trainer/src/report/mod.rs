//! Results in words and tables: one file per format.

pub mod contact_sheet;
pub mod markdown;
pub mod prediction;
pub mod text;

use crate::{comparison::ScalingResult, run::Status};

/// The report as Markdown, in a comparison's folder.
pub const REPORT: &str = "report.md";

/// The cells of a comparison's table, one row per scaling, best first.
const HEADER: [&str; 6] = ["rank", "scaling", "test accuracy", "95% interval", "test loss", "training"];

fn row(rank: usize, result: &ScalingResult) -> [String; 6] {
    let losses: Vec<f64> = result.runs.iter().filter_map(|run| run.loss).collect();
    let seconds: f64 = result.runs.iter().map(|run| run.seconds).sum();
    let diverged = result.runs.iter().filter(|run| run.status == Status::Diverged).count();
    let name = match diverged {
        0 => result.scaling.clone(),
        _ => format!("{} ({diverged} of {} diverged)", result.scaling, result.runs.len()),
    };
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    [
        rank.to_string(),
        name,
        or_dash(result.accuracy.mean.map(percent)),
        or_dash(result.accuracy.ci95.map(|[low, high]| format!("{} to {}", percent(low), percent(high)))),
        or_dash(crate::significance::mean(&losses).map(|loss| format!("{loss:.4}"))),
        format!("{:.1} s", seconds / result.runs.len() as f64),
    ]
}

/// A fraction in percent.
pub fn percent(fraction: f64) -> String {
    format!("{:.2}%", 100.0 * fraction)
}
