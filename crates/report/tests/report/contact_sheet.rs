//! Contact sheets of synthetic images. Markers in a color that nothing else on a sheet has show where the images
//! are.

use image::{Rgb, RgbImage};
use mnist_data::ImageShape;
use mnist_report::contact_sheet::draw;

use crate::support::preview;

const GRAYSCALE_2X2: ImageShape = ImageShape { channels: 1, height: 2, width: 2 };

/// RGB images with one row: a marker, a pixel of the lowest value, and one of the highest.
const MARKED: ImageShape = ImageShape { channels: 3, height: 1, width: 3 };
const RED_FIRST: [f32; 9] = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
const GREEN_FIRST: [f32; 9] = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
const RED: Rgb<u8> = Rgb([255, 0, 0]);
const GREEN: Rgb<u8> = Rgb([0, 255, 0]);
const BLACK: Rgb<u8> = Rgb([0; 3]);
const WHITE: Rgb<u8> = Rgb([255; 3]);

/// Side length of a marker: an image of three pixels is enlarged to 63.
const SIDE: u32 = 21;

/// Returns the upper left corners of the markers in a color, from top to bottom.
fn markers(sheet: &RgbImage, color: Rgb<u8>) -> Vec<[u32; 2]> {
    let is_color = |x: u32, y: u32| *sheet.get_pixel(x, y) == color;
    let is_corner =
        |x: u32, y: u32| is_color(x, y) && (x == 0 || !is_color(x - 1, y)) && (y == 0 || !is_color(x, y - 1));
    let corners = sheet.enumerate_pixels().filter(|(x, y, _)| is_corner(*x, *y));
    corners.map(|(x, y, _)| [x, y]).collect()
}

fn is_filled(sheet: &RgbImage, [left, top]: [u32; 2], [width, height]: [u32; 2], color: Rgb<u8>) -> bool {
    (top..top + height).all(|y| (left..left + width).all(|x| *sheet.get_pixel(x, y) == color))
}

#[test]
fn height_is_the_sum_of_header_and_rows() {
    for (side, row_height) in [(2, 64), (28, 64), (100, 100), (224, 112)] {
        let shape = ImageShape { channels: 1, height: side, width: side };
        let image = vec![0.0; shape.pixels()];
        let rows = ["none", "center", "normalize"].map(|name| preview(name, &[&image]));
        assert_eq!(draw(&rows, shape).unwrap().height(), 64 + 3 * (row_height + 20), "{shape}");
    }
    assert_eq!(draw(&[], GRAYSCALE_2X2).unwrap().height(), 64, "only a header");
}

#[test]
fn width_grows_with_images_and_names() {
    let width = |name, images| {
        let rows = [preview(name, &vec![&[0.0; 4][..]; images])];
        draw(&rows, GRAYSCALE_2X2).unwrap().width()
    };
    assert!(width("none", 20) >= width("none", 19) + 64);
    assert!(width("a-scaling-with-quite-a-long-name", 1) > width("none", 1));
}

#[test]
fn every_image_shows_its_pixels() {
    let sheet = draw(&[preview("none", &[&RED_FIRST, &RED_FIRST])], MARKED).unwrap();
    let markers = markers(&sheet, RED);
    assert_eq!(markers.len(), 2);
    for [left, top] in markers {
        assert!(is_filled(&sheet, [left, top], [SIDE; 2], RED));
        assert!(is_filled(&sheet, [left + SIDE, top], [SIDE; 2], BLACK), "the lowest value");
        assert!(is_filled(&sheet, [left + 2 * SIDE, top], [SIDE; 2], WHITE), "the highest value");
    }
}

#[test]
fn images_of_a_row_share_one_range() {
    let bright: Vec<f32> = RED_FIRST.iter().map(|value| value + 1.0).collect();
    let sheet = draw(&[preview("none", &[&RED_FIRST, &bright])], MARKED).unwrap();
    // The range is 0 to 2: the first image ends at mid-gray, the second starts there.
    assert_eq!(markers(&sheet, Rgb([128, 0, 0])).len(), 1);
    assert_eq!(markers(&sheet, Rgb([255, 128, 128])).len(), 1);
}

#[test]
fn rows_and_images_do_not_overlap() {
    let rows = [preview("first", &[&RED_FIRST[..]; 3]), preview("second", &[&GREEN_FIRST[..]; 3])];
    let sheet = draw(&rows, MARKED).unwrap();
    let [reds, greens] = [markers(&sheet, RED), markers(&sheet, GREEN)];
    assert_eq!([reds.len(), greens.len()], [3, 3]);
    for row in [&reds, &greens] {
        assert!(row.iter().all(|[_, top]| *top == row[0][1]), "the images of a row are side by side");
        assert!(
            row.windows(2).all(|pair| pair[0][0] + 3 * SIDE < pair[1][0]),
            "there is a gap between images"
        );
    }
    assert!(reds[0][1] + SIDE < greens[0][1], "the second row is below the first");
    assert!(
        reds.iter().zip(&greens).all(|(red, green)| red[0] == green[0]),
        "the images are in the same columns"
    );
}

#[test]
fn text_stays_within_its_column_and_the_sheet() {
    let name = "sample-standardize-with-quite-a-few-more-words";
    let sheet = draw(&[preview(name, &[&RED_FIRST])], MARKED).unwrap();
    let [image_left, _] = markers(&sheet, RED)[0];
    let (width, height) = sheet.dimensions();
    let rule = Rgb([200; 3]);
    let is_free = |x: u32| (0..height).all(|y| [WHITE, rule].contains(sheet.get_pixel(x, y)));
    assert!((0..10).all(is_free) && (width - 10..width).all(is_free), "the margins are empty");
    assert!((image_left - 10..image_left).all(is_free), "there is space between the name and the images");
    assert!((20..image_left).any(|x| !is_free(x)), "the name is drawn");
}

#[test]
fn sheet_depends_on_names_and_values() {
    let sheet = |name, image: &[f32]| draw(&[preview(name, &[image])], GRAYSCALE_2X2).unwrap();
    let image = [0.0, 1.0, 2.0, 3.0];
    assert!(sheet("center", &image) == sheet("center", &image));
    assert!(sheet("center", &image) != sheet("centre", &image));
    assert!(sheet("center", &image) != sheet("center", &[0.0, 1.0, 2.0, 30.0]));
}

#[test]
fn values_that_are_not_finite_can_be_drawn() {
    let image = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0];
    let rows =
        [preview("infinite", &[&image]), preview("not a number", &[&[f32::NAN; 4]]), preview("nothing", &[])];
    assert_eq!(draw(&rows, GRAYSCALE_2X2).unwrap().height(), 64 + 3 * 84);
}

#[test]
fn image_of_another_shape_is_an_error() {
    let error = draw(&[preview("none", &[&[0.0; 3]])], GRAYSCALE_2X2).unwrap_err();
    assert_eq!(error.to_string(), "cannot draw an image: it has 3 values, but 1×2×2 pixels need 4");
}
