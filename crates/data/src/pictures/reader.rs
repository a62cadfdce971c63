//! Reads a single image, outside any data set, from a picture or raw bytes, and converts it to a model's shape.

use std::path::Path;

use image::{GrayImage, ImageFormat};

use super::{ColorMode, Size, decoding, decoding::Picture};
use crate::{
    DataError, ImageShape,
    preparation::{PREPARED, prepare},
};

/// How a picture is converted to the size of a model's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The picture must have that size.
    Exact,
    /// The picture is resized, as in a data set.
    Resize,
    /// The picture shows a digit and is prepared like MNIST's digits: see [`preparation`](crate::preparation).
    Prepare,
}

/// Reader that converts pictures and raw bytes to images of one shape.
#[derive(Debug, Clone, Copy)]
pub struct PictureReader {
    shape: ImageShape,
    size: Size,
    color_mode: ColorMode,
    fit: Fit,
}

impl PictureReader {
    /// Creates a reader of images of `shape`.
    ///
    /// # Errors
    /// When pictures cannot have that shape, or cannot be prepared to it.
    pub fn new(shape: ImageShape, fit: Fit) -> Result<Self, DataError> {
        let color_mode = [ColorMode::Grayscale, ColorMode::Rgb];
        let color_mode = color_mode.into_iter().find(|mode| mode.channels() == shape.channels);
        let (Some(color_mode), Ok(size)) = (color_mode, Size::new(shape.height, shape.width)) else {
            return Err(DataError::NoPictureShape(shape));
        };
        if fit == Fit::Prepare && shape != PREPARED {
            return Err(DataError::NotPrepared(shape));
        }
        Ok(Self { shape, size, color_mode, fit })
    }

    /// Reads the image in a file, C×H×W.
    ///
    /// # Errors
    /// The errors of [`decode`](Self::decode); also when the file cannot be read.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        self.decode(path, &decoding::read(path)?)
    }

    /// Decodes an image, C×H×W, from the content of a PNG, JPEG, BMP or WebP file, or from raw pixels.
    ///
    /// RGB is converted to grayscale, or grayscale to RGB, as in a data set. Errors show `name` as the image's name.
    ///
    /// # Errors
    /// When `bytes` are neither a picture nor as many raw pixels as an image has; or when the picture is broken, has
    /// the wrong size, or does not show a digit to prepare.
    pub fn decode(&self, name: &Path, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
        let blank = |cause| DataError::Blank { path: name.to_owned(), cause };
        if !is_picture(bytes) {
            return match self.fit {
                _ if bytes.len() != self.shape.pixels() => Err(DataError::NoImage {
                    path: name.to_owned(),
                    found: bytes.len(),
                    expected: self.shape,
                }),
                Fit::Prepare => {
                    let size = self.size;
                    let raw = GrayImage::from_raw(size.width() as u32, size.height() as u32, bytes.to_vec());
                    Ok(prepare(&raw.unwrap_or_default()).map_err(blank)?.to_vec())
                }
                Fit::Exact | Fit::Resize => Ok(bytes.to_vec()),
            };
        }
        let picture = Picture::new(name, bytes)?;
        match self.fit {
            Fit::Prepare => Ok(prepare(&picture.decode_upright()?).map_err(blank)?.to_vec()),
            Fit::Exact if picture.size() != self.size => {
                let (found, expected) = (picture.size(), self.shape);
                Err(DataError::ImageSize { path: name.to_owned(), found, expected })
            }
            Fit::Exact | Fit::Resize => {
                let mut pixels = vec![0; self.shape.pixels()];
                picture.decode(self.size, self.color_mode, &mut pixels)?;
                Ok(pixels)
            }
        }
    }
}

/// Returns whether the bytes start like a picture's file. BMP's first two bytes could also be the first pixels of a raw
/// image, so the next field of its header, the length of the file, must match too.
fn is_picture(bytes: &[u8]) -> bool {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) => true,
        Ok(ImageFormat::Bmp) => {
            let length = bytes.get(2..).and_then(<[u8]>::first_chunk);
            length.is_some_and(|length| u32::from_le_bytes(*length) as usize == bytes.len())
        }
        _ => false,
    }
}
