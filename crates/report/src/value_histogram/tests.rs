//! Tests of counting and of the geometry of bars.

use plotters::style::BLACK;

use super::{drawing::Filled, *};
use crate::style::{BAR, ERROR};

/// Four pixels per bin.
const WIDTH: i32 = 4 * BINS as i32;

fn drawn(histogram: &ValueHistogram) -> Vec<Filled> {
    histogram.rectangles([50, 10], [WIDTH, 60], BLACK)
}

#[test]
fn every_value_is_counted_once() {
    let values: Vec<f32> = (0..1000).map(|i| (i * i % 977) as f32).collect();
    let mut histogram = ValueHistogram::new(0.0, 976.0);
    histogram.add(&values[..300]);
    histogram.add(&values[300..]);
    assert_eq!(histogram.counts().iter().sum::<u64>(), 1000);
}

#[test]
fn values_outside_the_interval_count_in_the_outer_bins() {
    let mut histogram = ValueHistogram::new(-1.0, 3.0);
    histogram.add(&[-1.0, -1.0, 0.0, 3.0, 1e30, -5.0, f32::INFINITY]);
    let mut expected = [0; BINS];
    (expected[0], expected[BINS / 4], expected[BINS - 1]) = (3, 1, 3);
    assert_eq!(histogram.counts(), &expected);
}

#[test]
fn bars_grow_with_the_logarithm_of_the_count() {
    let mut histogram = ValueHistogram::new(1.0, 1.0 + BINS as f64);
    for (bin, count) in [(1, 1), (2, 10), (3, 100), (4, 10_000)] {
        histogram.add(&vec![bin as f32 + 1.5; count]);
    }
    let bars: Vec<_> = drawn(&histogram).into_iter().filter(|(_, color)| *color == BAR).collect();
    let lefts: Vec<i32> = bars.iter().map(|([(left, _), _], _)| *left).collect();
    assert_eq!(lefts, [54, 58, 62, 66]);
    let expected = |count: f64| (60.0 * count.ln_1p() / 10_000_f64.ln_1p()).ceil() as i32;
    let heights: Vec<i32> = bars.iter().map(|([(_, top), (_, bottom)], _)| bottom - top).collect();
    assert_eq!(heights, [expected(1.0), expected(10.0), expected(100.0), 60]);
}

#[test]
fn line_marks_zero_if_it_is_in_the_interval() {
    let lines = |low, high| {
        let rectangles = drawn(&ValueHistogram::new(low, high)).into_iter();
        rectangles.filter(|(_, color)| *color == ERROR).map(|(corners, _)| corners).collect::<Vec<_>>()
    };
    let zero = 50 + WIDTH / 4;
    assert_eq!(lines(-1.0, 3.0), [[(zero - 1, 7), (zero + 1, 73)]]);
    assert!(lines(1.0, 3.0).is_empty());
}

#[test]
fn empty_histogram_has_only_an_axis() {
    assert_eq!(drawn(&ValueHistogram::new(1.0, 2.0)), [([(50, 70), (50 + WIDTH, 71)], BLACK)]);
}
