//! `predict`: classifies images with a trained run.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use image::{DynamicImage, GrayImage, Luma};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{
    assert_contains,
    digits::{folder_with_digits, trainer_on_digits, write_split},
    json, number, on_threads, parse_json,
    pictures::{folder_with_fruit, trainer_on_pictures},
    refusals::{assert_refused, refused},
    stderr, text, trainer_in,
};

const SIDE: usize = 12;

/// Creates a folder with the small data set, a run on it, and each test image as raw bytes: `0.raw` to `49.raw`.
fn folder_with_run() -> TempDir {
    let folder = folder_with_digits();
    json(&mut trainer_on_digits(
        folder.path(),
        "train --scaling standardize --epochs 3 --batch-size 16 --out run",
    ));
    for (number, pixels) in test_images(folder.path()).into_iter().enumerate() {
        fs::write(folder.path().join(format!("{number}.raw")), pixels).unwrap();
    }
    folder
}

/// Creates a folder with a run on images of 28×28 pixels, as MNIST has.
fn folder_with_run_on_larger_images() -> TempDir {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    for (split, count) in [("train", 8_u32), ("t10k", 2)] {
        let pixels: Vec<u8> = (0..count * 784).map(|i| (i % 251) as u8).collect();
        let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
        write_split(&data, split, [count, 28, 28], &pixels, &labels);
    }
    json(&mut trainer_on_digits(folder.path(), "train --scaling normalize --epochs 1 --out run"));
    folder
}

fn test_images(folder: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(folder.join("data/t10k-images-idx3-ubyte")).unwrap();
    file[16..].chunks(SIDE * SIDE).map(<[u8]>::to_vec).collect()
}

fn predict(folder: &Path, arguments: &str) -> Command {
    trainer_in(folder, &format!("predict run {arguments}"))
}

/// Runs `predict` with `input` on standard input.
fn predict_input(folder: &Path, arguments: &str, input: &[u8]) -> Output {
    let mut command = predict(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Writing fails if the program exits with an error before it has read all input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn logits(prediction: &Value) -> Vec<f64> {
    prediction["logits"].as_array().unwrap().iter().map(number).collect()
}

fn all_raw() -> String {
    (0..50).map(|number| format!("{number}.raw")).collect::<Vec<_>>().join(" ")
}

#[test]
fn predictions_agree_with_evaluate_and_keep_the_order_of_the_arguments() {
    let folder = folder_with_run();
    let evaluated = json(&mut trainer_in(folder.path(), "evaluate run"));
    let result = json(&mut predict(folder.path(), &all_raw()));
    assert_eq!(result["run"], "run");
    let predictions = result["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 50);
    let (mut confusion, mut loss) = ([[0; 3]; 3], 0.0);
    for (index, prediction) in predictions.iter().enumerate() {
        assert_eq!(prediction["image"], format!("{index}.raw"));
        assert_eq!(prediction["class_name"], Value::Null);
        assert_eq!(prediction.get("pixels"), None, "only --show may print pixels");
        let class = prediction["class"].as_u64().unwrap() as usize;
        confusion[index % 3][class] += 1;
        let logits = logits(prediction);
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        loss -= (logits[index % 3].exp() / sum).ln() / 50.0;
        for (logit, probability) in logits.iter().zip(prediction["probabilities"].as_array().unwrap()) {
            assert!((logit.exp() / sum - number(probability)).abs() < 1e-7, "{prediction}");
            assert!(*logit <= logits[class], "the class must have the largest logit: {prediction}");
        }
    }
    assert_eq!(json!(confusion), evaluated["confusion"]);
    assert!((loss - number(&evaluated["loss"])).abs() < 1e-6, "{loss}, {}", evaluated["loss"]);
    let repeated = json(&mut predict(folder.path(), "7.raw 3.raw 7.raw"));
    assert_eq!(repeated["predictions"], json!([predictions[7], predictions[3], predictions[7]]));
}

#[test]
fn logits_are_the_same_in_any_batch_and_with_any_number_of_threads() {
    let folder = folder_with_run();
    let all = json(on_threads(&mut predict(folder.path(), &all_raw()), 3));
    for number in [0, 15, 16, 49] {
        let mut alone = predict(folder.path(), &format!("{number}.raw"));
        let alone = json(on_threads(&mut alone, 1));
        assert!(!logits(&alone["predictions"][0]).is_empty());
        assert_eq!(alone["predictions"][0], all["predictions"][number]);
    }
    let folder = folder_with_run_on_larger_images();
    for number in 0..3_u8 {
        fs::write(folder.path().join(format!("{number}.raw")), [number * 100; 784]).unwrap();
    }
    let all = json(&mut predict(folder.path(), "0.raw 1.raw 2.raw"));
    for number in 0..3 {
        let alone = json(&mut predict(folder.path(), &format!("{number}.raw")));
        assert!(!logits(&alone["predictions"][0]).is_empty());
        assert_eq!(alone["predictions"][0], all["predictions"][number]);
    }
}

#[test]
fn same_pixels_in_any_file_format_give_the_same_logits() {
    let folder = folder_with_run();
    let pixels = test_images(folder.path()).swap_remove(4);
    let picture = GrayImage::from_raw(12, 12, pixels.clone()).unwrap();
    for name in ["gray.png", "gray.bmp"] {
        picture.save(folder.path().join(name)).unwrap();
    }
    for name in ["colored.png", "colored.webp"] {
        DynamicImage::from(picture.clone()).into_rgb8().save(folder.path().join(name)).unwrap();
    }
    let names = "4.raw gray.png gray.bmp colored.png colored.webp";
    let result = json(&mut predict(folder.path(), names));
    let first = &result["predictions"][0];
    for prediction in result["predictions"].as_array().unwrap() {
        assert_eq!(prediction["logits"], first["logits"], "{}", prediction["image"]);
    }
    for input in [pixels, fs::read(folder.path().join("gray.png")).unwrap()] {
        let output = predict_input(folder.path(), "3.raw - --format json", &input);
        let result: Value = parse_json(&output);
        assert_eq!(result["predictions"][1]["logits"], first["logits"]);
        assert_eq!(result["predictions"][1]["image"], "-");
        assert_ne!(result["predictions"][0]["logits"], first["logits"]);
    }
}

#[test]
fn bad_images_are_named_and_nothing_is_printed() {
    let folder = folder_with_run();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("empty", b"");
    write("short.raw", &[7; 143]);
    GrayImage::from_pixel(13, 12, Luma([5])).save(folder.path().join("large.png")).unwrap();
    GrayImage::from_pixel(12, 12, Luma([5])).save(folder.path().join("complete.png")).unwrap();
    let complete = fs::read(folder.path().join("complete.png")).unwrap();
    write("damaged.png", &complete[..complete.len() - 20]);
    let fails = |arguments: &str, message: &str| refused(&mut predict(folder.path(), arguments), 1, message);
    let errors = [
        fails("0.raw nowhere.png", "cannot read nowhere.png"),
        fails(
            "0.raw empty",
            "empty is neither a picture (png, jpg, bmp, webp) nor a raw image: it has 0 bytes",
        ),
        fails("short.raw", "it has 143 bytes, but an image of 1×12×12 has 144"),
        fails(
            "large.png",
            "large.png is 12x13 pixels (height x width), but the model takes 12x12\nhint: resize it first",
        ),
        fails("1.raw damaged.png 2.raw", "cannot decode damaged.png"),
        fails("data", "cannot read data"),
    ];
    insta::assert_snapshot!(errors.concat());
    fails(&format!("{} nowhere empty", all_raw()), "cannot read nowhere");
    assert_refused(&predict_input(folder.path(), "-", b"?"), 1, "standard input is neither");
}

#[test]
fn bad_arguments_and_bad_runs_are_refused() {
    let folder = folder_with_run();
    let fails = |arguments: &str, status: i32, message: &str| {
        refused(&mut trainer_in(folder.path(), &format!("predict {arguments}")), status, message)
    };
    let errors = [
        fails("run - 0.raw -", 2, "name it once"),
        fails("run", 2, "<IMAGE>"),
        fails(
            "run 0.raw --prepare",
            2,
            "--prepare makes grayscale images of 1×28×28, but the model takes 1×12×12",
        ),
        fails("run 0.raw --backend cuda", 2, "invalid value 'cuda'"),
        fails("nowhere 0.raw", 1, "the run nowhere does not exist"),
        fails("data 0.raw", 1, "data is not a finished run"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn show_prints_the_pixels_of_the_image() {
    let folder = folder_with_run();
    let pixels = test_images(folder.path()).swap_remove(5);
    let rows: Vec<&[u8]> = pixels.chunks(SIDE).collect();
    let result = json(&mut predict(folder.path(), "5.raw --show"));
    assert_eq!(result["predictions"][0]["pixels"], json!(rows));

    let shown = text(&mut predict(folder.path(), "5.raw --show"));
    let drawn: Vec<&str> =
        shown.lines().filter(|line| line.starts_with('│') && line.ends_with('│')).collect();
    assert_eq!(drawn.len(), SIDE);
    assert!(drawn.iter().all(|line| line.chars().count() == 2 + 2 * SIDE), "{shown}");
    // Class 2 has row 7 bright: its pixels are 150 to 246, those of the other rows 0 to 96.
    assert!(drawn[7].contains('▓') && !drawn[7].contains(' '), "{shown}");
    assert!(!drawn[6].contains('▓'), "{shown}");
    let both = text(&mut predict(folder.path(), "5.raw 6.raw --show"));
    assert!(both.starts_with(shown.trim_end()), "{both}");
}

#[test]
fn text_output_is_bars_for_one_image_a_table_for_several_and_lines_for_many() {
    let folder = folder_with_run();
    let one = text(&mut predict(folder.path(), "1.raw"));
    assert!(one.starts_with("1.raw: 1 (") && one.lines().count() == 1 + 3, "{one}");
    assert_contains(&one, ["1 │██"]);
    let few = text(&mut predict(folder.path(), "0.raw 1.raw 2.raw"));
    assert_contains(&few, ["probability", "│ 0.raw", "│ 1.raw", "│ 2.raw"]);
    let many = text(&mut predict(folder.path(), &all_raw()));
    assert_eq!(many.lines().count(), 50);
    assert!(many.lines().nth(2).unwrap().starts_with("2.raw\t2\t"), "{many}");
}

#[test]
fn predict_converts_pictures_to_the_size_and_colors_of_the_run_and_names_classes() {
    let folder = folder_with_fruit();
    let files = "data/test/apple/0.png data/test/Pear/0.png data/test/fig/0.png data/test/apple/1.png";
    for (flags, first_pixel) in [("", json!([3])), ("--resize 14x16 --color-mode grayscale", json!(1))] {
        let run = "--epochs 1 --scaling center --out run --force";
        json(&mut trainer_on_pictures(folder.path(), &format!("train {run} {flags}")));
        let evaluated = json(&mut trainer_in(folder.path(), "evaluate run"));
        let result = json(&mut predict(folder.path(), &format!("{files} --show")));
        let (mut confusion, mut loss) = ([[0; 3]; 3], 0.0);
        for (prediction, label) in result["predictions"].as_array().unwrap().iter().zip([1, 0, 2, 1]) {
            let class = prediction["class"].as_u64().unwrap() as usize;
            confusion[label][class] += 1;
            assert_eq!(prediction["class_name"], ["Pear", "apple", "fig"][class]);
            loss -= number(&prediction["probabilities"][label]).ln() / 4.0;
        }
        assert_eq!(json!(confusion), evaluated["confusion"]);
        assert!((loss - number(&evaluated["loss"])).abs() < 1e-6, "{loss}, {}", evaluated["loss"]);
        let pixel = &result["predictions"][0]["pixels"][0][0];
        assert_eq!(pixel.is_array(), first_pixel.is_array(), "{pixel}");
    }
    let text = text(&mut predict(folder.path(), "data/test/fig/0.png"));
    assert_contains(&text, [" Pear │", "apple │", "  fig │"]);
}

#[test]
fn photo_is_prepared_as_the_digits_of_mnist_were() {
    let folder = folder_with_run_on_larger_images();
    let bar = |x: u32, y: u32| (200..230).contains(&x) && (40..140).contains(&y);
    let photo = GrayImage::from_fn(300, 200, |x, y| Luma([if bar(x, y) { 30 } else { 220 }]));
    photo.save(folder.path().join("photo.png")).unwrap();
    GrayImage::from_pixel(300, 200, Luma([220])).save(folder.path().join("blank.png")).unwrap();

    let result = json(&mut predict(folder.path(), "photo.png --prepare --show"));
    // The 100×30 pixels of ink are reduced to 20×6, and their center of mass, (9.5, 2.5), is moved to (14, 14). The
    // offsets 4.5 and 11.5 round up: the ink fills rows 5 to 24 and columns 12 to 17.
    let rows: Vec<Vec<u8>> = (0..28)
        .map(|y| {
            (0..28).map(|x| if (5..25).contains(&y) && (12..18).contains(&x) { 255 } else { 0 }).collect()
        })
        .collect();
    assert_eq!(result["predictions"][0]["pixels"], json!(rows));
    assert_refused(&predict(folder.path(), "photo.png").output().unwrap(), 1, "photo.png is 200x300 pixels");
    assert_refused(&predict(folder.path(), "photo.png").output().unwrap(), 1, "--prepare");
    assert_refused(
        &predict(folder.path(), "photo.png blank.png --prepare").output().unwrap(),
        1,
        "blank.png: no ink",
    );
}

#[test]
fn negative_of_the_training_images_gives_a_warning_that_names_the_remedy() {
    let warning = |folder: &Path, arguments: &str| {
        let output = predict(folder, &format!("{arguments} --quiet")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    let folder = folder_with_run();
    let negative: Vec<u8> = test_images(folder.path())[0].iter().map(|byte| 255 - byte).collect();
    fs::write(folder.path().join("negative.raw"), negative).unwrap();
    assert_eq!(warning(folder.path(), "0.raw 1.raw"), "");
    assert_eq!(
        warning(folder.path(), "0.raw negative.raw"),
        "warning: negative.raw looks like the negative of the training images; swap dark and bright\n"
    );

    let folder = tempdir().unwrap();
    let bar = |x: u32, y: u32| (12..16).contains(&x) && (6..22).contains(&y);
    let bright = GrayImage::from_fn(28, 28, |x, y| Luma([if bar(x, y) { 255 } else { 0 }]));
    for split in ["train", "t10k"] {
        write_split(&folder.path().join("data"), split, [2, 28, 28], &bright.repeat(2), &[0, 1]);
    }
    json(&mut trainer_on_digits(folder.path(), "train --scaling normalize --epochs 1 --out run"));
    let dark = GrayImage::from_fn(28, 28, |x, y| Luma([if bar(x, y) { 0 } else { 240 }]));
    dark.save(folder.path().join("dark.png")).unwrap();
    bright.save(folder.path().join("bright.png")).unwrap();
    assert_eq!(
        warning(folder.path(), "dark.png bright.png dark.png"),
        "warning: dark.png and 1 more look like negatives of the training images; try --prepare\n"
    );
    assert_eq!(warning(folder.path(), "dark.png --prepare"), "");
}
