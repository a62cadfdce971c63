//! What each command prints and which files it writes.

use std::{collections::HashSet, fs, process::Stdio};

use crate::support::{
    assert_contains, assert_same_number,
    digits::{folder_with_digits, trainer_on_digits},
    json, number, parse_json, read_json, read_text,
    refusals::{assert_refused, refused},
    stderr, text, trainer, trainer_in, weights_of,
};
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn assert_has_keys(value: &Value, expected: &[&str]) {
    for key in expected {
        assert!(keys(value).contains(key), "`{key}` is missing: {:?}", keys(value));
    }
}

#[test]
fn train_prints_the_result_it_writes() {
    let folder = folder_with_digits();
    let result = json(&mut trainer_on_digits(folder.path(), "train --scaling center --epochs 2 --out run"));
    assert_has_keys(
        &result,
        &[
            "run",
            "status",
            "scaling",
            "seed",
            "backend",
            "weights_sha256",
            "epochs",
            "validation",
            "test",
            "seconds",
        ],
    );
    assert_eq!(result["run"], "run");
    assert_eq!(result["status"], "ok");
    assert_eq!(result["scaling"], "center");
    assert_eq!((&result["seed"], &result["backend"]), (&json!(1), &json!("flex")));
    let instruction_set = result["instruction_set"].as_str().unwrap();
    assert!(["avx512", "avx2", "neon", "portable"].contains(&instruction_set), "{instruction_set}");
    assert_eq!(result["validation"], Value::Null);
    assert_eq!(result["epochs"].as_array().unwrap().len(), 2);
    assert_has_keys(&result["epochs"][0], &["epoch", "train_loss", "train_accuracy", "seconds"]);
    weights_of(&result);

    let run = folder.path().join("run");
    assert_eq!(read_json(&run.join("result.json")), result);
    let config = read_text(&run.join("config.toml"));
    assert_contains(&config, ["featurewise_center = true", "epochs = 2"]);
    let metrics = read_text(&run.join("metrics.csv"));
    assert_eq!(metrics.lines().count(), 3, "{metrics}");
    let scaling = read_json(&run.join("scaling.json"));
    assert_eq!((&scaling["version"], scaling["mean"].as_array().unwrap().len()), (&json!(2), 1));
    assert!(run.join("model.safetensors").exists(), "the weights are not saved");
}

#[test]
fn evaluate_reproduces_the_test_results_of_train() {
    let folder = folder_with_digits();
    let arguments = "train --scaling standardize --epochs 6 --batch-size 16 --out run";
    let trained = json(&mut trainer_on_digits(folder.path(), arguments));
    let evaluated = json(&mut trainer_in(folder.path(), "evaluate run"));
    assert_eq!(evaluated["run"], "run");
    assert_eq!(evaluated["images"], 50);
    for measure in ["loss", "accuracy"] {
        assert_same_number(&evaluated[measure], &trained["test"][measure]);
    }
    assert_eq!(evaluated["confusion"], trained["confusion"]);
    assert!(number(&evaluated["accuracy"]) > 0.9, "{evaluated}");

    let confusion = evaluated["confusion"].as_array().unwrap();
    let of_class = |row: &Value| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!(confusion.iter().map(of_class).collect::<Vec<_>>(), [17, 17, 16], "rows must be true classes");
}

#[test]
fn same_settings_give_the_same_weights_with_any_number_of_threads() {
    let folder = folder_with_digits();
    let weights = |arguments: &str| {
        let arguments = format!("train --scaling normalize --epochs 2 {arguments}");
        weights_of(&json(&mut trainer_on_digits(folder.path(), &arguments))).to_owned()
    };
    let first = weights("--threads 1 --out a");
    assert_eq!(weights("--threads 1 --out b"), first);
    assert_eq!(weights("--threads 2 --out c"), first);
    assert_eq!(weights("--threads 5 --out d"), first);
    assert_ne!(weights("--seed 2 --out e"), first, "another seed must train another model");
}

#[test]
fn validation_images_are_the_last_of_the_train_split_and_not_trained_on() {
    let folder = folder_with_digits();
    let train = |arguments: &str| {
        let arguments = format!("train --scaling standardize --epochs 1 {arguments}");
        json(&mut trainer_on_digits(folder.path(), &arguments))
    };
    let validated = train("--validation-split 0.25 --out a");
    let limited = train("--limit 150 --out b");
    assert_eq!(validated["train_images"], 150);
    assert_eq!(weights_of(&validated), weights_of(&limited));
    assert_has_keys(&validated["validation"], &["loss", "accuracy"]);
    number(&validated["epochs"][0]["validation_loss"]);
}

#[test]
fn compare_trains_every_scaling_with_every_seed_and_ranks_them() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings normalize,none --seeds 2 --epochs 1 --limit 64 --out all";
    let result = json(&mut trainer_on_digits(folder.path(), arguments));
    assert_has_keys(&result, &["comparison", "scalings", "pairs", "verdict"]);
    let scalings = result["scalings"].as_array().unwrap();
    assert_eq!(scalings.len(), 2);
    for scaling in scalings {
        assert_has_keys(&scaling["accuracy"], &["mean", "std", "ci95"]);
        number(&scaling["accuracy"]["std"]);
        let runs = scaling["runs"].as_array().unwrap();
        assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        for run in runs {
            assert_has_keys(run, &["seed", "run", "status", "accuracy", "loss", "seconds"]);
            let written = read_json(&folder.path().join(run["run"].as_str().unwrap()).join("result.json"));
            assert_same_number(&written["test"]["accuracy"], &run["accuracy"]);
        }
    }
    let mean = |index: usize| number(&scalings[index]["accuracy"]["mean"]);
    assert!(mean(0) >= mean(1), "the best scaling must come first: {} and {}", mean(0), mean(1));
    assert_has_keys(&result["pairs"][0], &["a", "b", "difference", "ci95", "p", "p_holm"]);
    assert_eq!(read_json(&folder.path().join("all/result.json")), result);
    assert_contains(
        &read_text(&folder.path().join("all/report.md")),
        ["| rank |", "| normalize |", "| none |"],
    );
}

#[test]
fn folder_with_a_result_needs_resume_or_force() {
    let folder = folder_with_digits();
    let run = |arguments: &str| {
        let settings = "--quiet --scaling none --epochs 1 --limit 64 --out run";
        trainer_on_digits(folder.path(), &format!("train {settings} {arguments}"))
    };
    let succeeds = |arguments: &str| {
        let output = run(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    };
    succeeds("");
    let errors = [
        refused(&mut run(""), 1, "already contains a result"),
        refused(&mut run("--resume --seed 5"), 2, "`seed` differs"),
    ];
    insta::assert_snapshot!(errors.concat());
    succeeds("--resume");
    succeeds("--force --seed 5");
    assert_eq!(read_json(&folder.path().join("run/result.json"))["seed"], 5);
}

#[test]
fn force_keeps_a_folder_that_contains_other_files() {
    let folder = folder_with_digits();
    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("thesis.tex"), "years of work").unwrap();
    let mut force = trainer_on_digits(folder.path(), "train --scaling none --out mine --force");
    insta::assert_snapshot!(refused(&mut force, 1, "thesis.tex"));
    assert_eq!(read_text(&mine.join("thesis.tex")), "years of work");
}

#[test]
fn force_keeps_earlier_runs_in_the_default_folder() {
    let folder = folder_with_digits();
    let run = json(&mut trainer_on_digits(folder.path(), "train --scaling none --epochs 1 --limit 16"));
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let mut force = trainer_in(folder.path(), "compare --out . --force");
    insta::assert_snapshot!(refused(&mut force, 1, "contains `runs`"));
    let result = folder.path().join(run["run"].as_str().unwrap()).join("result.json");
    assert!(result.exists(), "the earlier run was removed");
}

#[test]
fn runs_started_in_the_same_second_get_different_folders() {
    let folder = folder_with_digits();
    let start = || {
        let mut command =
            trainer_on_digits(folder.path(), "train --scaling none --epochs 1 --limit 16 --format json");
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let runs = [start(), start(), start()].map(|child| {
        let output = child.wait_with_output().unwrap();
        let result: Value = parse_json(&output);
        result["run"].as_str().unwrap().to_owned()
    });
    let different: HashSet<&String> = runs.iter().collect();
    assert_eq!(different.len(), 3, "{runs:?}");
}

#[test]
fn mnist_data_dir_sets_the_folder_of_mnist_unless_a_configuration_file_does() {
    let folder = folder_with_digits();
    fs::write(folder.path().join("c.toml"), "dataset = 'idx'\ndata_dir = 'data'\n").unwrap();
    let mut summary = trainer();
    summary.current_dir(folder.path()).args(["data", "summary", "--config", "c.toml"]);
    assert_eq!(json(summary.env("MNIST_DATA_DIR", "/nowhere"))["train"]["images"], 200);
    let mut mnist = trainer();
    let output = mnist.args(["data", "summary"]).env("MNIST_DATA_DIR", "/nowhere").output().unwrap();
    assert_refused(&output, 1, "/nowhere does not exist");
}

#[test]
fn training_continues_after_its_standard_error_is_closed() {
    let folder = folder_with_digits();
    let mut command = trainer_on_digits(folder.path(), "train --scaling none --epochs 3 --out run");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(read_json(&folder.path().join("run/result.json"))["status"], "ok");
}

#[test]
fn diverged_run_is_reported_and_fails_train_but_not_compare() {
    let folder = folder_with_digits();
    let diverging = "--scalings none,normalize --learning-rate 1e30 --epochs 1 --out all";
    let output =
        trainer_on_digits(folder.path(), &format!("compare {diverging} --format json")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result: Value = parse_json(&output);
    assert_eq!(result["scalings"][0]["runs"][0]["status"], "diverged");
    assert_eq!(result["scalings"][0]["accuracy"]["mean"], Value::Null);
    assert_contains(&stderr(&output), ["2 of 2 runs diverged"]);

    let arguments = "train --scaling none --learning-rate 1e30 --epochs 1 --out one --format json";
    let output = trainer_on_digits(folder.path(), arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let result: Value = parse_json(&output);
    assert_eq!((&result["status"], &result["test"]), (&json!("diverged"), &Value::Null));
    let evaluated = trainer_in(folder.path(), "evaluate one").output().unwrap();
    assert_refused(&evaluated, 1, "diverged");
}

#[test]
fn default_run_folder_is_named_after_scaling_seed_and_time() {
    let folder = folder_with_digits();
    let result = json(&mut trainer_on_digits(folder.path(), "train --scaling center --epochs 1 --limit 16"));
    let run = result["run"].as_str().unwrap();
    assert!(run.starts_with("runs/train-center-seed1-20") && run.ends_with('Z'), "{run}");
    assert!(folder.path().join(run).join("result.json").exists());
}

#[test]
fn flags_override_the_configuration_file() {
    let folder = folder_with_digits();
    let config =
        "epochs = 3\nlimit = 32\nbatch_size = 8\n[scaling]\nrescale = 0.5\nsamplewise_center = true\n";
    fs::write(folder.path().join("mine.toml"), config).unwrap();
    let result = json(&mut trainer_on_digits(folder.path(), "train --config mine.toml --epochs 1 --out run"));
    assert_eq!(result["epochs"].as_array().unwrap().len(), 1);
    assert_eq!((&result["train_images"], &result["scaling"]), (&json!(32), &json!("custom")));
}

#[test]
fn scale_prints_statistics_one_batch_and_both_splits() {
    let folder = folder_with_digits();
    let result = json(&mut trainer_on_digits(folder.path(), "scale --scaling standardize --batch-size 16"));
    assert_eq!(result["batches"], json!({"train": 13, "test": 4}));
    assert_eq!(result["batch"]["shape"], json!([16, 1, 12, 12]));
    assert_eq!(result["statistics"]["mean"].as_array().unwrap().len(), 1);
    assert!(number(&result["train"]["mean"]).abs() < 1e-7, "{}", result["train"]);
    assert!((number(&result["train"]["std"]) - 1.0).abs() < 1e-6, "{}", result["train"]);
    assert_has_keys(&result["test"], &["min", "max", "mean", "std"]);
    let unfitted = json(&mut trainer_on_digits(folder.path(), "scale --scaling normalize"));
    assert_eq!(unfitted["statistics"], json!({"mean": null, "std": null}));
}

#[test]
fn devices_lists_every_backend() {
    let list = json(trainer().arg("devices"));
    let backends = list["backends"].as_array().unwrap();
    let names: Vec<&str> = backends.iter().map(|backend| backend["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["flex", "ndarray", "wgpu"]);
    let compiled: Vec<bool> = backends.iter().map(|backend| backend["compiled"].as_bool().unwrap()).collect();
    assert_eq!(compiled, [cfg!(feature = "flex"), cfg!(feature = "ndarray"), cfg!(feature = "wgpu")]);
    assert!(
        !cfg!(feature = "flex") || backends[0]["devices"][0].is_string(),
        "flex must list the CPU: {list}"
    );
}

#[test]
fn bench_times_training_steps_inference_and_data() {
    let folder = folder_with_digits();
    for kernels in ["", " --primitives"] {
        let arguments = format!("bench --steps 3 --batch-size 8 --threads 1{kernels}");
        let result = json(&mut trainer_on_digits(folder.path(), &arguments));
        assert!(number(&result["fma_peak_gflops"]) > 0.0, "{result}");
        let first = &result["results"][0];
        assert_eq!(first["backend"], "flex");
        assert_eq!((&first["threads"], &first["batch_size"]), (&json!(1), &json!(8)));
        assert!(number(&first["gflops"]) > 0.0, "{first}");
        assert_eq!(first["steps"], 3);
        assert_has_keys(first, &["peak_memory_mb"]);
        for timed in ["copy", "fit", "batch"] {
            assert!(number(&result["data"][format!("{timed}_gb_per_second")]["median"]) > 0.0, "{timed}");
        }
        for timed in ["train_step_ms", "inference_images_per_second"] {
            let value = |name: &str| number(&first[timed][name]);
            assert!(0.0 < value("min") && value("min") <= value("median"), "{timed}");
            assert!(value("median") <= value("max"), "{timed}");
        }
    }
}

#[test]
fn bench_times_each_kernel_of_a_training_step_beside_its_limit() {
    let folder = folder_with_digits();
    let arguments = "bench --kernels --steps 3 --batch-size 8 --threads 1";
    let result = json(&mut trainer_on_digits(folder.path(), arguments));
    assert_eq!((&result["threads"], &result["batch_size"]), (&json!(1), &json!(8)));
    assert_has_keys(&result, &["instruction_set"]);
    for peak in ["fma_peak_gflops", "l1_gb_per_second", "l2_gb_per_second", "memory_gb_per_second"] {
        assert!(number(&result[peak]) > 0.0, "{peak}");
    }
    let kernels = result["kernels"].as_array().unwrap();
    let names: Vec<_> = kernels.iter().map(|kernel| kernel["kernel"].as_str().unwrap()).collect();
    let expected = [
        "block 1: forward",
        "block 2: forward",
        "dense 1: forward",
        "dense 2: forward",
        "loss and its gradient",
        "dense 2: gradients of weights and bias",
        "dense 2: gradient of the input",
        "dense 1: gradients of weights and bias",
        "dense 1: gradient of the input",
        "block 2: gradients of weights and bias",
        "block 2: gradient of the input",
        "block 1: gradients of weights and bias",
        "Adam",
    ];
    assert_eq!(names, expected);
    for timed in kernels.iter().chain([&result["all_kernels"], &result["train_step"]]) {
        for value in ["mflop", "limit_ms", "times_limit", "gflops"] {
            assert!(number(&timed[value]) > 0.0, "{value}: {timed}");
        }
        let value = |name: &str| number(&timed["ms"][name]);
        assert!(0.0 < value("min") && value("min") <= value("median"), "{timed}");
        assert!(value("median") <= value("max"), "{timed}");
    }
    for kernel in kernels {
        assert!(["fma", "l1", "l2", "memory"].contains(&kernel["limited_by"].as_str().unwrap()), "{kernel}");
    }
}

#[test]
fn bench_prints_the_kernels_as_a_table_below_the_peaks() {
    let folder = folder_with_digits();
    let printed =
        text(&mut trainer_on_digits(folder.path(), "bench --kernels --steps 3 --batch-size 8 --threads 1"));
    let lines: Vec<&str> = printed.lines().collect();
    assert_contains(lines[0], ["Batch of 8, 1 thread with ", " instructions"]);
    assert_contains(lines[1], ["Peaks: ", " GFLOP/s, L1 ", " GB/s, L2 ", " GB/s, memory ", " GB/s"]);
    let columns: Vec<&str> = lines[3].trim_matches('│').split('┆').map(str::trim).collect();
    let expected = ["kernel", "MFLOP", "limit, ms", "limited by", "time, ms (min)", "× limit", "GFLOP/s"];
    assert_eq!(columns, expected);
    assert_contains(&printed, ["│ block 1: forward ", "│ Adam ", "│ all kernels ", "│ training step "]);
}

#[test]
fn kernels_are_timed_on_flex_only() {
    let folder = folder_with_digits();
    for backend in ["ndarray", "wgpu"] {
        let arguments = format!("bench --kernels --backend {backend}");
        let message = format!("error: --kernels supports only --backend flex, not {backend}\n");
        refused(&mut trainer_on_digits(folder.path(), &arguments), 2, &message);
    }
    let both = refused(&mut trainer_on_digits(folder.path(), "bench --kernels --primitives"), 2, "--kernels");
    assert_contains(&both, ["--primitives"]);
}

#[test]
fn parity_compares_each_backend_with_flex() {
    let folder = folder_with_digits();
    let result = json(&mut trainer_on_digits(folder.path(), "parity --limit 128"));
    let backends = result["backends"].as_array().unwrap();
    assert_eq!(backends[0]["backend"], "flex");
    for backend in backends {
        assert_eq!(backend["ok"], true, "{backend}");
        assert!(backend["device"].is_string());
        let checks = backend["checks"].as_array().unwrap();
        assert!(checks.len() >= 27, "{backend}");
        for check in checks {
            assert_has_keys(check, &["name", "error", "tolerance", "ok"]);
            assert!(number(&check["error"]) <= number(&check["tolerance"]), "{check}");
        }
    }
}

#[test]
fn a_device_that_the_backend_does_not_have_is_refused() {
    let folder = folder_with_digits();
    for command in ["parity", "bench", "train --scaling none --out run"] {
        let arguments = format!("{command} --backend flex --device 1");
        let output = trainer_on_digits(folder.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert_contains(&stderr(&output), ["error: backend `flex` has no device 1, counted from 0"]);
    }
    assert!(!folder.path().join("run").exists());
}

#[test]
fn verify_names_a_file_that_is_not_mnist() {
    let folder = folder_with_digits();
    let output = trainer()
        .args(["data", "verify", "--format", "json", "--data-dir"])
        .arg(folder.path().join("data"))
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let list: Value = parse_json(&output);
    assert_eq!(list["files"][0]["ok"], false);
    assert_contains(&stderr(&output), ["train-images-idx3-ubyte"]);
}
