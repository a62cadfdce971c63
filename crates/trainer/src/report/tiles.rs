//! Images as PNG files inside a page.

use std::io::Cursor;

use anyhow::Result;
use data_encoding::BASE64;
use image::{ImageFormat, RgbImage};
use mnist_data::{ImageShape, Images};

use super::contact_sheet::{Interval, tile};

/// A picture as a `data:` address.
pub fn data_uri(picture: &RgbImage) -> Result<String> {
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png)?;
    Ok(format!("data:image/png;base64,{}", BASE64.encode(png.get_ref())))
}

/// An image of a split as it is, before any scaling.
pub fn original(images: &Images, position: usize) -> Result<RgbImage> {
    let pixels = images.pixels(position..position + 1)?;
    let values: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel)).collect();
    Ok(scaled(&values, images.shape(), Interval { low: 0.0, high: 255.0 }))
}

/// An image under a scaling: black at the low end of `interval`, white at the high end.
pub fn scaled(image: &[f32], shape: ImageShape, interval: Interval) -> RgbImage {
    tile(image, shape, interval)
}
