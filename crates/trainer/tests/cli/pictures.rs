//! Data sets in folders of pictures: `train/<class>/*.png`, `test/<class>/*.png`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use image::{DynamicImage, GrayImage, ImageBuffer, Luma};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{
    assert_contains, assert_same_number,
    digits::{trainer_on_digits, write_split},
    json, number, on_threads,
    pictures::{
        HEIGHT, TEST_ORDER, TRAIN_ORDER, WIDTH, all_fruit, folder_with_fruit, fruit, grayscale_fruit, png,
        trainer_on_pictures, write_each,
    },
    read_json, read_text,
    refusals::assert_refused,
    stderr, text, trainer_in, weights_of,
};

/// Returns the mean and the population standard deviation.
fn mean_and_std(values: &[u8]) -> [f64; 2] {
    let mean_of = |value: fn(f64) -> f64| {
        values.iter().map(|&byte| value(byte.into())).sum::<f64>() / values.len() as f64
    };
    let mean = mean_of(|byte| byte);
    [mean, (mean_of(|byte| byte * byte) - mean * mean).sqrt()]
}

fn assert_close(found: &Value, expected: f64) {
    assert!((number(found) - expected).abs() < 1e-9, "{found}, expected {expected}");
}

#[test]
fn summary_of_pictures_contains_their_shape_range_and_classes() {
    let folder = folder_with_fruit();
    let summary = json(&mut trainer_on_pictures(folder.path(), "data summary"));
    assert_eq!(summary["dataset"], "folder");
    assert_eq!(
        summary["class_names"],
        json!(["Pear", "apple", "fig"]),
        "class names must be sorted by their bytes"
    );
    for (split, order, labels) in
        [("train", &TRAIN_ORDER[..], [3, 6, 2]), ("test", &TEST_ORDER[..], [1, 2, 1])]
    {
        let found = &summary[split];
        assert_eq!(found["labels"], json!(labels));
        assert_eq!(found["images"], order.len());
        let shape = ["channels", "height", "width"].map(|side| found[side].clone());
        assert_eq!(shape, [json!(3), json!(12), json!(10)]);
        let bytes: Vec<u8> =
            order.iter().flat_map(|&(label, number)| fruit(split, label, number).into_raw()).collect();
        assert_eq!(found["min"], *bytes.iter().min().unwrap());
        assert_eq!(found["max"], *bytes.iter().max().unwrap());
        let [mean, std] = mean_and_std(&bytes);
        assert_close(&found["mean"], mean);
        assert_close(&found["std"], std);
    }
}

#[test]
fn verify_decodes_both_splits_and_prints_a_checksum_for_each() {
    let folder = folder_with_fruit();
    let verify = || json(&mut trainer_on_pictures(folder.path(), "data verify"));
    let before = verify();
    for (split, position) in [("train", 0), ("test", 1)] {
        let files = all_fruit().into_iter().filter(|(in_split, ..)| *in_split == split);
        let length = |path: PathBuf| fs::metadata(folder.path().join("data").join(path)).unwrap().len();
        let bytes: u64 = files.map(|(.., path)| length(path)).sum();
        let found = &before["files"][position];
        assert_eq!(
            (&found["name"], &found["bytes"], &found["ok"]),
            (&json!(split), &json!(bytes), &json!(true))
        );
    }
    fruit("train", 0, 0).save(folder.path().join("data/test/apple/1.png")).unwrap();
    let after = verify();
    assert_eq!(after["files"][0], before["files"][0]);
    assert_ne!(after["files"][1]["sha256"], before["files"][1]["sha256"]);
}

#[test]
fn granularity_channel_gives_the_statistics_of_red_green_and_blue() {
    let folder = folder_with_fruit();
    let config = "[scaling]\nfeaturewise_center = true\nfeaturewise_std_normalization = true\n\
                  granularity = 'channel'\n";
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let arguments = "scale --config c.toml --batch-size 4";
    let shown = json(&mut trainer_on_pictures(folder.path(), arguments));
    assert_eq!(shown["batch"]["shape"], json!([4, 3, 12, 10]));
    assert_eq!(shown["batches"], json!({"train": 3, "test": 1}));
    for channel in 0..3 {
        let bytes = |&(label, number): &(usize, usize)| -> Vec<u8> {
            fruit("train", label, number).pixels().map(|color| color[channel]).collect()
        };
        let [mean, std] = mean_and_std(&TRAIN_ORDER.iter().flat_map(bytes).collect::<Vec<_>>());
        assert_close(&shown["statistics"]["mean"][channel], mean);
        assert_close(&shown["statistics"]["std"][channel], std);
    }
}

#[test]
fn confusion_matrix_of_evaluate_names_the_classes() {
    let folder = folder_with_fruit();
    text(&mut trainer_on_pictures(folder.path(), "train --scaling normalize --epochs 1 --out run"));
    let evaluated = text(&mut trainer_in(folder.path(), "evaluate run"));
    assert_contains(&evaluated, [" Pear │", "\napple │", "  fig │"]);
}

#[test]
fn network_has_an_input_per_channel_and_an_output_per_class() {
    let folder = folder_with_fruit();
    let train = |arguments: &str| {
        let arguments = format!("train --scaling normalize --epochs 1 {arguments}");
        json(&mut trainer_on_pictures(folder.path(), &arguments))
    };
    let colored = train("--out colored");
    assert_eq!(colored["class_names"], json!(["Pear", "apple", "fig"]));
    assert_eq!((&colored["classes"], &colored["train_images"]), (&json!(3), &json!(11)));
    assert_eq!(colored["confusion"].as_array().unwrap().len(), 3);
    // 3×3 convolutions to 32 and 64 channels, each followed by 2×2 pooling; dense layers of 64 and 3 units.
    let parameters = |channels: usize, positions: usize| {
        (9 * channels * 32 + 32) + (9 * 32 * 64 + 64) + (64 * positions * 64 + 64) + (64 * 3 + 3)
    };
    assert_eq!(colored["parameters"], parameters(3, 1));
    let grayscale = train("--color-mode grayscale --out grayscale");
    assert_eq!(grayscale["parameters"], parameters(1, 1));
    let larger = train("--resize 20x15 --out larger");
    assert_eq!(larger["parameters"], parameters(3, 3 * 2));
}

#[test]
fn run_is_evaluated_with_the_size_and_colors_it_was_trained_with() {
    let folder = folder_with_fruit();
    let arguments = "train --scaling standardize --epochs 1 --resize 14x16 --color-mode grayscale --out run";
    let trained = json(&mut trainer_on_pictures(folder.path(), arguments));
    let config = read_text(&folder.path().join("run/config.toml"));
    assert_contains(&config, ["dataset = \"folder\"", "resize = \"14x16\"", "color_mode = \"grayscale\""]);
    let scaling = read_json(&folder.path().join("run/scaling.json"));
    assert_eq!(scaling["shape"], json!({"channels": 1, "height": 14, "width": 16}));
    let evaluated = json(&mut trainer_in(folder.path(), "evaluate run"));
    assert_same_number(&evaluated["loss"], &trained["test"]["loss"]);
    assert_eq!(evaluated["confusion"], trained["confusion"]);
}

#[test]
fn configuration_file_sets_size_and_colors_of_pictures_and_flags_override_it() {
    let folder = folder_with_fruit();
    let config = "dataset = 'folder'\ndata_dir = 'data'\nresize = '11x13'\ncolor_mode = 'grayscale'\n";
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let shape = |arguments: &str| {
        let summary = json(&mut trainer_in(folder.path(), arguments));
        ["channels", "height", "width"].map(|side| summary["train"][side].as_u64().unwrap())
    };
    assert_eq!(shape("data summary --config c.toml"), [1, 11, 13]);
    assert_eq!(shape("data summary --config c.toml --resize 15x17 --color-mode rgb"), [3, 15, 17]);
}

#[test]
fn model_is_not_evaluated_on_other_classes_or_another_shape() {
    let folder = folder_with_fruit();
    json(&mut trainer_on_pictures(folder.path(), "train --scaling center --epochs 1 --out run"));
    let refused = |flags: &str, message: &str| {
        let output = trainer_in(folder.path(), &format!("evaluate run {flags}")).output().unwrap();
        assert_refused(&output, 1, message);
    };
    refused("--resize 12x11", "fitted on images of 3×12×10, but these are 3×12×11");
    refused("--color-mode grayscale", "fitted on images of 3×12×10, but these are 1×12×10");
    for split in ["train", "test"] {
        let data = folder.path().join("data").join(split);
        fs::rename(data.join("fig"), data.join("grape")).unwrap();
    }
    refused("", "the class names of the data differ from those of the model");
}

#[test]
fn resuming_after_a_picture_changed_is_refused() {
    let folder = folder_with_fruit();
    let train = |more: &str| {
        let arguments = format!("train --scaling none --epochs 1 --out run {more}");
        trainer_on_pictures(folder.path(), &arguments).output().unwrap()
    };
    for more in ["", "--resume"] {
        let output = train(more);
        assert!(output.status.success(), "{more}: {}", stderr(&output));
    }
    fruit("train", 0, 0).save(folder.path().join("data/test/apple/1.png")).unwrap();
    let refused = train("--resume");
    assert_refused(&refused, 2, "the data files differ from those used in run");
}

#[test]
fn pictures_give_the_same_weights_with_any_number_of_threads() {
    let folder = folder_with_fruit();
    let weights = |threads: usize| {
        let arguments =
            format!("train --scaling zca --epochs 2 --batch-size 4 --resize 10x10 --out {threads}");
        let mut command = trainer_on_pictures(folder.path(), &arguments);
        let output = on_threads(&mut command, threads).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        weights_of(&read_json(&folder.path().join(format!("{threads}/result.json")))).to_owned()
    };
    assert_eq!(weights(1), weights(3));
}

#[test]
fn pictures_and_idx_files_of_the_same_images_train_the_same_model() {
    let folder = tempdir().unwrap();
    let pictures = folder.path().join("pictures/data");
    write_each(&pictures, |split, label, number, path| {
        grayscale_fruit(split, label, number).save(path).unwrap();
    });
    let idx = folder.path().join("idx");
    for (split, prefix, order) in [("train", "train", &TRAIN_ORDER[..]), ("test", "t10k", &TEST_ORDER[..])] {
        let pixels = |&(label, number): &(usize, usize)| grayscale_fruit(split, label, number).into_raw();
        let pixels: Vec<u8> = order.iter().flat_map(pixels).collect();
        let labels: Vec<u8> = order.iter().map(|&(label, _)| label as u8).collect();
        let count = order.len() as u32;
        write_split(&idx.join("data"), prefix, [count, HEIGHT, WIDTH], &pixels, &labels);
    }
    let arguments = "train --scaling standardize --epochs 2 --batch-size 4 --validation-split 0.25 --out run";
    let of_idx = json(&mut trainer_on_digits(&idx, arguments));
    let of_pictures = json(&mut trainer_on_pictures(&folder.path().join("pictures"), arguments));
    for found in ["weights_sha256", "scaling_sha256", "validation", "test", "confusion"] {
        assert_eq!(of_pictures[found], of_idx[found], "{found}");
    }
    weights_of(&of_pictures);
    number(&of_pictures["validation"]["loss"]);
}

#[test]
fn limited_and_validation_images_contain_every_class() {
    let folder = folder_with_fruit();
    // All classes are among the first four pictures, and among the last three.
    let shown = json(&mut trainer_on_pictures(folder.path(), "scale --scaling center --limit 4"));
    let bytes = |&(label, number): &(usize, usize)| fruit("train", label, number).into_raw();
    let [mean, _] = mean_and_std(&TRAIN_ORDER[..4].iter().flat_map(bytes).collect::<Vec<_>>());
    assert_close(&shown["statistics"]["mean"][0], mean);

    let arguments = "train --scaling center --epochs 1 --validation-split 0.25 --out run";
    assert_eq!(json(&mut trainer_on_pictures(folder.path(), arguments))["train_images"], 8);
    let fitted = read_json(&folder.path().join("run/scaling.json"));
    let [mean, _] = mean_and_std(&TRAIN_ORDER[..8].iter().flat_map(bytes).collect::<Vec<_>>());
    assert_close(&fitted["mean"][0], mean);
}

#[test]
fn pictures_with_sixteen_bits_or_a_palette_train_as_with_eight_bits() {
    let weights = |save: fn(GrayImage, &Path)| {
        let folder = tempdir().unwrap();
        write_each(&folder.path().join("data"), |split, label, number, path| {
            save(grayscale_fruit(split, label, number), path);
        });
        // A picture with a palette counts as RGB, even if all its colors are gray.
        let arguments = "train --scaling center --epochs 1 --color-mode grayscale --out run";
        weights_of(&json(&mut trainer_on_pictures(folder.path(), arguments))).to_owned()
    };
    let eight_bits = weights(|picture, path| picture.save(path).unwrap());
    let sixteen_bits = weights(|picture, path| {
        let values = picture.into_raw().into_iter().map(|byte| u16::from(byte) * 257).collect();
        let picture = ImageBuffer::<Luma<u16>, Vec<u16>>::from_raw(WIDTH, HEIGHT, values).unwrap();
        DynamicImage::from(picture).save(path).unwrap();
    });
    let palette = weights(|picture, path| {
        let grays: Vec<u8> = (0..=255).flat_map(|gray| [gray; 3]).collect();
        let rows: Vec<u8> =
            picture.as_raw().chunks(WIDTH as usize).flat_map(|row| [&[0], row].concat()).collect();
        fs::write(path, png([HEIGHT, WIDTH], 8, 3, &[(b"PLTE", &grays)], &rows)).unwrap();
    });
    assert_eq!(sixteen_bits, eight_bits);
    assert_eq!(palette, eight_bits);
}

#[test]
fn classes_without_test_pictures_give_a_warning() {
    let folder = folder_with_fruit();
    fs::remove_dir_all(folder.path().join("data/test/fig")).unwrap();
    let output = trainer_in(folder.path(), "data summary --dataset folder --data-dir data").output().unwrap();
    assert!(output.status.success());
    assert_eq!(stderr(&output).trim(), "warning: 1 of 3 classes have no test pictures: fig");
}

#[test]
fn one_training_picture_is_enough_and_gives_a_warning_about_its_standard_deviation() {
    let folder = tempdir().unwrap();
    for split in ["train", "test"] {
        let class = folder.path().join("data").join(split).join("apple");
        fs::create_dir_all(&class).unwrap();
        fruit(split, 1, 0).save(class.join("0.png")).unwrap();
    }
    let config = "[scaling]\nfeaturewise_center = true\nfeaturewise_std_normalization = true\n\
                  granularity = 'pixel'\n";
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let mut train = trainer_on_pictures(folder.path(), "train --config c.toml --epochs 1 --out run --quiet");
    let output = train.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let warning = "warning: custom: 360 of 360 standard deviations are 0, so differences from the training \
                   images at these pixels are divided by 1e-6";
    assert_eq!(stderr(&output).trim(), warning);
    assert_eq!(read_json(&folder.path().join("run/result.json"))["test"]["accuracy"], 1.0);
}

#[test]
fn pictures_of_a_single_color_are_standardized_without_nan() {
    let folder = tempdir().unwrap();
    write_each(&folder.path().join("data"), |_, _, _, path| {
        GrayImage::from_pixel(WIDTH, HEIGHT, Luma([77])).save(path).unwrap();
    });
    for (scaling, warning) in [
        ("standardize", "warning: standardize: 1 of 1 standard deviations are 0"),
        ("sample-standardize", ""),
    ] {
        let arguments = format!("train --scaling {scaling} --epochs 2 --out {scaling} --quiet");
        let output = trainer_on_pictures(folder.path(), &arguments).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).starts_with(warning), "{}", stderr(&output));
        let result = read_json(&folder.path().join(scaling).join("result.json"));
        assert_eq!(result["status"], "ok");
        // All images are equal, so the model can only guess among three classes. A uniform guess has a loss of
        // ln 3 = 1.1.
        assert!(number(&result["test"]["loss"]) < 2.0, "{}", result["test"]);
    }
}
