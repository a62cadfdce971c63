//! Learning curves: the mean over an arm's seeds, with a band from the lowest to the highest seed.

use std::{error::Error, ops::Range};

use mnist_comparison::{ArmResult, significance::mean};
use mnist_training::{FinishedRun, curve::CurvePoint, progress::EpochMetrics};
use plotters::{
    coord::{
        ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::{
        BindKeyPoints, Cartesian2d, ChartBuilder, ChartContext, DashedLineSeries, IntoLogRange, LineSeries,
        Polygon, SVGBackend,
    },
    style::Color,
};

use super::{Figure, SHOWN_ARMS};
use crate::{
    Findings, ReportError,
    numbers::{count, loss, percent},
    style::{Area, Drawn, Entry, INK, WIDTH, legend_entry, legend_height, letters, mark},
    svg::{Drawing, Mark, Place},
};

/// Height of the plot below the legend, in pixels.
const PLOT_HEIGHT: u32 = 270;

/// Curves with fewer points than this get a marker at each point. Of longer curves, some points get one if the color of
/// the curve is not enough to tell its arm.
const MARKED: usize = 20;

/// Number of markers on a longer curve.
const SOME_MARKERS: usize = 6;

/// Maximum number of points of a curve with tooltips.
const MOST_TOOLTIPS: usize = 100;

/// The lower limit of a logarithmic axis.
const SMALLEST_LOSS: f64 = 1e-6;

/// Maximum number of powers of ten with a label.
const MOST_POWERS: usize = 10;

/// From here on, a loss is labelled in scientific notation.
const LARGE_LOSS: f64 = 10_000.0;

/// An arm's line in a plot.
struct Line<'a> {
    arm: &'a ArmResult,
    /// `(x, mean, lowest, highest)` over the seeds.
    points: Vec<[f64; 4]>,
    dashed: bool,
}

/// The description of a plot.
struct Plot {
    name: &'static str,
    title: String,
    x: &'static str,
    y: String,
    is_loss: bool,
}

/// Draws the plots over all epochs and over the steps of the first epoch. Plots without a curve are left out, and so are
/// the plots over epochs if there is only one.
pub fn all(findings: &Findings) -> Result<Vec<Figure>, ReportError> {
    let of_epochs = |value: fn(&EpochMetrics) -> Option<f64>| {
        move |run: &FinishedRun| {
            let epochs = run.result.epochs.iter();
            epochs.filter_map(|epoch| Some((epoch.epoch as f64, value(epoch)?))).collect::<Vec<_>>()
        }
    };
    let early = |value: fn(&CurvePoint) -> f64| {
        move |run: &FinishedRun| {
            let points = run.curve.iter().filter(|point| point.epoch == 1);
            points.map(|point| (point.step as f64, value(point))).collect::<Vec<_>>()
        }
    };
    let mut figures = Vec::new();
    let mut add = |plot: Plot, curves: Vec<Line>| -> Result<(), ReportError> {
        figures.extend(draw(findings, &plot, &curves)?);
        Ok(())
    };
    let has_several_epochs = findings.runs().any(|run| run.result.epochs.len() > 1);
    let of_epochs_shown: &[_] = if has_several_epochs || findings.runs().all(|run| run.curve.is_empty()) {
        &[(true, "epoch-loss", "loss"), (false, "epoch-accuracy", "accuracy")]
    } else {
        &[]
    };
    for &(is_loss, name, what) in of_epochs_shown {
        let (train, validation) = if is_loss {
            (
                curves(findings, false, of_epochs(|epoch| Some(epoch.train_loss))),
                curves(findings, true, of_epochs(|epoch| epoch.validation_loss)),
            )
        } else {
            (
                curves(findings, false, of_epochs(|epoch| Some(epoch.train_accuracy))),
                curves(findings, true, of_epochs(|epoch| epoch.validation_accuracy)),
            )
        };
        let dashed = if validation.is_empty() { "" } else { " (dashed: validation)" };
        let title = format!("Training {what} of each epoch{dashed}");
        let y = format!("training {what}{dashed}");
        add(Plot { name, title, x: "epoch", y, is_loss }, train.into_iter().chain(validation).collect())?;
    }
    let losses = curves(findings, false, early(|point| point.loss));
    let of_first = if has_several_epochs { "in the first epoch, " } else { "" };
    let title = format!("Training loss {of_first}by step");
    add(Plot { name: "early-loss", title, x: "step", y: "training loss".into(), is_loss: true }, losses)?;
    let accuracies = curves(findings, false, early(|point| point.accuracy));
    let title = format!("Training accuracy {of_first}by step");
    add(
        Plot { name: "early-accuracy", title, x: "step", y: "training accuracy".into(), is_loss: false },
        accuracies,
    )?;
    Ok(figures)
}

/// Computes a curve for each of the best arms, over its usable runs.
fn curves<'a>(
    findings: &Findings<'a>,
    dashed: bool,
    of_run: impl Fn(&FinishedRun) -> Vec<(f64, f64)>,
) -> Vec<Line<'a>> {
    let arms = findings.comparison.scalings.iter().take(SHOWN_ARMS);
    let curve = |arm| {
        let usable = findings.runs_of(arm).usable();
        let runs: Vec<Vec<(f64, f64)>> = usable.map(&of_run).collect();
        let length = runs.iter().map(Vec::len).min().unwrap_or(0);
        let points = (0..length).filter_map(|index| {
            let values: Vec<f64> = runs.iter().map(|run| run[index].1).collect();
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let point = [runs[0][index].0, mean(&values)?, lowest, highest];
            point.iter().all(|value| value.is_finite()).then_some(point)
        });
        Line { arm, points: points.collect(), dashed }
    };
    arms.map(curve).filter(|curve| !curve.points.is_empty()).collect()
}

fn draw(findings: &Findings, plot: &Plot, curves: &[Line]) -> Result<Option<Figure>, ReportError> {
    let values = |index: usize| {
        curves.iter().flat_map(move |curve| curve.points.iter().map(move |point| point[index]))
    };
    let (Some(first), Some(last), Some(low), Some(high)) = (
        values(0).reduce(f64::min),
        values(0).reduce(f64::max),
        values(2).reduce(f64::min),
        values(3).reduce(f64::max),
    ) else {
        return Ok(None);
    };
    // A single epoch would be an empty range.
    let x = if first < last { first..last } else { first - 0.5..last + 0.5 };
    let is_drawn = |arm: &&ArmResult| curves.iter().any(|curve| curve.arm.arm_index == arm.arm_index);
    let arms: Vec<&ArmResult> = findings.comparison.scalings.iter().filter(is_drawn).collect();
    let svg = if plot.is_loss {
        let low = low.max(SMALLEST_LOSS);
        // All losses can be below the smallest, for example with a single class.
        let [low, high] = [low / 1.15, high.max(low) * 1.15];
        let y = || (low..high).log_scale().with_key_points(ticks(low, high));
        chart(findings, &arms, plot, curves, x, &y, &|&value| loss_tick(value))?
    } else {
        let margin = ((high - low) * 0.06).max(0.002);
        let y = || low - margin..high + margin;
        chart(findings, &arms, plot, curves, x, &y, &|value| {
            if *value > 1.0 + 1e-9 { String::new() } else { format!("{}%", (*value * 1000.0).round() / 10.0) }
        })?
    };
    let title = {
        let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
        format!("{}: {}", plot.title, names.join(", "))
    };
    Ok(Some(Figure {
        name: plot.name.into(),
        title,
        caption: plot.title.clone(),
        is_wide: false,
        arm: None,
        svg,
    }))
}

/// Formats the label of a tick: without trailing zeros, and a large loss as in the tables.
fn loss_tick(value: f64) -> String {
    if value < LARGE_LOSS { ((value * 1e6).round() / 1e6).to_string() } else { loss(value) }
}

/// Returns 1, 2 and 5 times each power of ten from `low` to `high`. If there are many powers, returns only the
/// powers; if there are too many for their labels, only some of them.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = low.log10().floor() as i32..=high.log10().floor() as i32;
    let count = powers.clone().count();
    let steps: &[f64] = if count > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let ticks = powers
        .step_by(count.div_ceil(MOST_POWERS).max(1))
        .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
    ticks.filter(|tick| (low..=high).contains(tick)).collect()
}

fn chart<Y: AsRangedCoord<Value = f64>>(
    findings: &Findings,
    arms: &[&ArmResult],
    plot: &Plot,
    curves: &[Line],
    x: Range<f64>,
    y: &dyn Fn() -> Y,
    label: &dyn Fn(&f64) -> String,
) -> Result<String, ReportError>
where
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let names: Vec<Entry> = arms.iter().map(|arm| (findings.look(arm), arm.name.as_str())).collect();
    let top = legend_height(&names);
    let mut drawing = Drawing::new((WIDTH, top + PLOT_HEIGHT));
    drawing.layer(None, |area| {
        let epochs = (x.end - x.start).round() as usize + 1;
        below_legend(area, top, x.clone(), y())?
            .configure_mesh()
            .light_line_style(INK.mix(0.0))
            .bold_line_style(INK.mix(0.13))
            .axis_style(INK.mix(0.5))
            .x_labels(epochs.min(7))
            .y_labels(6)
            .label_style(letters(11, &INK))
            .x_label_formatter(&|value| {
                if value.fract().abs() < 1e-9 { format!("{value}") } else { String::new() }
            })
            .y_label_formatter(label)
            .x_desc(plot.x)
            .y_desc(plot.y.as_str())
            .axis_desc_style(letters(12, &INK))
            .draw()?;
        Ok(())
    })?;
    for (entry, arm) in arms.iter().enumerate() {
        let mut marks = Vec::new();
        drawing.layer(Some(arm.arm_index), |area| {
            legend_entry(area, &names, entry, 4)?;
            let mut chart = below_legend(area, top, x.clone(), y())?;
            for line in curves.iter().filter(|line| line.arm.arm_index == arm.arm_index) {
                draw_line(area, &mut chart, findings, line)?;
                let every = line.points.len().div_ceil(MOST_TOOLTIPS).max(1);
                marks.extend(line.points.iter().step_by(every).map(|point| Mark {
                    place: Place::Point(chart.backend_coord(&(point[0], point[1].max(SMALLEST_LOSS)))),
                    text: describe(line, plot, point),
                }));
            }
            Ok(())
        })?;
        drawing.marks(Some(arm.arm_index), &marks);
    }
    Ok(drawing.finish())
}

/// A plot below the legend.
type Chart<'a, 'b, Y> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, <Y as AsRangedCoord>::CoordDescType>>;

/// Returns the plot below a legend of this height.
fn below_legend<'a, 'b, Y: AsRangedCoord<Value = f64>>(
    area: &Area<'b>,
    top: u32,
    x: Range<f64>,
    y: Y,
) -> Result<Chart<'a, 'b, Y>, Box<dyn Error>>
where
    Y::CoordDescType: Ranged<ValueType = f64>,
{
    Ok(ChartBuilder::on(&area.split_vertically(top).1)
        .margin_top(8)
        .margin_right(20)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?)
}

/// Draws a line with its band and its markers.
fn draw_line<Y: Ranged<ValueType = f64>>(
    area: &Area,
    chart: &mut ChartContext<SVGBackend, Cartesian2d<RangedCoordf64, Y>>,
    findings: &Findings,
    line: &Line,
) -> Drawn {
    let Line { arm, points, dashed } = line;
    let look = findings.look(arm);
    let at = |index: usize| points.iter().map(move |point| (point[0], point[index].max(SMALLEST_LOSS)));
    if !dashed && points.len() > 1 {
        let outline: Vec<(f64, f64)> = at(2).chain(at(3).rev()).collect();
        chart.draw_series([Polygon::new(outline, look.color.mix(0.18).filled())])?;
    }
    let stroke = look.color.stroke_width(2);
    if *dashed {
        chart.draw_series(DashedLineSeries::new(at(1), 5, 4, stroke))?;
    } else {
        chart.draw_series(LineSeries::new(at(1), stroke))?;
    }
    if points.len() >= MARKED && look.shape == 0 {
        return Ok(());
    }
    let every = if points.len() < MARKED { 1 } else { points.len() / SOME_MARKERS };
    for point in at(1).step_by(every) {
        mark(area, chart.backend_coord(&point), 3, look, look.color.filled())?;
    }
    Ok(())
}

/// Describes a point: the arm, the epoch or step, the mean and the range over the seeds.
fn describe(line: &Line, plot: &Plot, &[x, mean, low, high]: &[f64; 4]) -> String {
    let number = |value| if plot.is_loss { loss(value) } else { percent(value) };
    let range = if low < high { format!(" ({} to {})", number(low), number(high)) } else { String::new() };
    let what = match (plot.is_loss, line.dashed) {
        (true, false) => "loss",
        (true, true) => "validation loss",
        (false, false) => "accuracy",
        (false, true) => "validation accuracy",
    };
    format!("{}, {} {}: {what} {}{range}", line.arm.name, plot.x, count(x as usize), number(mean))
}
