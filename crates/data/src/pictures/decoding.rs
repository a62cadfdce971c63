//! Decodes one picture from the bytes of its file.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Seek},
    path::Path,
};

use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, Pixel,
    imageops::{self, FilterType},
};

use super::{ColorMode, Size, jpeg};
use crate::{DataError, input};

/// Limit for the size of a file, except for the pixels of files with a valid header. A JPEG file of 100 million pixels
/// seldom needs more.
const MAX_BYTES: u64 = 128 << 20;

/// Limit for the size of one pixel in a file: four channels of 16 bits.
const MAX_PIXEL_BYTES: u64 = 8;

/// Limit for what a decoder allocates besides the pixels, such as a decompressed color profile. [`Size`] limits the
/// pixels.
const MAX_DECODER_BYTES: u64 = 64 << 20;

/// Reads a picture's complete file.
///
/// # Errors
/// When it cannot be read, or is larger than 128 MiB and larger than its header justifies.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let read = || {
        let (file, length) = input::open(path)?;
        let most = if length > MAX_BYTES { MAX_BYTES + most_pixel_bytes(file) } else { MAX_BYTES };
        input::read(path, most)
    };
    read().map_err(|cause| DataError::Read { path: path.to_owned(), cause })
}

/// Returns the largest size of the pixels in a file that its header allows. It is 0 for a JPEG file: to find its size,
/// the decoder would read the complete file.
fn most_pixel_bytes(file: File) -> u64 {
    let size = || {
        let reader = reader(BufReader::new(file)).ok()?;
        if reader.format() == Some(ImageFormat::Jpeg) {
            return None;
        }
        let (width, height) = reader.into_dimensions().ok()?;
        Size::new(height as usize, width as usize).ok()
    };
    size().map_or(0, |size| MAX_PIXEL_BYTES * (size.height() * size.width()) as u64)
}

/// Creates a reader of the format that the first bytes show, with limits.
fn reader<R: BufRead + Seek>(file: R) -> io::Result<ImageReader<R>> {
    let mut reader = ImageReader::new(file).with_guessed_format()?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    Ok(reader)
}

/// A picture whose header is read and valid, and whose pixels are not decoded yet.
pub(super) struct Picture<'a> {
    path: &'a Path,
    decoder: Box<dyn ImageDecoder + 'a>,
    size: Size,
    color_mode: ColorMode,
}

impl<'a> Picture<'a> {
    /// Reads the header in `bytes`. Errors show `path` as its name.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let broken = |reason: String| DataError::Picture { path: path.to_owned(), reason };
        let reader =
            reader(Cursor::new(bytes)).map_err(|cause| DataError::Read { path: path.to_owned(), cause })?;
        let format = reader.format();
        let decoder = reader.into_decoder().map_err(|error| broken(error.to_string()))?;

        let (width, height) = decoder.dimensions();
        let size = Size::new(height as usize, width as usize).map_err(broken)?;
        if format == Some(ImageFormat::Jpeg) {
            jpeg::check(bytes, size).map_err(|reason| broken(reason.to_owned()))?;
        }
        let color_mode = if decoder.color_type().has_color() { ColorMode::Rgb } else { ColorMode::Grayscale };
        Ok(Self { path, decoder: Box::new(decoder), size, color_mode })
    }

    /// Returns the file's own height and width.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Returns the file's own color mode.
    pub(super) fn color_mode(&self) -> ColorMode {
        self.color_mode
    }

    /// Decodes it into `pixels`, C×H×W, and converts it to `size` and `color_mode`.
    pub(super) fn decode(
        self,
        size: Size,
        color_mode: ColorMode,
        pixels: &mut [u8],
    ) -> Result<(), DataError> {
        let broken = |error: image::ImageError| DataError::Picture {
            path: self.path.to_owned(),
            reason: error.to_string(),
        };
        let as_it_is = self.size == size && self.decoder.color_type() == image::ColorType::L8;
        if as_it_is && color_mode == ColorMode::Grayscale {
            return self.decoder.read_image(pixels).map_err(broken);
        }
        let picture = DynamicImage::from_decoder(self.decoder).map_err(broken)?;
        match color_mode {
            ColorMode::Grayscale => pixels.copy_from_slice(resized(grayscale(picture), size).as_raw()),
            ColorMode::Rgb => {
                // H×W×C → C×H×W
                let rgb = resized(picture.into_rgb8(), size);
                let (colors, _) = rgb.as_chunks::<3>();
                let (reds, rest) = pixels.split_at_mut(colors.len());
                let (greens, blues) = rest.split_at_mut(colors.len());
                // One pass for all three is faster than three passes.
                for (((color, red), green), blue) in colors.iter().zip(reds).zip(greens).zip(blues) {
                    [*red, *green, *blue] = *color;
                }
            }
        }
        Ok(())
    }
}

impl Picture<'_> {
    /// Decodes it to grayscale at its own size, and turns it upright by its EXIF orientation.
    pub(super) fn decode_upright(mut self) -> Result<GrayImage, DataError> {
        let path = self.path;
        let broken = |error: image::ImageError| DataError::Picture {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let orientation = self.decoder.orientation().map_err(broken)?;
        let mut picture = DynamicImage::from_decoder(self.decoder).map_err(broken)?;
        picture.apply_orientation(orientation);
        Ok(grayscale(picture))
    }
}

/// Converts to grayscale with the weights of ITU-R 601-2, in Pillow's integer arithmetic (`L24` in its `Convert.c`).
/// The `image` crate uses the weights of Rec. 709 instead. Alpha is dropped.
fn grayscale(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_color() {
        return picture.into_luma8();
    }
    let rgb = picture.into_rgb8();
    let mut gray = GrayImage::new(rgb.width(), rgb.height());
    for (pixel, color) in gray.iter_mut().zip(rgb.as_chunks::<3>().0) {
        let [red, green, blue] = color.map(u32::from);
        *pixel = ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16) as u8;
    }
    gray
}

/// Resizes with linear interpolation, like Pillow's `BILINEAR`: in a smaller picture, each pixel is a weighted mean of
/// all pixels that it covers. A picture that already has the size is unchanged.
fn resized<P>(picture: ImageBuffer<P, Vec<u8>>, size: Size) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (height, width) = (size.height() as u32, size.width() as u32);
    if picture.dimensions() == (width, height) {
        return picture;
    }
    imageops::resize(&picture, width, height, FilterType::Triangle)
}
