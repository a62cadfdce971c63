//! Single pictures and raw bytes, converted to a model's shape.

use std::{io::Cursor, path::Path};

use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbImage};
use mnist_data::{DataError, Fit, ImageShape, PictureReader, preparation};

use super::turned_in_exif;

const GRAYSCALE: ImageShape = ImageShape { channels: 1, height: 2, width: 3 };
const RGB: ImageShape = ImageShape { channels: 3, height: 2, width: 1 };

fn decode(shape: ImageShape, fit: Fit, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    PictureReader::new(shape, fit).unwrap().decode(Path::new("image"), bytes)
}

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn assert_fails(result: Result<Vec<u8>, DataError>, words: &str) {
    let text = result.unwrap_err().to_string();
    assert!(text.contains(words), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn raw_bytes_and_lossless_files_have_the_same_pixels() {
    let pixels = [10, 20, 30, 40, 50, 60];
    assert_eq!(decode(GRAYSCALE, Fit::Exact, &pixels).unwrap(), pixels);
    assert_eq!(decode(RGB, Fit::Exact, &pixels).unwrap(), pixels);
    let [grayscale, rgb] = [3, 1].map(|width| (width, 2));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
        let picture = GrayImage::from_raw(grayscale.0, grayscale.1, pixels.to_vec()).unwrap();
        assert_eq!(decode(GRAYSCALE, Fit::Exact, &file(picture, format)).unwrap(), pixels, "{format:?}");
        let picture = RgbImage::from_raw(rgb.0, rgb.1, vec![10, 30, 50, 20, 40, 60]).unwrap();
        assert_eq!(decode(RGB, Fit::Exact, &file(picture, format)).unwrap(), pixels, "{format:?}");
    }
}

#[test]
fn rgb_and_grayscale_are_converted_to_each_other() {
    let red = file(RgbImage::from_pixel(3, 2, image::Rgb([255, 0, 0])), ImageFormat::Png);
    // Pillow: Image.new("RGB", (3, 2), "red").convert("L")
    assert_eq!(decode(GRAYSCALE, Fit::Exact, &red).unwrap(), [76; 6]);
    let grayscale = file(GrayImage::from_raw(1, 2, vec![7, 9]).unwrap(), ImageFormat::Png);
    assert_eq!(decode(RGB, Fit::Exact, &grayscale).unwrap(), [7, 9, 7, 9, 7, 9]);
}

#[test]
fn pictures_of_another_size_are_resized_prepared_or_refused() {
    let large = file(GrayImage::from_pixel(30, 20, Luma([77])), ImageFormat::Png);
    assert_eq!(decode(GRAYSCALE, Fit::Resize, &large).unwrap(), [77; 6]);
    assert_fails(
        decode(GRAYSCALE, Fit::Exact, &large),
        "image is 20x30 pixels (height x width), but the model takes 2x3; resize it",
    );
    assert_fails(
        decode(preparation::PREPARED, Fit::Exact, &large),
        "image is 20x30 pixels (height x width), but the model takes 28x28; resize it",
    );
    let blank = file(GrayImage::from_pixel(30, 20, Luma([77])), ImageFormat::Png);
    assert_fails(decode(preparation::PREPARED, Fit::Prepare, &blank), "image: no ink found; a digit must be");
}

#[test]
fn bytes_that_are_not_an_image_are_refused() {
    for (bytes, found) in [(&b""[..], 0), (b"12345", 5), (b"1234567", 7), (b"BM12345", 7), (b"GIF89a!", 7)] {
        let message = format!("it has {found} bytes, but an image of 1×2×3 has 6");
        assert_fails(decode(GRAYSCALE, Fit::Resize, bytes), &message);
    }
    let complete = file(GrayImage::new(3, 2), ImageFormat::Png);
    assert_fails(decode(GRAYSCALE, Fit::Exact, &complete[..complete.len() - 20]), "cannot decode image");
}

/// BMP files start with "BM", but so may pixels.
#[test]
fn raw_image_may_start_like_a_bmp_file() {
    assert_eq!(decode(GRAYSCALE, Fit::Exact, b"BM\0\0\0\0").unwrap(), *b"BM\0\0\0\0");
}

#[test]
fn shapes_that_pictures_cannot_have_are_refused() {
    for (channels, height, fit, words) in [
        (2, 28, Fit::Exact, "images of 2×28×28"),
        (1, 70_000, Fit::Exact, "images of 1×70000×28"),
        (3, 28, Fit::Prepare, "grayscale images of 1×28×28, but the model takes 3×28×28"),
        (1, 32, Fit::Prepare, "but the model takes 1×32×28"),
    ] {
        let error = PictureReader::new(ImageShape { channels, height, width: 28 }, fit).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn photo_is_turned_upright_by_its_exif_orientation() {
    let line = |x: u32, y: u32| Luma([if (20..26).contains(&x) && (10..70).contains(&y) { 20 } else { 230 }]);
    let prepared = |file: &[u8]| decode(preparation::PREPARED, Fit::Prepare, file).unwrap();
    let upright = file(GrayImage::from_fn(60, 80, line), ImageFormat::Jpeg);
    // Turned clockwise by 90°, this picture equals the upright one.
    let lying = file(image::imageops::rotate270(&GrayImage::from_fn(60, 80, line)), ImageFormat::Jpeg);
    let from_upright = |file: &[u8]| {
        let pairs = prepared(file).into_iter().zip(prepared(&upright));
        pairs.map(|(a, b)| a.abs_diff(b)).max().unwrap()
    };
    let (as_stored, turned) = (from_upright(&lying), from_upright(&turned_in_exif(&lying)));
    assert!(as_stored > 200 && turned < 10, "{as_stored} and {turned} of 255");
}
