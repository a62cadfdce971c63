//! The contact sheet: an image file with the same images under each scaling, and histograms of their pixel values.

use embedded_graphics::{
    mono_font::{
        MonoFont,
        iso_8859_1::{FONT_8X13, FONT_9X15, FONT_9X18_BOLD},
    },
    text::Alignment,
};
use image::RgbImage;
use mnist_data::ImageShape;
use plotters::style::{BLACK, RGBColor};

use crate::{
    ReportError,
    bitmap::Bitmap,
    numbers::short,
    previews::Preview,
    tiles::{tile, tile_size},
    value_histogram::{BINS, ValueHistogram},
};

/// Space around the sheet and between columns. All sizes here are in pixels.
const MARGIN: i32 = 20;
/// Space between images.
const GAP: i32 = 4;
/// Height of the table heads with their explanations.
const HEADER_HEIGHT: i32 = 64;
/// Space between the content of two rows.
const ROW_GAP: i32 = 20;
/// Minimum height of a row's content: a name and two lines of numbers, or a histogram.
const MIN_ROW_HEIGHT: i32 = 64;
const HISTOGRAM_WIDTH: i32 = 4 * BINS as i32;
/// Height of the numbers below a histogram, with the space above them.
const AXIS_HEIGHT: i32 = 17;

const TITLE: MonoFont<'_> = FONT_9X18_BOLD;
const BODY: MonoFont<'_> = FONT_9X15;
const SMALL: MonoFont<'_> = FONT_8X13;

const RULE: RGBColor = RGBColor(200, 200, 200);

/// The head of each column and its explanation.
const HEADER: [[&str; 2]; 3] = [
    ["Scaling", "pixel values"],
    ["The same images", "black: lowest value shown in the row, white: highest"],
    ["Histogram of pixel values", "up to 10,000 images; log scale, red: zero"],
];

/// The left end of each column, and the sizes of the sheet's parts.
struct Layout {
    labels: i32,
    images: i32,
    histogram: i32,
    width: i32,
    /// Width and height of an image on the sheet.
    tile: [i32; 2],
    row_height: i32,
}

impl Layout {
    fn of(rows: &[Preview], shape: ImageShape) -> Self {
        let [header_labels, header_images, header_histogram] =
            HEADER.map(|[name, meaning]| text_width(name, &TITLE).max(text_width(meaning, &SMALL)));
        let row_labels = rows.iter().map(|row| {
            let [range, spread] = description(row).map(|line| text_width(&line, &BODY));
            text_width(&row.name, &TITLE).max(range).max(spread)
        });
        let tile = tile_size(shape).map(|side| side as i32);
        let row_images = rows.iter().map(|row| row.images.len() as i32 * (tile[0] + GAP));

        let labels = MARGIN;
        let images = labels + row_labels.fold(header_labels, i32::max) + MARGIN;
        let histogram = images + row_images.fold(header_images, i32::max) + MARGIN;
        let width = histogram + HISTOGRAM_WIDTH.max(header_histogram) + MARGIN;
        Self { labels, images, histogram, width, tile, row_height: MIN_ROW_HEIGHT.max(tile[1]) }
    }
}

/// Draws the sheet, one row per scaling, for images of this shape.
///
/// Images with three channels are shown in color, others by their first channel in shades of gray. All images and
/// channels of a row share one linear map: its lowest value becomes black, its highest white. A row with a single
/// value is mid-gray.
///
/// Images are enlarged to at most 64 pixels or shrunk to at most 112, by an integer factor. The sheet has a header of
/// 64 pixels. A row is as high as its images, but at least 64 pixels, plus a gap of 20.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use mnist_data::{ImageShape, Images, Scaling};
/// use mnist_report::{contact_sheet, previews::PreviewImages};
///
/// // Two grayscale images with one row and two columns, of the classes 0 and 1.
/// let shape = ImageShape { channels: 1, height: 1, width: 2 };
/// let train = Images::new(shape, vec![0, 255, 51, 102], vec![0, 1]);
/// let fitted = "center".parse::<Scaling>()?.fit(&train, &mut |_, _, _| ControlFlow::Continue(()))?;
/// let preview = PreviewImages::new(&train, 2)?.under("center", &fitted, &())?;
///
/// let sheet = contact_sheet::draw(&[preview], shape)?;
/// assert_eq!(sheet.height(), 64 + 64 + 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When an image of a row does not have this shape.
pub fn draw(rows: &[Preview], shape: ImageShape) -> Result<RgbImage, ReportError> {
    let layout = Layout::of(rows, shape);
    let row_pitch = layout.row_height + ROW_GAP;
    let mut canvas = Bitmap::white(layout.width, HEADER_HEIGHT + rows.len() as i32 * row_pitch);
    draw_header(&mut canvas, &layout);
    for (row, top) in rows.iter().zip((HEADER_HEIGHT..).step_by(row_pitch as usize)) {
        canvas.fill([(MARGIN, top), (layout.width - MARGIN, top + 1)], RULE);
        let top = top + ROW_GAP / 2;
        draw_labels(&mut canvas, row, [layout.labels, top + (layout.row_height - MIN_ROW_HEIGHT) / 2]);
        let images_top = top + (layout.row_height - layout.tile[1]) / 2;
        let tile_lefts = (layout.images..).step_by((layout.tile[0] + GAP) as usize);
        for (image, left) in row.images.iter().zip(tile_lefts) {
            canvas.put(&tile(image, shape, row.shown())?, [left, images_top]);
        }
        draw_histogram(&mut canvas, &row.histogram, [layout.histogram, top], layout.row_height);
    }
    Ok(canvas.into_image())
}

fn draw_header(canvas: &mut Bitmap, layout: &Layout) {
    for ([name, meaning], left) in HEADER.iter().zip([layout.labels, layout.images, layout.histogram]) {
        canvas.write(name, [left, 18], &TITLE, Alignment::Left);
        canvas.write(meaning, [left, 40], &SMALL, Alignment::Left);
    }
}

fn draw_labels(canvas: &mut Bitmap, row: &Preview, [left, top]: [i32; 2]) {
    let [range, spread] = description(row);
    canvas.write(&row.name, [left, top], &TITLE, Alignment::Left);
    canvas.write(&range, [left, top + 25], &BODY, Alignment::Left);
    canvas.write(&spread, [left, top + 43], &BODY, Alignment::Left);
}

fn draw_histogram(canvas: &mut Bitmap, histogram: &ValueHistogram, [left, top]: [i32; 2], height: i32) {
    let size = [HISTOGRAM_WIDTH, height - AXIS_HEIGHT];
    for (corners, color) in histogram.rectangles([left, top], size, BLACK) {
        canvas.fill(corners, color);
    }
    let below = top + size[1] + 4;
    let [low, high] = histogram.ends();
    canvas.write(&low, [left, below], &SMALL, Alignment::Left);
    canvas.write(&high, [left + HISTOGRAM_WIDTH - 1, below], &SMALL, Alignment::Right);
}

/// Returns the statistics of a scaling's pixel values, in two lines.
fn description(row: &Preview) -> [String; 2] {
    let moments = &row.moments;
    let [min, max, mean, std] = [moments.min(), moments.max(), moments.mean(), moments.std()]
        .map(|value| short(value, row.histogram.interval()));
    [format!("min  {min:<8} max {max}"), format!("mean {mean:<8} std {std}")]
}

fn text_width(text: &str, font: &MonoFont<'_>) -> i32 {
    (text.chars().count() as u32 * font.character_size.width) as i32
}
