//! Bad folders of pictures: the exit status, one or two lines that name the file, nothing anywhere else.

use std::{fs, path::Path};

use image::{GrayImage, Luma};

use crate::support::{
    pictures::{folder_with_fruit, png, trainer_on_pictures},
    refusals::{Failing, failing},
    stderr,
};

/// Commands that read all pictures.
const COMMANDS: [&str; 6] = [
    "train --scaling none",
    "compare --scalings none",
    "scale --scaling none",
    "scale --scaling standardize",
    "data summary",
    "data verify",
];

/// A command on the small folder of pictures, after something in it was changed.
fn on_pictures(arguments: &str, change: impl FnOnce(&Path)) -> Failing {
    failing(&format!("{arguments} --dataset folder --data-dir data")).with_pictures(change)
}

/// Checks that every command refuses the folder, and returns what the first of them prints.
fn all_fail(change: impl Fn(&Path), message: &str) -> String {
    let errors = COMMANDS.map(|command| on_pictures(command, &change).fails(1, message));
    errors[0].clone()
}

#[test]
fn one_broken_picture_among_many_is_found_before_a_training_starts() {
    for picture in ["train/apple/5.png", "test/fig/0.png"] {
        let cut_off = |data: &Path| {
            let bytes = fs::read(data.join(picture)).unwrap();
            fs::write(data.join(picture), &bytes[..bytes.len() / 2]).unwrap();
        };
        all_fail(cut_off, &format!("data/{picture} cannot be decoded: "));
    }
}

#[test]
fn picture_that_claims_too_many_pixels_is_refused() {
    let huge = |data: &Path| {
        fs::write(data.join("train/apple/5.png"), png([100_000; 2], 8, 2, &[], &[0])).unwrap();
    };
    all_fail(huge, "data/train/apple/5.png cannot be decoded: 100000x100000 is too large");
    on_pictures("train --scaling none --resize 28x28", huge).fails(1, "100000x100000 is too large");
}

#[test]
fn file_that_is_not_a_picture_is_refused_by_name() {
    let notes = |data: &Path| fs::write(data.join("train/apple/notes.txt"), "ripe").unwrap();
    let inside =
        all_fail(notes, "data/train/apple/notes.txt is no picture (png, jpg, jpeg, bmp, webp); remove it");
    let beside = |data: &Path| fs::write(data.join("train/notes.txt"), "ripe").unwrap();
    let outside = all_fail(beside, "data/train/notes.txt lies beside the class folders");
    insta::assert_snapshot!(inside + &outside);
}

#[test]
fn classes_must_have_train_pictures() {
    let empty = |data: &Path| fs::create_dir(data.join("train/quince")).unwrap();
    let without_pictures =
        all_fail(empty, "data/train/quince holds no picture; put some there or remove the folder");
    let in_test_alone = |data: &Path| fs::rename(data.join("test/fig"), data.join("test/quince")).unwrap();
    let without_train = all_fail(in_test_alone, "data/train has no such class; add train pictures of it");
    insta::assert_snapshot!(without_pictures + &without_train);
}

#[test]
fn folder_without_both_splits_is_refused() {
    let errors = [
        all_fail(|data| fs::remove_dir_all(data.join("test")).unwrap(), "`test`"),
        all_fail(|data| fs::rename(data.join("train"), data.join("training")).unwrap(), "`train`"),
        failing("train --scaling none --dataset folder --data-dir data").fails(1, "data does not exist"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn pictures_of_two_sizes_or_kinds_need_resize_or_color_mode() {
    let smaller = |data: &Path| {
        GrayImage::from_pixel(9, 8, Luma([5])).save(data.join("test/fig/0.png")).unwrap();
    };
    let sizes = all_fail(
        smaller,
        "data/test/fig/0.png is 8x9 pixels, but the first train picture is 12x10; bring all",
    );
    let grey = |data: &Path| {
        GrayImage::from_pixel(10, 12, Luma([5])).save(data.join("train/fig/1.png")).unwrap();
    };
    let kinds = all_fail(
        grey,
        "data/train/fig/1.png is grayscale, but the first train picture is rgb; say --color-mode",
    );
    insta::assert_snapshot!(sizes + &kinds);

    let folder = folder_with_fruit();
    smaller(&folder.path().join("data"));
    grey(&folder.path().join("data"));
    let arguments = "train --scaling center --epochs 1 --resize 12x10 --color-mode rgb --out run";
    let output = trainer_on_pictures(folder.path(), arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_or_in_circles_are_refused() {
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
fn pictures_too_small_for_the_network_are_refused_before_a_training_starts() {
    let untouched = |_: &Path| ();
    on_pictures("train --scaling none --resize 9x12", untouched).fails(1, "the smallest are 10×10");
}

#[test]
fn bad_options_of_pictures() {
    let untouched = |_: &Path| ();
    let configured =
        |config: &str| on_pictures("train --config c.toml", untouched).with_file("c.toml", config);
    let errors = [
        on_pictures("train --scaling none --resize 0x5", untouched).fails(2, "0x5 holds no pixel"),
        on_pictures("train --scaling none --resize 28", untouched)
            .fails(2, "`28` is no size, expected HEIGHTxWIDTH"),
        on_pictures("scale --scaling none --resize 70000x5", untouched).fails(2, "70000x5 is too large"),
        on_pictures("data summary --color-mode blue", untouched).fails(2, "unknown color mode `blue`"),
        configured("seed = 1\nresize = '0x5'\n").fails(2, "c.toml:2: `resize = '0x5'`: 0x5 holds no pixel"),
        configured("resize = 28\n").fails(2, "c.toml:1: `resize = 28`"),
        configured("color_mode = 'blue'\n").fails(2, "c.toml:1: `color_mode = 'blue'`"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn options_of_pictures_are_refused_for_other_data() {
    for command in ["train --scaling none", "scale --scaling none", "data summary"] {
        for (flag, key) in [("--resize 12x12", "`resize`"), ("--color-mode rgb", "`color_mode`")] {
            failing(&format!("{command} --dataset idx --data-dir . {flag}")).fails(2, key);
            failing(&format!("{command} --dataset mnist --data-dir . {flag}")).fails(2, key);
            failing(&format!("{command} --data-dir . {flag}")).fails(2, "is for pictures: --dataset folder");
        }
    }
    failing("train --scaling none --dataset folder").fails(2, "--dataset folder needs --data-dir");
}
