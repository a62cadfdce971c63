//! A picture of what scalings do: the same images under each, and how often which value occurs.

mod canvas;
mod histogram;

#[cfg(test)]
mod tests;

use embedded_graphics::{
    mono_font::{
        MonoFont,
        iso_8859_1::{FONT_8X13, FONT_9X15, FONT_9X18_BOLD},
    },
    pixelcolor::{Rgb888, RgbColor},
    text::Alignment,
};
use image::{
    Rgb, RgbImage,
    imageops::{FilterType, resize},
};
use mnist_data::{ImageShape, Moments};

use canvas::Canvas;
use histogram::BINS;

pub use histogram::{Histogram, Interval};

/// Around the sheet and between columns, in pixels like all sizes here.
const MARGIN: u32 = 20;
/// Between images.
const GAP: u32 = 4;
/// The names of the columns and what they mean.
const HEADER_HEIGHT: u32 = 64;
/// Between the content of two rows.
const ROW_GAP: u32 = 20;
/// The content of a row is at least so high: a name and two lines, or bars and what they stand for.
const MIN_ROW_HEIGHT: u32 = 64;
/// Small images are enlarged up to this side.
const ENLARGED_SIDE: u32 = 64;
/// Large images are shrunk down to this side.
const SHRUNK_SIDE: u32 = 112;
const BAR_WIDTH: u32 = 4;
const HISTOGRAM_WIDTH: u32 = BAR_WIDTH * BINS as u32;
/// The numbers below the bars, with the space above them.
const AXIS_HEIGHT: u32 = 16;
const ZERO_WIDTH: u32 = 2;
/// How far the line at zero goes beyond the bars.
const ZERO_OVERHANG: u32 = 3;

const TITLE: MonoFont<'_> = FONT_9X18_BOLD;
const BODY: MonoFont<'_> = FONT_9X15;
const SMALL: MonoFont<'_> = FONT_8X13;

const BAR: Rgb888 = Rgb888::new(125, 160, 205);
const ZERO: Rgb888 = Rgb888::new(200, 0, 0);
const RULE: Rgb888 = Rgb888::new(200, 200, 200);

/// Per column its name and what it shows.
const HEADER: [[&str; 2]; 3] = [
    ["Scaling", "and its values"],
    ["The same images", "black: lowest value shown in the row, white: highest"],
    ["Values of up to 10,000", "train images: bars log(1 + count), red: zero"],
];

/// One scaling and what it makes of the images.
pub struct Row {
    /// What it is called.
    pub name: String,
    /// Of all its values.
    pub moments: Moments,
    /// The images to show, each C×H×W.
    pub images: Vec<Vec<f32>>,
    /// Of all its values, too; they need not be those of the images to show.
    pub histogram: Histogram,
}

impl Row {
    /// The numbers that describe its values, in two lines.
    pub fn description(&self) -> [String; 2] {
        let short = |value| short(value, self.histogram.interval());
        let [min, max] = [self.moments.min(), self.moments.max()].map(short);
        let [mean, std] = [self.moments.mean(), self.moments.std()].map(short);
        [format!("min  {min:<8} max {max}"), format!("mean {mean:<8} std {std}")]
    }

    /// The lowest and the highest value of the images to show.
    pub fn shown(&self) -> Interval {
        let images = self.images.iter().map(|image| Moments::of(image.iter().map(|&value| f64::from(value))));
        let moments = images.fold(Moments::default(), Moments::merge);
        Interval { low: moments.min(), high: moments.max() }
    }
}

/// Where things are: the left end of each column, and sizes.
struct Layout {
    labels: u32,
    images: u32,
    histogram: u32,
    width: u32,
    /// Width and height of one image on the sheet.
    tile: [u32; 2],
    row_height: u32,
}

impl Layout {
    fn of(rows: &[Row], shape: ImageShape) -> Self {
        let [header_labels, header_images, header_histogram] =
            HEADER.map(|[name, meaning]| text_width(name, &TITLE).max(text_width(meaning, &SMALL)));
        let row_labels = rows.iter().map(|row| {
            let numbers = row.description().map(|line| text_width(&line, &BODY));
            text_width(&row.name, &TITLE).max(numbers[0]).max(numbers[1])
        });
        let tile = tile_size(shape);
        let row_images = rows.iter().map(|row| row.images.len() as u32 * (tile[0] + GAP));

        let labels = MARGIN;
        let images = labels + row_labels.fold(header_labels, u32::max) + MARGIN;
        let histogram = images + row_images.fold(header_images, u32::max) + MARGIN;
        let width = histogram + HISTOGRAM_WIDTH.max(header_histogram) + MARGIN;
        Self { labels, images, histogram, width, tile, row_height: MIN_ROW_HEIGHT.max(tile[1]) }
    }
}

/// Draws the sheet, one row per scaling, for images of this shape.
///
/// Three channels are shown as colours, otherwise the first as grey. One linear map for all images and
/// channels of a row takes its lowest value to black and its highest to white; a row of one value is mid
/// grey. Images are enlarged by a whole factor up to 64 pixels, or shrunk by one down to 112. Below a header
/// of 64 pixels, rows are as high as their images but at least 64, and 20 more lie between them.
///
/// # Panics
/// When an image of a row is not of `shape`.
pub fn draw(rows: &[Row], shape: ImageShape) -> RgbImage {
    let layout = Layout::of(rows, shape);
    let row_pitch = layout.row_height + ROW_GAP;
    let mut canvas = Canvas::white(layout.width, HEADER_HEIGHT + rows.len() as u32 * row_pitch);
    draw_header(&mut canvas, &layout);
    for (row, number) in rows.iter().zip(0..) {
        let top = HEADER_HEIGHT + number * row_pitch;
        canvas.fill([MARGIN, top], [layout.width - 2 * MARGIN, 1], RULE);
        let top = top + ROW_GAP / 2;
        draw_labels(&mut canvas, row, [layout.labels, top + (layout.row_height - MIN_ROW_HEIGHT) / 2]);
        let images_top = top + (layout.row_height - layout.tile[1]) / 2;
        let shown = row.shown();
        let tile_lefts = (layout.images..).step_by((layout.tile[0] + GAP) as usize);
        for (image, left) in row.images.iter().zip(tile_lefts) {
            canvas.put(&tile(image, shape, shown), [left, images_top]);
        }
        draw_histogram(&mut canvas, &row.histogram, [layout.histogram, top], layout.row_height);
    }
    canvas.into_image()
}

fn draw_header(canvas: &mut Canvas, layout: &Layout) {
    for ([name, meaning], left) in HEADER.iter().zip([layout.labels, layout.images, layout.histogram]) {
        canvas.write(name, [left, 18], &TITLE, Alignment::Left);
        canvas.write(meaning, [left, 40], &SMALL, Alignment::Left);
    }
}

fn draw_labels(canvas: &mut Canvas, row: &Row, [left, top]: [u32; 2]) {
    let [range, spread] = row.description();
    canvas.write(&row.name, [left, top], &TITLE, Alignment::Left);
    canvas.write(&range, [left, top + 25], &BODY, Alignment::Left);
    canvas.write(&spread, [left, top + 43], &BODY, Alignment::Left);
}

fn draw_histogram(canvas: &mut Canvas, histogram: &Histogram, [left, top]: [u32; 2], height: u32) {
    let bottom = top + height - AXIS_HEIGHT;
    // Most pixels of a digit are background: by count alone, all other bars would be too low to see.
    let log = |count: u64| (count as f64).ln_1p();
    let highest = histogram.counts().iter().copied().map(log).fold(0.0, f64::max);
    for (&count, left) in histogram.counts().iter().zip((left..).step_by(BAR_WIDTH as usize)) {
        let bar = (log(count) / highest * f64::from(bottom - top)).ceil() as u32;
        canvas.fill([left, bottom - bar], [BAR_WIDTH, bar], BAR);
    }
    canvas.fill([left, bottom], [HISTOGRAM_WIDTH, 1], Rgb888::BLACK);

    let interval = histogram.interval();
    if interval.contains(0.0) {
        let zero = left + (interval.position(0.0) * f64::from(HISTOGRAM_WIDTH)) as u32;
        let line = [ZERO_WIDTH, bottom - top + 2 * ZERO_OVERHANG];
        canvas.fill([zero - ZERO_WIDTH / 2, top - ZERO_OVERHANG], line, ZERO);
    }
    let [low, high] = [interval.low, interval.high].map(|end| short(end, interval));
    canvas.write(&low, [left, bottom + 4], &SMALL, Alignment::Left);
    canvas.write(&high, [left + HISTOGRAM_WIDTH - 1, bottom + 4], &SMALL, Alignment::Right);
}

/// One image, C×H×W, as it appears on the sheet: black at the low end of `interval`, white at the high end.
pub fn tile(image: &[f32], shape: ImageShape, interval: Interval) -> RgbImage {
    let ImageShape { channels, height, width } = shape;
    assert_eq!(image.len(), shape.pixels(), "an image of {shape}");
    let level = |value: f32| (interval.position(value.into()) * 255.0).round() as u8;
    let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let position = y as usize * width + x as usize;
        let channel = |channel| if channels == 3 { channel } else { 0 };
        Rgb([0, 1, 2].map(|color| level(image[channel(color) * height * width + position])))
    });
    let [tile_width, tile_height] = tile_size(shape);
    let shrunk = width.max(height) > SHRUNK_SIDE as usize;
    let filter = if shrunk { FilterType::Triangle } else { FilterType::Nearest };
    resize(&picture, tile_width, tile_height, filter)
}

/// Width and height of one image on the sheet.
fn tile_size(shape: ImageShape) -> [u32; 2] {
    let [width, height] = [shape.width as u32, shape.height as u32];
    let side = width.max(height).max(1);
    if side <= SHRUNK_SIDE {
        let factor = (ENLARGED_SIDE / side).max(1);
        [width * factor, height * factor]
    } else {
        let divisor = side.div_ceil(SHRUNK_SIDE);
        [width, height].map(|length| (length / divisor).max(1))
    }
}

/// A value with about four digits if it is as large as the interval's ends, with fewer if it is smaller.
pub fn short(value: f64, interval: Interval) -> String {
    let magnitude = interval.low.abs().max(interval.high.abs());
    if magnitude != 0.0 && !(1e-3..1e5).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let decimals = (3.0 - magnitude.log10().floor()).clamp(0.0, 6.0);
    let factor = 10_f64.powf(decimals);
    // + 0.0, because a mean of -1e-9 is no "-0".
    ((value * factor).round() / factor + 0.0).to_string()
}

fn text_width(text: &str, font: &MonoFont<'_>) -> u32 {
    text.chars().count() as u32 * font.character_size.width
}
