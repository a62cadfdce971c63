//! `scale --picture`: the contact sheet that it draws.

use std::{collections::HashSet, fs, path::Path, process::Command};

use crate::support::{
    assert_contains,
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    json,
    pictures::{folder_with_fruit, trainer_on_pictures},
    refusals::failing,
    stderr,
};
use image::{ImageFormat, ImageReader, RgbImage};

/// Runs the command, which draws `sheet.png` in `folder`.
fn sheet(folder: &Path, command: &mut Command) -> RgbImage {
    let output = command.args(["--picture", "sheet.png"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_contains(&stderr(&output), ["picture: sheet.png"]);
    let reader = ImageReader::open(folder.join("sheet.png")).unwrap().with_guessed_format().unwrap();
    assert_eq!(reader.format(), Some(ImageFormat::Png));
    reader.decode().unwrap().into_rgb8()
}

/// Number of scalings on a sheet: each begins with a grey line across the sheet.
fn rows(sheet: &RgbImage) -> usize {
    let is_line = |row: u32| {
        let first = sheet.get_pixel(sheet.width() / 2, row).0;
        let grey = (0..sheet.width()).filter(|&x| sheet.get_pixel(x, row).0 == first).count();
        first != [255; 3] && grey * 10 > sheet.width() as usize * 9
    };
    (0..sheet.height()).filter(|&row| is_line(row)).count()
}

/// Number of different colours in a picture, without shades of grey.
fn colors(picture: &RgbImage) -> usize {
    let is_grey = |[red, green, blue]: [u8; 3]| red == green && green == blue;
    picture.pixels().map(|color| color.0).filter(|&color| !is_grey(color)).collect::<HashSet<_>>().len()
}

#[test]
fn sheet_has_a_row_for_each_preset_and_one_for_a_scaling_that_is_spelled_out() {
    let folder = folder_with_config("[scaling]\nsamplewise_center = true\nrescale = 0.5\n");
    let preset = sheet(folder.path(), &mut trainer_on_digits(folder.path(), "scale --scaling center"));
    assert_eq!(rows(&preset), 8);
    let custom = sheet(folder.path(), &mut trainer_on_digits(folder.path(), "scale --config c.toml"));
    assert_eq!(rows(&custom), 9);
    assert_eq!(colors(&preset), 2, "the bars and the line at zero");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "data, c.toml and the sheet");
}

#[test]
fn sheet_of_coloured_pictures_is_coloured() {
    let folder = folder_with_fruit();
    let command = "scale --scaling standardize --resize 10x10";
    let drawn = sheet(folder.path(), &mut trainer_on_pictures(folder.path(), command));
    assert_eq!(rows(&drawn), 8);
    assert!(colors(&drawn) > 50, "{} colours", colors(&drawn));
}

#[test]
fn scaling_on_the_command_line_is_fitted_once() {
    let folder = folder_with_digits();
    let mut scale = trainer_on_digits(folder.path(), "scale --scaling zca --limit 100 --picture sheet.png");
    let output = scale.output().unwrap();
    assert_eq!(stderr(&output).matches("zca_whitening of 144 values").count(), 1, "{}", stderr(&output));
}

#[test]
fn statistics_are_the_same_with_and_without_a_sheet() {
    let folder = folder_with_digits();
    let scale = |picture: &str| {
        json(&mut trainer_on_digits(folder.path(), &format!("scale --scaling zca {picture}")))
    };
    assert_eq!(scale("--picture sheet.png"), scale(""));
    assert!(folder.path().join("sheet.png").exists(), "the sheet is drawn");
}

#[test]
fn bad_place_for_a_sheet_is_refused_before_anything_is_read() {
    // The data are missing too, but the place is checked first.
    let scale = |place: &str| {
        failing(&format!("scale --scaling zca --dataset idx --data-dir nowhere --picture {place}"))
    };
    scale("missing/sheet.png")
        .fails(1, "cannot write missing/sheet.png: name a file in a folder that is there");
    scale(".").fails(1, "cannot write .: name a file");
    scale("c.toml/sheet.png").with_file("c.toml", "").fails(1, "cannot write c.toml/sheet.png");
    scale("sheet.png").fails(1, "nowhere does not exist");
}
