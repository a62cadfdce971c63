//! Output folders: earlier results are kept, resumed or replaced, and foreign files are never touched.

use std::{fs, path::Path};

use mnist_training::{
    RunSettings, TrainingError, TrainingSettings,
    files::{self, Destination, Existing, OutputFolder, State},
    run::{FolderLock, RUN, Scores},
};
use tempfile::{TempDir, tempdir};

const ALL: [Existing; 3] = [Existing::Refuse, Existing::Resume, Existing::Replace];

fn at(path: &Path, existing: Existing) -> Result<Destination, TrainingError> {
    Destination::at(path.to_owned(), existing, &RUN)
}

/// Returns a folder with an unfinished run.
fn unfinished_run() -> TempDir {
    let folder = tempdir().unwrap();
    let training = TrainingSettings::default();
    let settings = RunSettings { seed: 1, training, scaling: "center".parse().unwrap() };
    fs::write(folder.path().join("config.toml"), settings.to_toml().unwrap()).unwrap();
    fs::create_dir(folder.path().join("checkpoints")).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: Result<fs::DirEntry, _>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn new_or_empty_folder_is_accepted_whatever_should_happen_to_an_earlier_result() {
    let folder = tempdir().unwrap();
    for existing in ALL {
        at(folder.path(), existing).unwrap();
        let new = folder.path().join("a/b");
        assert!(at(&new, existing).unwrap().create().unwrap().path().is_dir());
        fs::remove_dir_all(folder.path().join("a")).unwrap();
    }
}

#[test]
fn earlier_result_is_refused_resumed_or_replaced() {
    let folder = unfinished_run();
    let path = folder.path();
    let error = at(path, Existing::Refuse).unwrap_err();
    assert!(
        matches!(&error, TrainingError::Occupied { path: occupied, is_resumable: true, .. } if occupied == path),
        "{error}"
    );
    assert!(error.to_string().ends_with("already contains a result (unfinished)"), "{error}");

    let resume = at(path, Existing::Resume).unwrap();
    assert_eq!((resume.keeps(), resume.replaces()), (Some(path), None));
    resume.create().unwrap();
    assert_eq!(names(path), ["checkpoints", "config.toml"]);

    let replace = at(path, Existing::Replace).unwrap();
    assert_eq!((replace.keeps(), replace.replaces()), (None, Some(path)));
    assert_eq!(
        names(path),
        ["checkpoints", "config.toml"],
        "nothing is removed before the folder is created"
    );
    replace.create().unwrap();
    assert_eq!(names(path), ["lock"], "a removed lock would keep nobody out");
}

#[test]
fn new_folder_neither_keeps_nor_replaces_a_result() {
    let new = Destination::new("center");
    assert_eq!((new.keeps(), new.replaces()), (None, None));
}

#[test]
fn error_names_the_foreign_file() {
    let folder = unfinished_run();
    fs::write(folder.path().join("thesis.tex"), "").unwrap();
    for existing in ALL {
        let error = at(folder.path(), existing).unwrap_err();
        assert!(
            matches!(&error, TrainingError::ForeignFile { entry, .. } if entry == "thesis.tex"),
            "{error}"
        );
    }
}

#[test]
fn file_instead_of_a_folder_is_refused() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("run");
    fs::write(&file, "").unwrap();
    for existing in ALL {
        let error = at(&file, existing).unwrap_err();
        assert!(matches!(&error, TrainingError::NotAFolder(path) if *path == file), "{error}");
    }
}

#[test]
fn folder_with_the_file_names_of_a_run_but_no_valid_configuration_is_refused() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("data.json"), "{}").unwrap();
    let refused = || {
        let error = at(folder.path(), Existing::Replace).unwrap_err();
        assert!(matches!(error, TrainingError::NotAResult { mark: "config.toml", .. }), "{error}");
    };
    refused();
    fs::write(folder.path().join("config.toml"), "[another.program]\nport = 80").unwrap();
    refused();
}

#[test]
fn folder_without_more_than_the_traces_of_a_killed_process_is_new() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("lock"), "").unwrap();
    fs::write(folder.path().join("lease"), "").unwrap();
    fs::write(folder.path().join(".lease.a1b2c3"), "").unwrap();
    fs::write(folder.path().join(".config.toml.a1b2c3"), "[trai").unwrap();
    fs::create_dir(folder.path().join("checkpoints")).unwrap();
    for existing in ALL {
        at(folder.path(), existing).unwrap();
    }
    assert_eq!(RUN.state(folder.path()).unwrap(), State::New);
}

#[test]
fn every_state_of_a_run_is_named_and_can_be_replaced() {
    let run = unfinished_run();
    let path = run.path();
    assert_eq!(RUN.state(path).unwrap(), State::Unfinished);
    fs::write(path.join("lock"), "").unwrap();
    let lock = FolderLock::try_take(path).unwrap().unwrap();
    assert_eq!(RUN.state(path).unwrap(), State::Running);
    for existing in ALL {
        let error = at(path, existing).unwrap_err();
        assert!(matches!(error, TrainingError::InUse(_)), "{error}");
    }
    drop(lock);
    fs::write(path.join("result.json"), "{}").unwrap();
    assert_eq!(RUN.state(path).unwrap(), State::Damaged);
    // The lock shows that this was a run.
    fs::write(path.join("config.toml"), "seed = ").unwrap();
    assert_eq!(RUN.state(path).unwrap(), State::Damaged);
    let error = at(path, Existing::Refuse).unwrap_err();
    assert!(error.to_string().ends_with("already contains a result (damaged)"), "{error}");
    at(path, Existing::Replace).unwrap().create().unwrap();
    assert_eq!(RUN.state(path).unwrap(), State::New);
}

#[test]
fn temporary_file_of_a_killed_process_is_part_of_a_result() {
    let folder = unfinished_run();
    fs::write(folder.path().join(".result.json.a1b2c3"), "{").unwrap();
    at(folder.path(), Existing::Replace).unwrap().create().unwrap();
    assert_eq!(names(folder.path()), ["lock"]);
    fs::write(folder.path().join(".other.json.a1b2c3"), "{").unwrap();
    assert!(matches!(at(folder.path(), Existing::Replace), Err(TrainingError::ForeignFile { .. })));
}

#[test]
fn written_files_read_back_and_errors_name_the_damaged_file() {
    let folder = tempdir().unwrap();
    let output = OutputFolder::create(folder.path().to_owned()).unwrap();
    let rows = vec![Scores { loss: 0.1 + 0.2, accuracy: 1.0 / 3.0 }, Scores { loss: 5e-324, accuracy: 1.0 }];
    output.write_json("scores.json", &rows).unwrap();
    output.write("scores.csv", &files::csv(&rows).unwrap()).unwrap();
    let (json, csv) = (folder.path().join("scores.json"), folder.path().join("scores.csv"));
    assert_eq!(files::read_json::<Vec<Scores>>(&json).unwrap(), rows);
    assert_eq!(read_csv(&csv).unwrap(), rows);

    output.write("scores.json", b"[{").unwrap();
    output.write("scores.csv", b"loss\n0.5\n").unwrap();
    for error in [files::read_json::<Vec<Scores>>(&json).unwrap_err(), read_csv(&csv).unwrap_err()] {
        assert!(matches!(error, TrainingError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("scores."), "{error}");
    }

    output.remove("scores.json").unwrap();
    output.remove("scores.json").unwrap();
    assert_eq!(names(folder.path()), ["scores.csv"]);
}

fn read_csv(path: &Path) -> Result<Vec<Scores>, TrainingError> {
    files::parse_csv(path, &fs::read(path).unwrap())
}

#[test]
fn sealed_file_with_any_changed_byte_is_refused() {
    let folder = tempdir().unwrap();
    let output = OutputFolder::create(folder.path().to_owned()).unwrap();
    let scores = Scores { loss: 0.1 + 0.2, accuracy: 1.0 / 3.0 };
    output.write_sealed("scores.json", &scores).unwrap();
    let path = folder.path().join("scores.json");
    let read = || files::read_sealed::<Scores>(&path);
    assert_eq!(read().unwrap(), (scores, true));
    let honest = fs::read(&path).unwrap();
    for position in 0..honest.len() {
        for bit in 0..8 {
            let mut bytes = honest.clone();
            bytes[position] ^= 1 << bit;
            fs::write(&path, bytes).unwrap();
            // Without its key, the checksum is missing, which the caller refuses.
            let is_noticed = !matches!(read(), Ok((_, true)));
            assert!(is_noticed, "bit {bit} of byte {position}");
        }
    }
}

#[test]
fn long_error_about_a_damaged_file_is_cut() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("data.json");
    fs::write(&path, format!("\"{}\"", "a".repeat(5_000_000))).unwrap();
    let error = files::read_json::<Vec<Scores>>(&path).unwrap_err().to_string();
    assert!(error.len() < 400, "{} bytes", error.len());
}
