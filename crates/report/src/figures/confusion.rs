//! Confusion matrices, one per arm, with errors in red.

use mnist_training::RunResult;
use plotters::{
    prelude::{Rectangle, Text},
    style::{
        Color, FontTransform, IntoTextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{Figure, SHOWN_ARMS, slug};
use crate::{
    Findings, ReportError,
    numbers::{count, plural},
    style::{Area, Drawn, ERROR, INK, LETTERS, letters, placed, svg, text_width},
};

/// Maximum number of classes shown. If there are more, those with the most errors are shown.
pub const SHOWN_CLASSES: usize = 20;

/// A matrix of more classes than this is illegible if it is shrunk.
const UNSHRUNK: usize = 10;

/// Height of a cell and its minimum width, in pixels.
const CELL: i32 = 36;

/// Height of the digits of a count, in pixels.
const COUNT_LETTERS: u32 = 11;

/// Maximum length of a class name. Longer names are shortened in the middle, because names often differ at one end.
const LONGEST_NAME: usize = 14;

/// Draws the matrices of the best arms, each summed over all seeds.
pub fn all(findings: &Findings) -> Result<Vec<Figure>, ReportError> {
    let mut figures = Vec::new();
    for arm in &findings.comparison.scalings {
        let counts: Vec<_> =
            findings.runs_of(arm).runs.iter().filter_map(|run| matrix(&run.result)).collect();
        let seeds = counts.len();
        let Some(sum) = counts.into_iter().cloned().reduce(|a, b| add(&a, &b)) else { continue };
        let classes = most_confused(&sum);
        let names: Vec<String> = classes.iter().map(|&class| shortened(&findings.class(class))).collect();
        let part: Vec<Vec<usize>> =
            classes.iter().map(|&row| classes.iter().map(|&column| sum[row][column]).collect()).collect();
        let errors: usize = off_diagonal(&sum).map(|(_, _, count)| count).sum();
        let worst = off_diagonal(&sum).max_by_key(|&(_, _, count)| count).filter(|&(_, _, count)| count > 0);
        let worst = worst.map_or(String::new(), |(row, column, times)| {
            let [row, column] = [row, column].map(|class| findings.class(class));
            format!("; most frequent error: {row} as {column} ({})", plural(times, "time"))
        });
        let predictions = plural(sum.iter().flatten().sum(), "prediction");
        let of_seeds = if seeds > 1 { format!(" ({})", plural(seeds, "seed")) } else { String::new() };
        let found = format!("{} of {predictions}{of_seeds} wrong{worst}", count(errors));
        figures.push(Figure {
            name: format!("confusion-{}", slug(&arm.name)),
            caption: format!("{}: {found}", arm.name),
            title: format!("Confusion matrix of {}: {found}", arm.name),
            is_wide: names.len() > UNSHRUNK,
            svg: draw(&part, &names)?,
        });
        if figures.len() == SHOWN_ARMS {
            break;
        }
    }
    Ok(figures)
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
fn most_confused(counts: &[Vec<usize>]) -> Vec<usize> {
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

fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let letters: Vec<char> = name.chars().collect();
    let end = letters.len() - LONGEST_NAME / 2;
    letters[..LONGEST_NAME / 2 - 1].iter().chain(&['…']).chain(&letters[end..]).collect()
}

fn draw(counts: &[Vec<usize>], names: &[String]) -> Result<String, ReportError> {
    let longest = names.iter().map(|name| text_width(name)).max().unwrap_or(0);
    let wide = cell_width(counts);
    let is_turned = longest > wide - 4;
    let (left, top) = (longest + 34, 28 + if is_turned { longest } else { LETTERS as i32 });
    let (width, height) = (wide * names.len() as i32, CELL * names.len() as i32);
    let most_errors = off_diagonal(counts).map(|(_, _, count)| count).max().unwrap_or(0).max(1);
    svg(((left + width + 8) as u32, (top + height + 8) as u32), |area| {
        let center = left + width / 2;
        area.draw(&Text::new("predicted class", (center, 4), placed(HPos::Center, VPos::Top)))?;
        let upwards = FontTransform::Rotate270;
        let turned = |style: plotters::style::TextStyle<'static>| style.transform(upwards.clone());
        let middle = (8, top + height / 2);
        area.draw(&Text::new("true class", middle, turned(placed(HPos::Center, VPos::Top))))?;
        for (index, name) in names.iter().enumerate() {
            let [along, down] = [wide, CELL].map(|side| index as i32 * side + side / 2);
            let row_name = Text::new(name.clone(), (left - 6, top + down), placed(HPos::Right, VPos::Center));
            area.draw(&row_name)?;
            let style = if is_turned {
                turned(placed(HPos::Left, VPos::Center))
            } else {
                placed(HPos::Center, VPos::Bottom)
            };
            area.draw(&Text::new(name.clone(), (left + along, top - 5), style))?;
        }
        for (row, of_row) in counts.iter().enumerate() {
            for (column, &number) in of_row.iter().enumerate() {
                let corner = (left + column as i32 * wide, top + row as i32 * CELL);
                // The square root keeps rare errors visible.
                let share = (number as f64 / most_errors as f64).sqrt();
                let fill = if row == column { INK.mix(0.08) } else { ERROR.mix(0.7 * share) };
                cell(area, [corner, (corner.0 + wide, corner.1 + CELL)], number, fill)?;
            }
        }
        Ok(())
    })
}

/// Returns a width that fits the longest count. A digit is 0.556 times as wide as high; commas are narrower.
fn cell_width(counts: &[Vec<usize>]) -> i32 {
    let longest = counts.iter().flatten().map(|&number| count(number).len()).max().unwrap_or(0);
    CELL.max((longest as f64 * f64::from(COUNT_LETTERS) * 0.556).ceil() as i32 + 4)
}

fn cell(area: &Area, corners: [(i32, i32); 2], number: usize, fill: plotters::style::RGBAColor) -> Drawn {
    if fill.3 > 0.0 {
        area.draw(&Rectangle::new(corners, fill.filled()))?;
    }
    area.draw(&Rectangle::new(corners, INK.mix(0.12).stroke_width(1)))?;
    if number > 0 {
        let [(left, top), (right, bottom)] = corners;
        let middle = (i32::midpoint(left, right), i32::midpoint(top, bottom));
        let centered = Pos::new(HPos::Center, VPos::Center);
        let style = letters(COUNT_LETTERS, &INK).pos(centered).into_text_style(area);
        area.draw(&Text::new(count(number), middle, style))?;
    }
    Ok(())
}
