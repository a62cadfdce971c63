//! Output folders: earlier results are kept, resumed or replaced, and foreign files are never touched.

use std::{fs, path::Path};

use mnist_training::{
    RunSettings, TrainingError, TrainingSettings,
    files::{self, Destination, Existing, OutputFolder},
    run::{RUN, Scores},
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
        matches!(&error, TrainingError::Occupied { path: occupied, is_resumable: true } if occupied == path),
        "{error}"
    );

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
    assert!(names(path).is_empty());
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
fn temporary_file_of_a_killed_process_is_part_of_a_result() {
    let folder = unfinished_run();
    fs::write(folder.path().join(".result.json.a1b2c3"), "{").unwrap();
    at(folder.path(), Existing::Replace).unwrap().create().unwrap();
    assert!(names(folder.path()).is_empty());
    fs::write(folder.path().join(".other.json.a1b2c3"), "{").unwrap();
    assert!(matches!(at(folder.path(), Existing::Replace), Err(TrainingError::ForeignFile { .. })));
}

#[test]
fn written_files_read_back_and_errors_name_the_damaged_file() {
    let folder = tempdir().unwrap();
    let output = OutputFolder::create(folder.path().to_owned()).unwrap();
    let rows = vec![Scores { loss: 0.1 + 0.2, accuracy: 1.0 / 3.0 }, Scores { loss: 5e-324, accuracy: 1.0 }];
    output.write_json("scores.json", &rows).unwrap();
    output.write_csv("scores.csv", &rows).unwrap();
    let (json, csv) = (folder.path().join("scores.json"), folder.path().join("scores.csv"));
    assert_eq!(files::read_json::<Vec<Scores>>(&json).unwrap(), rows);
    assert_eq!(files::read_csv::<Scores>(&csv).unwrap(), rows);

    output.write("scores.json", b"[{").unwrap();
    output.write("scores.csv", b"loss\n0.5\n").unwrap();
    for error in
        [files::read_json::<Vec<Scores>>(&json).unwrap_err(), files::read_csv::<Scores>(&csv).unwrap_err()]
    {
        assert!(matches!(error, TrainingError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("scores."), "{error}");
    }

    output.remove("scores.json").unwrap();
    output.remove("scores.json").unwrap();
    assert_eq!(names(folder.path()), ["scores.csv"]);
}
