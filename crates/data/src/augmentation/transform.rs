//! A [`Transform`] and its application to the bytes of an image.
//!
//! The affine part is Keras' `apply_affine_transform` with SciPy's interpolation of order 1
//! (<https://github.com/keras-team/keras-preprocessing/blob/1.1.2/keras_preprocessing/image/affine_transformations.py>,
//! <https://github.com/scipy/scipy/blob/v1.17.1/scipy/ndimage/src/ni_interpolation.c>).

use std::array;

use serde::{Deserialize, Serialize};

use crate::images::ImageShape;

/// How places outside the image are filled, shown for a row `abcd`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FillMode {
    /// The nearest pixel: `aaaa|abcd|dddd`.
    #[default]
    Nearest,
    /// A fixed value everywhere beyond the centers of the outermost pixels: `kkkk|abcd|kkkk`.
    Constant,
    /// The image mirrored at its edge: `dcba|abcd|dcba`.
    Reflect,
    /// The image repeated, with its first and last pixel in the same place: `cdbc|abcd|bcab`. SciPy computes this;
    /// Keras' documentation has `abcd|abcd|abcd` instead.
    Wrap,
}

impl FillMode {
    /// Maps a coordinate to the one from 0 to `last` whose pixels fill it, or returns `None` if a fixed value does.
    fn inside(self, coordinate: f64, last: f64) -> Option<f64> {
        if (0.0..=last).contains(&coordinate) {
            return Some(coordinate);
        }
        let mapped = match self {
            Self::Nearest => coordinate,
            Self::Constant => return None,
            Self::Reflect => {
                let period = 2.0 * (last + 1.0);
                let folded = coordinate - period * (coordinate / period).floor();
                if folded < last + 1.0 { folded } else { period - 1.0 - folded }
            }
            Self::Wrap if last == 0.0 => 0.0,
            // First and last pixel share a place. As in SciPy, coordinates that reach it from the left get the last.
            Self::Wrap if coordinate < 0.0 => coordinate + last * ((-coordinate / last).floor() + 1.0),
            Self::Wrap => coordinate - last * (coordinate / last).floor(),
        };
        // With `Reflect`, the half pixels on both sides of an edge lie between two copies of the same pixel, so
        // clamping does not change their value.
        Some(mapped.clamp(0.0, last))
    }
}

/// The drawn numbers of one transform, with the names of Keras' `apply_transform`.
///
/// The default changes nothing. The steps in order are: affine map (rotation, shift, shear and zoom in one resampling),
/// channel shift, flips, brightness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// Rotation in degrees; positive turns the image clockwise.
    pub theta: f64,
    /// Vertical shift in pixels; positive moves the image up.
    pub tx: f64,
    /// Horizontal shift in pixels; positive moves the image left.
    pub ty: f64,
    /// Shear angle in degrees.
    pub shear: f64,
    /// Vertical zoom: 2 shrinks the image to half its height.
    pub zx: f64,
    /// Horizontal zoom: 2 shrinks the image to half its width.
    pub zy: f64,
    /// Whether to mirror left to right.
    pub flip_horizontal: bool,
    /// Whether to mirror top to bottom.
    pub flip_vertical: bool,
    /// Number added to every pixel. The sum is clamped to the image's own smallest and largest pixel.
    pub channel_shift_intensity: f64,
    /// Factor for every pixel. The product is clamped to 0..=255.
    ///
    /// Keras 1.1.2 differs: it first stretches each image to 0..=255, truncates it to bytes, and fails if channels come
    /// first.
    pub brightness: Option<f64>,
}

impl Default for Transform {
    fn default() -> Self {
        Self {
            theta: 0.0,
            tx: 0.0,
            ty: 0.0,
            shear: 0.0,
            zx: 1.0,
            zy: 1.0,
            flip_horizontal: false,
            flip_vertical: false,
            channel_shift_intensity: 0.0,
            brightness: None,
        }
    }
}

impl Transform {
    /// Transforms one image, C×H×W bytes, and appends the result to `augmented`, on the scale 0 to 255.
    ///
    /// Coordinates and the arithmetic within each step are `f64`; only the pixels between steps are `f32`. `cval` is
    /// the value for [`FillMode::Constant`].
    ///
    /// # Panics
    /// When `image` does not have this shape.
    pub fn apply(
        &self,
        image: &[u8],
        shape: ImageShape,
        fill_mode: FillMode,
        cval: f64,
        augmented: &mut Vec<f32>,
    ) {
        assert_eq!(image.len(), shape.pixels(), "the image must have the shape {shape}");
        let start = augmented.len();
        augmented.extend(image.iter().copied().map(f32::from));
        let pixels = &mut augmented[start..];
        if let Some(matrix) = self.matrix(shape) {
            resample(&matrix, image, shape, fill_mode, cval, pixels);
        }
        if self.channel_shift_intensity != 0.0 {
            shift_channels(self.channel_shift_intensity, pixels);
        }
        self.flip(shape, pixels);
        if let Some(factor) = self.brightness {
            for pixel in pixels {
                *pixel = (factor * f64::from(*pixel)).clamp(0.0, 255.0) as f32;
            }
        }
    }

    /// Returns the matrix that maps (row, column, 1) of an augmented pixel to its place in the image, or `None` if no
    /// pixel moves.
    ///
    /// The center is that of Keras' `transform_matrix_offset_center`: half the size *plus* half a pixel, so it is one
    /// pixel below and to the right of the middle.
    fn matrix(&self, shape: ImageShape) -> Option<Matrix> {
        let Self { theta, tx, ty, shear, zx, zy, .. } = *self;
        if (Self { theta, tx, ty, shear, zx, zy, ..Self::default() }) == Self::default() {
            return None;
        }
        let shift = |rows, columns| [[1.0, 0.0, rows], [0.0, 1.0, columns], [0.0, 0.0, 1.0]];
        let (sin, cos) = theta.to_radians().sin_cos();
        let rotation = [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]];
        let (sin, cos) = shear.to_radians().sin_cos();
        let shear = [[1.0, -sin, 0.0], [0.0, cos, 0.0], [0.0, 0.0, 1.0]];
        let zoom = [[zx, 0.0, 0.0], [0.0, zy, 0.0], [0.0, 0.0, 1.0]];
        let center = [shape.height, shape.width].map(|side| side as f64 / 2.0 + 0.5);
        let about_origin = [shift(tx, ty), shear, zoom].iter().fold(rotation, product);
        let from_center = product(shift(center[0], center[1]), &about_origin);
        Some(product(from_center, &shift(-center[0], -center[1])))
    }

    fn flip(&self, shape: ImageShape, pixels: &mut [f32]) {
        if self.flip_vertical {
            // Reversing a channel mirrors it left to right too. For a vertical flip alone, the rows are mirrored back
            // below.
            pixels.chunks_exact_mut(shape.height * shape.width).for_each(<[f32]>::reverse);
        }
        if self.flip_horizontal != self.flip_vertical {
            pixels.chunks_exact_mut(shape.width).for_each(<[f32]>::reverse);
        }
    }
}

/// An affine map of (row, column, 1); its last row is 0 0 1.
type Matrix = [[f64; 3]; 3];

/// Multiplies two matrices. The sums are in NumPy's order, because the last bit decides whether a pixel on the very
/// edge is inside.
fn product(left: Matrix, right: &Matrix) -> Matrix {
    array::from_fn(|row| {
        array::from_fn(|column| (0..3).map(|inner| left[row][inner] * right[inner][column]).sum())
    })
}

/// Fills `pixels`, C×H×W, by interpolating the image at the place that the matrix maps each pixel to.
fn resample(
    matrix: &Matrix,
    image: &[u8],
    shape: ImageShape,
    fill_mode: FillMode,
    cval: f64,
    pixels: &mut [f32],
) {
    let ImageShape { channels, height, width } = shape;
    for row in 0..height {
        for column in 0..width {
            let place = |[by_row, by_column, offset]: [f64; 3]| {
                row as f64 * by_row + column as f64 * by_column + offset
            };
            let rows = Neighbors::of(place(matrix[0]), height, fill_mode);
            let columns = Neighbors::of(place(matrix[1]), width, fill_mode);
            for channel in 0..channels {
                let start = channel * height * width;
                let pixel = |row: usize, column: usize| f64::from(image[start + row * width + column]);
                pixels[start + row * width + column] = match (rows, columns) {
                    (Some(rows), Some(columns)) => rows.mix(|row| columns.mix(|column| pixel(row, column))),
                    _ => cval,
                } as f32;
            }
        }
    }
}

/// The two pixels on one axis that a coordinate lies between, and its distance from the first, from 0 to 1.
#[derive(Clone, Copy)]
struct Neighbors {
    before: usize,
    after: usize,
    fraction: f64,
}

impl Neighbors {
    /// Finds the neighbors on an axis of `side` pixels, or returns `None` where a fixed value fills.
    fn of(coordinate: f64, side: usize, fill_mode: FillMode) -> Option<Self> {
        let coordinate = fill_mode.inside(coordinate, (side - 1) as f64)?;
        let before = (coordinate as usize).min(side - 1);
        Some(Self { before, after: (before + 1).min(side - 1), fraction: coordinate - before as f64 })
    }

    fn mix(self, value: impl Fn(usize) -> f64) -> f64 {
        (1.0 - self.fraction) * value(self.before) + self.fraction * value(self.after)
    }
}

fn shift_channels(intensity: f64, pixels: &mut [f32]) {
    let smallest = pixels.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for pixel in pixels {
        *pixel = ((f64::from(*pixel) + intensity) as f32).max(smallest).min(largest);
    }
}
