//! Prepares photos and scans of a digit as the digits of MNIST were prepared.
//!
//! MNIST's preparation, according to <http://yann.lecun.com/exdb/mnist/>: "The original black and white (bilevel)
//! images from NIST were size normalized to fit in a 20x20 pixel box while preserving their aspect ratio.
//! The resulting images contain grey levels as a result of the anti-aliasing technique used by the
//! normalization algorithm. The images were centered in a 28x28 image by computing the center of mass of the
//! pixels, and translating the image so as to position this point at the center of the 28x28 field."
//!
//! A photo is not black and white, so ink is first separated from paper. The paper's brightness is a plane fitted to
//! the border of the picture. Ink is either darker or brighter than this plane; Otsu's method chooses the threshold.
//! Specks are dropped.

use std::collections::VecDeque;

use image::{
    GrayImage, ImageBuffer, Luma,
    imageops::{self, FilterType},
};

use crate::ImageShape;

/// Shape of a prepared image.
pub const PREPARED: ImageShape = ImageShape { channels: 1, height: SIDE, width: SIDE };

const SIDE: usize = 28;

/// Side of the box that a digit is scaled to.
const BOX: usize = 20;

/// Row and column of the center of mass, counted from 0. In each of MNIST's 10,000 test images, the center of mass
/// rounds to this row and column.
const CENTER: f64 = 14.0;

/// Smallest difference between ink and paper, out of 255. Anything less counts as noise.
const LEAST_CONTRAST: f64 = 32.0;

/// A piece of ink is a speck if the largest piece has more than this many times its pixels.
const SPECK: usize = 20;

/// Error for a picture without ink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no ink found; a digit must be darker or brighter than the plain paper around it")]
pub struct Blank;

/// Converts a picture of a digit to an image like MNIST's, H×W, with bright ink on a black background.
///
/// The picture may have any size. The paper must be plain, but the digit may be dark on bright or bright on dark, and
/// the light may be even or brighter towards one side.
///
/// The brightest pixel becomes 255, however thin the stroke. In MNIST it is 254 or 255.
///
/// # Errors
/// When ink and paper cannot be separated.
pub fn prepare(picture: &GrayImage) -> Result<[u8; SIDE * SIDE], Blank> {
    let ink = drop_specks(sharpen(difference(picture, &Paper::around(picture)))?);
    let digit = fit_into_box(&ink)?;
    Ok(center(&digit))
}

/// The brightness of the paper at each pixel, as a plane.
struct Paper {
    middle: [f64; 2],
    mean: f64,
    slope: [f64; 2],
}

impl Paper {
    /// Fits the plane to the pixels of the border by least squares. The border is symmetric around the middle, so the
    /// mean and the two slopes can be computed separately.
    fn around(picture: &GrayImage) -> Self {
        let (width, height) = picture.dimensions();
        let middle = [width, height].map(|side| (f64::from(side) - 1.0) / 2.0);
        let (mut count, mut sum) = (0.0, 0.0);
        let (mut products, mut squares) = ([0.0; 2], [0.0; 2]);
        for (x, y, &Luma([pixel])) in picture.enumerate_pixels() {
            if x != 0 && y != 0 && x + 1 != width && y + 1 != height {
                continue;
            }
            count += 1.0;
            sum += f64::from(pixel);
            for (axis, position) in [x, y].into_iter().enumerate() {
                let position = f64::from(position) - middle[axis];
                products[axis] += position * f64::from(pixel);
                squares[axis] += position * position;
            }
        }
        // A picture with a single row or column has no slope across it.
        let slope = [0, 1].map(|axis| if squares[axis] > 0.0 { products[axis] / squares[axis] } else { 0.0 });
        Self { middle, mean: if count > 0.0 { sum / count } else { 0.0 }, slope }
    }

    fn at(&self, x: u32, y: u32) -> f64 {
        let [x, y] = [f64::from(x) - self.middle[0], f64::from(y) - self.middle[1]];
        self.mean + self.slope[0] * x + self.slope[1] * y
    }
}

/// Returns by how much each pixel differs from the paper in the direction of the ink, darker or brighter.
///
/// The differences are skewed in that direction, so their third moment has its sign. Noise is not skewed, and slightly
/// uneven light contributes little.
fn difference(picture: &GrayImage, paper: &Paper) -> GrayImage {
    let third_moment: f64 =
        picture.enumerate_pixels().map(|(x, y, pixel)| (f64::from(pixel[0]) - paper.at(x, y)).powi(3)).sum();
    let sign = third_moment.signum();
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let difference = sign * (f64::from(picture.get_pixel(x, y)[0]) - paper.at(x, y));
        Luma([difference.round() as u8]) // The cast turns numbers below 0 into 0.
    })
}

/// Maps paper to 0 and ink to 255, with a ramp between half and one and a half times the threshold. The ramp keeps the
/// anti-aliased edges of a small picture but removes noise.
fn sharpen(mut ink: GrayImage) -> Result<GrayImage, Blank> {
    let threshold = threshold(&ink).ok_or(Blank)?;
    let level = |byte: usize| ((byte as f64 / threshold - 0.5) * 255.0).round() as u8;
    let levels: [u8; 256] = std::array::from_fn(level);
    for byte in ink.iter_mut() {
        *byte = levels[usize::from(*byte)];
    }
    Ok(ink)
}

/// Returns Otsu's threshold. It divides the bytes into the two classes with the greatest variance between them, and is
/// the middle of their means. Returns `None` if the means are too close or there is only one class.
///
/// N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9 (1979) 62–66, eq. 18.
fn threshold(ink: &GrayImage) -> Option<f64> {
    let mut histogram = [0.0_f64; 256];
    for &byte in ink.iter() {
        histogram[usize::from(byte)] += 1.0;
    }
    let count: f64 = histogram.iter().sum();
    let sum: f64 = histogram.iter().zip(0..).map(|(count, byte)| count * f64::from(byte)).sum();
    let (mut low_count, mut low_sum) = (0.0, 0.0);
    let (mut widest, mut means) = (0.0, [0.0; 2]);
    for (bytes, byte) in histogram.iter().zip(0..) {
        low_count += bytes;
        low_sum += bytes * f64::from(byte);
        let high_count = count - low_count;
        if low_count == 0.0 || high_count == 0.0 {
            continue;
        }
        let [low, high] = [low_sum / low_count, (sum - low_sum) / high_count];
        let between = low_count * high_count * (high - low).powi(2);
        if between > widest {
            (widest, means) = (between, [low, high]);
        }
    }
    let [low, high] = means;
    (high - low >= LEAST_CONTRAST).then_some(f64::midpoint(low, high))
}

/// Removes the pieces of ink that are too small to be strokes. It goes through all pieces twice, because a list of their
/// pixels could take many times the memory of the picture.
fn drop_specks(mut ink: GrayImage) -> GrayImage {
    let mut largest = 0;
    for_each_piece(ink.clone(), |_, pixels| largest = largest.max(pixels));
    for_each_piece(ink.clone(), |first, pixels| {
        if pixels * SPECK < largest {
            take_piece(&mut ink, first);
        }
    });
    ink
}

/// Calls `each` with the first pixel and the number of pixels of each piece of ink.
fn for_each_piece(mut ink: GrayImage, mut each: impl FnMut((u32, u32), usize)) {
    for y in 0..ink.height() {
        for x in 0..ink.width() {
            if ink.get_pixel(x, y)[0] > 0 {
                each((x, y), take_piece(&mut ink, (x, y)));
            }
        }
    }
}

/// Removes the piece of ink around a pixel and returns its number of pixels. Pixels that touch at a corner are
/// connected.
fn take_piece(ink: &mut GrayImage, first: (u32, u32)) -> usize {
    let (width, height) = ink.dimensions();
    ink.put_pixel(first.0, first.1, Luma([0]));
    let mut edge = VecDeque::from([first]);
    let mut pixels = 0;
    while let Some((x, y)) = edge.pop_front() {
        pixels += 1;
        for y in y.saturating_sub(1)..height.min(y + 2) {
            for x in x.saturating_sub(1)..width.min(x + 2) {
                if ink.get_pixel(x, y)[0] > 0 {
                    ink.put_pixel(x, y, Luma([0]));
                    edge.push_back((x, y));
                }
            }
        }
    }
    pixels
}

type Digit = ImageBuffer<Luma<f32>, Vec<f32>>;

/// Crops to the ink and scales its longer side to the side of the box. Values are from 0 to 1; the largest is 1.
fn fit_into_box(ink: &GrayImage) -> Result<Digit, Blank> {
    let inked = || ink.enumerate_pixels().filter(|(.., pixel)| pixel[0] > 0);
    let range = |position: fn((u32, u32)) -> u32| {
        let positions = || inked().map(|(x, y, _)| position((x, y)));
        Some((positions().min()?, positions().max()?))
    };
    let (Some((left, right)), Some((top, bottom))) = (range(|(x, _)| x), range(|(_, y)| y)) else {
        return Err(Blank);
    };
    let [width, height] = [right - left + 1, bottom - top + 1];
    let crop =
        Digit::from_fn(width, height, |x, y| Luma([f32::from(ink.get_pixel(left + x, top + y)[0]) / 255.0]));
    let scale = BOX as f64 / f64::from(width.max(height));
    let [width, height] = [width, height].map(|side| (f64::from(side) * scale).round().max(1.0) as u32);
    let mut digit = imageops::resize(&crop, width, height, FilterType::Triangle);
    let brightest = digit.iter().copied().fold(0.0, f32::max);
    if brightest == 0.0 {
        return Err(Blank);
    }
    for value in digit.iter_mut() {
        *value /= brightest;
    }
    Ok(digit)
}

/// Moves the digit by whole pixels, so that its center of mass is as near to the center as possible without cutting off
/// any ink.
fn center(digit: &Digit) -> [u8; SIDE * SIDE] {
    let mass = || digit.enumerate_pixels().map(|(x, y, value)| (x, y, f64::from(value[0])));
    let total: f64 = mass().map(|(.., value)| value).sum();
    let offset = |side: u32, moment: f64| {
        (CENTER - moment / total).round().clamp(0.0, (SIDE - side as usize) as f64) as usize
    };
    let left = offset(digit.width(), mass().map(|(x, _, value)| f64::from(x) * value).sum());
    let top = offset(digit.height(), mass().map(|(_, y, value)| f64::from(y) * value).sum());
    let mut image = [0; SIDE * SIDE];
    for (x, y, value) in mass() {
        image[(top + y as usize) * SIDE + left + x as usize] = (value * 255.0).round() as u8;
    }
    image
}
