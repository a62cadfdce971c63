//! Kills the program at every call that changes the file system, and checks that the next command makes everything good.
//!
//! By default, some of the calls are tried. The ignored tests try all.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::{
    comparisons::{folder_with_comparison, weights_of_runs},
    digits::{folder_with_digits, trainer_on_digits},
    read_json, read_text, stderr, trainer_in,
};

/// Number of calls that the default tests kill at.
const SOME: usize = 12;

/// Files with their contents, sorted by name.
type Contents = Vec<(String, Vec<u8>)>;

/// Kills a command at up to so many calls, and returns how many there are.
type Kill = fn(usize) -> usize;

/// A command that is killed, and what must be true afterwards.
struct Scenario<'a> {
    /// Prepares a folder.
    folder: &'a dyn Fn() -> TempDir,
    /// Builds the command to kill.
    command: &'a dyn Fn(&Path) -> Command,
    /// Runs the next command, and returns what must be the same each time.
    recover: &'a dyn Fn(&Path) -> Contents,
}

impl Scenario<'_> {
    /// Kills the command at up to `most` of its calls, evenly spread. Returns how many there are.
    fn kill_at(&self, most: usize) -> usize {
        let folder = (self.folder)();
        let calls = count_calls((self.command)(folder.path()), folder.path());
        assert!(calls > 10, "only {calls} calls were counted");
        let expected = (self.recover)(folder.path());
        assert!(!expected.is_empty());
        for number in 0..most.min(calls) {
            let call = 1 + number * calls / most.min(calls);
            let folder = (self.folder)();
            let mut command = (self.command)(folder.path());
            let output = preload(&mut command).env("KILL_AT", call.to_string()).output().unwrap();
            assert_eq!(output.status.code(), None, "call {call} of {calls}: {}", stderr(&output));
            let found = (self.recover)(folder.path());
            for (before, after) in expected.iter().zip(&found) {
                assert!(before == after, "call {call} of {calls}: {} differs from {}", after.0, before.0);
            }
            assert_eq!(found.len(), expected.len(), "call {call} of {calls}");
        }
        calls
    }
}

/// Makes a command load the library that counts and kills.
fn preload(command: &mut Command) -> &mut Command {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder = tempdir().unwrap();
        let library = folder.path().join("kill_at.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/kills/kill_at.c");
        // Whoever can link a Rust program has a C compiler.
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
        assert!(compiler.status().unwrap().success());
        (folder, library)
    });
    command.env("LD_PRELOAD", library)
}

/// Returns the number of calls that a command makes when nothing kills it.
fn count_calls(mut command: Command, folder: &Path) -> usize {
    let count = folder.join(".count");
    let output = preload(&mut command).env("KILL_COUNT", &count).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let calls = read_text(&count).parse().unwrap();
    fs::remove_file(count).unwrap();
    calls
}

/// Runs a command that must succeed.
fn succeed(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(folder).unwrap().map(name).collect()
}

/// Removes the times from a result, and the checksums of files with times.
fn without_times(mut result: Value) -> Value {
    for key in ["seconds", "finished", "sha256", "files"] {
        result[key] = Value::Null;
    }
    for epoch in result["epochs"].as_array_mut().unwrap() {
        epoch["seconds"] = Value::Null;
    }
    result
}

/// Returns the files in a folder without what depends on a time. There must be no temporary file.
fn timeless(folder: &Path) -> Contents {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!name.starts_with('.'), "the temporary file {} is left", path.display());
        match name.as_str() {
            // A checkpoint contains the times of the epochs so far.
            "checkpoints" => files.extend(names(&path).into_iter().map(|name| (name, Vec::new()))),
            "result.json" => files.push((name, without_times(read_json(&path)).to_string().into_bytes())),
            // The last column is the time.
            "metrics.csv" | "curve.csv" => {
                let text = read_text(&path);
                let rows: Vec<&str> =
                    text.lines().filter_map(|line| Some(line.rsplit_once(',')?.0)).collect();
                files.push((name, rows.join("\n").into_bytes()));
            }
            "config.toml" => {
                // It contains the path of the data, which are in another temporary folder each time.
                let text = read_text(&path);
                let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("data_dir")).collect();
                files.push((name, lines.join("\n").into_bytes()));
            }
            // A process that is killed before its last call leaves its lease, which then expires.
            "lease" => {}
            _ if path.is_dir() => files.extend(timeless(&path)),
            _ => files.push((name, fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}

const TRAIN: &str = "train --scaling center --epochs 2 --batch-size 16 --threads 1 --out run --quiet";

/// Builds a command on the small data set.
fn on_digits(arguments: &'static str) -> impl Fn(&Path) -> Command {
    move |folder| trainer_on_digits(folder, arguments)
}

fn resume_train(folder: &Path) -> Contents {
    succeed(trainer_on_digits(folder, &format!("{TRAIN} --resume")));
    assert_eq!(read_json(&folder.join("run/result.json"))["status"], "ok");
    timeless(&folder.join("run"))
}

fn kill_train(most: usize) -> usize {
    Scenario { folder: &folder_with_digits, command: &on_digits(TRAIN), recover: &resume_train }.kill_at(most)
}

const FORCE: &str = "train --scaling center --epochs 2 --batch-size 16 --threads 1 --out run --quiet --force";

/// A forced run is killed, then forced again.
fn kill_forced_train(most: usize) -> usize {
    let other = "train --scaling normalize --epochs 2 --batch-size 16 --threads 1 --out run --quiet";
    let folder = || {
        let folder = folder_with_digits();
        succeed(trainer_on_digits(folder.path(), other));
        folder
    };
    let recover = |folder: &Path| {
        if folder.join("run/result.json").exists() {
            // The removal starts with the result, so a run with a result is complete.
            succeed(trainer_in(folder, "evaluate run --quiet"));
        }
        succeed(trainer_on_digits(folder, FORCE));
        timeless(&folder.join("run"))
    };
    Scenario { folder: &folder, command: &on_digits(FORCE), recover: &recover }.kill_at(most)
}

const COMPARE: &str =
    "compare --scalings none,center --epochs 1 --batch-size 16 --threads 1 --out all --quiet";

/// Returns the files of the runs and what the report says, without times.
fn comparison(folder: &Path) -> Contents {
    let all = folder.join("all");
    let result = read_json(&all.join("result.json"));
    assert_eq!((&result["finished"], &result["planned"]), (&2.into(), &2.into()));
    assert!(all.join("report.html").exists() && all.join("report.md").exists());
    assert_eq!(weights_of_runs(&all).len(), 2);
    let mut files = timeless(&all.join("runs"));
    files.push(("plan.json".into(), fs::read(all.join("plan.json")).unwrap()));
    let left: Vec<_> = fs::read_dir(&all).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.as_encoded_bytes().starts_with(b".")), "{left:?}");
    files
}

fn kill_compare(most: usize) -> usize {
    let recover = |folder: &Path| {
        succeed(trainer_on_digits(folder, &format!("{COMPARE} --resume")));
        comparison(folder)
    };
    Scenario { folder: &folder_with_digits, command: &on_digits(COMPARE), recover: &recover }.kill_at(most)
}

/// One of two comparisons in one folder is killed; the other finishes.
fn kill_one_of_two_comparisons(most: usize) -> usize {
    let folder = folder_with_digits();
    let calls = count_calls(trainer_on_digits(folder.path(), COMPARE), folder.path());
    let expected = comparison(folder.path());
    for number in 0..most.min(calls) {
        let call = 1 + number * calls / most.min(calls);
        let folder = folder_with_digits();
        let start = |kill_at: &str| {
            let mut command = trainer_on_digits(folder.path(), &format!("{COMPARE} --resume"));
            preload(&mut command).env("KILL_AT", kill_at).stderr(Stdio::piped()).spawn().unwrap()
        };
        let (mut killed, other) = (start(&call.to_string()), start("0"));
        // It may find the work done before its turn to be killed.
        killed.wait().unwrap();
        let output = other.wait_with_output().unwrap();
        assert!(output.status.success(), "call {call} of {calls}: {}", stderr(&output));
        assert_eq!(
            read_json(&folder.path().join("all/result.json"))["finished"],
            2,
            "call {call} of {calls}"
        );
        // Removes the temporary file, if the killed process was the last to write.
        succeed(trainer_on_digits(folder.path(), &format!("{COMPARE} --resume")));
        assert!(comparison(folder.path()) == expected, "call {call} of {calls}");
    }
    calls
}

fn kill_report(most: usize) -> usize {
    let folder = || folder_with_comparison("--scalings none,center");
    let report = |folder: &Path| trainer_in(folder, "report all");
    let recover = |folder: &Path| {
        succeed(report(folder));
        // Each comparison has other times.
        vec![(
            "results.csv".into(),
            read_text(&folder.join("all/results.csv")).lines().count().to_string().into(),
        )]
    };
    Scenario { folder: &folder, command: &report, recover: &recover }.kill_at(most)
}

fn kill_export(most: usize) -> usize {
    let folder = || {
        let folder = folder_with_digits();
        succeed(trainer_on_digits(folder.path(), TRAIN));
        folder
    };
    let export = |folder: &Path| trainer_in(folder, "export run --to onnx --out onnx");
    let recover = |folder: &Path| {
        succeed(trainer_in(folder, "export run --to onnx --out onnx --force"));
        timeless(&folder.join("onnx"))
    };
    Scenario { folder: &folder, command: &export, recover: &recover }.kill_at(most)
}

/// Serves MNIST's four files, gzipped, and returns the address.
fn serve_mnist() -> String {
    let list = crate::support::json(&mut trainer_in(Path::new("."), "data fetch"));
    let folder = PathBuf::from(list["folder"].as_str().unwrap());
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    let gzipped = move |name: &str| {
        let compressed = folder.join(name);
        if compressed.exists() {
            return fs::read(compressed).unwrap();
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&fs::read(folder.join(name.trim_end_matches(".gz"))).unwrap()).unwrap();
        gzip.finish().unwrap()
    };
    thread::spawn(move || {
        for connection in server.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new((&connection).take(8192)).lines();
            let request = lines.next().unwrap().unwrap();
            for header in lines {
                if header.unwrap().is_empty() {
                    break;
                }
            }
            let name = request.split([' ', '/']).find(|word| word.contains("ubyte")).unwrap();
            let body = gzipped(name);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // A client that is killed closes the connection.
            let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body));
        }
    });
    address
}

fn kill_fetch(most: usize) -> usize {
    let mirror = serve_mnist();
    let fetch = |folder: &Path| {
        let mut command = trainer_in(folder, "data fetch");
        command.env("MNIST_MIRROR", &mirror).env("XDG_CACHE_HOME", folder.join("cache"));
        command
    };
    let recover = |folder: &Path| {
        succeed(fetch(folder));
        let mut verify = trainer_in(folder, "data verify");
        verify.env("XDG_CACHE_HOME", folder.join("cache"));
        succeed(verify);
        vec![("cache".into(), Vec::new())]
    };
    Scenario { folder: &|| tempdir().unwrap(), command: &fetch, recover: &recover }.kill_at(most)
}

#[test]
fn train_killed_at_some_calls_resumes_to_the_same_files() {
    kill_train(SOME);
}

#[test]
fn forced_train_killed_at_some_calls_can_be_forced_again() {
    kill_forced_train(SOME);
}

#[test]
fn compare_killed_at_some_calls_resumes_to_the_same_files() {
    kill_compare(SOME);
}

#[test]
fn comparison_finishes_when_another_process_in_its_folder_is_killed() {
    kill_one_of_two_comparisons(SOME);
}

#[test]
fn report_and_export_killed_at_some_calls_can_be_repeated() {
    kill_report(SOME);
    kill_export(SOME);
}

#[test]
#[ignore = "takes minutes: kills at every call"]
fn program_can_be_killed_at_every_call_that_changes_the_file_system() {
    let scenarios: [(&str, Kill); 7] = [
        ("train", kill_train),
        ("train --force", kill_forced_train),
        ("compare", kill_compare),
        ("two compare", kill_one_of_two_comparisons),
        ("report", kill_report),
        ("export", kill_export),
        ("data fetch", kill_fetch),
    ];
    for (name, kill) in scenarios {
        println!("{name}: killed at {} calls", kill(usize::MAX));
    }
}
