//! Tests of tiles, pixel by pixel.

use super::*;

const UNIT: Interval = Interval { low: 0.0, high: 1.0 };

fn grayscale(height: usize, width: usize) -> ImageShape {
    ImageShape { channels: 1, height, width }
}

fn levels(tile: &RgbImage) -> Vec<[u8; 3]> {
    tile.pixels().map(|pixel| pixel.0).collect()
}

#[test]
fn images_are_enlarged_and_shrunk_by_integer_factors() {
    let size = |height, width| tile_size(grayscale(height, width));
    assert_eq!(size(28, 28), [56, 56]);
    assert_eq!(size(32, 32), [64, 64]);
    assert_eq!(size(1, 3), [63, 21]);
    assert_eq!(size(33, 33), [33, 33]);
    assert_eq!(size(112, 100), [100, 112]);
    assert_eq!(size(224, 224), [112, 112]);
    assert_eq!(size(240, 120), [40, 80]);
    assert_eq!(size(1, 2000), [111, 1]);
}

#[test]
fn low_end_is_black_and_high_end_is_white() {
    let tile = tile(&[-1.0, 3.0], grayscale(1, 2), Interval { low: -1.0, high: 3.0 }).unwrap();
    let (left, right): (Vec<_>, Vec<_>) = tile.enumerate_pixels().partition(|(x, _, _)| *x < 32);
    assert!(left.iter().all(|(_, _, pixel)| pixel.0 == [0; 3]));
    assert!(right.iter().all(|(_, _, pixel)| pixel.0 == [255; 3]));
}

#[test]
fn constant_image_is_mid_gray() {
    let tile = tile(&[7.0; 4], grayscale(2, 2), Interval { low: 7.0, high: 7.0 }).unwrap();
    assert!(levels(&tile).iter().all(|level| *level == [128; 3]));
}

#[test]
fn three_channels_are_red_green_and_blue() {
    let shape = ImageShape { channels: 3, height: 1, width: 1 };
    let tile = tile(&[1.0, 0.0, 0.2], shape, UNIT).unwrap();
    assert!(levels(&tile).iter().all(|level| *level == [255, 0, 51]));
}

#[test]
fn large_image_is_shrunk_by_averaging() {
    let shape = grayscale(224, 224);
    let stripes: Vec<f32> = (0..shape.pixels()).map(|position| (position % 2) as f32).collect();
    let tile = tile(&stripes, shape, UNIT).unwrap();
    assert_eq!(tile.dimensions(), (112, 112));
    let inner = tile.enumerate_pixels().filter(|(x, y, _)| (1..111).contains(x) && (1..111).contains(y));
    assert!(inner.map(|(_, _, pixel)| pixel.0[0]).all(|level| (100..156).contains(&level)));
}

#[test]
fn image_of_another_shape_is_an_error() {
    let error = tile(&[0.0; 3], grayscale(2, 2), UNIT).unwrap_err();
    assert_eq!(error.to_string(), "cannot draw an image: it has 3 values, but 1×2×2 pixels need 4");
}

#[test]
fn image_beyond_the_split_is_an_error() {
    let images = Images::new(grayscale(1, 1), vec![0, 255], vec![0, 1]);
    assert_eq!(levels(&original(&images, 1).unwrap())[0], [255; 3]);
    let error = original(&images, 2).unwrap_err();
    assert_eq!(error.to_string(), "cannot draw a test image: the split has 2 images");
}
