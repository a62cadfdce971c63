//! `compare`: which runs it trains, which finished runs it keeps with `--resume`, and what it refuses.
//!
//! An arm is one configuration under comparison: a scaling, plus a learning rate and batch size if `[grid]` varies
//! them.

use std::fs;

use serde_json::Value;

use crate::support::{
    assert_contains, assert_same_number,
    comparisons::{run_of, weights_of_runs},
    digits::{folder_with_config, folder_with_digits, trainer_on_digits},
    json, number, parse_json, read_json,
    refusals::{assert_refused, refused},
    stderr, trainer_in, weights_of,
};

#[test]
fn compare_trains_the_same_model_as_train() {
    let folder = folder_with_digits();
    let settings = "--epochs 1 --limit 64";
    let compare = format!("compare --scalings center,normalize --seeds 2 {settings} --out all");
    json(&mut trainer_on_digits(folder.path(), &compare));
    let train = format!("train --scaling normalize --seed 2 {settings} --out one");
    let alone = json(&mut trainer_on_digits(folder.path(), &train));
    let together = read_json(&run_of(&folder.path().join("all"), "normalize-seed2").join("result.json"));
    assert_eq!(weights_of(&together), weights_of(&alone));
}

#[test]
fn resumed_comparison_trains_only_missing_runs() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings center,none --epochs 1 --limit 64 --out all";
    let first = json(&mut trainer_on_digits(folder.path(), arguments));
    let kept = run_of(&folder.path().join("all"), "center-seed1").join("result.json");
    let written = fs::metadata(&kept).unwrap().modified().unwrap();
    fs::remove_dir_all(run_of(&folder.path().join("all"), "none-seed1")).unwrap();
    fs::remove_file(folder.path().join("all/result.json")).unwrap();

    let output =
        trainer_on_digits(folder.path(), arguments).args(["--resume", "--format", "json"]).output().unwrap();
    assert_contains(&stderr(&output), ["1 of 2 runs already finished"]);
    let resumed: Value = parse_json(&output);
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), written);
    let accuracies = |result: &Value| -> Vec<f64> {
        let scalings = result["scalings"].as_array().unwrap().iter();
        scalings.map(|scaling| number(&scaling["accuracy"]["mean"])).collect()
    };
    assert_eq!(accuracies(&resumed), accuracies(&first));
}

#[test]
fn resumed_comparison_may_add_seeds_and_scalings() {
    let folder = folder_with_digits();
    let compare = |arguments: &str| {
        let arguments = format!("compare --epochs 1 --limit 64 --out all {arguments}");
        json(&mut trainer_on_digits(folder.path(), &arguments))
    };
    compare("--scalings none --seeds 1");
    let kept = run_of(&folder.path().join("all"), "none-seed1").join("result.json");
    let written = fs::metadata(&kept).unwrap().modified().unwrap();
    let result = compare("--scalings none,center --seeds 2 --resume");
    let runs: usize = result["scalings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scaling| scaling["runs"].as_array().unwrap().len())
        .sum();
    assert_eq!(runs, 4);
    let errors = ["--scalings none,center --seeds 1", "--scalings none --seeds 2"].map(|fewer| {
        let arguments = format!("compare --quiet --epochs 1 --limit 64 --out all --resume {fewer}");
        refused(&mut trainer_on_digits(folder.path(), &arguments), 2, "--resume can only add")
    });
    insta::assert_snapshot!(errors.concat());
    assert!(folder.path().join("all/result.json").exists(), "a refused command must remove nothing");
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), written);
}

#[test]
fn number_of_jobs_does_not_change_the_weights() {
    let folder = folder_with_digits();
    for (jobs, threads) in [(1, 1), (2, 2), (3, 3), (2, 5)] {
        let out = format!("jobs{jobs}-threads{threads}");
        let arguments = format!(
            "compare --scalings none,center,standardize --seeds 2 --epochs 1 --jobs {jobs} --threads {threads} --out {out}"
        );
        json(&mut trainer_on_digits(folder.path(), &arguments));
        let expected = weights_of_runs(&folder.path().join("jobs1-threads1"));
        assert_eq!(weights_of_runs(&folder.path().join(&out)), expected, "{out}");
    }
}

#[test]
fn more_jobs_than_threads_are_refused() {
    let folder = folder_with_digits();
    let mut compare = trainer_on_digits(folder.path(), "compare --jobs 3 --threads 2 --out all");
    insta::assert_snapshot!(refused(&mut compare, 2, "--jobs 3 is more than the 2 threads"));
    assert!(!folder.path().join("all").exists(), "a refused comparison must create no folder");
}

#[test]
fn grid_trains_every_scaling_with_all_values_and_names_each_arm_after_them() {
    let grid = "scalings = ['none', 'center']\nepochs = 1\n[grid]\nlearning_rate = [0.001, 0.01]\nbatch_size = [16, 32]\n";
    let folder = folder_with_config(grid);
    let result = json(&mut trainer_on_digits(folder.path(), "compare --config c.toml --out all"));
    let mut names: Vec<&str> =
        result["scalings"].as_array().unwrap().iter().map(|arm| arm["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 8);
    assert_eq!(names[0], "center, learning rate 0.001, batch size 16");
    assert_eq!(result["pairs"].as_array().unwrap().len(), 8 * 7 / 2);
    let run = folder.path().join(result["scalings"][0]["runs"][0]["run"].as_str().unwrap());
    let trained = read_json(&run.join("result.json"));
    for varied in ["learning_rate", "batch_size"] {
        assert_same_number(&trained[varied], &result["scalings"][0][varied]);
    }

    let flag =
        json(&mut trainer_on_digits(folder.path(), "compare --config c.toml --batch-size 16 --out fewer"));
    assert_eq!(flag["scalings"].as_array().unwrap().len(), 4, "a flag must override the file");
}

#[test]
fn single_value_may_grow_into_a_grid() {
    let folder = folder_with_digits();
    let compare = |config: &str, arguments: &str| {
        fs::write(folder.path().join("c.toml"), format!("scalings = ['none']\nepochs = 1\n{config}"))
            .unwrap();
        trainer_on_digits(folder.path(), &format!("compare --config c.toml --out all {arguments}"))
            .output()
            .unwrap()
    };
    let output = compare("learning_rate = 0.01", "");
    assert!(output.status.success(), "{}", stderr(&output));
    let first = run_of(&folder.path().join("all"), "none-seed1");
    let output = compare("[grid]\nlearning_rate = [0.01, 0.001]", "--resume");
    assert_contains(&stderr(&output), ["1 of 2 runs already finished"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(first.exists(), "the run of the single value is kept");
    let output = compare("learning_rate = 0.001", "--resume");
    assert_refused(&output, 2, "`learning_rate` leaves out some");
}

#[test]
fn two_custom_scalings_have_different_names() {
    let config = "epochs = 1\n[[scalings]]\nrescale = 0.5\n[[scalings]]\nrescale = 0.25\n";
    let folder = folder_with_config(config);
    let result = json(&mut trainer_on_digits(folder.path(), "compare --config c.toml --out all"));
    let pair = &result["pairs"][0];
    assert_ne!(pair["a"], pair["b"]);
    for name in ["a", "b"] {
        assert!(pair[name].as_str().unwrap().starts_with("custom-"), "{pair}");
    }
    assert_eq!(weights_of_runs(&folder.path().join("all")).len(), 2);
}

#[test]
fn resumed_comparison_on_other_data_is_refused() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings none --epochs 1 --limit 64 --out all";
    json(&mut trainer_on_digits(folder.path(), arguments));
    let labels = folder.path().join("data/train-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    bytes[8] = 2 - bytes[8];
    fs::write(&labels, bytes).unwrap();
    let mut resume = trainer_on_digits(folder.path(), &format!("{arguments} --resume --quiet"));
    insta::assert_snapshot!(refused(&mut resume, 2, "the data files differ from those used in all"));
}

#[test]
fn report_that_cannot_be_written_gives_a_warning_and_training_continues() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings none,center --epochs 1 --limit 64 --jobs 1 --out all";
    json(&mut trainer_on_digits(folder.path(), arguments));
    let figures = folder.path().join("all/figures");
    fs::remove_dir_all(&figures).unwrap();
    fs::write(&figures, "a file where the figures should be").unwrap();

    let more = format!("{arguments} --seeds 2 --resume --format json");
    let output = trainer_on_digits(folder.path(), &more).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let errors = stderr(&output);
    let warning = "warning: cannot write the report: cannot create all/figures: ";
    assert_eq!(errors.matches(warning).count(), 1, "expected the warning once: {errors}");
    assert_eq!(read_json(&folder.path().join("all/result.json"))["finished"], 4);

    fs::remove_file(&figures).unwrap();
    let report = trainer_in(folder.path(), "report all").output().unwrap();
    assert!(report.status.success(), "the command from the hint must write the report: {}", stderr(&report));
    assert!(figures.join("accuracy.svg").exists(), "{}", stderr(&report));
}

#[test]
fn flag_does_not_hide_a_contradiction_in_the_file() {
    let folder = folder_with_config("learning_rate = 0.01\n[grid]\nlearning_rate = [0.1, 0.2]\n");
    let compare = "compare --config c.toml --learning-rate 0.003 --out all";
    let output = trainer_on_digits(folder.path(), compare).output().unwrap();
    assert_refused(&output, 2, "`learning_rate` is set both by itself and in [grid]");
    assert!(!folder.path().join("all").exists());
}

#[test]
fn configuration_of_another_network_is_refused_and_force_removes_nothing() {
    let folder = folder_with_config("network = 'mlp'\n");
    json(&mut trainer_on_digits(folder.path(), "train --scaling none --epochs 1 --out run"));
    for command in ["train --scaling none --out run --force", "compare --out all", "scale --scaling none"] {
        let output =
            trainer_on_digits(folder.path(), &format!("{command} --config c.toml")).output().unwrap();
        assert_refused(&output, 2, "c.toml: `network` is `mlp`; this program trains its own CNN only");
    }
    assert!(folder.path().join("run/result.json").exists(), "the earlier run was removed");
}

#[test]
fn comparison_until_decided_ends_like_an_interrupted_one_and_stops_its_arms() {
    let folder = folder_with_digits();
    let compare = |out: &str, more: &str| {
        let arguments = format!(
            "compare --scalings center,none --until-decided --max-seeds 5 --epochs 1 --limit 64 --out {out} {more}"
        );
        json(&mut trainer_on_digits(folder.path(), &arguments))
    };
    let whole = compare("whole", "");
    let seeds = whole["scalings"][0]["runs"].as_array().unwrap().len();
    assert!((3..=5).contains(&seeds), "{whole}");
    // A comparison that loses its last runs trains exactly these again.
    let lost = run_of(&folder.path().join("whole"), &format!("center-seed{seeds}"));
    fs::remove_dir_all(lost).unwrap();
    let resumed = compare("whole", "--resume");
    assert_eq!(resumed["pairs"], whole["pairs"]);
    assert_eq!(resumed["headline"], whole["headline"]);
}

#[test]
fn report_before_the_planned_end_counts_as_a_look() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings center,none --seeds 4 --epochs 1 --limit 64 --out all";
    let planned = json(&mut trainer_on_digits(folder.path(), arguments));
    assert_eq!(planned["looks"], "once");
    fs::remove_dir_all(run_of(&folder.path().join("all"), "center-seed4")).unwrap();
    fs::remove_file(folder.path().join("all/result.json")).unwrap();
    let report = trainer_in(folder.path(), "report all").output().unwrap();
    assert_contains(
        &crate::support::stdout(&report),
        ["Looked at before the planned 4 seeds: valid at any number of seeds."],
    );
    assert_contains(&stderr(&report), ["warning: this report comes before the planned end"]);
    let resumed = json(&mut trainer_on_digits(folder.path(), &format!("{arguments} --resume")));
    assert_eq!(resumed["looks"], "any");
    // A report after the end changes nothing.
    let mut other = trainer_on_digits(folder.path(), &arguments.replace("out all", "out other"));
    json(&mut other);
    assert!(trainer_in(folder.path(), "report other").output().unwrap().status.success());
    let again = json(&mut trainer_on_digits(
        folder.path(),
        &format!("{} --resume", arguments.replace("out all", "out other")),
    ));
    assert_eq!(again["looks"], "once");
}

#[test]
fn margin_that_cannot_be_is_refused_before_anything_is_written() {
    let folder = folder_with_digits();
    let alone = "compare --scalings none --until-decided --out all";
    for (arguments, message) in [
        (
            "compare --margin 51 --out all --quiet",
            "the margin 51 must be above 0 and at most the 50 test images",
        ),
        ("compare --margin 0 --out all", "'--margin <IMAGES>'"),
        (alone, "`until_decided` needs two scalings to decide between"),
    ] {
        refused(&mut trainer_on_digits(folder.path(), arguments), 2, message);
    }
    assert!(!folder.path().join("all").exists());
}
