//! One image by itself, outside any data set: a picture's file or raw bytes, brought to a model's shape.

use std::path::Path;

use image::{GrayImage, ImageFormat};

use super::{ColorMode, Size, decoding, decoding::Picture};
use crate::{
    DataError, ImageShape,
    preparation::{PREPARED, prepare},
};

/// How a picture becomes an image of the model's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It must have that size.
    Exact,
    /// It is resized, as the pictures of a data set are.
    Resize,
    /// It shows a digit and is prepared as MNIST's were: see [`preparation`](crate::preparation).
    Prepare,
}

/// Makes images of one shape of pictures and raw bytes.
#[derive(Debug, Clone, Copy)]
pub struct PictureReader {
    shape: ImageShape,
    size: Size,
    color_mode: ColorMode,
    fit: Fit,
}

impl PictureReader {
    /// A reader of images of `shape`.
    ///
    /// # Errors
    /// When no picture has such a shape, or none can be prepared to it.
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
    /// As [`decode`](Self::decode), or when the file cannot be read.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        self.decode(path, &decoding::read(path)?)
    }

    /// The image, C×H×W, that `bytes` hold: a file of PNG, JPEG, BMP or WebP, told by its content, or the
    /// image itself. Colours become grey, or grey colours, as in a data set; `name` is for errors.
    ///
    /// # Errors
    /// When they are neither, the picture is broken or has the wrong size, or shows nothing to prepare.
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

/// Whether the bytes begin as a picture's file. BMP's two letters may well be the first pixels of a raw
/// image; its header goes on with the length of the file.
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
