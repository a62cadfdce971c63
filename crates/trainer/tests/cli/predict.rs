//! `predict`: a run's model on single pictures.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use image::{DynamicImage, GrayImage, Luma};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::{
    idx_bytes, json, on_threads,
    pictures::{folder_with_fruit, trainer_on_pictures},
    stderr, trainer, trainer_in, write_digits,
};

const SIDE: usize = 12;

/// A folder with the small data set, a run on it, and each test image as raw bytes: `0.raw` to `49.raw`.
fn folder_with_run() -> TempDir {
    let folder = tempdir().unwrap();
    write_digits(&folder.path().join("data"));
    json(&mut trainer_in(folder.path(), "train --scaling standardize --epochs 3 --batch-size 16 --out run"));
    for (number, pixels) in test_images(folder.path()).into_iter().enumerate() {
        fs::write(folder.path().join(format!("{number}.raw")), pixels).unwrap();
    }
    folder
}

/// A folder with a run on images as large as MNIST's.
fn folder_with_run_on_larger_images() -> TempDir {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(&data).unwrap();
    for (split, count) in [("train", 8_u32), ("t10k", 2)] {
        let pixels: Vec<u8> = (0..count * 784).map(|i| (i % 251) as u8).collect();
        let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
        fs::write(
            data.join(format!("{split}-images-idx3-ubyte")),
            idx_bytes(0x803, &[count, 28, 28], &pixels),
        )
        .unwrap();
        fs::write(data.join(format!("{split}-labels-idx1-ubyte")), idx_bytes(0x801, &[count], &labels))
            .unwrap();
    }
    json(&mut trainer_in(folder.path(), "train --scaling normalize --epochs 1 --out run"));
    folder
}

fn test_images(folder: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(folder.join("data/t10k-images-idx3-ubyte")).unwrap();
    file[16..].chunks(SIDE * SIDE).map(<[u8]>::to_vec).collect()
}

fn predict(folder: &Path, arguments: &str) -> Command {
    let mut command = trainer();
    command.current_dir(folder).args(["predict", "run"]).args(arguments.split_whitespace());
    command
}

/// The same with something on standard input.
fn predict_input(folder: &Path, arguments: &str, input: &[u8]) -> Output {
    let mut command = predict(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It does not read on where it fails before.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn refused(output: &Output, status: i32, message: &str) {
    let error = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(error.contains("error: ") && error.contains(message), "`{message}` is not in: {error}");
    assert!((1..=2).contains(&error.lines().count()) && !error.contains("panicked"), "{error}");
    assert!(output.stdout.is_empty());
}

fn logits(prediction: &Value) -> Vec<f64> {
    prediction["logits"].as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap()).collect()
}

fn text(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn all_raw() -> String {
    (0..50).map(|number| format!("{number}.raw")).collect::<Vec<_>>().join(" ")
}

#[test]
fn answers_are_those_that_evaluate_counts_in_the_order_of_the_arguments() {
    let folder = folder_with_run();
    let evaluated = json(trainer().current_dir(folder.path()).args(["evaluate", "run"]));
    let result = json(&mut predict(folder.path(), &all_raw()));
    assert_eq!(result["run"], "run");
    let predictions = result["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 50);
    let (mut confusion, mut loss) = ([[0; 3]; 3], 0.0);
    for (number, prediction) in predictions.iter().enumerate() {
        assert_eq!(prediction["image"], format!("{number}.raw"));
        assert_eq!(prediction["class_name"], Value::Null);
        assert!(prediction.get("pixels").is_none());
        let class = prediction["class"].as_u64().unwrap() as usize;
        confusion[number % 3][class] += 1;
        let logits = logits(prediction);
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        loss -= (logits[number % 3].exp() / sum).ln() / 50.0;
        for (logit, probability) in logits.iter().zip(prediction["probabilities"].as_array().unwrap()) {
            assert!((logit.exp() / sum - probability.as_f64().unwrap()).abs() < 1e-7);
            assert!(*logit <= logits[class]);
        }
    }
    assert_eq!(json!(confusion), evaluated["confusion"]);
    assert!((loss - evaluated["loss"].as_f64().unwrap()).abs() < 1e-6, "{loss}, {}", evaluated["loss"]);
    let reversed = json(&mut predict(folder.path(), "7.raw 3.raw 7.raw"));
    for (prediction, number) in reversed["predictions"].as_array().unwrap().iter().zip([7, 3, 7]) {
        assert_eq!(*prediction, predictions[number]);
    }
}

#[test]
fn neither_batch_nor_threads_change_a_logit() {
    let folder = folder_with_run();
    let all = json(on_threads(&mut predict(folder.path(), &all_raw()), 3));
    for number in [0, 15, 16, 49] {
        let mut alone = predict(folder.path(), &format!("{number}.raw"));
        let alone = json(on_threads(&mut alone, 1));
        assert_eq!(alone["predictions"][0], all["predictions"][number]);
    }
    let folder = folder_with_run_on_larger_images();
    for number in 0..3_u8 {
        fs::write(folder.path().join(format!("{number}.raw")), [number * 100; 784]).unwrap();
    }
    let all = json(&mut predict(folder.path(), "0.raw 1.raw 2.raw"));
    for number in 0..3 {
        let alone = json(&mut predict(folder.path(), &format!("{number}.raw")));
        assert_eq!(alone["predictions"][0], all["predictions"][number]);
    }
}

#[test]
fn same_pixels_in_any_form_give_the_same_answer() {
    let folder = folder_with_run();
    let pixels = test_images(folder.path()).swap_remove(4);
    let picture = GrayImage::from_raw(12, 12, pixels.clone()).unwrap();
    for name in ["grey.png", "grey.bmp"] {
        picture.save(folder.path().join(name)).unwrap();
    }
    for name in ["colored.png", "colored.webp"] {
        DynamicImage::from(picture.clone()).into_rgb8().save(folder.path().join(name)).unwrap();
    }
    let names = "4.raw grey.png grey.bmp colored.png colored.webp";
    let result = json(&mut predict(folder.path(), names));
    let first = &result["predictions"][0];
    for prediction in result["predictions"].as_array().unwrap() {
        assert_eq!(prediction["logits"], first["logits"], "{}", prediction["image"]);
    }
    for input in [pixels, fs::read(folder.path().join("grey.png")).unwrap()] {
        let output = predict_input(folder.path(), "3.raw - --format json", &input);
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
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
    GrayImage::from_pixel(12, 12, Luma([5])).save(folder.path().join("whole.png")).unwrap();
    let whole = fs::read(folder.path().join("whole.png")).unwrap();
    write("damaged.png", &whole[..whole.len() - 20]);
    let fails = |arguments: &str, message: &str| {
        refused(&predict(folder.path(), arguments).output().unwrap(), 1, message);
    };
    fails("0.raw nowhere.png", "cannot read nowhere.png");
    fails(
        "0.raw empty",
        "empty is neither a picture (png, jpg, bmp, webp) nor a raw image: it holds 0 bytes",
    );
    fails("short.raw", "it holds 143 bytes, an image of 1×12×12 has 144");
    fails("large.png", "large.png is 12x13 pixels, but the model takes 12x12; bring it to that size first");
    fails("1.raw damaged.png 2.raw", "damaged.png cannot be decoded");
    fails("data", "cannot read data");
    fails(&format!("{} nowhere empty", all_raw()), "cannot read nowhere");
    refused(&predict_input(folder.path(), "-", b"?"), 1, "standard input is neither");
}

#[test]
fn bad_arguments_and_bad_runs() {
    let folder = folder_with_run();
    let predict = |arguments: &str| predict(folder.path(), arguments).output().unwrap();
    refused(&predict("- 0.raw -"), 2, "name it once");
    refused(&predict(""), 2, "<IMAGE>");
    refused(
        &predict("0.raw --prepare"),
        2,
        "--prepare makes grey images of 1×28×28, but the model takes 1×12×12",
    );
    refused(&predict("0.raw --backend cuda"), 2, "unknown backend");
    let no_run =
        |run: &str| trainer().current_dir(folder.path()).args(["predict", run, "0.raw"]).output().unwrap();
    refused(&no_run("nowhere"), 1, "the run nowhere does not exist");
    refused(&no_run("data"), 1, "data is not a whole run");
}

#[test]
fn shown_pixels_are_those_of_the_image() {
    let folder = folder_with_run();
    let pixels = test_images(folder.path()).swap_remove(5);
    let rows: Vec<&[u8]> = pixels.chunks(SIDE).collect();
    let result = json(&mut predict(folder.path(), "5.raw --show"));
    assert_eq!(result["predictions"][0]["pixels"], json!(rows));

    let shown = text(predict(folder.path(), "5.raw --show"));
    let drawn: Vec<&str> =
        shown.lines().filter(|line| line.starts_with('│') && line.ends_with('│')).collect();
    assert_eq!(drawn.len(), SIDE);
    assert!(drawn.iter().all(|line| line.chars().count() == 2 + 2 * SIDE), "{shown}");
    // The row that tells class 2 has pixels of 150 to 246, the others of 0 to 96.
    assert!(drawn[7].contains('▓') && !drawn[7].contains(' '), "{shown}");
    assert!(!drawn[6].contains('▓'), "{shown}");
    let both = text(predict(folder.path(), "5.raw 6.raw --show"));
    assert!(both.starts_with(shown.trim_end()), "{both}");
}

#[test]
fn text_is_bars_for_one_image_a_table_for_a_few_and_lines_for_many() {
    let folder = folder_with_run();
    let one = text(predict(folder.path(), "1.raw"));
    assert!(one.starts_with("1.raw: 1 (") && one.lines().count() == 1 + 3, "{one}");
    assert!(one.contains("1 │██"), "{one}");
    let few = text(predict(folder.path(), "0.raw 1.raw 2.raw"));
    assert!(few.contains("probability") && few.contains("│ 2.raw"), "{few}");
    let many = text(predict(folder.path(), &all_raw()));
    assert_eq!(many.lines().count(), 50);
    assert!(many.lines().nth(2).unwrap().starts_with("2.raw\t2\t"), "{many}");
}

#[test]
fn classes_have_their_names_and_pictures_become_what_the_run_trained_on() {
    let folder = folder_with_fruit();
    let files = "data/test/apple/0.png data/test/Pear/0.png data/test/fig/0.png data/test/apple/1.png";
    for (flags, first_pixel) in [("", json!([3])), ("--resize 14x16 --color-mode grayscale", json!(1))] {
        let run = "--epochs 1 --scaling center --out run --force";
        json(&mut trainer_on_pictures(folder.path(), &format!("train {run} {flags}")));
        let evaluated = json(trainer().current_dir(folder.path()).args(["evaluate", "run"]));
        let result = json(&mut predict(folder.path(), &format!("{files} --show")));
        let (mut confusion, mut loss) = ([[0; 3]; 3], 0.0);
        for (prediction, label) in result["predictions"].as_array().unwrap().iter().zip([1, 0, 2, 1]) {
            let class = prediction["class"].as_u64().unwrap() as usize;
            confusion[label][class] += 1;
            assert_eq!(prediction["class_name"], ["Pear", "apple", "fig"][class]);
            loss -= prediction["probabilities"][label].as_f64().unwrap().ln() / 4.0;
        }
        assert_eq!(json!(confusion), evaluated["confusion"]);
        assert!((loss - evaluated["loss"].as_f64().unwrap()).abs() < 1e-6);
        let pixel = &result["predictions"][0]["pixels"][0][0];
        assert_eq!(pixel.is_array(), first_pixel.is_array(), "{pixel}");
    }
    let text = text(predict(folder.path(), "data/test/fig/0.png"));
    assert!(text.contains(" Pear │") && text.contains("apple │"), "{text}");
}

#[test]
fn photograph_is_prepared_to_what_the_network_takes() {
    let folder = folder_with_run_on_larger_images();
    let bar = |x: u32, y: u32| (200..230).contains(&x) && (40..140).contains(&y);
    let photo = GrayImage::from_fn(300, 200, |x, y| Luma([if bar(x, y) { 30 } else { 220 }]));
    photo.save(folder.path().join("photo.png")).unwrap();
    GrayImage::from_pixel(300, 200, Luma([220])).save(folder.path().join("blank.png")).unwrap();

    let result = json(&mut predict(folder.path(), "photo.png --prepare --show"));
    // 100×30 pixels become 20×6, their centre of mass (9.5, 2.5) comes nearest to (14, 14) in rows 5 to 24 and
    // columns 12 to 17 (halves round up).
    let rows: Vec<Vec<u8>> = (0..28)
        .map(|y| {
            (0..28).map(|x| if (5..25).contains(&y) && (12..18).contains(&x) { 255 } else { 0 }).collect()
        })
        .collect();
    assert_eq!(result["predictions"][0]["pixels"], json!(rows));
    refused(&predict(folder.path(), "photo.png").output().unwrap(), 1, "photo.png is 200x300 pixels");
    refused(&predict(folder.path(), "photo.png").output().unwrap(), 1, "--prepare");
    refused(
        &predict(folder.path(), "photo.png blank.png --prepare").output().unwrap(),
        1,
        "blank.png: no ink",
    );
}
