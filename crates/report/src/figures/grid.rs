//! A heat map of the mean test accuracies, if the comparison varies the learning rate or the batch size.

use plotters::style::Color;

use super::{
    Figure,
    matrix::{Cell, Matrix},
};
use crate::{Findings, ReportError, numbers::percent, style::HEAT, tables};

/// A heat map of more columns than this is illegible if it is shrunk.
const UNSHRUNK: usize = 6;

/// Draws a row per scaling and a column per learning rate and batch size; `None` if they do not vary.
pub fn heat_map(findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let arms = &findings.comparison.scalings;
    let mut settings: Vec<(f64, u32)> = arms.iter().map(|arm| (arm.learning_rate, arm.batch_size)).collect();
    settings.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    settings.dedup();
    let mut rows: Vec<&str> = Vec::new();
    for arm in arms {
        if !rows.contains(&arm.scaling.as_str()) {
            rows.push(&arm.scaling);
        }
    }
    let means = || arms.iter().filter_map(|arm| arm.accuracy.mean);
    let (Some(low), Some(high)) = (means().reduce(f64::min), means().reduce(f64::max)) else {
        return Ok(None);
    };
    if settings.len() < 2 {
        return Ok(None);
    }
    let cell = |scaling: &str, of_column: (f64, u32)| {
        let is_here = |arm: &&_| is_at(arm, scaling, of_column);
        let arm = arms.iter().find(is_here);
        let mean = arm.and_then(|arm| arm.accuracy.mean);
        // With equal accuracies, all cells are half as dark.
        let share = mean.map_or(0.0, |mean| if low < high { (mean - low) / (high - low) } else { 0.5 });
        let details = arm.map(|arm| {
            let interval = tables::interval(arm.accuracy.ci95);
            format!("{}: {}, 95% interval {interval}", arm.name, tables::accuracy(arm))
        });
        Cell {
            text: mean.map_or("–".into(), percent),
            fill: HEAT.mix(if mean.is_some() { 0.06 + 0.54 * share } else { 0.0 }),
            details,
        }
    };
    let varies =
        |differs: fn(&[(f64, u32); 2]) -> bool| settings.windows(2).any(|pair| differs(&[pair[0], pair[1]]));
    let rates = varies(|[a, b]| a.0.total_cmp(&b.0).is_ne());
    let batches = varies(|[a, b]| a.1 != b.1);
    let column = |&(rate, batch): &(f64, u32)| match (rates, batches) {
        (true, true) => format!("{rate:?}, {batch}"),
        (true, false) => format!("{rate:?}"),
        _ => batch.to_string(),
    };
    let columns_are = match (rates, batches) {
        (true, true) => "learning rate, batch size",
        (true, false) => "learning rate",
        _ => "batch size",
    };
    let matrix = Matrix {
        columns_are,
        rows_are: "scaling",
        columns: settings.iter().map(column).collect(),
        rows: rows.iter().map(|&row| row.to_owned()).collect(),
        cells: rows.iter().map(|row| settings.iter().map(|&at| cell(row, at)).collect()).collect(),
    };
    let best = &arms[0];
    Ok(Some(Figure {
        name: "grid".into(),
        title: format!(
            "Mean test accuracy of each scaling by {columns_are}, from {} to {}; best: {}",
            percent(low),
            percent(high),
            best.name
        ),
        caption: "Mean test accuracy: the stronger the color, the higher.".into(),
        is_wide: settings.len() > UNSHRUNK,
        arm: None,
        svg: matrix.draw()?,
    }))
}

fn is_at(arm: &mnist_comparison::ArmResult, scaling: &str, (rate, batch): (f64, u32)) -> bool {
    arm.scaling == scaling && arm.learning_rate.total_cmp(&rate).is_eq() && arm.batch_size == batch
}
