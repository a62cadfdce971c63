//! Pictures of a single run.

use image::Rgb;
use mnist_data::{ImageShape, Images};
use mnist_report::pictures::{confusion_matrix, misread_images};

use crate::support::{diverged, run};

/// Returns this many white images of 2×2 pixels.
fn white_images(count: usize) -> Images {
    let shape = ImageShape { channels: 1, height: 2, width: 2 };
    Images::new(shape, vec![255; 4 * count], vec![1; count])
}

#[test]
fn confusion_matrix_marks_errors_in_red() {
    let matrix = confusion_matrix(&run(1, &[1, 1, 7]).result).unwrap();
    let is_red = |pixel: &Rgb<u8>| i32::from(pixel[0]) - i32::from(pixel[1]) > 40;
    let red = matrix.enumerate_pixels().filter(|(_, _, pixel)| is_red(pixel));
    let rows: Vec<u32> = red.map(|(_, y, _)| y).collect();
    let (first, last) = (rows.iter().min().unwrap(), rows.iter().max().unwrap());
    assert!(last - first < 36, "the only error is one cell, not the rows {first} to {last}");
    assert!(confusion_matrix(&diverged(1).result).is_none());
}

#[test]
fn misread_images_are_shown_in_rows_of_five() {
    let errors = |count: usize| [vec![1], vec![7; count]].concat();
    let picture = |count: usize| misread_images(&run(1, &errors(count)), &white_images(count + 1)).unwrap();
    assert!(picture(0).is_none());
    let [one, five, six, many] = [1, 5, 6, 40].map(|count| picture(count).unwrap());
    assert_eq!((one.height(), one.width() < five.width()), (five.height(), true));
    assert_eq!((six.width(), six.height() > five.height()), (five.width(), true));
    assert_eq!(many.height() - six.height(), 3 * (six.height() - five.height()), "at most 25 images");
}

#[test]
fn other_images_than_the_runs_are_refused() {
    assert!(misread_images(&run(1, &[1, 1, 7]), &white_images(2)).is_err());
}
