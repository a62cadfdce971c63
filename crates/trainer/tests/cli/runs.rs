//! `runs`: lists, shows and compares what `train` and `compare` have written.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    assert_contains, assert_same_number,
    comparisons::{folder_with_comparison, run_of},
    digits::trainer_on_digits,
    json, number, parse_json, read_json,
    refusals::refused,
    stderr, text, trainer_in,
};

/// Creates a folder with the small data set, the comparison `all`, and the runs `one` and `two`.
fn folder_with_runs() -> TempDir {
    let folder = folder_with_comparison("--scalings none,center");
    for (name, seed) in [("one", 1), ("two", 2)] {
        let train = format!("train --scaling center --epochs 1 --limit 40 --seed {seed} --out {name}");
        json(&mut trainer_on_digits(folder.path(), &train));
    }
    folder
}

/// Returns the row of a folder. Its path must end with `name`.
fn row<'a>(list: &'a Value, name: &str) -> &'a Value {
    let rows = list["runs"].as_array().unwrap();
    let is_named = |row: &&Value| Path::new(row["path"].as_str().unwrap()).ends_with(name);
    rows.iter().find(is_named).unwrap_or_else(|| panic!("no {name} in {list}"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn list_has_a_row_for_each_run_and_comparison() {
    let folder = folder_with_runs();
    let list = json(&mut trainer_in(folder.path(), "runs ."));
    assert_eq!(list["runs"].as_array().unwrap().len(), 3, "runs of a comparison have no row: {list}");
    let run = row(&list, "two");
    let result = read_json(&folder.path().join("two/result.json"));
    assert_eq!([&run["kind"], &run["state"], &run["dataset"]], ["run", "finished", "idx"]);
    assert_eq!([&run["seed"], &run["scalings"][0]], [&Value::from(2), &Value::from("center")]);
    assert_same_number(&run["accuracy"], &result["test"]["accuracy"]);
    let date = run["date"].as_str().unwrap();
    assert!(date.len() == 20 && date.starts_with("20") && date.ends_with('Z'), "{date}");
    let all = row(&list, "all");
    let result = read_json(&folder.path().join("all/result.json"));
    assert_eq!(
        [&all["kind"], &all["state"], &all["best"]],
        ["comparison", "finished", result["scalings"][0]["name"].as_str().unwrap()]
    );
    assert_same_number(&all["accuracy"], &result["scalings"][0]["accuracy"]["mean"]);
    assert_eq!([&all["finished_runs"], &all["planned_runs"]], [2, 2]);

    let of_comparison = json(&mut trainer_in(folder.path(), "runs all"));
    assert_eq!(of_comparison["runs"].as_array().unwrap().len(), 3, "{of_comparison}");
    let printed = text(trainer_in(folder.path(), "runs").arg("."));
    assert_contains(&printed, ["./two", "seed 2", "finished", "none, center", "idx data"]);
}

#[test]
fn list_tells_the_state_of_each_folder() {
    let folder = folder_with_runs();
    let path = |name: &str| folder.path().join(name);
    copy(&path("one"), &path("unfinished"));
    fs::remove_file(path("unfinished/result.json")).unwrap();
    copy(&path("one"), &path("short"));
    fs::write(path("short/model.safetensors"), "short").unwrap();
    copy(&path("one"), &path("edited"));
    fs::write(path("edited/result.json"), "{").unwrap();
    copy(&path("one"), &path("settings"));
    fs::write(path("settings/config.toml"), [0xff, 0xfe]).unwrap();
    copy(&path("all"), &path("half"));
    fs::remove_file(path("half/result.json")).unwrap();
    fs::remove_file(run_of(&path("half"), "center-seed1").join("result.json")).unwrap();
    let train = "train --scaling none --epochs 1 --learning-rate 1e30 --out diverged";
    assert_eq!(trainer_on_digits(folder.path(), train).output().unwrap().status.code(), Some(1));

    let list = json(&mut trainer_in(folder.path(), "runs ."));
    for (name, state) in [
        ("one", "finished"),
        ("unfinished", "unfinished"),
        ("short", "damaged"),
        ("edited", "damaged"),
        ("settings", "damaged"),
        ("half", "unfinished"),
        ("diverged", "diverged"),
    ] {
        let row = row(&list, name);
        assert_eq!(row["state"], state, "{name}");
        assert_eq!(row["problem"].is_null(), state != "damaged", "{name}");
        assert_eq!(row["accuracy"].is_null(), state != "finished", "{name}");
    }
    let printed = text(&mut trainer_in(folder.path(), "runs ."));
    assert_contains(
        &printed,
        ["unfinished: 1 of 2 runs", "damaged: ./short/model.safetensors was changed", "diverged"],
    );
}

#[test]
fn links_foreign_settings_and_unreadable_folders_do_no_harm() {
    let folder = folder_with_runs();
    let path = |name: &str| folder.path().join(name);
    symlink("..", path("one/up")).unwrap();
    symlink(".", path("loop")).unwrap();
    fs::create_dir_all(path(".cargo")).unwrap();
    fs::write(path(".cargo/config.toml"), "[build]").unwrap();
    fs::create_dir_all(path("site")).unwrap();
    fs::write(path("site/config.toml"), "title = 'a site'").unwrap();
    fs::create_dir_all(path("closed")).unwrap();
    fs::set_permissions(path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let is_root = fs::read_dir(path("closed")).is_ok();
    let output = trainer_in(folder.path(), "runs . --format json").output().unwrap();
    fs::set_permissions(path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(parse_json(&output)["runs"].as_array().unwrap().len(), 3);
    if !is_root {
        assert_eq!(stderr(&output), "warning: cannot read 1 folder, such as ./closed\n");
    }
}

#[test]
fn nothing_to_list_is_no_error_but_a_missing_folder_is() {
    let folder = tempfile::tempdir().unwrap();
    refused(&mut trainer_in(folder.path(), "runs"), 1, "runs does not exist");
    fs::create_dir(folder.path().join("runs")).unwrap();
    assert_eq!(text(&mut trainer_in(folder.path(), "runs")), "no runs or comparisons in runs\n");
    assert_eq!(json(&mut trainer_in(folder.path(), "runs"))["runs"], Value::Array(Vec::new()));
}

#[test]
fn show_tells_everything_about_a_run_and_finds_a_changed_file() {
    let folder = folder_with_runs();
    let shown = json(&mut trainer_in(folder.path(), "runs show two"));
    let result = read_json(&folder.path().join("two/result.json"));
    assert_eq!(shown["settings"]["seed"], 2);
    assert_eq!(shown["data"], result["data"]);
    assert_eq!(shown["versions"], result["versions"]);
    assert_eq!(shown["result"]["confusion"], result["confusion"]);
    let files: Vec<&str> =
        shown["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert!(files.contains(&"model.safetensors") && files.contains(&"config.toml"), "{files:?}");
    let printed = text(&mut trainer_in(folder.path(), "runs show two"));
    assert_contains(
        &printed,
        ["run: two\nstate: finished", "  seed = 2\n", "t10k-images-idx3-ubyte", "test loss"],
    );

    // The length stays, so that only the checksum tells.
    let weights = folder.path().join("two/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert_eq!(json(&mut trainer_in(folder.path(), "runs show two"))["state"], "damaged");

    let all = json(&mut trainer_in(folder.path(), "runs show all"));
    assert_eq!(all["result"], {
        let mut result = read_json(&folder.path().join("all/result.json"));
        result.as_object_mut().unwrap().remove("sha256");
        result
    });
    assert_contains(&text(&mut trainer_in(folder.path(), "runs show all")), ["comparison: all", "result: "]);
}

#[test]
fn diff_names_settings_accuracies_and_answers_that_differ() {
    let folder = folder_with_runs();
    let difference = json(&mut trainer_in(folder.path(), "runs diff one two"));
    let keys: Vec<&str> =
        difference["settings"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["seed"]);
    assert_eq!(difference["settings"][0]["values"], serde_json::json!(["1", "2"]));
    assert_eq!(
        [&difference["data"], &difference["versions"]],
        [&serde_json::json!([]), &serde_json::json!([])]
    );

    let predicted = |run: &str| -> Vec<String> {
        let csv = fs::read_to_string(folder.path().join(run).join("predictions.csv")).unwrap();
        csv.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().to_owned()).collect()
    };
    let different = predicted("one").iter().zip(&predicted("two")).filter(|(a, b)| a != b).count();
    let answers = &difference["answers"];
    assert_eq!(answers["different"], different);
    assert_eq!(answers["first"].as_array().unwrap().len(), different.min(10));
    let gained = number(&answers["only_a_correct"]) - number(&answers["only_b_correct"]);
    assert!((gained / 50.0 - number(&difference["accuracy_difference"])).abs() < 1e-12, "{difference}");

    let same = json(&mut trainer_in(folder.path(), "runs diff one one"));
    assert_eq!([&same["settings"], &same["answers"]["different"]], [&serde_json::json!([]), &Value::from(0)]);
    let comparisons = text(&mut trainer_in(folder.path(), "runs diff all all"));
    assert_contains(&comparisons, ["settings: the same", "answers: not compared"]);
    fs::remove_file(folder.path().join("two/result.json")).unwrap();
    let unfinished = text(&mut trainer_in(folder.path(), "runs diff one two"));
    assert_contains(&unfinished, ["b: two, unfinished", "answers: not compared; two is unfinished"]);
}

#[test]
fn show_and_diff_refuse_other_folders() {
    let folder = folder_with_runs();
    let refuse =
        |arguments, status, message| refused(&mut trainer_in(folder.path(), arguments), status, message);
    let errors = [
        refuse("runs show data", 1, "neither a run nor a comparison"),
        refuse("runs show nowhere", 1, "does not exist"),
        refuse("runs diff one all", 1, "one of one and all is a run"),
        refuse("runs diff one", 2, "<B>"),
    ];
    insta::assert_snapshot!(errors.concat());
}
