//! Statistics: exact for bytes, mergeable, and equal to the known values for MNIST.

use mnist_data::{Moments, PixelSums};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{all_pixels, mnist};

#[test]
fn mnist_statistics_equal_those_of_the_tutorial_to_the_last_digit() {
    let [train, test] = [&mnist().train, &mnist().test].map(|images| PixelSums::of(&all_pixels(images)));
    assert_eq!((train.count, test.count), (60_000 * 784, 10_000 * 784));
    assert_eq!((train.mean(), train.std()), (33.318421449829934, 78.56748998339799));
    assert_eq!((test.mean(), test.std()), (33.791224489795916, 79.17246322228644));
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    count: u64,
    sum: u64,
    sum_of_squares: u64,
    std: f64,
}

/// Values from scripts/golden_pixel_sums.py. Many are close to the midpoint between two doubles.
#[test]
fn std_equals_exact_arithmetic_rounded_once() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/pixel_sums.json")).unwrap();
    assert_eq!(golden.cases.len(), 50);
    for GoldenCase { count, sum, sum_of_squares, std } in golden.cases {
        let sums = PixelSums { count, sum, sum_of_squares };
        assert_eq!((sums, sums.std()), (sums, std));
    }
}

#[test]
#[should_panic(expected = "divide by zero")]
fn std_of_no_pixels_panics() {
    PixelSums::default().std();
}

/// Checks that no other double is nearer to √d / n than `std`, with d = n·Σx² − (Σx)². With `std` = m·2⁻ᵉ, this means
/// (2m − 1)²·n² < d·4ᵉ⁺¹ < (2m + 1)²·n².
fn check_correctly_rounded(sums: PixelSums) -> Result<(), TestCaseError> {
    let [count, sum, squares] = [sums.count, sums.sum, sums.sum_of_squares].map(u128::from);
    let d = count * squares - sum * sum;
    let bits = sums.std().to_bits();
    if d == 0 {
        prop_assert_eq!(bits, 0);
        return Ok(());
    }
    let m = u128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let e = 1075 - (bits >> 52);
    let exact = d << (2 * e + 2);
    let [low, high] = [2 * m - 1, 2 * m + 1].map(|middle| middle * middle * count * count);
    prop_assert!(
        low < exact && exact < high,
        "{sums:?}: {} is not nearest: {low} {exact} {high}",
        sums.std()
    );
    Ok(())
}

#[test]
fn mnist_has_60000_and_10000_images_of_28_by_28_in_10_classes() {
    let splits = mnist();
    assert_eq!(splits.classes, 10);
    assert_eq!(splits.train.labels().len(), 60_000);
    assert_eq!(splits.test.labels().len(), 10_000);
    assert_eq!(splits.train.shape().to_string(), "1×28×28");
    let per_digit = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    assert_eq!(splits.train.label_counts(10), per_digit);
}

#[test]
fn grouped_sums_equal_the_sums_of_their_pixels() {
    let grouped = |pixels: &[u8], image, groups| {
        let mut sums = vec![PixelSums::default(); groups];
        let (first, rest) = pixels.split_at(image);
        PixelSums::add_grouped(&mut sums, first, image);
        PixelSums::add_grouped(&mut sums, rest, image);
        sums
    };
    let pixels = [1, 10, 3, 30];
    let [left, right] = grouped(&pixels, 2, 2)[..] else { panic!("two groups") };
    assert_eq!((left.mean(), left.std()), (2.0, 1.0));
    assert_eq!((right.mean(), right.std()), (20.0, 10.0));
    assert_eq!(grouped(&pixels, 2, 1), [PixelSums::of(&pixels)]);
    let [top, bottom] = grouped(&[1, 3, 10, 30, 1, 3, 10, 30], 4, 2)[..] else { panic!("two groups") };
    assert_eq!((top.count, top.sum, bottom.sum), (4, 8, 80));
    // More positions than one thread sums at a time.
    let images: Vec<u8> = (0..3 * 1000_u32).map(|i| (i * 37 % 251) as u8).collect();
    for (position, sums) in grouped(&images, 1000, 1000).into_iter().enumerate() {
        let column: Vec<u8> = images.iter().skip(position).step_by(1000).copied().collect();
        assert_eq!(sums, PixelSums::of(&column), "{position}");
    }
}

proptest! {
    #[test]
    fn merged_sums_equal_the_sums_of_all_pixels(pixels: Vec<u8>, at: prop::sample::Index) {
        let (a, b) = pixels.split_at(at.index(pixels.len() + 1));
        prop_assert_eq!(PixelSums::of(a).merge(PixelSums::of(b)), PixelSums::of(&pixels));
    }

    /// Up to 999 pixels, so that the check fits in 128 bits.
    #[test]
    fn std_is_the_nearest_double(pixels in prop::collection::vec(0_u8.., 1..1000)) {
        check_correctly_rounded(PixelSums::of(&pixels))?;
    }

    #[test]
    fn std_of_two_values_is_the_nearest_double(dark: u8, bright: u8, counts in [0..500_usize, 1..500_usize]) {
        let pixels = [vec![dark; counts[0]], vec![bright; counts[1]]].concat();
        check_correctly_rounded(PixelSums::of(&pixels))?;
    }

    #[test]
    fn mean_and_std_agree_with_two_passes_in_floating_point(pixels in prop::collection::vec(0_u8.., 1..9000)) {
        let sums = PixelSums::of(&pixels);
        let mean = pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / pixels.len() as f64;
        let squares: f64 = pixels.iter().map(|&p| (f64::from(p) - mean).powi(2)).sum();
        let std = (squares / pixels.len() as f64).sqrt();
        prop_assert!((sums.mean() - mean).abs() <= 1e-12 * mean, "{} and {mean}", sums.mean());
        prop_assert!((sums.std() - std).abs() <= 1e-12 * std.max(1e-3), "{} and {std}", sums.std());
    }

    #[test]
    fn equal_pixels_have_std_0(pixel: u8, count in 1_usize..5000) {
        let sums = PixelSums::of(&vec![pixel; count]);
        prop_assert_eq!((sums.mean(), sums.std()), (f64::from(pixel), 0.0));
    }

    #[test]
    fn merged_moments_equal_the_moments_of_all_values(
        values in prop::collection::vec(-300.0_f32..300.0, 2..500),
        at: prop::sample::Index,
    ) {
        let (a, b) = values.split_at(at.index(values.len() + 1));
        let of = |values: &[f32]| Moments::of(values.iter().map(|&value| f64::from(value)));
        let (merged, all) = (of(a).merge(of(b)), of(&values));
        prop_assert!((merged.mean() - all.mean()).abs() < 1e-10, "{merged:?} and {all:?}");
        prop_assert!((merged.std() - all.std()).abs() < 1e-10, "{merged:?} and {all:?}");
        prop_assert_eq!((merged.min(), merged.max()), (all.min(), all.max()));
    }
}
