//! `--resume FOLDER`: the folder alone says what to train.

use std::fs;

use crate::support::{
    assert_contains,
    comparisons::{folder_with_comparison, run_of},
    digits::{folder_with_digits, trainer_on_digits},
    json, read_json, read_text,
    refusals::refused,
    trainer_in, weights_of,
};

const TRAIN: &str = "train --scaling center --epochs 2 --batch-size 16 --seed 3 --out run";

#[test]
fn run_is_resumed_with_the_settings_of_its_folder() {
    let folder = folder_with_digits();
    let first = json(&mut trainer_on_digits(folder.path(), TRAIN));
    fs::remove_file(folder.path().join("run/result.json")).unwrap();
    let config = read_text(&folder.path().join("run/config.toml"));
    // Not even the data set is named.
    let resumed = json(&mut trainer_in(folder.path(), "train --resume run"));
    assert_eq!(weights_of(&resumed), weights_of(&first));
    assert_eq!(read_text(&folder.path().join("run/config.toml")), config);
    // Equal settings may be repeated, and flags may follow.
    json(&mut trainer_in(folder.path(), "train --resume run --seed 3 --epochs 2 --threads 1"));
}

#[test]
fn comparison_is_extended_from_its_folder() {
    let folder = folder_with_comparison("--scalings none,center");
    let result = json(&mut trainer_in(folder.path(), "compare --resume all --seeds 2"));
    assert_eq!(result["finished"], 4);
    assert_eq!(result["scalings"].as_array().unwrap().len(), 2);
    let again = json(&mut trainer_in(folder.path(), "compare --resume all"));
    assert_eq!(again["finished"], 4, "without --seeds, the number of seeds is the folder's");
    assert_eq!(read_json(&folder.path().join("all/result.json"))["finished"], 4);
}

#[test]
fn other_settings_are_refused_with_both_values() {
    let folder = folder_with_comparison("--scalings none,center --seeds 2");
    json(&mut trainer_on_digits(folder.path(), TRAIN));
    fs::write(folder.path().join("c.toml"), "epochs = 7").unwrap();
    let refuse =
        |arguments, status, message| refused(&mut trainer_in(folder.path(), arguments), status, message);
    let errors = [
        refuse(
            "train --resume run --seed 5",
            2,
            "`seed` differs from the value in run/config.toml: 5 instead of 3",
        ),
        refuse(
            "train --resume run --config c.toml",
            2,
            "`epochs` differs from the value in run/config.toml: 7 instead of 2",
        ),
        refuse("train --resume run --scaling none", 2, "`scaling` differs"),
        refuse(
            "train --resume run --limit 9",
            2,
            "`limit` differs from the value in run/config.toml: 9 instead of nothing",
        ),
        refuse("compare --resume all --margin 3", 2, "`margin` differs"),
        refuse("compare --resume all --seeds 1", 2, "`seeds` leaves out some"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn folder_that_cannot_be_resumed_is_refused() {
    let folder = folder_with_comparison("--scalings none,center");
    json(&mut trainer_on_digits(folder.path(), TRAIN));
    fs::create_dir(folder.path().join("damaged")).unwrap();
    fs::write(folder.path().join("damaged/config.toml"), "epochs = 'a'").unwrap();
    let refuse =
        |arguments, status, message| refused(&mut trainer_in(folder.path(), arguments), status, message);
    let errors = [
        refuse("train --resume", 2, "--resume needs a folder"),
        refuse("train --resume run --out other", 2, "leave out --out"),
        refuse("train --resume run --force", 2, "--force"),
        refuse("train --resume nowhere", 1, "nothing to resume in nowhere"),
        refuse("train --resume data", 1, "nothing to resume in data"),
        refuse("train --resume damaged", 1, "damaged/config.toml is damaged"),
        refuse("train --resume all", 1, "all is a comparison, not a run"),
        refuse("compare --resume run", 1, "run is a run, not a comparison"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn unfinished_run_is_called_unfinished_and_named_with_the_command_that_finishes_it() {
    let folder = folder_with_comparison("--scalings none,center");
    json(&mut trainer_on_digits(folder.path(), TRAIN));
    let of_comparison = run_of(&folder.path().join("all"), "center-seed1");
    for run in [&folder.path().join("run"), &of_comparison] {
        fs::remove_file(run.join("result.json")).unwrap();
    }
    let of_comparison = of_comparison.strip_prefix(folder.path()).unwrap().to_str().unwrap();
    for (run, finishing) in
        [("run", "mnist-trainer train --resume run"), (of_comparison, "mnist-trainer compare --resume all")]
    {
        for command in ["evaluate RUN", "predict RUN data", "export RUN --to onnx --out onnx"] {
            let mut command = trainer_in(folder.path(), &command.replace("RUN", run));
            let printed = refused(&mut command, 1, &format!("the run {run} is unfinished"));
            assert_contains(&printed, [finishing]);
        }
    }
}
