//! One picture: from the bytes of its file to pixels.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
};

use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Limits, Pixel,
    imageops::{self, FilterType},
};

use super::{ColorMode, Size, jpeg};
use crate::DataError;

/// No picture of 100 million pixels takes more, as a file or while it is decoded: 8 bytes each, and some.
const MAX_BYTES: u64 = 1 << 30;

/// Reads the file of a picture whole.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let read = || {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return read_to_end(file); // A pipe does not know its length.
        }
        if about.len() > MAX_BYTES {
            return Err(too_large());
        }
        let mut bytes = vec![0; about.len() as usize];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|cause| DataError::Read { path: path.to_owned(), cause })
}

/// Reads the file of a picture from a stream, whole; `name` is the name it has in errors.
///
/// # Errors
/// When it cannot be read, or is larger than 1 GiB.
pub fn read_stream(name: &Path, stream: impl Read) -> Result<Vec<u8>, DataError> {
    read_to_end(stream).map_err(|cause| DataError::Read { path: name.to_owned(), cause })
}

fn read_to_end(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 GiB")
}

/// A picture whose header was read and found good, and none of its pixels yet.
pub(super) struct Picture<'a> {
    path: &'a Path,
    decoder: Box<dyn ImageDecoder + 'a>,
    size: Size,
    color_mode: ColorMode,
}

impl<'a> Picture<'a> {
    /// Reads the header in `bytes`; `path` is the name it has in errors.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let broken = |reason: String| DataError::Picture { path: path.to_owned(), reason };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|cause| DataError::Read { path: path.to_owned(), cause })?;
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let format = reader.format();
        let decoder = reader.into_decoder().map_err(|error| broken(error.to_string()))?;

        let (width, height) = decoder.dimensions();
        let size = Size::new(height as usize, width as usize).map_err(broken)?;
        if format == Some(ImageFormat::Jpeg) {
            jpeg::check(bytes).map_err(|reason| broken(reason.to_owned()))?;
        }
        let color_mode = if decoder.color_type().has_color() { ColorMode::Rgb } else { ColorMode::Grayscale };
        Ok(Self { path, decoder: Box::new(decoder), size, color_mode })
    }

    /// Its own height and width.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Whether it is grey or has colours.
    pub(super) fn color_mode(&self) -> ColorMode {
        self.color_mode
    }

    /// Decodes it, brought to `size` and `color_mode`, into `pixels`, C×H×W.
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
                // All three in one pass, faster than one after the other.
                for (((color, red), green), blue) in colors.iter().zip(reds).zip(greens).zip(blues) {
                    [*red, *green, *blue] = *color;
                }
            }
        }
        Ok(())
    }
}

impl Picture<'_> {
    /// Decodes it in grey at its own size, turned upright if its EXIF orientation says how it was held.
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

/// Colours become grey with the weights of ITU-R 601-2, in Pillow's integers (`L24` in its `Convert.c`);
/// `image` itself has the weights of Rec. 709. Alpha is dropped.
fn grayscale(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_color() {
        return picture.into_luma8();
    }
    let rgb = picture.into_rgb8();
    let mut grey = GrayImage::new(rgb.width(), rgb.height());
    for (pixel, color) in grey.iter_mut().zip(rgb.as_chunks::<3>().0) {
        let [red, green, blue] = color.map(u32::from);
        *pixel = ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16) as u8;
    }
    grey
}

/// Linear interpolation over all pixels that fall on one, as Pillow's `BILINEAR`; a picture of that size
/// stays as it is.
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
