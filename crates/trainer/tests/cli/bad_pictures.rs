//! Bad folders of pictures: each command exits with an error of one or two lines that names the file.

use std::{fs, path::Path};

use image::{GrayImage, Luma};

use crate::support::{
    pictures::{folder_with_fruit, png, trainer_on_pictures},
    refusals::{Failing, failing},
    stderr,
};

/// The commands that read all pictures.
const COMMANDS: [&str; 6] = [
    "train --scaling none",
    "compare --scalings none",
    "scale --scaling none",
    "scale --scaling standardize",
    "data summary",
    "data verify",
];

/// Prepares a command on the small data set of pictures, after `change` has edited its folder.
fn on_pictures(arguments: &str, change: impl FnOnce(&Path)) -> Failing {
    failing(&format!("{arguments} --dataset folder --data-dir data")).with_pictures(change)
}

/// Checks that all [`COMMANDS`] refuse the folder, and returns the transcript of the first.
fn all_fail(change: impl Fn(&Path), message: &str) -> String {
    let errors = COMMANDS.map(|command| on_pictures(command, &change).fails(1, message));
    errors[0].clone()
}

#[test]
fn broken_picture_is_found_before_training_starts() {
    for picture in ["train/apple/5.png", "test/fig/0.png"] {
        let truncate = |data: &Path| {
            let bytes = fs::read(data.join(picture)).unwrap();
            fs::write(data.join(picture), &bytes[..bytes.len() / 2]).unwrap();
        };
        all_fail(truncate, &format!("cannot decode [folder]/data/{picture}: "));
    }
}

#[test]
fn picture_with_too_many_pixels_in_its_header_is_refused() {
    let huge = |data: &Path| {
        fs::write(data.join("train/apple/5.png"), png([100_000; 2], 8, 2, &[], &[0])).unwrap();
    };
    all_fail(huge, "cannot decode [folder]/data/train/apple/5.png: 100000x100000 is too large");
    on_pictures("train --scaling none --resize 28x28", huge).fails(1, "100000x100000 is too large");
}

#[test]
fn file_that_is_not_a_picture_is_refused() {
    let notes = |data: &Path| fs::write(data.join("train/apple/notes.txt"), "ripe").unwrap();
    let inside = all_fail(
        notes,
        "data/train/apple/notes.txt is not a supported picture (png, jpg, jpeg, bmp, webp)\nhint: remove it or start its name with a dot",
    );
    let beside = |data: &Path| fs::write(data.join("train/notes.txt"), "ripe").unwrap();
    let outside = all_fail(
        beside,
        "data/train/notes.txt is outside the class folders\nhint: move it into one or remove it",
    );
    insta::assert_snapshot!(inside + &outside);
}

#[test]
fn class_without_training_pictures_is_refused() {
    let empty = |data: &Path| fs::create_dir(data.join("train/quince")).unwrap();
    let without_pictures =
        all_fail(empty, "data/train/quince contains no pictures\nhint: add some or remove the folder");
    let in_test_alone = |data: &Path| fs::rename(data.join("test/fig"), data.join("test/quince")).unwrap();
    let without_train =
        all_fail(in_test_alone, "data/train has no such class\nhint: add training pictures of it");
    insta::assert_snapshot!(without_pictures + &without_train);
}

#[test]
fn folder_without_train_or_test_split_is_refused() {
    let errors = [
        all_fail(|data| fs::remove_dir_all(data.join("test")).unwrap(), "`test`"),
        all_fail(|data| fs::rename(data.join("train"), data.join("training")).unwrap(), "`train`"),
        failing("train --scaling none --dataset folder --data-dir data").fails(1, "data does not exist"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn pictures_of_mixed_sizes_or_colors_need_resize_or_color_mode() {
    let smaller = |data: &Path| {
        GrayImage::from_pixel(9, 8, Luma([5])).save(data.join("test/fig/0.png")).unwrap();
    };
    let sizes = all_fail(
        smaller,
        "data/test/fig/0.png is 8x9 pixels, but the first training picture is 12x10\nhint: resize all pictures",
    );
    let grayscale = |data: &Path| {
        GrayImage::from_pixel(10, 12, Luma([5])).save(data.join("train/fig/1.png")).unwrap();
    };
    let kinds = all_fail(
        grayscale,
        "data/train/fig/1.png is grayscale, but the first training picture is rgb\nhint: use --color-mode",
    );
    insta::assert_snapshot!(sizes + &kinds);

    let folder = folder_with_fruit();
    smaller(&folder.path().join("data"));
    grayscale(&folder.path().join("data"));
    let arguments = "train --scaling center --epochs 1 --resize 12x10 --color-mode rgb --out run";
    let output = trainer_on_pictures(folder.path(), arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn broken_and_circular_links_are_refused() {
    use std::os::unix::fs::symlink;

    all_fail(
        |data| symlink("no such file", data.join("train/apple/6.png")).unwrap(),
        "data/train/apple/6.png",
    );
    all_fail(
        |data| symlink(".", data.join("train/apple/more")).unwrap(),
        "data/train/apple/more: it links back to ",
    );
}

#[test]
fn pictures_too_small_for_the_network_are_refused_before_training_starts() {
    let untouched = |_: &Path| ();
    on_pictures("train --scaling none --resize 9x12", untouched).fails(1, "the minimum is 10×10");
}

#[test]
fn bad_picture_options_are_refused() {
    let untouched = |_: &Path| ();
    let configured =
        |config: &str| on_pictures("train --config c.toml", untouched).with_file("c.toml", config);
    let errors = [
        on_pictures("train --scaling none --resize 0x5", untouched).fails(2, "0x5 contains no pixels"),
        on_pictures("train --scaling none --resize 28", untouched)
            .fails(2, "`28` is not a size, expected HEIGHTxWIDTH"),
        on_pictures("scale --scaling none --resize 70000x5", untouched).fails(2, "70000x5 is too large"),
        on_pictures("data summary --color-mode blue", untouched).fails(2, "invalid value 'blue'"),
        configured("seed = 1\nresize = '0x5'\n")
            .fails(2, "c.toml:2: `resize = '0x5'`: 0x5 contains no pixels"),
        configured("resize = 28\n").fails(2, "c.toml:1: `resize = 28`"),
        configured("color_mode = 'blue'\n").fails(2, "c.toml:1: `color_mode = 'blue'`"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn picture_options_are_refused_for_other_data() {
    for command in ["train --scaling none", "scale --scaling none", "data summary"] {
        for (flag, key) in [("--resize 12x12", "`resize`"), ("--color-mode rgb", "`color_mode`")] {
            failing(&format!("{command} --dataset idx --data-dir . {flag}")).fails(2, key);
            failing(&format!("{command} --dataset mnist --data-dir . {flag}")).fails(2, key);
            failing(&format!("{command} --data-dir . {flag}")).fails(2, "for pictures, use --dataset folder");
        }
    }
    failing("train --scaling none --dataset folder").fails(2, "--dataset folder needs --data-dir");
}
