//! `scale --picture`: the contact sheet it draws.

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

/// Runs a command with `--picture sheet.png`, and reads the sheet it draws in `folder`.
fn sheet(folder: &Path, command: &mut Command) -> RgbImage {
    let output = command.args(["--picture", "sheet.png"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_contains(&stderr(&output), ["contact sheet: sheet.png"]);
    let reader = ImageReader::open(folder.join("sheet.png")).unwrap().with_guessed_format().unwrap();
    assert_eq!(reader.format(), Some(ImageFormat::Png));
    reader.decode().unwrap().into_rgb8()
}

/// Counts the scalings on a sheet. Each starts with a gray line across the sheet.
fn rows(sheet: &RgbImage) -> usize {
    let is_line = |row: u32| {
        let first = sheet.get_pixel(sheet.width() / 2, row).0;
        let same = (0..sheet.width()).filter(|&x| sheet.get_pixel(x, row).0 == first).count();
        first != [255; 3] && same * 10 > sheet.width() as usize * 9
    };
    (0..sheet.height()).filter(|&row| is_line(row)).count()
}

/// Counts the different colors in a picture, without shades of gray.
fn colors(picture: &RgbImage) -> usize {
    let is_gray = |[red, green, blue]: [u8; 3]| red == green && green == blue;
    picture.pixels().map(|color| color.0).filter(|&color| !is_gray(color)).collect::<HashSet<_>>().len()
}

#[test]
fn sheet_has_a_row_for_each_preset_and_one_for_a_custom_scaling() {
    let folder = folder_with_config("[scaling]\nsamplewise_center = true\nrescale = 0.5\n");
    let preset = sheet(folder.path(), &mut trainer_on_digits(folder.path(), "scale --scaling center"));
    assert_eq!(rows(&preset), 8);
    let custom = sheet(folder.path(), &mut trainer_on_digits(folder.path(), "scale --config c.toml"));
    assert_eq!(rows(&custom), 9);
    assert_eq!(colors(&preset), 2, "only the bars and the line at zero have a color");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "expected data, c.toml and sheet.png only");
}

#[test]
fn sheet_of_color_pictures_has_their_colors() {
    let folder = folder_with_fruit();
    let command = "scale --scaling standardize --resize 10x10";
    let drawn = sheet(folder.path(), &mut trainer_on_pictures(folder.path(), command));
    assert_eq!(rows(&drawn), 8);
    assert!(colors(&drawn) > 50, "{} colors", colors(&drawn));
}

#[test]
fn scaling_is_fitted_once_for_its_statistics_and_the_sheet() {
    let folder = folder_with_digits();
    let mut scale = trainer_on_digits(folder.path(), "scale --scaling zca --limit 100 --picture sheet.png");
    let output = scale.output().unwrap();
    assert_eq!(stderr(&output).matches("zca_whitening with 144 values").count(), 1, "{}", stderr(&output));
}

#[test]
fn statistics_are_the_same_with_and_without_a_sheet() {
    let folder = folder_with_digits();
    let scale = |picture: &str| {
        json(&mut trainer_on_digits(folder.path(), &format!("scale --scaling zca {picture}")))
    };
    assert_eq!(scale("--picture sheet.png"), scale(""));
    assert!(folder.path().join("sheet.png").exists(), "the sheet is missing");
}

#[test]
fn bad_path_for_a_sheet_is_refused_before_the_data_are_read() {
    // The data folder is missing too, but the path of the sheet is checked first.
    let scale = |path: &str| {
        failing(&format!("scale --scaling zca --dataset idx --data-dir nowhere --picture {path}"))
    };
    scale("missing/sheet.png").fails(1, "cannot write missing/sheet.png: its folder does not exist");
    scale(".").fails(1, "cannot write .: it is a folder");
    scale("c.toml/sheet.png").with_file("c.toml", "").fails(1, "cannot write c.toml/sheet.png");
    scale("sheet.png").fails(1, "nowhere does not exist");
}
