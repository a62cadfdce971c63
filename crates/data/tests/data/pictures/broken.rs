//! Pictures that are broken, too large, or different from the first one.

use std::{
    fs,
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use image::{ImageFormat, Rgb, RgbImage};
use mnist_data::{ColorMode, pictures};

use super::{
    AS_THEY_ARE, assert_error, decode, encoded, first, folder, in_colors, open, png, resized, save, write,
};

#[test]
fn picture_of_another_size_is_refused_before_it_is_decoded() {
    let folder = folder();
    // Its header is complete, but its pixels are missing.
    let path = write(folder.path(), "train/b/0.png", &png(5, 4, 8, 0, &[], &[0]));
    let error = decode(&open(&folder).unwrap(), 1).unwrap_err();
    let words = "is 4x5 pixels (height x width), but the first training picture is 2x3; resize all pictures to \
                 one size";
    assert_error(&error, &path, words);
}

#[test]
fn rgb_among_grayscale_is_refused_without_a_color_mode() {
    let folder = folder();
    let path = save(folder.path(), "train/b/0.png", RgbImage::from_pixel(3, 2, Rgb([9, 9, 9])));
    let error = decode(&open(&folder).unwrap(), 1).unwrap_err();
    let words = "is rgb, but the first training picture is grayscale; convert all pictures to one color mode";
    assert_error(&error, &path, words);
    let found = pictures::open(folder.path(), in_colors(ColorMode::Grayscale)).unwrap();
    assert_eq!(decode(&found, 1).unwrap(), [9; 6]);
}

#[test]
fn huge_picture_is_refused_by_its_header() {
    let folder = folder();
    let path = write(folder.path(), "train/b/0.png", &png(100_000, 100_000, 16, 6, &[], &[0]));
    for options in [AS_THEY_ARE, resized("28x28")] {
        let started = Instant::now();
        let error = decode(&pictures::open(folder.path(), options).unwrap(), 1).unwrap_err();
        assert_error(&error, &path, "100000x100000 is too large");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}

#[test]
fn file_larger_than_its_picture_can_be_is_not_read() {
    let folder = folder();
    let path = folder.path().join("train/b/0.png");
    let header = |width, height| png(width, height, 8, 0, &[], &[0]);
    for (start, most) in [(&b""[..], 128), (&encoded(ImageFormat::Jpeg), 128), (&header(8192, 8192), 640)] {
        // Sparse files: they take no space on disk.
        fs::write(&path, start).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let words = format!("larger than {most} MiB");
        assert_error(&decode(&open(&folder).unwrap(), 1).unwrap_err(), &path, &words);
    }
}

#[test]
fn file_that_is_not_a_picture_is_refused() {
    for bytes in [&b""[..], b"text", b"GIF89a\x01\0\x01\0\0\0\0;", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"] {
        let folder = folder();
        let path = write(folder.path(), "train/b/0.png", bytes);
        assert_error(&decode(&open(&folder).unwrap(), 1).unwrap_err(), &path, "cannot decode");
        let path = write(folder.path(), "train/a/0.png", bytes);
        assert_error(&open(&folder).unwrap_err(), &path, "cannot decode");
    }
}

#[test]
fn truncated_picture_is_refused() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Bmp, ImageFormat::WebP] {
        let complete = encoded(format);
        let folder = folder();
        let path = write(folder.path(), "train/a/0.png", &complete);
        first(&folder, AS_THEY_ARE).unwrap();
        for kept in [complete.len() / 2, complete.len() * 9 / 10] {
            fs::write(&path, &complete[..kept]).unwrap();
            let error = first(&folder, AS_THEY_ARE).expect_err(&format!("{kept} bytes of {format:?}"));
            assert_error(&error, &path, "cannot decode");
        }
    }
    // Pillow refuses this file too.
    let jpeg = encoded(ImageFormat::Jpeg);
    let folder = folder();
    let path = write(folder.path(), "train/a/0.jpg", &jpeg[..jpeg.len() - 1]);
    fs::remove_file(folder.path().join("train/a/0.png")).unwrap();
    assert_error(&open(&folder).unwrap_err(), &path, "ends before");
}

#[test]
fn jpeg_too_short_for_its_size_is_refused_before_it_is_decoded() {
    let folder = folder();
    let mut jpeg = encoded(ImageFormat::Jpeg);
    // The frame header: marker, length, precision, height, width.
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..][..4].copy_from_slice(&[0x27, 0x10, 0x27, 0x10]);
    let path = write(folder.path(), "train/b/0.png", &jpeg);
    let found = pictures::open(folder.path(), resized("28x28")).unwrap();
    assert_error(&decode(&found, 1).unwrap_err(), &path, "too short for the size in its header");
}

#[test]
fn damaged_png_is_refused() {
    let mut bytes = encoded(ImageFormat::Png);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let folder = folder();
    let path = write(folder.path(), "train/a/0.png", &bytes);
    assert_error(&first(&folder, AS_THEY_ARE).unwrap_err(), &path, "cannot decode");
}

/// Pillow 13.0: `Image.new("CMYK", (2, 2), (1, 2, 3, 4)).save(file, "JPEG")`.
const CMYK: &str = "\
    /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAIBgYHBgUIBwcHCQkICgwUDQwLCwwZEhMPFB0aHx4dGhwcICQuJyAiLCMcHCg3KSwwMTQ0\
    NB8nOT04MjwuMzQy/8AAFAgAAgACBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIB\
    AwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZH\
    SElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV\
    1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwD36vfa98r3uv/Z";

#[test]
fn cmyk_jpeg_is_refused() {
    let cmyk = BASE64.decode(CMYK.as_bytes()).unwrap();
    let folder = folder();
    let path = write(folder.path(), "train/a/0.png", &cmyk);
    assert_error(&open(&folder).unwrap_err(), &path, "CMYK");
}

#[test]
fn picture_removed_or_replaced_by_a_folder_is_refused() {
    let folder = folder();
    let found = open(&folder).unwrap();
    let path = folder.path().join("train/b/0.png");
    fs::remove_file(&path).unwrap();
    assert_error(&decode(&found, 1).unwrap_err(), &path, "cannot read");
    fs::create_dir(&path).unwrap();
    assert_error(&decode(&found, 1).unwrap_err(), &path, "cannot read");
}
