//! Augmentation: reproducible random changes to the training images, and to no others.

use std::{collections::HashMap, fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    assert_lacks, assert_same_number,
    augmentation::EVERY_FIELD,
    comparisons::run_of,
    digits::{IMAGES, LABELS, folder_with_config, idx_bytes, trainer_on_digits},
    json, number, on_threads,
    pictures::{folder_with_fruit, trainer_on_pictures},
    read_json, read_text,
    refusals::{assert_refused, failing},
    trainer_in, weights_of,
};

/// Trains on 64 images with `c.toml` and further arguments, and returns the result.
fn train(folder: &Path, arguments: &str) -> Value {
    let arguments = format!("train --config c.toml --scaling standardize --limit 64 {arguments}");
    json(&mut trainer_on_digits(folder, &arguments))
}

#[test]
fn augmented_images_give_the_same_weights_with_any_number_of_threads() {
    let folder = folder_with_config(EVERY_FIELD);
    let weights = |threads: usize| {
        let arguments = format!("train --config c.toml --scaling standardize --epochs 2 --out {threads}");
        let mut command = trainer_on_digits(folder.path(), &arguments);
        weights_of(&json(on_threads(&mut command, threads))).to_owned()
    };
    assert_eq!(weights(3), weights(1));
}

#[test]
fn augmented_color_pictures_give_the_same_weights_with_any_number_of_threads() {
    let folder = folder_with_fruit();
    fs::write(folder.path().join("c.toml"), EVERY_FIELD).unwrap();
    let weights = |threads: usize, arguments: &str| {
        let arguments = format!("train --scaling center --epochs 2 --batch-size 4 {arguments}");
        let mut command = trainer_on_pictures(folder.path(), &arguments);
        weights_of(&json(on_threads(&mut command, threads))).to_owned()
    };
    let one = weights(1, "--config c.toml --out a");
    assert_eq!(weights(3, "--config c.toml --out b"), one);
    assert_ne!(weights(1, "--out c"), one, "augmentation has no effect");
}

#[test]
fn every_field_has_a_different_effect() {
    let fields = [
        "",
        "rotation_range = 15.0",
        "width_shift_range = 0.1",
        "height_shift_range = 2.0",
        "shear_range = 10.0",
        "zoom_range = [0.9, 1.2]",
        "channel_shift_range = 20.0",
        "brightness_range = [0.8, 1.2]",
        "horizontal_flip = true",
        "vertical_flip = true",
        "rotation_range = 15.0\nfill_mode = 'constant'",
        "rotation_range = 15.0\nfill_mode = 'constant'\ncval = 30.0",
        "rotation_range = 15.0\nfill_mode = 'reflect'",
        "rotation_range = 15.0\nfill_mode = 'wrap'",
    ];
    let mut fields_by_weights = HashMap::new();
    for field in fields {
        let same = fields_by_weights.insert(weights_with(field), field);
        assert_eq!(same, None, "`{field}` trains the same model as another field");
    }
}

/// Trains briefly with these fields of `[augmentation]`, and returns the checksum of the weights.
fn weights_with(fields: &str) -> String {
    let folder = folder_with_config(&format!("[augmentation]\n{fields}\n"));
    weights_of(&train(folder.path(), "--epochs 1 --out run")).to_owned()
}

#[test]
fn augmentation_that_changes_no_image_changes_no_weight() {
    let without = folder_with_config("");
    let plain = train(without.path(), "--epochs 1 --out run");
    let nothing = "fill_mode = 'wrap'\ncval = 9.0\nrotation_range = 0.0\nzoom_range = 0.0";
    assert_eq!(weights_with(nothing), weights_of(&plain));
}

#[test]
fn scaling_is_fitted_to_the_images_without_augmentation() {
    let folder = folder_with_config(EVERY_FIELD);
    train(folder.path(), "--epochs 1 --out augmented");
    fs::write(folder.path().join("c.toml"), "").unwrap();
    train(folder.path(), "--epochs 1 --out plain");
    let written = |run: &str, file: &str| read_text(&folder.path().join(run).join(file));
    assert_eq!(written("augmented", "scaling.json"), written("plain", "scaling.json"));
    let config: toml::Table = toml::from_str(&written("augmented", "config.toml")).unwrap();
    let expected: toml::Table = toml::from_str(EVERY_FIELD).unwrap();
    assert_eq!(
        config["augmentation"], expected["augmentation"],
        "config.toml of the run must repeat the augmentation"
    );
    assert_lacks(&written("plain", "config.toml"), ["augmentation"]);
}

#[test]
fn validation_and_test_images_are_scaled_but_not_augmented() {
    let folder = folder_with_config(EVERY_FIELD);
    // The test split becomes a copy of the validation split, so both must have the same loss.
    let data = folder.path().join("data");
    for (kind, magic, dimensions, size) in
        [("images-idx3", IMAGES, &[50, 12, 12][..], 144), ("labels-idx1", LABELS, &[50], 1)]
    {
        let train = fs::read(data.join(format!("train-{kind}-ubyte"))).unwrap();
        let last = &train[train.len() - 50 * size..];
        fs::write(data.join(format!("t10k-{kind}-ubyte")), idx_bytes(magic, dimensions, last)).unwrap();
    }
    let arguments =
        "train --config c.toml --scaling standardize --epochs 2 --validation-split 0.25 --out run";
    let trained = json(&mut trainer_on_digits(folder.path(), arguments));
    assert_eq!(trained["train_images"], 150);
    number(&trained["test"]["loss"]);
    assert_eq!(trained["validation"], trained["test"]);
    let evaluated = json(&mut trainer_in(folder.path(), "evaluate run"));
    assert_same_number(&evaluated["loss"], &trained["test"]["loss"]);
    assert_eq!(evaluated["confusion"], trained["confusion"]);
}

#[test]
fn compare_augments_as_train_does() {
    let folder = folder_with_config(EVERY_FIELD);
    let compare = "compare --config c.toml --scalings none,standardize --epochs 1 --limit 64 --out all";
    let compared = json(&mut trainer_on_digits(folder.path(), compare));
    assert_eq!(compared["scalings"].as_array().unwrap().len(), 2);
    let alone = train(folder.path(), "--epochs 1 --out one");
    let together = read_json(&run_of(&folder.path().join("all"), "standardize-seed1").join("result.json"));
    assert_eq!(weights_of(&together), weights_of(&alone));
}

#[test]
fn whitening_and_samplewise_scalings_train_on_augmented_images() {
    let folder = folder_with_config(EVERY_FIELD);
    for scaling in ["zca", "sample-standardize"] {
        let arguments = format!("train --config c.toml --scaling {scaling} --epochs 1 --out {scaling}");
        let trained = json(&mut trainer_on_digits(folder.path(), &arguments));
        assert_eq!(trained["status"], json!("ok"), "{scaling}");
    }
}

#[test]
fn resuming_with_another_augmentation_is_refused() {
    let folder = folder_with_config(EVERY_FIELD);
    train(folder.path(), "--epochs 1 --out run");
    for other in [EVERY_FIELD.replace("15.0", "16.0"), String::new()] {
        fs::write(folder.path().join("c.toml"), other).unwrap();
        let arguments =
            "train --config c.toml --scaling standardize --limit 64 --epochs 1 --out run --resume";
        let output = trainer_on_digits(folder.path(), arguments).output().unwrap();
        assert_refused(&output, 2, "`augmentation` differs");
    }
}

#[test]
fn bad_augmentation() {
    let messages = [
        ("rotation = 15", "c.toml:2: `rotation = 15`: unknown key `rotation`"),
        ("rotation_range = '15'", "c.toml:2: `rotation_range = '15'`: must be a number, not a string"),
        ("fill_mode = 'mirror'", "c.toml:2: `fill_mode = 'mirror'`: unknown value `mirror`"),
        ("zoom_range = 'far'", "c.toml:2: `zoom_range = 'far'`: zoom_range must be a number or [low, high]"),
        ("rotation_range = -1", "rotation_range must be a number from 0"),
        ("rotation_range = nan", "rotation_range must be a number from 0"),
        ("width_shift_range = inf", "width_shift_range must be a number from 0"),
        ("zoom_range = 1.5", "zoom_range must be a number from 0 to below 1, or [low, high] with 0 < low"),
        ("zoom_range = [1.2, 0.8]", "low <= high"),
        ("brightness_range = [-0.1, 1.0]", "brightness_range must be [low, high] with 0 <= low"),
        ("cval = inf", "cval must be a number"),
    ];
    let mut errors = String::new();
    for (field, message) in messages {
        for command in ["train --scaling none", "compare"] {
            let command = failing(&format!("{command} --config c.toml"));
            command.with_file("c.toml", format!("[augmentation]\n{field}\n")).fails(2, message);
        }
        let line = failing("train --config c.toml").with_file("c.toml", format!("[augmentation]\n{field}\n"));
        errors += &line.fails(2, "c.toml:");
    }
    insta::assert_snapshot!(errors);
}
