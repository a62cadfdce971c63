//! Pictures of a single run, for programs that show no SVG: the confusion matrix, and the most confident errors.

use embedded_graphics::{
    mono_font::{MonoFont, iso_8859_1::FONT_8X13},
    text::Alignment,
};
use image::RgbImage;
use mnist_data::Images;
use mnist_training::{FinishedRun, RunResult, prediction::LabelledPrediction};
use plotters::style::RGBColor;

use crate::{
    ReportError,
    bitmap::Bitmap,
    figures::most_confused,
    numbers::count,
    style::{ERROR, INK},
    text::shortened,
    tiles::{original, tile_size},
};

const FONT: MonoFont<'_> = FONT_8X13;
/// Width and height of a letter. All sizes here are in pixels.
const LETTER: [i32; 2] = [8, 13];
const MARGIN: i32 = 12;
/// What the rows and the columns of the matrix are.
const TITLE: &str = "true class / predicted class";
/// Height of a cell of the matrix, and its minimum width.
const CELL: i32 = 36;
/// Maximum length of a class name.
const LONGEST_NAME: usize = 18;
/// Number of misclassified images, and how many of them are in a row.
const MISREAD: usize = 25;
const COLUMNS: usize = 5;

/// Draws the confusion matrix of a run: rows are true classes, columns are predicted classes, errors are red. If there
/// are more than 20 classes, shows those with the most errors. Returns `None` if the run diverged.
pub fn confusion_matrix(run: &RunResult) -> Option<RgbImage> {
    let counts = run.confusion.as_ref()?;
    let classes = most_confused(counts);
    let errors = classes.iter().flat_map(|&row| {
        classes.iter().filter(move |&&column| column != row).map(move |&column| counts[row][column])
    });
    let most_errors = errors.max().unwrap_or(0).max(1) as f64;
    let names: Vec<String> = classes.iter().map(|&class| name(run, class)).collect();
    let longest = names.iter().map(|name| width_of(name)).max().unwrap_or(0);
    let widest = counts.iter().flatten().map(|&number| width_of(&count(number))).max().unwrap_or(0);
    let wide = CELL.max(widest + 6);
    let [left, top] = [MARGIN + longest + 6, MARGIN + 2 * (LETTER[1] + 6)];
    let size = classes.len() as i32;
    let width = (left + wide * size).max(MARGIN + width_of(TITLE)) + MARGIN;
    let mut canvas = Bitmap::white(width, top + CELL * size + MARGIN);
    canvas.write(TITLE, [MARGIN, MARGIN], &FONT, Alignment::Left);
    for (place, name) in (0..).zip(&names) {
        let short = shortened(name, (wide / LETTER[0]) as usize);
        canvas.write(&short, [left + wide * place + wide / 2, top - LETTER[1] - 4], &FONT, Alignment::Center);
        canvas.write(name, [left - 6, top + CELL * place + (CELL - LETTER[1]) / 2], &FONT, Alignment::Right);
    }
    for (y, &row) in (0..).zip(&classes) {
        for (x, &column) in (0..).zip(&classes) {
            let number = counts[row][column];
            // The square root keeps rare errors visible.
            let share = (number as f64 / most_errors).sqrt();
            let fill = if row == column { on_white(INK, 0.08) } else { on_white(ERROR, 0.7 * share) };
            let corner = (left + wide * x, top + CELL * y);
            canvas.fill([corner, (corner.0 + wide - 1, corner.1 + CELL - 1)], fill);
            if number > 0 {
                let middle = [corner.0 + wide / 2, corner.1 + (CELL - LETTER[1]) / 2];
                canvas.write(&count(number), middle, &FONT, Alignment::Center);
            }
        }
    }
    Some(canvas.into_image())
}

/// Draws the images that a run misclassified with the highest probability, at most 25. Below each are the true and the
/// predicted class, and the probability of the latter. Returns `None` if there are none.
///
/// # Errors
/// When `test` does not contain the images that the run was tested on.
pub fn misread_images(run: &FinishedRun, test: &Images) -> Result<Option<RgbImage>, ReportError> {
    let mut errors: Vec<&LabelledPrediction> =
        run.predictions.iter().filter(|prediction| !prediction.is_correct()).collect();
    errors.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    errors.truncate(MISREAD);
    if errors.is_empty() {
        return Ok(None);
    }
    let captions: Vec<[String; 2]> = errors
        .iter()
        .map(|error| {
            let [label, predicted] = [error.label, error.predicted].map(|class| name(&run.result, class));
            [format!("{label} as {predicted}"), format!("{:.1}%", 100.0 * error.probability)]
        })
        .collect();
    let tile = tile_size(test.shape()).map(|side| side as i32);
    let longest = captions.iter().flatten().map(|text| width_of(text)).max().unwrap_or(0);
    let (wide, high) = (tile[0].max(longest) + MARGIN, tile[1] + 2 * (LETTER[1] + 2) + MARGIN);
    let (columns, rows) = (errors.len().min(COLUMNS), errors.len().div_ceil(COLUMNS));
    let mut canvas = Bitmap::white(MARGIN + columns as i32 * wide, MARGIN + rows as i32 * high);
    for (place, (error, caption)) in errors.iter().zip(&captions).enumerate() {
        let left = MARGIN + (place % COLUMNS) as i32 * wide;
        let top = MARGIN + (place / COLUMNS) as i32 * high;
        let middle = left + (wide - MARGIN) / 2;
        canvas.put(&original(test, error.image)?, [middle - tile[0] / 2, top]);
        for (line, text) in (0..).zip(caption) {
            let below = top + tile[1] + 2 + line * (LETTER[1] + 2);
            canvas.write(text, [middle, below], &FONT, Alignment::Center);
        }
    }
    Ok(Some(canvas.into_image()))
}

fn name(run: &RunResult, class: usize) -> String {
    let name = run.class_names.as_ref().and_then(|names| names.get(class).cloned());
    shortened(&name.unwrap_or_else(|| class.to_string()), LONGEST_NAME)
}

fn width_of(text: &str) -> i32 {
    // One more, because the ellipsis of a shortened name takes two letters.
    (text.chars().count() as i32 + i32::from(text.contains('…'))) * LETTER[0]
}

/// Returns a color of this opacity on white.
fn on_white(RGBColor(red, green, blue): RGBColor, opacity: f64) -> RGBColor {
    let blend = |part: u8| (255.0 - opacity * (255.0 - f64::from(part))).round() as u8;
    RGBColor(blend(red), blend(green), blend(blue))
}
