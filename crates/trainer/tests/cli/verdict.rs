//! `verdict`: the statistics alone, on accuracies from any program.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{assert_contains, json, number, parse_json, refusals::refused, text, trainer_in};

/// Accuracies of Keras 3.15 on MNIST.
const KERAS: &str = "arm,seed,accuracy
normalize,1,0.9901
normalize,2,0.9888
normalize,3,0.9901
center,1,0.9843
center,2,0.9796
center,3,0.9853
standardize,1,0.9901
standardize,2,0.9854
standardize,3,0.9912
";

fn verdict(folder: &Path, content: &str, arguments: &str) -> Command {
    fs::write(folder.join("accuracies.csv"), content).unwrap();
    trainer_in(folder, &format!("verdict accuracies.csv {arguments}"))
}

#[test]
fn verdict_has_the_keys_of_the_contract_and_the_numbers_of_scipy() {
    let folder = tempfile::tempdir().unwrap();
    let (two, _) = KERAS.split_at(KERAS.find("standardize").unwrap());
    let result: Value = json(&mut verdict(folder.path(), two, "--test-images 10000 --looks once"));
    let arms: Vec<&str> =
        result["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(arms, ["normalize", "center"]);
    assert_eq!(result["arms"][0]["seeds"], 3);
    assert!((number(&result["arms"][0]["mean"]) - 0.989_666_7).abs() < 1e-6);
    let pair = &result["pairs"][0];
    assert_eq!((&pair["a"], &pair["b"]), (&"normalize".into(), &"center".into()));
    // scipy.stats.ttest_rel
    assert!((number(&pair["p"]) - 0.038_381_6).abs() < 1e-6, "{pair}");
    assert_eq!((&pair["decision"], &pair["ci95_new_images"]), (&"a".into(), &Value::Null));
    for key in ["headline", "verdict"] {
        assert!(result[key].as_str().unwrap().ends_with('.'), "{key}");
    }
    // By default, a decision holds however often one looks, and three seeds are too few for that.
    let any = json(&mut verdict(folder.path(), two, "--test-images 10000"));
    assert!(any["pairs"].as_array().unwrap().iter().all(|pair| pair["decision"] == "undecided"), "{any}");
}

#[test]
fn accuracies_from_standard_input_give_the_same_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let from_file = json(&mut verdict(folder.path(), KERAS, ""));
    let mut command = trainer_in(folder.path(), "verdict - --format json");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(KERAS.as_bytes()).unwrap();
    let from_input: Value = parse_json(&child.wait_with_output().unwrap());
    assert_eq!(from_input, from_file);
}

#[test]
fn run_without_an_accuracy_diverged() {
    let folder = tempfile::tempdir().unwrap();
    let content = KERAS.replace("center,2,0.9796", "center,2,");
    let printed = text(&mut verdict(folder.path(), &content, "--looks once"));
    assert_contains(&printed, ["1 of 3 runs of center diverged and was left out."]);
}

#[test]
fn file_that_is_not_a_list_of_accuracies_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (content, message) in [
        ("", "cannot read accuracies.csv: it has no rows"),
        ("arm,seed,accuracy\nadam,1,high\n", "cannot read accuracies.csv: line 2: "),
        ("name,seed,accuracy\nadam,1,0.5\n", "cannot read accuracies.csv: line 2: missing field `arm`"),
        ("arm,seed,acc\nadam,1,0.5\n", "it has no column `accuracy`"),
        ("arm,seed,accuracy\nadam,1,98.5\n", "row 1: accuracy 98.5 is not between 0 and 1"),
        ("arm,seed,accuracy\nadam,1\n", "line 2: 2 values in place of 3"),
        ("arm,seed,accuracy\nadam,-1,0.5\n", "line 2: column 2: "),
        ("arm,seed,accuracy\n,1,0.5\n", "row 1 has no arm"),
        ("arm,seed,accuracy\nadam,1,0.5\nadam,1,0.6\n", "`adam` has seed 1 twice"),
    ] {
        refused(&mut verdict(folder.path(), content, ""), 1, message);
    }
    let too_large = "the margin 20000 must be above 0 and at most the 10000 test images";
    refused(&mut verdict(folder.path(), KERAS, "--margin 20000"), 2, too_large);
    let missing = "cannot read missing.csv: No such file or directory";
    refused(&mut trainer_in(folder.path(), "verdict missing.csv"), 1, missing);
}
