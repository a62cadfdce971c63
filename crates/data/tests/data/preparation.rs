//! Photos, prepared like MNIST's digits.

use data_encoding::HEXLOWER;
use image::{GrayImage, Luma};
use mnist_data::preparation::{Blank, prepare};
use proptest::prelude::*;
use serde::Deserialize;

type Prepared = [u8; 784];

/// Returns the amount of ink, from 0 to 1, of a seven at a point. It has two strokes with soft edges; its height is 1.
fn seven(x: f64, y: f64) -> f64 {
    let distance = |[ax, ay]: [f64; 2], [bx, by]: [f64; 2]| {
        let (dx, dy) = (bx - ax, by - ay);
        let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        (x - ax - along * dx).hypot(y - ay - along * dy)
    };
    let nearest = distance([0.0, 0.0], [0.6, 0.0]).min(distance([0.6, 0.0], [0.2, 1.0]));
    ((0.08 - nearest) / 0.02).clamp(0.0, 1.0)
}

/// Draws a page with a seven of `height` pixels. Its upper left corner is at `at`; `paper` and `ink` are brightnesses.
fn page(
    size: [u32; 2],
    at: [f64; 2],
    height: f64,
    paper: impl Fn(u32, u32) -> f64,
    ink: impl Fn(u32, u32) -> f64,
) -> GrayImage {
    GrayImage::from_fn(size[0], size[1], |x, y| {
        let amount = seven((f64::from(x) - at[0]) / height, (f64::from(y) - at[1]) / height);
        Luma([(paper(x, y) + amount * (ink(x, y) - paper(x, y))).round() as u8])
    })
}

fn black_on_white(size: [u32; 2], at: [f64; 2], height: f64) -> GrayImage {
    page(size, at, height, |_, _| 255.0, |_, _| 0.0)
}

fn reference() -> Prepared {
    prepare(&black_on_white([150, 150], [50.0, 30.0], 80.0)).unwrap()
}

fn mean_difference(a: &Prepared, b: &Prepared) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / 784.0
}

/// Returns the row and column of the center of mass, counted from 0.
fn center_of_mass(image: &Prepared) -> [f64; 2] {
    let total: f64 = image.iter().map(|&byte| f64::from(byte)).sum();
    let moment = |position: fn(usize) -> usize| {
        image.iter().enumerate().map(|(i, &byte)| position(i) as f64 * f64::from(byte)).sum::<f64>() / total
    };
    [moment(|i| i / 28), moment(|i| i % 28)]
}

/// Returns the numbers of rows and columns with ink.
fn extent(image: &Prepared) -> [usize; 2] {
    let of = |position: fn(usize) -> usize| {
        let inked = || (0..784).filter(|&i| image[i] > 0).map(position);
        inked().max().unwrap() - inked().min().unwrap() + 1
    };
    [of(|i| i / 28), of(|i| i % 28)]
}

#[test]
fn position_size_and_light_hardly_change_the_result() {
    let corner = black_on_white([200, 120], [130.0, 20.0], 80.0);
    let larger = black_on_white([700, 600], [100.0, 80.0], 400.0);
    let inverted = page([150, 150], [50.0, 30.0], 80.0, |_, _| 0.0, |_, _| 255.0);
    let pale = page([150, 150], [50.0, 30.0], 80.0, |_, _| 180.0, |_, _| 110.0);
    let light = |x: u32, y: u32| 120.0 + 0.6 * f64::from(x) + 0.2 * f64::from(y);
    let lit = page([150, 150], [50.0, 30.0], 80.0, light, |x, y| light(x, y) - 90.0);
    let grain = |x: u32, y: u32| f64::from((x * 7919 + y * 104_729) % 23);
    let noisy = page([150, 150], [50.0, 30.0], 80.0, |x, y| 200.0 + grain(x, y), |x, y| 40.0 + grain(x, y));
    for (name, picture) in [
        ("corner", corner),
        ("larger", larger),
        ("inverted", inverted),
        ("pale", pale),
        ("lit", lit),
        ("noisy", noisy),
    ] {
        let difference = mean_difference(&prepare(&picture).unwrap(), &reference());
        assert!(difference < 2.0, "{name}: {difference} of 255");
    }
    let upside_down = prepare(&image::imageops::rotate180(&black_on_white([150, 150], [50.0, 30.0], 80.0)));
    assert!(mean_difference(&upside_down.unwrap(), &reference()) > 20.0, "an upside-down digit differs");
}

#[test]
fn ink_fits_the_box_and_its_mass_is_centered() {
    let image = reference();
    let [height, width] = extent(&image);
    assert_eq!(height, 20);
    assert!((12..=14).contains(&width), "{width}: the strokes are 0.76 wide and 1.16 high");
    for position in center_of_mass(&image) {
        assert!((position - 14.0).abs() <= 0.5, "{position}");
    }
    assert_eq!(image.iter().max(), Some(&255));
    assert_eq!(image[0], 0, "paper is black");
}

#[test]
fn wide_strokes_fit_the_box() {
    let line = GrayImage::from_fn(300, 50, |x, y| Luma([if x > 9 && x < 290 && y == 25 { 0 } else { 255 }]));
    let image = prepare(&line).unwrap();
    assert_eq!(extent(&image), [1, 20]);
    assert_eq!(image.iter().max(), Some(&255), "a thin stroke becomes as bright as any other");
}

#[test]
fn specks_are_dropped_and_separate_strokes_are_kept() {
    let mut picture = black_on_white([150, 150], [50.0, 30.0], 80.0);
    for (x, y) in [(3, 3), (145, 10), (20, 140), (21, 141)] {
        picture.put_pixel(x, y, Luma([0]));
    }
    let difference = mean_difference(&prepare(&picture).unwrap(), &reference());
    assert!(difference < 0.1, "specks: {difference} of 255");
    for x in 50..110 {
        for y in 125..130 {
            picture.put_pixel(x, y, Luma([0]));
        }
    }
    let difference = mean_difference(&prepare(&picture).unwrap(), &reference());
    assert!(difference > 5.0, "a stroke: {difference} of 255");
}

#[test]
fn picture_without_ink_is_an_error() {
    for picture in [
        GrayImage::new(0, 0),
        GrayImage::from_pixel(1, 1, Luma([9])),
        GrayImage::from_pixel(100, 80, Luma([255])),
        GrayImage::from_pixel(100, 80, Luma([0])),
        GrayImage::from_fn(100, 80, |x, y| Luma([(x + y) as u8])),
        GrayImage::from_fn(100, 80, |x, y| Luma([200 + (x * 31 + y * 17) as u8 % 20])),
    ] {
        assert_eq!(prepare(&picture), Err(Blank));
    }
}

proptest! {
    /// Any picture is either refused or becomes an image with a digit of at most 20 by 20 pixels.
    #[test]
    fn any_picture_is_prepared_or_refused(width in 1_u32..40, height in 1_u32..40, seed in any::<[u8; 40]>()) {
        let value = |x: u32, y: u32| Luma([seed[x as usize].wrapping_mul(seed[y as usize] | 1)]);
        if let Ok(image) = prepare(&GrayImage::from_fn(width, height, value)) {
            prop_assert_eq!(image.iter().max(), Some(&255));
            let [height, width] = extent(&image);
            prop_assert!(height <= 20 && width <= 20, "{}×{}", height, width);
        }
    }
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    name: String,
    height: u32,
    width: u32,
    picture: String,
    prepared: String,
}

/// Values from `scripts/golden_preparation.py`, which uses NumPy, SciPy and Pillow. Both sides round once, so bytes may
/// differ by one.
#[test]
fn agrees_with_pillow_and_scipy() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/preparation.json")).unwrap();
    assert_eq!(golden.cases.len(), 10);
    for case in golden.cases {
        let bytes = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let picture = GrayImage::from_raw(case.width, case.height, bytes(&case.picture)).unwrap();
        let found = prepare(&picture).unwrap();
        let difference = found.iter().zip(bytes(&case.prepared)).map(|(a, b)| a.abs_diff(b)).max().unwrap();
        assert!(difference <= 1, "{}: {difference}", case.name);
    }
}
