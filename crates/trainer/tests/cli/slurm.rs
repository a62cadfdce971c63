//! `compare --submit slurm` and `--print-job slurm`, with a program in place of `sbatch`. docs/CLUSTER.md tells how to try
//! a real Slurm.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    assert_contains, assert_same_text,
    comparisons::{folder_with_comparison, runs_of, weights_of_runs},
    digits::{folder_with_digits, trainer_on_digits},
    parse_json,
    processes::{Background, signal, wait_until},
    read_json, read_text,
    refusals::assert_refused,
    stderr, stdout, text, trainer_in,
    transcripts::without_folder,
};

/// Accepts every job: appends its arguments to a file, saves the script, and prints the next number.
const ACCEPTING: &str = r#"
echo "sbatch $*" >> calls
cat > script-$(wc -l < calls)
echo $((10 + $(wc -l < calls)))
"#;

/// Writes a shell script into `bin` of the folder, under the name of a program of Slurm.
fn write_program(folder: &Path, name: &str, script: &str) {
    let path = folder.join("bin").join(name);
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Creates a folder with the small data set and this `sbatch`.
fn folder_with_sbatch(script: &str) -> TempDir {
    let folder = folder_with_digits();
    write_program(folder.path(), "sbatch", script);
    write_program(folder.path(), "scancel", "echo \"scancel $*\" >> calls");
    folder
}

/// Uses the programs in `bin` of the command's folder.
fn with_slurm(command: &mut Command) -> &mut Command {
    let bin = command.get_current_dir().unwrap().join("bin");
    command.env("PATH", format!("{}:{}", bin.display(), env::var("PATH").unwrap()))
}

/// Runs `compare --seeds 2 --out all` on the small data set with these arguments, and with options for `sbatch`.
fn compare(folder: &Path, arguments: &str, options: &[&str]) -> Output {
    let mut command = trainer_on_digits(folder, "compare --seeds 2 --epochs 2 --out all");
    command.args(arguments.split_whitespace()).args(options);
    with_slurm(&mut command).output().unwrap()
}

/// Returns the script of the jobs of a comparison in `all`.
fn script(folder: &Path) -> String {
    let output = compare(folder, "--print-job slurm", &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn comparison_is_begun_and_submitted_as_an_array_with_a_report_afterwards() {
    let folder = folder_with_sbatch(ACCEPTING);
    let options = ["--", "--time=10", "--comment", "a b"];
    let submitted = parse_json(&compare(folder.path(), "--submit slurm --format json", &options));
    let all = folder.path().join("all");
    assert_eq!(submitted, json!({ "comparison": all, "job": "11", "tasks": 6, "report_job": "12" }));
    assert_eq!(
        read_text(&folder.path().join("calls")),
        "sbatch --parsable --time=10 --comment=a b --array=1-6\n\
         sbatch --parsable --time=10 --comment=a b --dependency=afterany:11\n"
    );
    assert_same_text(
        "the script",
        &read_text(&folder.path().join("script-1")),
        &read_text(&folder.path().join("script-2")),
    );
    assert_eq!(read_json(&all.join("plan.json"))["runs"].as_array().unwrap().len(), 6);
    assert_eq!(runs_of(&all).len(), 0, "nothing is trained where jobs are submitted");

    let mut again = trainer_in(folder.path(), "compare --resume all --submit slurm --array 2");
    let printed = text(with_slurm(&mut again));
    assert_contains(&printed, ["job 13 trains 6 runs in 2 tasks; afterwards, job 14 writes the report"]);
    assert_contains(&printed, ["to stop, cancel both: `scancel 13 14`"]);
}

#[test]
fn script_is_printed_with_the_options_of_sbatch() {
    let folder = folder_with_digits();
    let printed = compare(folder.path(), "--print-job slurm --array 3 --jobs 2", &["--", "--comment=it's"]);
    assert!(printed.status.success(), "{}", stderr(&printed));
    let printed = stdout(&printed).replace(env!("CARGO_BIN_EXE_mnist-trainer"), "[program]");
    insta::assert_snapshot!(without_folder(&printed, folder.path()));
}

#[test]
fn jobs_train_all_runs_and_write_one_report() {
    let folder = folder_with_digits();
    let script = script(folder.path());
    let run = |task: Option<&str>| {
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(folder.path()).env("SLURM_JOB_ID", "7");
        if let Some(task) = task {
            bash.env("SLURM_ARRAY_JOB_ID", "5").env("SLURM_ARRAY_TASK_ID", task);
        }
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    };
    run(Some("1"));
    let all = folder.path().join("all");
    assert_eq!((weights_of_runs(&all).len(), all.join("report.html").exists()), (6, false));
    run(None);
    assert!(all.join("report.html").exists());
    assert_eq!(read_json(&all.join("result.json"))["finished"], 6);
}

/// Prepares task 3 of job 5, with a `squeue` that reports this state and a `scontrol` that records its arguments.
fn long_task(folder: &Path, state: &str) -> Command {
    write_program(folder, "squeue", &format!("echo {state}"));
    write_program(folder, "scontrol", "echo \"$*\" >> calls");
    let arguments = "compare --scalings none --epochs 3000 --out all --print-job slurm";
    let script = text(&mut trainer_on_digits(folder, arguments));
    let mut bash = Command::new("/bin/bash");
    bash.args(["-c", &script]).current_dir(folder);
    bash.env("SLURM_ARRAY_JOB_ID", "5").env("SLURM_ARRAY_TASK_ID", "3").env("SLURM_JOB_ID", "8");
    with_slurm(&mut bash);
    bash
}

#[test]
fn task_that_slurm_stops_is_requeued_unless_it_was_cancelled() {
    for (state, requeued) in [("RUNNING", "requeue 5_3\n"), ("COMPLETING", "")] {
        let folder = folder_with_digits();
        let mut task = Background::start(&mut long_task(folder.path(), state));
        let all = folder.path().join("all");
        wait_until("a run trains", || runs_of(&all).iter().any(|run| run.join("metrics.csv").exists()));
        // As Slurm does before the time limit, only the script gets the signal.
        task.signal("TERM");
        assert_eq!(task.wait().code(), Some(130), "{state}");
        let calls = fs::read_to_string(folder.path().join("calls")).unwrap_or_default();
        assert_eq!(calls, requeued, "{state}");
    }
}

#[test]
fn job_that_slurm_stops_before_it_trains_is_not_requeued() {
    let folder = folder_with_digits();
    let mut bash = long_task(folder.path(), "RUNNING");
    // The job that writes the report waits for the lock, and has not begun to train.
    bash.env_remove("SLURM_ARRAY_TASK_ID");
    let lock = File::create(folder.path().join("all/lock")).unwrap();
    lock.lock().unwrap();
    bash.stderr(File::create(folder.path().join("log")).unwrap());
    let mut task = bash.spawn().unwrap();
    // By then, the program has installed its handler.
    thread::sleep(Duration::from_secs(1));
    signal(&task, "TERM");
    assert_eq!(task.wait().unwrap().code(), Some(130));
    assert_contains(
        &read_text(&folder.path().join("log")),
        ["not requeued: nothing was trained", "longer --time"],
    );
    assert!(!folder.path().join("calls").exists());
}

#[test]
fn without_squeue_a_stopped_task_ends() {
    let folder = folder_with_digits();
    let mut bash = long_task(folder.path(), "RUNNING");
    fs::remove_file(folder.path().join("bin/squeue")).unwrap();
    let mut task = Background::start(bash.env("PATH", folder.path().join("bin")));
    let all = folder.path().join("all");
    wait_until("a run trains", || runs_of(&all).iter().any(|run| run.join("metrics.csv").exists()));
    task.signal("TERM");
    assert_eq!(task.wait().code(), Some(130));
    assert!(!folder.path().join("calls").exists());
}

#[test]
fn options_that_would_change_what_is_submitted_are_refused() {
    let folder = folder_with_sbatch(ACCEPTING);
    for (options, message) in [
        (&["--array=1-30%4"][..], "`--array N` before `--` sets how many tasks run at a time"),
        (&["--arr", "1-30"], "--array cannot be passed to sbatch"),
        (&["-a1-30"], "--array cannot be passed to sbatch"),
        (&["-d", "afterok:3"], "--dependency cannot be passed to sbatch"),
        (&["--wait"], "--wait cannot be passed to sbatch"),
        (&["-W"], "--wait cannot be passed to sbatch"),
        (&["--test-only"], "--test-only cannot be passed to sbatch"),
        (&["--wrap=true"], "--wrap cannot be passed to sbatch"),
        (&["job.sh"], "`job.sh` is not an option"),
        (&["--time=10", "job.sh"], "`job.sh` is not an option"),
        (&["--comment=a\nb"], "contains a control character"),
    ] {
        let options: Vec<&str> = ["--"].iter().chain(options).copied().collect();
        assert_refused(&compare(folder.path(), "--submit slurm", &options), 2, message);
    }
    assert!(!folder.path().join("calls").exists() && !folder.path().join("all").exists());

    let accepted =
        compare(folder.path(), "--submit slurm", &["--", "--wait-all-nodes=1", "-p", "gpu", "--hold"]);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    assert_contains(
        &read_text(&folder.path().join("calls")),
        ["--wait-all-nodes=1 -pgpu --hold --array=1-6\n"],
    );
}

#[test]
fn folder_stays_as_it_is_in_the_script_or_is_refused() {
    let folder = folder_with_digits();
    let print = |out: &OsStr| {
        let mut command = trainer_on_digits(folder.path(), "compare --jobs 2 --print-job slurm");
        command.arg("--out").arg(out).args(["--", "--comment=@FOLDER@"]).output().unwrap()
    };
    let printed = stdout(&print(OsStr::new("x@JOBS@")));
    assert_contains(&printed, ["x@JOBS@' $worker --jobs 2", "'--comment=@FOLDER@'"]);
    for out in [&b"not-utf8-\xff"[..], b"line\nbreak"] {
        assert_refused(&print(OsStr::from_bytes(out)), 1, "into a script");
        assert!(!folder.path().join(OsStr::from_bytes(out)).exists());
    }
}

#[test]
fn script_of_the_small_cluster_spares_other_clusters() {
    let folder = folder_with_sbatch(ACCEPTING);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/slurm_cluster.sh");
    let conf = folder.path().join("slurm.conf");
    for configuration in [Some("ClusterName=tryst\n"), None] {
        match configuration {
            Some(text) => fs::write(&conf, text).unwrap(),
            None => fs::remove_file(&conf).unwrap(),
        }
        let mut bash = Command::new("bash");
        bash.arg(&script).arg("stop").env("SLURM_CONF", &conf).current_dir(folder.path());
        let output = with_slurm(&mut bash).output().unwrap();
        assert_refused(&output, 1, "does not configure the cluster of this script");
        assert!(!folder.path().join("calls").exists());
    }
}

#[test]
fn without_a_working_slurm_nothing_stays_submitted() {
    let folder = folder_with_digits();
    let mut without = trainer_on_digits(folder.path(), "compare --out all --submit slurm");
    let output = without.env("PATH", folder.path()).output().unwrap();
    assert_refused(&output, 1, "cannot find `sbatch` on the PATH");
    assert!(!folder.path().join("all").exists());

    let down = "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' >&2
exit 1";
    for (sbatch, message, hint) in [
        (
            down,
            "cannot submit to Slurm: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            "nothing was submitted",
        ),
        ("", "sbatch printed \"\" instead of a job's number", "nothing was submitted"),
        ("exit 3", "exit status: 3", "nothing was submitted"),
    ] {
        let folder = folder_with_sbatch(sbatch);
        let output = compare(folder.path(), "--submit slurm --array 3 --jobs 2", &["--", "--comment=a b"]);
        assert_refused(&output, 1, message);
        assert_contains(
            &stderr(&output),
            [hint, "all --submit slurm --array 3 --jobs 2 -- '--comment=a b'`"],
        );
    }
}

#[test]
fn array_is_cancelled_if_the_report_cannot_be_submitted() {
    let limit = "[ -e calls ] && echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2 && exit 1";
    let folder = folder_with_sbatch(&format!("{limit}\n{ACCEPTING}"));
    let output = compare(folder.path(), "--submit slurm", &[]);
    assert_refused(&output, 1, "cannot submit the job that writes the report: QOSMaxSubmitJobPerUserLimit");
    assert_contains(&stderr(&output), ["job 11, which trains the runs, was cancelled"]);
    assert_contains(&read_text(&folder.path().join("calls")), ["scancel 11\n"]);

    write_program(folder.path(), "scancel", "exit 1");
    fs::remove_file(folder.path().join("calls")).unwrap();
    let mut again = trainer_in(folder.path(), "compare --resume all --submit slurm");
    let output = with_slurm(&mut again).output().unwrap();
    assert_refused(&output, 1, "cannot submit the job that writes the report");
    assert_contains(&stderr(&output), ["cancel the job that trains the runs with `scancel 11`"]);
}

#[test]
fn bad_requests_are_refused() {
    let folder = folder_with_comparison("--scalings none");
    let refused = |arguments: &str, status: i32, message: &str| {
        let output = trainer_in(folder.path(), &format!("compare {arguments}")).output().unwrap();
        assert_refused(&output, status, message);
    };
    refused("--submit pbs", 2, "'pbs'");
    refused("--array 3", 2, "--submit");
    refused("--out new -- --time=10", 2, "--submit");
    refused("--submit slurm --print-job slurm", 2, "cannot be used with");
    refused("--resume all --worker --submit slurm", 2, "cannot be used with");
    let result = folder.path().join("all/result.json");
    let before = read_text(&result);
    refused("--resume all --print-job slurm", 1, "all runs of all are finished");
    assert_eq!(read_text(&result), before, "the comparison is still finished");
}
