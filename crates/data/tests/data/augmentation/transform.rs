//! Transforms with given numbers, compared with Keras and checked at the edges of the image.

use std::collections::BTreeMap;

use mnist_data::{FillMode, ImageShape, Transform};
use serde::Deserialize;

use super::apply;

#[derive(Deserialize)]
struct Golden {
    images: Vec<GoldenImage>,
}

#[derive(Deserialize)]
struct GoldenImage {
    name: String,
    channels: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    parameters: BTreeMap<String, f64>,
    fill_mode: FillMode,
    cval: f64,
    transformed: Vec<f64>,
}

/// Creates a transform from Keras' parameters by name. Missing parameters change nothing.
fn transform(parameters: &BTreeMap<String, f64>) -> Transform {
    let mut transform = Transform::default();
    for (name, &value) in parameters {
        match name.as_str() {
            "theta" => transform.theta = value,
            "tx" => transform.tx = value,
            "ty" => transform.ty = value,
            "shear" => transform.shear = value,
            "zx" => transform.zx = value,
            "zy" => transform.zy = value,
            "flip_horizontal" => transform.flip_horizontal = value > 0.0,
            "flip_vertical" => transform.flip_vertical = value > 0.0,
            "channel_shift_intensity" => transform.channel_shift_intensity = value,
            "brightness" => transform.brightness = Some(value),
            _ => panic!("{name}"),
        }
    }
    transform
}

fn assert_close(ours: &[f32], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (&ours, theirs) in ours.iter().zip(theirs) {
        assert!(
            (f64::from(ours) - theirs).abs() <= 1e-5 * theirs.abs().max(1.0),
            "{what}: {ours} and {theirs}"
        );
    }
}

/// Values from scripts/golden_augmentation.py.
#[test]
fn every_parameter_transforms_as_in_keras_with_every_fill_mode() {
    let golden: Golden = serde_json::from_str(include_str!("../../golden/augmentation.json")).unwrap();
    let mut cases = 0;
    for image in golden.images {
        let GoldenImage { name, channels, height, width, pixels, .. } = image;
        let shape = ImageShape { channels, height, width };
        for GoldenCase { parameters, fill_mode, cval, transformed } in image.cases {
            let mut augmented = vec![-1.0];
            transform(&parameters).apply(&pixels, shape, fill_mode, cval, &mut augmented);
            assert_eq!(augmented[..1], [-1.0; 1][..], "existing values are unchanged");
            assert_close(&augmented[1..], &transformed, &format!("{name}, {fill_mode:?}, {parameters:?}"));
            cases += 1;
        }
    }
    assert_eq!(
        cases,
        2 * (10 * 4 + 8),
        "for each image: ten affine transforms with four fill modes, and eight others"
    );
}

#[test]
fn default_transform_changes_nothing() {
    let bytes: Vec<u8> = (0..=255).collect();
    let augmented = apply(Transform::default(), [16, 16], &bytes, FillMode::Constant);
    assert_eq!(augmented, bytes.iter().copied().map(f32::from).collect::<Vec<_>>());
}

/// Keras' `test_deterministic_transform`.
#[test]
fn flips_reverse_columns_and_rows() {
    let flip = |flip_horizontal, flip_vertical| {
        let transform = Transform { flip_horizontal, flip_vertical, ..Transform::default() };
        apply(transform, [2, 3], &[1, 2, 3, 4, 5, 6], FillMode::Constant)
    };
    assert_eq!(flip(true, false), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    assert_eq!(flip(false, true), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    assert_eq!(flip(true, true), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
}

/// Keras' `test_deterministic_transform`. Two of these pixels are exactly on the edge of the image.
#[test]
fn square_of_ones_turns_by_45_degrees_as_in_keras() {
    let transform = Transform { theta: 45.0, ..Transform::default() };
    let turned = apply(transform, [3, 3], &[1; 9], FillMode::Constant);
    assert_close(&turned, &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], "45°");
}

#[test]
fn quarter_turn_is_clockwise_around_the_pixel_past_the_middle() {
    let transform = Transform { theta: 90.0, ..Transform::default() };
    let turned = apply(transform, [4, 4], &(1..=16).collect::<Vec<u8>>(), FillMode::Nearest);
    let expected = [13, 13, 13, 9, 14, 14, 14, 10, 15, 15, 15, 11, 16, 16, 16, 12].map(f64::from);
    assert_close(&turned, &expected, "90°");
}

/// The center of Keras' `transform_matrix_offset_center`.
#[test]
fn pixel_past_the_middle_does_not_move() {
    let pixels: Vec<u8> = (0..35).map(|index| index * 7).collect();
    for (theta, shear, zx, zy) in [(33.0, 0.0, 1.0, 1.0), (0.0, 25.0, 1.0, 1.0), (0.0, 0.0, 0.6, 2.5)] {
        let transform = Transform { theta, shear, zx, zy, ..Transform::default() };
        let augmented = apply(transform, [5, 7], &pixels, FillMode::Nearest);
        assert_close(&augmented[3 * 7 + 4..][..1], &[f64::from(pixels[3 * 7 + 4])], "the center");
        let before = f64::from(pixels[2 * 7 + 3]);
        assert!((f64::from(augmented[2 * 7 + 3]) - before).abs() > 1.0, "the middle moves");
    }
}

#[test]
fn shift_of_one_pixel_moves_the_image() {
    let image = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let shift =
        |tx, ty| apply(Transform { tx, ty, ..Transform::default() }, [3, 3], &image, FillMode::Constant);
    assert_eq!(shift(1.0, 0.0), [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 0.0, 0.0, 0.0], "up");
    assert_eq!(shift(-1.0, 0.0), [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "down");
    assert_eq!(shift(0.0, 1.0), [2.0, 3.0, 0.0, 5.0, 6.0, 0.0, 8.0, 9.0, 0.0], "left");
    assert_eq!(shift(0.0, -1.0), [0.0, 1.0, 2.0, 0.0, 4.0, 5.0, 0.0, 7.0, 8.0], "right");
}

/// The patterns in Keras' documentation, except for `wrap`: Keras documents abcd|abcd|abcd, but SciPy puts both ends in
/// the same place.
#[test]
fn fill_modes_continue_the_image_past_every_edge() {
    let letters = |pixels: Vec<f32>| -> String { pixels.iter().map(|&pixel| pixel as u8 as char).collect() };
    for (fill_mode, before, after) in [
        (FillMode::Nearest, "aaaa", "dddd"),
        (FillMode::Constant, "\0\0\0\0", "\0\0\0\0"),
        (FillMode::Reflect, "dcba", "dcba"),
        (FillMode::Wrap, "cdbc", "bcab"),
    ] {
        for (shift, expected) in [(-4.0, before), (4.0, after)] {
            let columns = Transform { ty: shift, ..Transform::default() };
            assert_eq!(letters(apply(columns, [1, 4], b"abcd", fill_mode)), expected, "{fill_mode:?}");
            let rows = Transform { tx: shift, ..Transform::default() };
            assert_eq!(letters(apply(rows, [4, 1], b"abcd", fill_mode)), expected, "{fill_mode:?}");
        }
    }
}

#[test]
fn channel_shift_clamps_to_the_smallest_and_largest_pixel() {
    let shift = |channel_shift_intensity| {
        let transform = Transform { channel_shift_intensity, ..Transform::default() };
        apply(transform, [1, 3], &[10, 100, 200], FillMode::Nearest)
    };
    assert_eq!(shift(50.5), [60.5, 150.5, 200.0]);
    assert_eq!(shift(-50.5), [10.0, 49.5, 149.5]);
}

#[test]
fn brightness_multiplies_without_stretching() {
    let transform = Transform { brightness: Some(1.5), ..Transform::default() };
    assert_eq!(apply(transform, [1, 3], &[10, 101, 200], FillMode::Nearest), [15.0, 151.5, 255.0]);
}
