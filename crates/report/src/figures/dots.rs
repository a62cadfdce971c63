//! The figure of test accuracies: a mark per seed, with the mean and its 95% interval.

use std::error::Error;

use mnist_comparison::ArmResult;
use plotters::{
    coord::types::RangedCoordf64,
    prelude::{Cartesian2d, ChartBuilder, ChartContext, PathElement, SVGBackend, Text},
    style::{
        Color,
        text_anchor::{HPos, VPos},
    },
};

use super::Figure;
use crate::{
    Findings, ReportError,
    numbers::percent,
    style::{Area, INK, Look, WIDTH, letters, mark, placed},
    svg::{Drawing, Mark, Place},
    tables,
};

/// Height of an arm's name and the marks below it, in pixels.
const ROW_HEIGHT: u32 = 46;

/// Height of the axis.
const AXIS_HEIGHT: u32 = 48;

const OF_SEEDS: &str = "Each mark is one seed. The vertical bar is their mean, the horizontal line its 95% interval. An interval without an end cap extends past the plot.";

const OF_ONE_SEED: &str = "Each mark is one run.";

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws a row per arm with a usable run; `None` without such an arm.
pub fn accuracy(findings: &Findings) -> Result<Option<Figure>, ReportError> {
    let comparison = findings.comparison;
    let arms: Vec<&ArmResult> =
        comparison.scalings.iter().filter(|arm| arm.accuracy.mean.is_some()).collect();
    let Some((low, high)) = range(&arms) else { return Ok(None) };
    let several = comparison.has_several_seeds();
    let mut drawing = Drawing::new((WIDTH, arms.len() as u32 * ROW_HEIGHT + AXIS_HEIGHT + 8));
    drawing.layer(None, |area| {
        chart(area, (low, high), arms.len())?
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(INK.mix(0.0))
            .bold_line_style(INK.mix(0.15))
            .axis_style(INK.mix(0.5))
            .x_labels(5)
            .x_label_style(letters(11, &INK))
            .x_label_formatter(&|value| percent_tick(*value, high - low))
            .x_desc("test accuracy")
            .axis_desc_style(letters(12, &INK))
            .draw()?;
        Ok(())
    })?;
    for (row, arm) in arms.iter().enumerate() {
        let mut marks = Vec::new();
        drawing.layer(Some(arm.arm_index), |area| {
            marks = draw_row(area, chart(area, (low, high), arms.len())?, row, arm, findings.look(arm))?;
            Ok(())
        })?;
        drawing.marks(Some(arm.arm_index), &marks);
    }
    let means = arms.iter().filter_map(|arm| Some(format!("{} {}", arm.name, percent(arm.accuracy.mean?))));
    Ok(Some(Figure {
        name: "accuracy".into(),
        title: format!(
            "{}: {}",
            if several {
                "Test accuracy of each seed, with the mean per scaling"
            } else {
                "Test accuracy of each scaling, with one seed"
            },
            means.collect::<Vec<_>>().join(", ")
        ),
        caption: if several { OF_SEEDS } else { OF_ONE_SEED }.into(),
        is_wide: false,
        arm: None,
        svg: drawing.finish(),
    }))
}

fn chart<'a, 'b>(
    area: &Area<'b>,
    (low, high): (f64, f64),
    rows: usize,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    Ok(ChartBuilder::on(area)
        .margin_left(14)
        .margin_right(24)
        .margin_top(8)
        .x_label_area_size(AXIS_HEIGHT)
        .build_cartesian_2d(low..high, (rows as f64)..0.0)?)
}

/// Draws an arm's name, runs, mean and interval. Returns their marks.
fn draw_row(
    area: &Area,
    mut chart: Chart,
    row: usize,
    arm: &ArmResult,
    look: Look,
) -> Result<Vec<Mark>, Box<dyn Error>> {
    let (low, high) = (chart.x_range().start, chart.x_range().end);
    let (name, y) = ((low, row as f64 + 0.06), row as f64 + 0.68);
    chart.draw_series([Text::new(arm.name.clone(), name, placed(HPos::Left, VPos::Top))])?;
    if let Some([from, to]) = arm.accuracy.ci95 {
        let line = |points: Vec<(f64, f64)>| PathElement::new(points, look.color.stroke_width(2));
        chart.draw_series([line(vec![(from.max(low), y), (to.min(high), y)])])?;
        let ends = [from, to].into_iter().filter(|end| (low..=high).contains(end));
        chart.draw_series(ends.map(|end| line(vec![(end, y - 0.14), (end, y + 0.14)])))?;
    }
    let mut marks = Vec::new();
    if let (Some(mean), Some(_)) = (arm.accuracy.mean, arm.accuracy.ci95) {
        let [(left, top), (right, bottom)] =
            [(mean, y - 0.24), (mean, y + 0.24)].map(|point| chart.backend_coord(&point));
        marks.push(Mark {
            place: Place::Cell([(left - 3, top), (right + 3, bottom)]),
            text: format!(
                "{}: mean {}, 95% interval {}",
                arm.name,
                percent(mean),
                tables::interval(arm.accuracy.ci95)
            ),
        });
    }
    for run in &arm.runs {
        let Some(accuracy) = run.accuracy else { continue };
        let place = chart.backend_coord(&(accuracy, y));
        mark(area, place, 5, look, look.color.mix(0.7).filled())?;
        let text = format!("{}, seed {}: {}", arm.name, run.seed, percent(accuracy));
        marks.push(Mark { place: Place::Point(place), text });
    }
    if let Some(mean) = arm.accuracy.mean {
        let bar = vec![(mean, y - 0.24), (mean, y + 0.24)];
        chart.draw_series([PathElement::new(bar, INK.stroke_width(2))])?;
    }
    Ok(marks)
}

/// Returns the range of the axis. An interval of two seeds can be many times wider than the distance between them, so
/// intervals can at most double the range.
fn range(arms: &[&ArmResult]) -> Option<(f64, f64)> {
    let accuracies = || arms.iter().flat_map(|arm| &arm.runs).filter_map(|run| run.accuracy);
    let lowest = accuracies().reduce(f64::min)?;
    let highest = accuracies().reduce(f64::max)?;
    let spread = (highest - lowest).max(0.002);
    let intervals = || arms.iter().filter_map(|arm| arm.accuracy.ci95);
    let low = intervals().map(|[low, _]| low).fold(lowest, f64::min).max(lowest - spread / 2.0);
    let high = intervals().map(|[_, high]| high).fold(highest, f64::max).min(highest + spread / 2.0);
    let margin = spread * 0.06;
    Some(((low - margin).max(0.0 - margin), high + margin))
}

/// Formats the label of a tick with enough decimals to distinguish it from the next one. There is no label above
/// 100%.
fn percent_tick(value: f64, range: f64) -> String {
    let decimals = (1.0 - (range * 100.0 / 5.0).log10()).ceil().clamp(0.0, 3.0) as usize;
    if value > 1.0 + 1e-9 { String::new() } else { format!("{:.decimals$}%", 100.0 * value) }
}
