//! Several processes in one folder: they share the runs of a comparison, and no two train the same run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    thread,
    time::Duration,
};

use crate::support::{
    comparisons::{folder_with_comparison, runs_of, weights_of_runs},
    digits::{folder_with_digits, trainer_on_digits},
    json, parse_json,
    processes::{Background, wait_until},
    read_json, read_text,
    refusals::assert_refused,
    stderr, trainer_in,
};

/// Returns the text of each `result.json`, keyed by the folder of the run.
///
/// The text contains the training time, so it changes if a run is trained a second time.
fn results(comparison: &Path) -> BTreeMap<PathBuf, String> {
    let finished = runs_of(comparison).into_iter().filter(|run| run.join("result.json").exists());
    finished.map(|run| (run.clone(), read_text(&run.join("result.json")))).collect()
}

#[test]
fn processes_that_share_a_folder_train_each_run_once() {
    let folder = folder_with_digits();
    let all = folder.path().join("all");
    let start = |arguments: &str| {
        let arguments =
            format!("compare --epochs 20 --batch-size 16 --out all --resume --format json {arguments}");
        let mut command = trainer_on_digits(folder.path(), &arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        thread::spawn(move || child.wait_with_output().unwrap())
    };
    let first = start("--seeds 2");
    wait_until("the first process writes its plan", || all.join("plan.json").exists());
    // The first process continues while the others add a seed.
    let processes = [first, start("--seeds 3"), start("--seeds 3")];
    let mut as_first_seen = BTreeMap::new();
    while !processes.iter().all(thread::JoinHandle::is_finished) {
        for (run, result) in results(&all) {
            as_first_seen.entry(run).or_insert(result);
        }
        thread::sleep(Duration::from_millis(5));
    }
    let outputs: Vec<Output> = processes.into_iter().map(|process| process.join().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", stderr(output));
    }
    let at_the_end = results(&all);
    assert_eq!(at_the_end.len(), 9, "expected three scalings with three seeds: {:?}", at_the_end.keys());
    for (run, result) in &as_first_seen {
        assert_eq!(at_the_end.get(run), Some(result), "{} was trained twice", run.display());
    }
    assert_eq!(parse_json(&outputs[0])["finished"], 6, "the result of the first process has two seeds");
    assert_eq!(
        read_json(&all.join("result.json"))["finished"],
        9,
        "the result in the folder has three seeds"
    );

    json(&mut trainer_on_digits(folder.path(), "compare --epochs 20 --batch-size 16 --seeds 3 --out alone"));
    assert_eq!(weights_of_runs(&all), weights_of_runs(&folder.path().join("alone")));
}

#[cfg(unix)]
#[test]
fn second_process_trains_runs_that_the_first_has_not_started_and_waits_for_the_other() {
    let folder = folder_with_digits();
    let all = folder.path().join("all");
    let start = || {
        let arguments = "compare --scalings none,center --seeds 2 --epochs 60 --batch-size 16 --jobs 1";
        let mut command = trainer_on_digits(folder.path(), arguments);
        Background::start(command.args(["--out", "all", "--resume"]))
    };
    let mut first = start();
    wait_until("the first process trains", || {
        runs_of(&all).iter().any(|run| run.join("metrics.csv").exists())
    });
    // While the first process is stopped, only the second can finish runs.
    first.signal("STOP");
    let started = runs_of(&all);
    assert_eq!(
        (started.len(), results(&all).len()),
        (1, 0),
        "expected one started run and no finished one: {started:?}"
    );
    let mut second = start();
    wait_until("the second process trains the other runs", || results(&all).len() == 3);
    let of_second = results(&all);
    assert!(!of_second.contains_key(&started[0]), "the second process trained {}", started[0].display());
    assert!(second.is_running(), "the second process must wait for the first one's run");

    first.signal("CONT");
    assert!(first.wait().success());
    assert!(second.wait().success());
    let together = results(&all);
    assert_eq!(together.len(), 4);
    for (run, result) in &of_second {
        assert_eq!(together.get(run), Some(result), "{} was trained twice", run.display());
    }
    assert_eq!(read_json(&all.join("result.json"))["finished"], 4);

    let arguments = "compare --scalings none,center --seeds 2 --epochs 60 --batch-size 16 --out alone";
    json(&mut trainer_on_digits(folder.path(), arguments));
    assert_eq!(weights_of_runs(&all), weights_of_runs(&folder.path().join("alone")));
}

#[test]
fn run_that_another_process_is_training_is_refused() {
    let folder = folder_with_digits();
    let arguments = "train --scaling none --epochs 3000 --batch-size 16 --out run";
    let mut first = Background::start(&mut trainer_on_digits(folder.path(), arguments));
    wait_until("the first process finishes an epoch", || folder.path().join("run/metrics.csv").exists());
    for flag in ["--resume", "--force"] {
        let second = trainer_on_digits(folder.path(), arguments).arg(flag).output().unwrap();
        assert_refused(&second, 1, "another process is training in run");
    }
    assert!(first.is_running(), "the first process must continue");
    first.kill();
    // A process that was killed no longer holds its lock.
    let other = trainer_on_digits(folder.path(), &arguments.replace("3000", "1")).arg("--force").output();
    let other = other.unwrap();
    assert!(other.status.success(), "{}", stderr(&other));
    assert_eq!(read_json(&folder.path().join("run/result.json"))["epochs"].as_array().unwrap().len(), 1);
}

#[test]
fn workers_begin_a_comparison_together_and_leave_the_report_to_a_last_process() {
    let folder = folder_with_digits();
    let all = folder.path().join("all");
    let arguments =
        "compare --epochs 20 --batch-size 16 --seeds 2 --jobs 1 --out all --resume --worker --format json";
    let start = || {
        let mut command = trainer_on_digits(folder.path(), arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        thread::spawn(move || child.wait_with_output().unwrap())
    };
    let workers = [start(), start(), start()];
    let mut trained = Vec::new();
    for worker in workers {
        let output = worker.join().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let of_one = parse_json(&output)["trained"].as_array().unwrap().clone();
        trained.extend(of_one.iter().map(|run| folder.path().join(run.as_str().unwrap())));
    }
    trained.sort();
    assert_eq!(trained, runs_of(&all), "each run must be trained by one worker");
    assert!(!all.join("report.html").exists() && !all.join("result.json").exists());

    let before = results(&all);
    let resumed = json(&mut trainer_in(folder.path(), "compare --resume all"));
    assert_eq!((&resumed["finished"], results(&all)), (&6.into(), before));
    assert!(all.join("report.html").exists() && all.join("result.json").exists());

    let alone = "compare --epochs 20 --batch-size 16 --seeds 2 --out alone";
    json(&mut trainer_on_digits(folder.path(), alone));
    assert_eq!(weights_of_runs(&all), weights_of_runs(&folder.path().join("alone")));
}

#[cfg(unix)]
#[test]
fn worker_leaves_a_run_to_the_process_that_is_training_it() {
    let folder = folder_with_digits();
    let all = folder.path().join("all");
    let arguments = "compare --scalings none,center --epochs 60 --batch-size 16 --jobs 1 --out all --resume";
    let mut first = Background::start(&mut trainer_on_digits(folder.path(), arguments));
    wait_until("the first process trains", || {
        runs_of(&all).iter().any(|run| run.join("metrics.csv").exists())
    });
    first.signal("STOP");
    let of_first = runs_of(&all);
    let work = || json(&mut trainer_in(folder.path(), "compare --resume all --worker"));
    assert_eq!(work()["trained"].as_array().unwrap().len(), 1, "the other run is free");
    assert_eq!(work()["trained"].as_array().unwrap().len(), 0, "nothing is free");
    assert!(!of_first[0].join("result.json").exists(), "{} was not free", of_first[0].display());

    // Without the first process, the next worker continues its run.
    first.kill();
    assert_eq!(
        work()["trained"],
        serde_json::json!([Path::new("all/runs").join(of_first[0].file_name().unwrap())])
    );
}

#[test]
fn workers_train_until_the_comparison_is_decided() {
    let folder = folder_with_digits();
    let arguments = "compare --scalings none,center,standardize --until-decided --max-seeds 4 --epochs 1 --out all --resume";
    json(trainer_on_digits(folder.path(), arguments).arg("--worker"));
    let trained = results(&folder.path().join("all")).len();
    json(&mut trainer_in(folder.path(), "compare --resume all"));
    assert_eq!(results(&folder.path().join("all")).len(), trained, "the worker has left out a run");
}

#[test]
fn worker_refuses_other_settings_and_needs_a_folder() {
    let folder = folder_with_comparison("--scalings none");
    let worker = |arguments: &str| {
        trainer_on_digits(folder.path(), &format!("compare --worker {arguments}")).output().unwrap()
    };
    assert_refused(&worker("--resume all --seeds 2"), 2, "`seeds`");
    assert_refused(&worker("--resume"), 2, "--resume needs a folder");
    assert_refused(&worker("--out new"), 2, "--resume");
}
