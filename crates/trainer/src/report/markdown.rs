//! The report as Markdown.

use super::{HEADER, row};
use crate::comparison::Comparison;

/// The ranking, the verdict and how it was made.
pub fn comparison(comparison: &Comparison, config: &str) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(&HEADER.map(str::to_owned));
    table += &line(&HEADER.map(|_| "---".to_owned()));
    for (rank, result) in (1..).zip(&comparison.scalings) {
        table += &line(&row(rank, result));
    }
    format!(
        "# Which pixel scaling to train with\n\n{}\n\n{table}\n\
         mnist-trainer {} on Burn {}, {:.0} s of training, with\n\n```toml\n{config}```\n",
        comparison.verdict, comparison.versions.mnist_trainer, comparison.versions.burn, comparison.seconds
    )
}
