//! Readers of a run's folder, with damaged files: no panic, no hang, bounded memory, and errors of one line.
//!
//! Each test reads a few hundred mutated files. With the environment variable `MUTATION_SECONDS=600`, each reads for 600
//! seconds, and checks the peak memory of the process on Linux:
//! `MUTATION_SECONDS=600 cargo test --release -p mnist-training --test training mutations -- --nocapture`.
//!
//! Half of the mutated files do not match their checksums: a run must then have the same weights and predictions as
//! before, or an error. The other files have valid checksums, as an attacker could write them.
//!
//! The mutations of case n are always the same, so a failure can be repeated.

use std::{
    collections::BTreeMap,
    env, fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    time::{Duration, Instant},
};

use mnist_data::{input::is_unprintable, source::FileSum};
use mnist_training::{
    Backend, FinishedRun, Prediction, Predictor, RunSettings, TrainingError,
    files::{RESULT, sha256, sum},
    prediction::LabelledPrediction,
    run::{SCALING, WEIGHTS},
    weights,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{MlpNetwork, StopAfter, data, settings, train};

const MLP: MlpNetwork = MlpNetwork("mlp");

/// Limit for one case. Usually, a case takes milliseconds.
const TIME: Duration = Duration::from_secs(30);

/// Limit for the memory of the process, in KiB.
const MEMORY: u64 = 512 << 10;

/// Numbers at the limits of their types, and beyond.
#[rustfmt::skip]
const NUMBERS: [&str; 17] = [
    "0", "1", "2", "60000", "-1", "-0.0", "1e999", "1e-999", "1e308", "NaN", "inf", "4294967295", "4294967296",
    "4611686018427387904", "9223372036854775807", "18446744073709551615", "99999999999999999999999",
];

/// Text that JSON, TOML, CSV or a terminal gives a meaning.
#[rustfmt::skip]
const WORDS: [&str; 21] = [
    "null", "true", ",", "\n", "\r", "[", "]", "{", "}", "\"", "\"\"", "'", "=", "[[[[[[[[", "{\"\":", "\\u0000",
    "\\u001b[2J", "\u{1b}[2J", "\u{202e}", "\\ud800", "../",
];

/// The files of a run's folder by their paths in it.
type Files = BTreeMap<String, Vec<u8>>;

fn finished_run() -> Files {
    let folder = tempdir().unwrap();
    train(&MLP, &run_settings(), folder.path(), &()).unwrap();
    read_files(folder.path())
}

/// Returns the files of a run that was stopped during its second epoch. It has two checkpoints.
fn interrupted_run() -> Files {
    let folder = tempdir().unwrap();
    let error = train(&MLP, &run_settings(), folder.path(), &StopAfter::steps(9)).unwrap_err();
    assert!(error.is_interrupt(), "{error}");
    let files = read_files(folder.path());
    assert_eq!(files.keys().filter(|name| name.ends_with("progress.json")).count(), 2);
    files
}

fn run_settings() -> RunSettings {
    settings(1, 2)
}

fn read_files(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(path) = folders.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(mnist_training::run::LOCK) {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Writes files into a new folder.
fn write_files(files: &Files) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// Mutates one file of a run at a time, `cases` times. `read` reads the run's folder. If the checksums are not corrected,
/// it must return the same value as for the honest run, or an error.
fn check<T: PartialEq>(
    name: &str,
    cases: u64,
    runs: &[Files],
    is_read: impl Fn(&str) -> bool,
    read: impl Fn(&Path) -> Result<T, TrainingError>,
) {
    let seconds = env::var("MUTATION_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let honest = runs.iter().map(|files| read(write_files(files).path()).unwrap()).collect::<Vec<_>>();
    let targets: Vec<(usize, &String)> = (0..runs.len())
        .flat_map(|run| runs[run].keys().map(move |file| (run, file)))
        .filter(|(_, file)| is_read(file))
        .collect();
    let (mut case, mut accepted, mut slowest) = (0, 0_u64, Duration::ZERO);
    while end.map_or(case < cases, |end| Instant::now() < end) {
        let (run, file) = targets[case as usize % targets.len()];
        let mut mutator = Mutator(ChaCha8Rng::seed_from_u64(case));
        let mut files = runs[run].clone();
        mutator.mutate(files.get_mut(file).unwrap());
        let is_sealed = mutator.0.random() && seal(&mut files, file);
        let folder = write_files(&files);

        let started = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| read(folder.path())));
        let time = started.elapsed();
        let about = format!("{name}: case {case} ({file}, checksums corrected: {is_sealed})");
        let Ok(result) = result else { panic!("{about} panics") };
        match result {
            Ok(value) => {
                assert!(is_sealed || value == honest[run], "{about} has another result");
                accepted += 1;
            }
            Err(error) => {
                let error = error.to_string();
                let is_line = !error.is_empty() && error.len() < 5000 && !error.chars().any(is_unprintable);
                assert!(is_line, "{about}: {error:?}");
            }
        }
        slowest = slowest.max(time);
        assert!(time < TIME, "{about} takes {time:?}");
        if let Some(peak) = end.and_then(|_| peak_in_kib()) {
            assert!(peak < MEMORY, "{about}: the process takes {peak} KiB");
        }
        case += 1;
    }
    println!("{name}: {case} cases of {} files, {accepted} accepted; slowest {slowest:.1?}", targets.len());
}

/// Returns the peak of this process' memory. `None` outside Linux.
fn peak_in_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Corrects the checksums after `file` was mutated. Returns whether a checksum covers the file.
fn seal(files: &mut Files, file: &str) -> bool {
    let bytes = files[file].clone();
    if file.ends_with(RESULT) || file.ends_with("progress.json") {
        files.insert(file.to_owned(), sealed(&bytes));
        return true;
    }
    let (folder, name) = file.rsplit_once('/').map_or(("", file), |(folder, name)| (folder, name));
    let sums = if folder.is_empty() { RESULT.to_owned() } else { format!("{folder}/progress.json") };
    let Some(text) = files.get(&sums) else { return false };
    let mut value: Value = serde_json::from_slice(text).unwrap();
    for recorded in value["files"].as_array_mut().unwrap() {
        if recorded["name"] == name {
            *recorded = serde_json::to_value::<FileSum>(sum(name, &bytes)).unwrap();
        }
    }
    if name == SCALING {
        value["scaling_sha256"] = json!(sha256(&bytes));
    }
    if let (WEIGHTS, Ok(sum)) = (name, weights::sha256(&bytes)) {
        value["weights_sha256"] = json!(sum);
    }
    let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
    files.insert(sums, sealed(text.as_bytes()));
    true
}

/// Returns JSON with the checksum of its content as the last key.
fn sealed(json: &[u8]) -> Vec<u8> {
    const SEAL: &[u8] = b",\n  \"sha256\": \"";
    // A record of the data files has the same key, further to the right.
    let end = json.windows(SEAL.len()).rposition(|window| window == SEAL);
    let content = &json[..end.unwrap_or(json.len())];
    [content, SEAL, sha256(content).as_bytes(), b"\"\n}\n"].concat()
}

struct Mutator(ChaCha8Rng);

impl Mutator {
    /// Applies one to three mutations. In half of the cases, replaces only one value, so that the syntax mostly stays
    /// valid.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if self.0.random() {
            return self.replace_value(bytes);
        }
        for _ in 0..self.0.random_range(1..=3) {
            self.mutate_once(bytes);
        }
    }

    fn mutate_once(&mut self, bytes: &mut Vec<u8>) {
        let start = self.0.random_range(0..=bytes.len());
        let most = if self.0.random() { 8 } else { bytes.len() };
        let end = bytes.len().min(start + self.0.random_range(0..=most));
        let range = start..end;
        match self.0.random_range(0..12) {
            0 if start < bytes.len() => bytes[start] ^= 1 << self.0.random_range(0..8),
            1 => bytes[range].fill(0),
            2 => bytes[range].fill(255),
            3 => self.0.fill_bytes(&mut bytes[range]),
            4 => bytes.truncate(start),
            5 => drop(bytes.drain(range)),
            6 => drop(bytes.splice(start..start, bytes[range].to_vec())),
            7 => {
                let mut garbage = vec![0; self.0.random_range(1..200)];
                self.0.fill_bytes(&mut garbage);
                bytes.extend(garbage);
            }
            8 => {
                let number =
                    [0_u64, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1, u64::MAX][self.0.random_range(0..6)];
                for (byte, number) in bytes[range].iter_mut().zip(number.to_le_bytes()) {
                    *byte = number;
                }
            }
            9 => drop(bytes.splice(range, self.word())),
            _ => self.replace_value(bytes),
        }
    }

    /// Replaces a number or a name.
    fn replace_value(&mut self, bytes: &mut Vec<u8>) {
        let start = self.0.random_range(0..=bytes.len());
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let Some(first) = bytes[start..].iter().position(is_part).map(|first| start + first) else { return };
        let first = bytes[..first].iter().rposition(|byte| !is_part(byte)).map_or(0, |before| before + 1);
        let length = bytes[first..].iter().position(|byte| !is_part(byte)).unwrap_or(bytes.len() - first);
        let is_number = bytes.get(first).is_some_and(u8::is_ascii_digit) && self.0.random_range(0..4) > 0;
        let value = if is_number { self.number() } else { self.word() };
        drop(bytes.splice(first..first + length, value));
    }

    fn number(&mut self) -> Vec<u8> {
        NUMBERS[self.0.random_range(0..NUMBERS.len())].into()
    }

    fn word(&mut self) -> Vec<u8> {
        let word = WORDS[self.0.random_range(0..WORDS.len())];
        let count = if self.0.random_range(0..8) == 0 { self.0.random_range(2..2000) } else { 1 };
        word.repeat(count).into_bytes()
    }
}

/// Returns what must not change: the checksum of the weights, and the predictions.
fn outcome(run: Option<FinishedRun>) -> Option<(Option<String>, Vec<LabelledPrediction>)> {
    run.map(|run| (run.result.weights_sha256, run.predictions))
}

#[test]
fn damaged_finished_runs_are_read() {
    check(
        "read_intact",
        400,
        &[finished_run()],
        |file| !file.contains('/'),
        |run| FinishedRun::read_intact(run, 1).map(outcome),
    );
}

#[test]
fn damaged_models_are_opened() {
    let test = data().test;
    let pixels = test.pixels(0..10).unwrap();
    let images: Vec<&[u8]> = pixels.chunks(test.shape().pixels()).collect();
    check(
        "predictor",
        400,
        &[finished_run()],
        |file| ["config.toml", SCALING, RESULT, WEIGHTS].contains(&file),
        |run| -> Result<Vec<Prediction>, _> { Predictor::open(run, &MLP, Backend::Flex)?.predict(&images) },
    );
}

#[test]
fn damaged_runs_are_resumed() {
    check(
        "resume",
        66,
        &[finished_run(), interrupted_run()],
        |_| true,
        |run| train(&MLP, &run_settings(), run, &()).map(|run| outcome(Some(run))),
    );
}
