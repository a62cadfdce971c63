//! Pictures in class folders.

mod broken;
mod listing;
mod options;
mod pixels;
mod reader;
mod verification;

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, Crc, write::ZlibEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};
use mnist_data::{ColorMode, DataError, PictureFolder, PictureOptions, pictures};
use tempfile::{TempDir, tempdir};

const AS_THEY_ARE: PictureOptions = PictureOptions { resize: None, color_mode: None };

/// Creates a folder with one grayscale picture of 2×3 pixels in each of `train/a`, `train/b`, `test/a` and `test/b`.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    for picture in ["train/a/0.png", "train/b/0.png", "test/a/0.png", "test/b/0.png"] {
        save(folder.path(), picture, GrayImage::from_raw(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap());
    }
    folder
}

/// Creates a folder whose first training picture is `picture`.
fn folder_with(name: &str, picture: impl Into<DynamicImage>) -> TempDir {
    let folder = folder();
    fs::remove_file(folder.path().join("train/a/0.png")).unwrap();
    save(folder.path(), &format!("train/a/{name}"), picture);
    folder
}

fn save(folder: &Path, name: &str, picture: impl Into<DynamicImage>) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.into().save(&path).unwrap();
    path
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn open(folder: &TempDir) -> Result<PictureFolder, DataError> {
    pictures::open(folder.path(), AS_THEY_ARE)
}

/// Decodes the first training picture.
fn first(folder: &TempDir, options: PictureOptions) -> Result<Vec<u8>, DataError> {
    decode(&pictures::open(folder.path(), options)?, 0)
}

fn decode(folder: &PictureFolder, index: usize) -> Result<Vec<u8>, DataError> {
    let mut pixels = vec![99; folder.train.0.shape().pixels()];
    folder.train.0.decode(index, &mut pixels)?;
    Ok(pixels)
}

fn in_colors(color_mode: ColorMode) -> PictureOptions {
    PictureOptions { color_mode: Some(color_mode), ..AS_THEY_ARE }
}

fn resized(size: &str) -> PictureOptions {
    PictureOptions { resize: Some(size.parse().unwrap()), ..AS_THEY_ARE }
}

/// Checks that an error is one line that contains `path` and `words`.
fn assert_error(error: &DataError, path: &Path, words: &str) {
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()) && text.contains(words), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// Returns a PNG file made from parts: header, chunks, compressed pixels (each row after its filter byte).
pub fn png(width: u32, height: u32, depth: u8, color: u8, chunks: &[(&[u8], &[u8])], rows: &[u8]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], data: &[u8]| {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(data);
        file.extend((data.len() as u32).to_be_bytes());
        file.extend([name, data].concat());
        file.extend(crc.sum().to_be_bytes());
    };
    let [width, height] = [width, height].map(u32::to_be_bytes);
    chunk(b"IHDR", &[&width[..], &height, &[depth, color, 0, 0, 0]].concat());
    for (name, data) in chunks {
        chunk(name, data);
    }
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(rows).unwrap();
    chunk(b"IDAT", &zlib.finish().unwrap());
    chunk(b"IEND", b"");
    file
}

/// Returns the file of a picture of 40×40 pixels without uniform areas.
fn encoded(format: ImageFormat) -> Vec<u8> {
    let picture =
        RgbImage::from_fn(40, 40, |x, y| Rgb([x * 37 + y * 91, x * y * 17, x ^ (y * 5)].map(|v| v as u8)));
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Adds an EXIF orientation to a JPEG file: viewers turn it clockwise by 90°.
fn turned_in_exif(jpeg: &[u8]) -> Vec<u8> {
    // APP1, its length, then a TIFF header and one entry: orientation (0x112), a short, with the value 6 for 90°.
    let exif = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [&jpeg[..2], exif, &jpeg[2..]].concat()
}
