//! Tiles: images of a data set, enlarged or shrunk to a suitable size, and encoded for a page.

use std::io::Cursor;

use data_encoding::BASE64;
use image::{
    ImageFormat, Rgb, RgbImage,
    imageops::{FilterType, resize},
};
use mnist_data::{ImageShape, Images};

use crate::{ReportError, interval::Interval, numbers::plural};

/// Small images are enlarged to at most this side length, in pixels.
const ENLARGED_SIDE: u32 = 64;

/// Large images are shrunk to at most this side length, in pixels.
const SHRUNK_SIDE: u32 = 112;

/// Encodes a tile as PNG in a `data:` address.
pub fn data_uri(picture: &RgbImage) -> Result<String, ReportError> {
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(ReportError::draw("an image"))?;
    Ok(format!("data:image/png;base64,{}", BASE64.encode(png.get_ref())))
}

/// Draws an image of a split without any scaling.
pub fn original(images: &Images, position: usize) -> Result<RgbImage, ReportError> {
    let images_in_split = images.labels().len();
    if position >= images_in_split {
        let reason = format!("the split has {}", plural(images_in_split, "image"));
        return Err(ReportError::draw("a test image")(reason));
    }
    let pixels = images.pixels(position..position + 1)?;
    let values: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel)).collect();
    tile(&values, images.shape(), Interval { low: 0.0, high: 255.0 })
}

/// Draws an image, C×H×W: black at the low end of `interval`, white at the high end. Three channels are red, green
/// and blue; otherwise the first channel is shown in shades of gray.
pub fn tile(image: &[f32], shape: ImageShape, interval: Interval) -> Result<RgbImage, ReportError> {
    let ImageShape { channels, height, width } = shape;
    if image.len() != shape.pixels() {
        let reason = format!("it has {} values, but {shape} pixels need {}", image.len(), shape.pixels());
        return Err(ReportError::draw("an image")(reason));
    }
    let level = |value: f32| (interval.position(value.into()) * 255.0).round() as u8;
    let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let position = y as usize * width + x as usize;
        let channel = |channel| if channels == 3 { channel } else { 0 };
        Rgb([0, 1, 2].map(|color| level(image[channel(color) * height * width + position])))
    });
    let [tile_width, tile_height] = tile_size(shape);
    let shrunk = width.max(height) > SHRUNK_SIDE as usize;
    let filter = if shrunk { FilterType::Triangle } else { FilterType::Nearest };
    Ok(resize(&picture, tile_width, tile_height, filter))
}

/// Returns the width and height of a [`tile`].
pub fn tile_size(shape: ImageShape) -> [u32; 2] {
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

#[cfg(test)]
mod tests;
