//! Experiment trackers: events for TensorBoard, and runs in MLflow.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{
    assert_contains,
    comparisons::{folder_with_comparison, runs_of},
    digits::{folder_with_digits, trainer_on_digits},
    json,
    mlflow::{Answers, Mlflow, Run},
    processes::{Background, wait_until},
    read_json,
    refusals::{assert_refused, refused},
    stderr, text, trainer_in,
};

/// Returns the content of each event file below a folder, keyed by the name of its run's folder.
fn events(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let runs = fs::read_dir(root).into_iter().flatten().map(|entry| entry.unwrap().path());
    let event_file = |run: PathBuf| {
        let files: Vec<PathBuf> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "a run has one event file: {files:?}");
        (run.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&files[0]).unwrap())
    };
    runs.map(event_file).collect()
}

/// Counts the records of an event file. Each is a length, a checksum, data and another checksum.
fn records(mut bytes: &[u8]) -> usize {
    let mut records = 0;
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let end = 4 + u64::from_le_bytes(*length) as usize + 4;
        let Some(rest) = rest.get(end..) else { break };
        (bytes, records) = (rest, records + 1);
    }
    records
}

#[test]
fn compare_and_report_write_the_same_events() {
    let folder = folder_with_comparison("--scalings center,none --seeds 2 --tensorboard events");
    let written = events(&folder.path().join("events"));
    let runs = runs_of(&folder.path().join("all"));
    let names: Vec<&str> = runs.iter().map(|run| run.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(written.keys().collect::<Vec<_>>(), names);

    let report = json(&mut trainer_in(folder.path(), "report all --to tensorboard"));
    assert_eq!(report["tensorboard"], "all/tensorboard");
    assert_eq!(events(&folder.path().join("all/tensorboard")), written);
    let printed = text(&mut trainer_in(folder.path(), "report all --to tensorboard --out here"));
    assert!(printed.ends_with("TensorBoard: tensorboard --logdir here\n"), "{printed}");
    assert_eq!(events(&folder.path().join("here")), written);
    // The events belong to the comparison, so it can still be extended.
    text(&mut trainer_in(folder.path(), "compare --resume all --seeds 3 --tensorboard events"));
    let extended = events(&folder.path().join("events"));
    assert_eq!(extended.len(), 6);
    assert!(written.iter().all(|(name, bytes)| extended[name] == *bytes), "earlier runs have other events");
}

#[test]
fn killed_run_leaves_readable_events_and_its_continuation_replaces_them() {
    let folder = folder_with_digits();
    let root = folder.path().join("events");
    let arguments = "train --scaling center --epochs 300 --batch-size 16 --out run --tensorboard events";
    let mut process = Background::start(&mut trainer_on_digits(folder.path(), arguments));
    wait_until("the run has events", || events_of_one(&root).is_some_and(|bytes| records(&bytes) > 20));
    process.kill();
    assert!(records(&events_of_one(&root).unwrap()) > 20);

    text(&mut trainer_in(folder.path(), "train --resume run --tensorboard events"));
    let resumed = events(&root);
    text(&mut trainer_on_digits(
        folder.path(),
        "train --scaling center --epochs 300 --batch-size 16 --out other --tensorboard others",
    ));
    let other = events(&folder.path().join("others"));
    let counts = |events: &BTreeMap<String, Vec<u8>>| -> Vec<(String, usize)> {
        events.iter().map(|(name, bytes)| (name.clone(), records(bytes))).collect()
    };
    assert_eq!(counts(&resumed), counts(&other), "each step is there once");
}

/// Returns the events of the only run, if it has a file.
fn events_of_one(root: &Path) -> Option<Vec<u8>> {
    let run = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path()).find(|path| path.is_dir())?;
    fs::read(fs::read_dir(run).ok()?.flatten().next()?.path()).ok()
}

#[test]
fn folder_for_events_that_cannot_be_written_is_refused_before_training() {
    let folder = folder_with_digits();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for (events, message) in [
        ("file", "file is a file, not a folder\nhint: choose another --tensorboard"),
        ("file/events", "cannot create file/events"),
    ] {
        let arguments = format!("train --scaling center --out run --tensorboard {events}");
        refused(&mut trainer_on_digits(folder.path(), &arguments), 1, message);
        assert!(!folder.path().join("run").exists(), "the training has begun");
    }
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"mine");
}

#[test]
fn events_that_cannot_be_written_later_do_not_disturb_the_training() {
    let folder = folder_with_digits();
    let arguments = "train --scaling center --epochs 2 --tensorboard events --out";
    text(&mut trainer_on_digits(folder.path(), &format!("{arguments} run")));
    let root = folder.path().join("events");
    let run = fs::read_dir(&root).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(&run).unwrap();
    fs::write(&run, "a file where the run's folder belongs").unwrap();
    let output = trainer_on_digits(folder.path(), &format!("{arguments} other --quiet")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_contains(&stderr(&output), ["warning: cannot write events for TensorBoard: "]);
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
}

fn comparison_of_four_runs() -> TempDir {
    folder_with_comparison("--scalings center,none --seeds 2 --validation-split 0.25")
}

/// Builds the command that sends the comparison to a server.
fn send(folder: &Path, server: &Mlflow) -> Command {
    trainer_in(folder, &format!("report all --to mlflow --tracking-uri {}", server.url))
}

/// Checks that the server has the comparison and each of its runs exactly once, as the files say.
fn assert_arrived(folder: &Path, server: &Mlflow) {
    let active = server.store().active();
    let (parents, nested): (Vec<&Run>, Vec<&Run>) =
        active.iter().partition(|run| !run.tags.contains_key("mlflow.parentRunId"));
    assert_eq!(parents.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["all"]);
    let files: Vec<&String> = parents[0].artifacts.keys().collect();
    assert_eq!(files, ["config.toml", "report.html", "report.md", "results.csv"]);
    let runs = runs_of(&folder.join("all"));
    assert_eq!(nested.len(), runs.len());
    for folder in runs {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let found: Vec<&&Run> = nested.iter().filter(|run| run.tags["mnist_trainer.run"] == name).collect();
        let [run] = found[..] else { panic!("{name} is there {} times", found.len()) };
        let result = read_json(&folder.join("result.json"));
        assert_eq!((run.status.as_str(), &run.tags["mlflow.parentRunId"]), ("FINISHED", &parents[0].id));
        assert_eq!(run.params["scaling"], result["scaling"].as_str().unwrap());
        assert_eq!(
            (run.params["seed"].as_str(), run.params["epochs"].as_str()),
            (&*result["seed"].to_string(), "2")
        );
        assert_eq!(run.artifacts.keys().collect::<Vec<_>>(), ["config.toml", "model.onnx"]);
        for sum in result["data"].as_array().unwrap() {
            assert_contains(&run.tags["data_sha256"], [sum["sha256"].as_str().unwrap()]);
        }
        let mut expected = vec![
            ("loss/test".to_owned(), None, result["test"]["loss"].as_f64().unwrap()),
            ("accuracy/test".to_owned(), None, result["test"]["accuracy"].as_f64().unwrap()),
        ];
        for epoch in result["epochs"].as_array().unwrap() {
            let step = epoch["epoch"].as_u64();
            for (metric, key) in [
                ("epoch_loss/train", "train_loss"),
                ("epoch_accuracy/train", "train_accuracy"),
                ("epoch_loss/validation", "validation_loss"),
                ("epoch_accuracy/validation", "validation_accuracy"),
            ] {
                expected.push((metric.to_owned(), step, epoch[key].as_f64().unwrap()));
            }
        }
        for (metric, step, value) in expected {
            let is_same = |found: &&(String, u64, f64)| {
                found.0 == metric
                    && step.is_none_or(|step| found.1 == step)
                    && found.2.to_bits() == value.to_bits()
            };
            assert_eq!(
                run.metrics.iter().filter(is_same).count(),
                1,
                "{name}: {metric} at {step:?}: {value}"
            );
        }
        let points = csv::Reader::from_path(folder.join("curve.csv")).unwrap().into_records().count();
        assert_eq!(run.metrics.iter().filter(|metric| metric.0 == "loss/train").count(), points);
    }
}

#[test]
fn comparison_arrives_in_mlflow_and_is_sent_once() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    let result = json(&mut send(folder.path(), &server));
    assert_eq!((&result["mlflow"]["sent"], &result["mlflow"]["already_there"]), (&4.into(), &0.into()));
    assert_arrived(folder.path(), &server);
    let before = server.store().active();
    let again = text(send(folder.path(), &server).env("MLFLOW_TRACKING_TOKEN", "secret"));
    assert_contains(
        &again,
        [&*format!("MLflow: {}/#/experiments/1 (0 runs sent, 4 already there)\n", server.url)],
    );
    assert_eq!(server.store().active(), before);
    let authorizations = server.store().authorizations.clone();
    assert_eq!(authorizations.first().map(String::as_str), Some(""));
    assert_eq!(authorizations.last().map(String::as_str), Some("Bearer secret"));
}

#[test]
fn run_that_arrived_in_part_is_sent_again() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    // 6 requests come before the first run, and each run takes 7.
    server.store().answers = Answers::Until(6 + 7 + 4);
    let output = send(folder.path(), &server).arg("--quiet").output().unwrap();
    assert_refused(&output, 1, "cannot reach the MLflow server");
    assert_contains(&stderr(&output), ["; 1 of 4 runs arrived", "hint: repeat the command to send the rest"]);
    server.store().answers = Answers::AsMlflow;
    let result = json(&mut send(folder.path(), &server));
    assert_eq!((&result["mlflow"]["sent"], &result["mlflow"]["already_there"]), (&3.into(), &1.into()));
    assert_arrived(folder.path(), &server);
}

#[test]
fn busy_server_is_asked_again() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    server.store().answers = Answers::BusyFor(2);
    json(&mut send(folder.path(), &server));
    assert_arrived(folder.path(), &server);
}

#[test]
fn files_that_the_server_does_not_store_give_a_warning() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    server.store().artifacts_elsewhere = true;
    let output = send(folder.path(), &server).arg("--quiet").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let warning =
        "warning: MLflow has the numbers, but no report and no models: the server stores files at s3://";
    assert_contains(&stderr(&output), [warning]);
    assert_eq!(server.store().active().len(), 5);
}

#[test]
fn comparisons_with_the_same_name_and_settings_are_two_in_mlflow() {
    let (one, other, server) = (comparison_of_four_runs(), comparison_of_four_runs(), Mlflow::start());
    for folder in [&one, &other] {
        let result = json(&mut send(folder.path(), &server));
        assert_eq!((&result["mlflow"]["sent"], &result["mlflow"]["already_there"]), (&4.into(), &0.into()));
    }
    let active = server.store().active();
    assert_eq!(active.iter().filter(|run| run.name == "all").count(), 2);
    assert_eq!(active.len(), 10);
}

#[test]
fn extended_and_renamed_comparison_stays_one_in_mlflow() {
    let (folder, server) =
        (folder_with_comparison("--scalings center --seeds 2 --validation-split 0.25"), Mlflow::start());
    json(&mut send(folder.path(), &server));
    // The new scaling comes first in the plan. The id in the folder is no foreign file.
    text(&mut trainer_in(folder.path(), "compare --resume all --scalings none,center"));
    fs::rename(folder.path().join("all"), folder.path().join("renamed")).unwrap();
    let arguments = format!("report renamed --to mlflow --tracking-uri {}", server.url);
    let result = json(&mut trainer_in(folder.path(), &arguments));
    assert_eq!((&result["mlflow"]["sent"], &result["mlflow"]["already_there"]), (&2.into(), &2.into()));
    fs::rename(folder.path().join("renamed"), folder.path().join("all")).unwrap();
    assert_arrived(folder.path(), &server);

    fs::write(folder.path().join("all/mlflow-id.txt"), "edited").unwrap();
    refused(
        send(folder.path(), &server).arg("--quiet"),
        1,
        "mlflow-id.txt is damaged: it does not contain an id",
    );
}

#[test]
fn run_that_was_trained_again_replaces_the_one_in_mlflow() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    json(&mut send(folder.path(), &server));
    // As if the run had been trained with other hardware when it was sent.
    let run = |run: &Run| run.tags.get("mnist_trainer.arm").is_some_and(|arm| arm == "none");
    let mut runs = server.store();
    let earlier = runs.runs.iter_mut().find(|it| run(it)).unwrap();
    earlier.tags.insert("weights_sha256".into(), "other".into());
    earlier.metrics.clear();
    drop(runs);
    let result = json(&mut send(folder.path(), &server));
    assert_eq!((&result["mlflow"]["sent"], &result["mlflow"]["already_there"]), (&1.into(), &3.into()));
    assert_arrived(folder.path(), &server);
}

#[test]
fn diverged_run_arrives_as_failed_without_a_model() {
    let (folder, server) =
        (folder_with_comparison("--scalings center,none --learning-rate 1e30"), Mlflow::start());
    json(&mut send(folder.path(), &server));
    let active = server.store().active();
    let diverged: Vec<&Run> = active.iter().filter(|run| run.name != "all").collect();
    assert_eq!(diverged.len(), 2);
    for run in diverged {
        assert_eq!(run.status, "FAILED");
        assert_eq!(run.artifacts.keys().collect::<Vec<_>>(), ["config.toml"]);
    }
    let result = json(&mut send(folder.path(), &server));
    assert_eq!(result["mlflow"]["already_there"], 2);
}

#[test]
fn thousands_of_metrics_arrive() {
    let (folder, server) = (folder_with_digits(), Mlflow::start());
    let arguments = "compare --scalings center,none --epochs 300 --batch-size 32 --limit 96 --out all \
                     --validation-split 0.25";
    text(&mut trainer_on_digits(folder.path(), arguments));
    json(&mut send(folder.path(), &server));
    let active = server.store().active();
    for run in active.iter().filter(|run| run.name != "all") {
        assert!(run.metrics.len() > 1200, "{} metrics", run.metrics.len());
        let epochs = run.metrics.iter().filter(|metric| metric.0 == "epoch_loss/validation");
        assert!(epochs.map(|metric| metric.1).eq(1..=300));
    }
}

#[test]
fn error_after_the_first_run_says_what_arrived_and_what_to_do() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    server.store().answers = Answers::DeniesAfter(6 + 7 + 4);
    let output = send(folder.path(), &server).arg("--quiet").output().unwrap();
    assert_refused(&output, 1, "denies access (HTTP status 401); 1 of 4 runs arrived");
    assert_contains(&stderr(&output), ["hint: check MLFLOW_TRACKING_TOKEN"]);

    server.store().answers = Answers::AsMlflow;
    json(&mut send(folder.path(), &server));
    // The last four requests store the report.
    let before = server.store().requests.len();
    json(&mut send(folder.path(), &server));
    let requests = server.store().requests.len();
    server.store().answers = Answers::Until(requests + (requests - before) - 2);
    let output = send(folder.path(), &server).arg("--quiet").output().unwrap();
    assert_refused(&output, 1, "; 4 of 4 runs arrived, the report did not");
    assert_contains(&stderr(&output), ["hint: repeat the command to send the rest"]);
}

#[test]
fn server_that_fails_is_not_called_unreachable() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    server.store().answers = Answers::BusyFor(1000);
    let output = send(folder.path(), &server).arg("--quiet").output().unwrap();
    assert_refused(&output, 1, &format!("the MLflow server {} failed: HTTP status 503", server.url));
    assert_contains(&stderr(&output), ["hint: look into the server's log, then repeat the command"]);
}

#[cfg(unix)]
#[test]
fn interruption_does_not_wait_for_a_server_that_hangs() {
    let (folder, server) = (comparison_of_four_runs(), Mlflow::start());
    server.store().answers = Answers::Never;
    let mut process = Background::start(&mut send(folder.path(), &server));
    wait_until("the server has a request", || !server.store().requests.is_empty());
    let began = Instant::now();
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn events_do_not_become_foreign_files_of_the_output_folder() {
    let folder = folder_with_digits();
    let message = "--tensorboard must be outside of the output folder";
    for arguments in [
        "train --out run --tensorboard run",
        "train --out run --tensorboard ./run/events",
        "compare --out run --tensorboard run/runs",
    ] {
        refused(&mut trainer_on_digits(folder.path(), arguments), 2, message);
        assert!(!folder.path().join("run").exists(), "{arguments}");
    }
    let comparison = folder_with_comparison("--scalings center,none --tensorboard all/tensorboard");
    let resume = |folder| format!("compare --resume all --seeds 2 --tensorboard {folder}");
    refused(&mut trainer_in(comparison.path(), &resume("all/events")), 2, message);
    text(&mut trainer_in(comparison.path(), &resume("all/tensorboard")));
    assert_eq!(events(&comparison.path().join("all/tensorboard")).len(), 4);
}

/// Checks the events of a comparison with TensorBoard's own reader.
#[test]
#[ignore = "needs Python with TensorBoard"]
fn tensorboard_reads_the_numbers_of_the_runs() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let has_tensorboard = Command::new(&python).args(["-c", "import tensorboard, numpy"]).output();
    if !has_tensorboard.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no TensorBoard");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check_tensorboard.py");
    for arguments in ["--seeds 2 --validation-split 0.25", "--learning-rate 1e30"] {
        let folder = folder_with_comparison(&format!("--scalings center,none {arguments}"));
        text(&mut trainer_in(folder.path(), "report all --to tensorboard"));
        let mut check = Command::new(&python);
        let output = check.arg(&script).arg(folder.path().join("all")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn server_that_is_not_usable_is_refused() {
    let folder = comparison_of_four_runs();
    let server = Mlflow::start();
    for (answers, message, hint) in [
        (Answers::Html(401), "denies access (HTTP status 401)", "check MLFLOW_TRACKING_TOKEN"),
        (Answers::Html(403), "denies access (HTTP status 403)", "check MLFLOW_TRACKING_TOKEN"),
        (Answers::Html(200), "is not an MLflow server: it does not answer in JSON", "check --tracking-uri"),
        (
            Answers::Html(404),
            "is not an MLflow server: it answers with HTTP status 404",
            "check --tracking-uri",
        ),
        (
            Answers::DeletedExperiment,
            "the MLflow experiment `mnist-trainer` was deleted",
            "mlflow experiments restore --experiment-id 1",
        ),
    ] {
        server.store().answers = answers;
        let output = send(folder.path(), &server).arg("--quiet").output().unwrap();
        assert_refused(&output, 1, message);
        assert_contains(&stderr(&output), [hint]);
    }
    // Nobody listens on port 1.
    let mut nobody =
        trainer_in(folder.path(), "report all --quiet --to mlflow --tracking-uri http://127.0.0.1:1");
    let error = refused(&mut nobody, 1, "cannot reach the MLflow server http://127.0.0.1:1: ");
    assert_contains(&error, ["hint: check --tracking-uri, and whether the server is running"]);
}

#[test]
fn bad_tracker_arguments_are_refused() {
    let folder = comparison_of_four_runs();
    for (arguments, message) in [
        ("--to mlflow", "--to mlflow needs --tracking-uri"),
        ("--to mlflow --tracking-uri sqlite:///mlflow.db", "is not the URL of an MLflow server"),
        ("--to mlflow --tracking-uri http://me:secret@host", "must not contain a password"),
        ("--to mlflow --tracking-uri https//me:secret@host", "must not contain a password"),
        ("--to mlflow --tracking-uri me:secret@host", "must not contain a password"),
        ("--to mlflow --tracking-uri http://host --out here", "--out is for --to tensorboard"),
        ("--to tensorboard --experiment mine", "--tracking-uri and --experiment are for --to mlflow"),
        ("--to wandb", "invalid value 'wandb'"),
    ] {
        refused(&mut trainer_in(folder.path(), &format!("report all {arguments}")), 2, message);
    }
}
