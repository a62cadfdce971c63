//! Flags and configuration files: every mistake has an error that says what is accepted.

use std::fs;

use serde_json::json;

use crate::support::{
    assert_contains, assert_lacks,
    digits::{folder_with_config, trainer_on_digits},
    json,
    refusals::{failing, refused},
    stderr, text, trainer, trainer_in,
};

/// Runs a command that must fail with exit status 2, and returns its error and its hint.
#[track_caller]
fn error_and_hint(arguments: &str) -> (String, String) {
    let output = trainer().args(arguments.split(' ')).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let printed = stderr(&output);
    let (error, hint) = printed.trim_end().split_once('\n').unwrap_or_else(|| panic!("no hint: {printed}"));
    assert!(error.starts_with("error: ") && hint.starts_with("hint: "), "{printed}");
    assert!(!hint.contains('\n'), "more than two lines: {printed}");
    (error.to_owned(), hint.to_owned())
}

#[test]
fn counts_out_of_range_are_refused_with_the_range() {
    let range = "must be a whole number from 1 to 4294967295";
    for flag in ["epochs", "batch-size", "limit", "threads"] {
        for value in ["0", "-1", "4294967296", "1.5", "many"] {
            let (error, hint) = error_and_hint(&format!("train --scaling center --{flag} {value}"));
            assert_eq!(error, format!("error: invalid value '{value}' for '--{flag} <N>': {range}"));
            assert_eq!(hint, "hint: see `mnist-trainer train --help`");
        }
    }
    for arguments in
        ["compare --seeds", "compare --jobs", "bench --steps", "scale --limit", "evaluate run --threads"]
    {
        assert_contains(&error_and_hint(&format!("{arguments} -1")).0, [range]);
    }
    let (error, _) = error_and_hint("train --scaling center --seed -1");
    assert_contains(&error, ["must be a whole number from 0 to 9223372036854775807"]);
    let (error, _) = error_and_hint("train --scaling center --learning-rate fast");
    assert_contains(&error, ["must be a number"]);
}

#[test]
fn color_flag_holds_for_errors_in_other_flags() {
    let output = trainer().args(["compare", "--seeds", "0", "--color", "always"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("\u{1b}["), "{}", stderr(&output));
}

#[test]
fn unknown_values_are_refused_with_the_known_ones() {
    for (arguments, known) in [
        ("train --scaling standardise", "none, normalize, center, standardize, sample-center"),
        ("compare --scalings center,standardise", "none, normalize, center, standardize, sample-center"),
        ("data summary --dataset cifar", "cifar10, cifar100, idx, folder"),
        ("data summary --color-mode blue", "grayscale, rgb"),
        ("train --backend cuda", "flex, ndarray, wgpu"),
        ("bench --backend cuda", "flex, ndarray, wgpu"),
        ("predict run image.png --backend cuda", "flex, ndarray, wgpu"),
    ] {
        let (error, _) = error_and_hint(arguments);
        assert_contains(&error, ["invalid value", known]);
    }
}

#[test]
fn similar_names_are_suggested_in_the_hint() {
    let (error, hint) = error_and_hint("export run --to onnx --resume");
    assert_eq!(error, "error: unexpected argument '--resume' found");
    assert_eq!(hint, "hint: a similar argument exists: --resize");
    let (_, hint) = error_and_hint("train --scaling standardise");
    assert_eq!(hint, "hint: a similar value exists: standardize");
}

#[test]
fn frequent_mistakes_have_a_hint() {
    for (arguments, expected) in [
        ("train --scaling center --lr 0.1", "hint: use --learning-rate"),
        ("compare --lr 0.1", "hint: use --learning-rate"),
        ("train standardize", "hint: use --scaling standardize"),
        ("compare standardize", "hint: use --scalings standardize"),
        ("train --scaling center --seeds 3", "hint: train takes --seed; use compare for several seeds"),
        ("--epochs 1", "hint: name a command first, such as `mnist-trainer compare --epochs 1`"),
        ("evaluate run --foo", "hint: see `mnist-trainer evaluate --help`"),
        ("data", "hint: see `mnist-trainer data --help`"),
        ("fit", "hint: see `mnist-trainer --help`"),
    ] {
        assert_eq!(error_and_hint(arguments).1, expected, "{arguments}");
    }
}

#[test]
fn help_of_run_commands_names_the_settings_of_the_run_as_default() {
    for command in ["evaluate", "export"] {
        let help = text(trainer().args([command, "-h"]));
        assert_lacks(&help, ["[default: mnist]", "[default: flex]", "default for mnist"]);
        for flag in [
            "--dataset <KIND>",
            "--data-dir <DIR>",
            "--resize <HxW>",
            "--color-mode <MODE>",
            "--backend <BACKEND>",
        ] {
            let (_, after) = help.split_once(flag).unwrap_or_else(|| panic!("no {flag}: {help}"));
            // The text of a flag ends where the next one starts.
            let description = after.split("\n      --").next().unwrap();
            let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_contains(&description, ["[default: the run's]"]);
        }
    }
    assert_contains(
        &text(trainer().args(["predict", "-h"])),
        ["Backend to compute with [default: the run's]"],
    );
}

#[test]
fn settings_of_compare_are_refused_by_train() {
    let train = |arguments: &str, config: &str| {
        failing(&format!("train --config c.toml {arguments}")).with_file("c.toml", config)
    };
    let errors = [
        train("", "scalings = ['center']")
            .fails(2, "c.toml: `scalings` is for compare; train takes `scaling`"),
        train("", "scaling = 'center'\nseeds = 3")
            .fails(2, "c.toml: `seeds` is for compare; train takes `seed`"),
        train("--scaling center --seed 2", "seeds = 3\n[grid]\nlearning_rate = [0.1, 0.2]")
            .fails(2, "c.toml: [grid] is for compare"),
        train(
            "--scaling center --batch-size 16",
            "[grid]\nlearning_rate = [0.1, 0.2]\nbatch_size = [16, 32]",
        )
        .fails(2, "c.toml: [grid] is for compare"),
    ];
    insta::assert_snapshot!(errors.concat());
}

#[test]
fn train_accepts_settings_of_compare_next_to_its_own() {
    // The values of the flags and of `scaling` are clear, so the file can serve both commands.
    let folder = folder_with_config("scalings = ['none', 'center']\nseeds = 3\n");
    let mut train = trainer_in(
        folder.path(),
        "train --config c.toml --scaling none --seed 2 --epochs 1 --limit 16 --out run --dataset idx --data-dir data",
    );
    let output = train.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn train_accepts_a_grid_whose_lists_its_flags_replace() {
    let folder = folder_with_config("[grid]\nlearning_rate = [0.1, 0.2]\nbatch_size = [16, 32]\n");
    let train =
        "train --config c.toml --scaling none --learning-rate 0.01 --batch-size 8 --epochs 1 --out run";
    let result = json(&mut trainer_on_digits(folder.path(), train));
    assert_eq!((&result["learning_rate"], &result["batch_size"]), (&json!(0.01), &json!(8)));
}

/// Runs `train` or `compare` with each file of `configs/`, up to the data, which are missing.
#[test]
fn example_configurations_are_accepted() {
    let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
    let mut count = 0;
    for entry in fs::read_dir(configs).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let command = if ["cifar10", "compare", "grid"].contains(&name) { "compare" } else { "train" };
        let folder = tempfile::tempdir().unwrap();
        let mut run = trainer_in(folder.path(), &format!("{command} --data-dir missing --config"));
        refused(run.arg(&path), 1, "missing does not exist");
        count += 1;
    }
    assert!(count >= 8, "{count} files in {configs}");
}
