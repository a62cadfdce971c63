//! How pictures are converted to pixels.

use std::io::Cursor;

use image::{
    GrayAlphaImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, Luma, Rgb, RgbImage, RgbaImage,
    codecs::jpeg::JpegDecoder, metadata::Orientation,
};
use mnist_data::{ColorMode, pictures};

use super::{
    AS_THEY_ARE, decode, encoded, first, folder, folder_with, in_colors, open, png, resized, turned_in_exif,
    write,
};

#[test]
fn grayscale_pixels_are_unchanged() {
    let folder = folder();
    assert_eq!(open(&folder).unwrap().train.0.shape().to_string(), "1×2×3");
    assert_eq!(first(&folder, AS_THEY_ARE).unwrap(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn rgb_pixels_become_three_channels() {
    let folder = folder_with("0.bmp", RgbImage::from_raw(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap());
    assert_eq!(open(&folder).unwrap().train.0.shape().to_string(), "3×2×1");
    for name in ["0.bmp", "0.png", "0.webp"] {
        let folder = folder_with(name, RgbImage::from_raw(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap());
        assert_eq!(first(&folder, AS_THEY_ARE).unwrap(), [1, 4, 2, 5, 3, 6], "{name}");
    }
}

#[test]
fn jpeg_is_recognized_by_its_content() {
    let folder = folder();
    write(folder.path(), "train/a/0.png", &encoded(ImageFormat::Jpeg));
    let pixels = first(&folder, AS_THEY_ARE).unwrap();
    let expected = image::load_from_memory(&encoded(ImageFormat::Jpeg)).unwrap().into_rgb8();
    let green: Vec<u8> = expected.pixels().map(|pixel| pixel[1]).collect();
    assert_eq!(pixels[1600..3200], green);
}

#[test]
fn alpha_is_dropped() {
    let folder = folder_with("0.png", GrayAlphaImage::from_raw(2, 1, vec![10, 0, 20, 128]).unwrap());
    assert_eq!(first(&folder, AS_THEY_ARE).unwrap(), [10, 20]);
    let folder = folder_with("0.png", RgbaImage::from_raw(2, 1, vec![1, 2, 3, 0, 4, 5, 6, 128]).unwrap());
    assert_eq!(first(&folder, AS_THEY_ARE).unwrap(), [1, 4, 2, 5, 3, 6]);
}

#[test]
fn palette_is_replaced_by_its_colors() {
    let folder = folder();
    // One row with the palette's entries 1, 0 and 2.
    let file = png(3, 1, 8, 3, &[(b"PLTE", &[1, 2, 3, 4, 5, 6, 7, 8, 9])], &[0, 1, 0, 2]);
    write(folder.path(), "train/a/0.png", &file);
    assert_eq!(first(&folder, AS_THEY_ARE).unwrap(), [4, 1, 7, 5, 2, 8, 6, 3, 9]);
}

#[test]
fn one_bit_pixels_become_0_and_255() {
    let folder = folder();
    write(folder.path(), "train/a/0.png", &png(4, 1, 1, 0, &[], &[0, 0b0110_0000]));
    assert_eq!(first(&folder, AS_THEY_ARE).unwrap(), [0, 255, 255, 0]);
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    // Each is multiplied by 255/65535 and rounded; 128.5 of 65,535 is the limit between 0 and 1.
    let values = vec![0, 128, 129, 385, 257 * 200, 65535];
    let gray = ImageBuffer::<Luma<u16>, _>::from_raw(6, 1, values.clone()).unwrap();
    assert_eq!(first(&folder_with("0.png", gray), AS_THEY_ARE).unwrap(), [0, 0, 1, 1, 200, 255]);
    let rgb = ImageBuffer::<Rgb<u16>, _>::from_raw(2, 1, values).unwrap();
    assert_eq!(first(&folder_with("0.png", rgb), AS_THEY_ARE).unwrap(), [0, 1, 0, 200, 1, 255]);
}

#[test]
fn rgb_becomes_the_grayscale_of_pillow() {
    // Pillow 13.0: Image.new("RGB", (1, 1), color).convert("L").getpixel((0, 0))
    let pillow = [
        ([255, 0, 0], 76),
        ([0, 255, 0], 150),
        ([0, 0, 255], 29),
        ([200, 100, 50], 124),
        ([1, 2, 3], 2),
        ([254, 255, 253], 254),
        ([128, 64, 32], 79),
        ([17, 200, 99], 134),
        ([255, 255, 255], 255),
    ];
    let picture = RgbImage::from_fn(9, 1, |x, _| Rgb(pillow[x as usize].0));
    let gray = first(&folder_with("0.png", picture), in_colors(ColorMode::Grayscale)).unwrap();
    assert_eq!(gray, pillow.map(|(_, gray)| gray));
}

#[test]
fn grayscale_becomes_three_equal_channels() {
    let rgb = first(&folder(), in_colors(ColorMode::Rgb)).unwrap();
    assert_eq!(rgb, [1, 2, 3, 4, 5, 6].repeat(3));
}

#[test]
fn resizing_matches_pillows_bilinear() {
    let picture = [0, 50, 100, 150, 10, 60, 110, 160, 20, 70, 120, 170, 30, 80, 130, 255];
    let folder = folder_with("0.png", GrayImage::from_raw(4, 4, picture.to_vec()).unwrap());
    // Pillow 13.0: Image.fromarray(picture).resize((width, height), Image.BILINEAR)
    let smaller = [43, 121, 59, 151];
    let larger = [3, 28, 61, 95, 128, 153, 15, 40, 73, 107, 140, 165, 27, 52, 85, 119, 179, 230];
    for (size, pillow) in [("2x2", &smaller[..]), ("3x6", &larger[..])] {
        let pixels = first(&folder, resized(size)).unwrap();
        assert_eq!(pixels.len(), pillow.len());
        let close = pixels.iter().zip(pillow).all(|(&a, &b)| a.abs_diff(b) <= 1);
        assert!(close, "{size}: {pixels:?}, but Pillow computes {pillow:?}");
    }
    assert_eq!(first(&folder, resized("4x4")).unwrap(), picture, "its own size");
}

#[test]
fn resizing_keeps_a_uniform_color() {
    let folder = folder_with("0.png", RgbImage::from_pixel(7, 11, Rgb([3, 200, 255])));
    let found = pictures::open(folder.path(), resized("5x4")).unwrap();
    assert_eq!(found.train.0.shape().to_string(), "3×5×4");
    assert_eq!(decode(&found, 0).unwrap(), [[3; 20], [200; 20], [255; 20]].concat());
}

#[test]
fn exif_orientation_is_ignored() {
    let plain = encoded(ImageFormat::Jpeg);
    let turned = turned_in_exif(&plain);
    let mut decoder = JpegDecoder::new(Cursor::new(&turned)).unwrap();
    assert_eq!(decoder.orientation().unwrap(), Orientation::Rotate90);
    let [plain, turned] = [plain, turned].map(|file| {
        let folder = folder();
        write(folder.path(), "train/a/0.png", &file);
        first(&folder, AS_THEY_ARE).unwrap()
    });
    assert_eq!(turned, plain);
}
