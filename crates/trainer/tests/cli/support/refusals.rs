//! Commands that must fail: exit status, one or two lines on standard error, nothing on standard output.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::{TempDir, tempdir};

use super::{
    digits::write_digits, pictures::write_fruit, stderr, stdout, trainer_in, transcripts::transcript,
};

/// Checks that a command failed as the program's contract says, with this exit status and message.
#[track_caller]
pub fn assert_refused(output: &Output, status: i32, message: &str) {
    let error = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(error.contains("error: ") && error.contains(message), "`{message}` is missing in: {error}");
    assert!((1..=2).contains(&error.lines().count()), "more than two lines: {error}");
    assert!(!error.contains("panicked") && !error.contains("RUST_BACKTRACE"), "{error}");
    assert_eq!(stdout(output), "", "an error leaves standard output empty");
}

/// Runs a command that must fail with this status and message, and returns what a user sees of it.
#[track_caller]
pub fn refused(command: &mut Command, status: i32, message: &str) -> String {
    let output = command.output().unwrap();
    assert_refused(&output, status, message);
    transcript(command, &output)
}

/// A command that must fail in an otherwise empty folder.
pub struct Failing {
    pub folder: TempDir,
    pub command: Command,
    /// The files that [`with_file`](Self::with_file) wrote, a line for each.
    files: Vec<String>,
}

/// A command with these arguments, which must fail. It runs when [`Failing::fails`] is called.
pub fn failing(arguments: &str) -> Failing {
    let folder = tempdir().unwrap();
    let command = trainer_in(folder.path(), arguments);
    Failing { folder, command, files: Vec::new() }
}

impl Failing {
    pub fn with_file(mut self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        let text = String::from_utf8_lossy(contents.as_ref());
        self.files.push(format!("# {name} contains {text:?}\n"));
        fs::write(self.folder.path().join(name), contents).unwrap();
        self
    }

    /// Adds the small data set under `data`.
    pub fn with_digits(self) -> Self {
        write_digits(&self.folder.path().join("data"));
        self
    }

    /// Adds the small data set under `data` and changes one of its files.
    pub fn with_changed_digits(self, name: &str, change: impl FnOnce(&Path)) -> Self {
        let changed = self.with_digits();
        change(&changed.folder.path().join("data").join(name));
        changed
    }

    /// Adds the small folder of pictures under `data` and changes something in it.
    pub fn with_pictures(self, change: impl FnOnce(&Path)) -> Self {
        let data = self.folder.path().join("data");
        write_fruit(&data);
        change(&data);
        self
    }

    /// Runs the command, checks how it fails and that it leaves no file behind, and returns what a user sees.
    #[track_caller]
    pub fn fails(mut self, status: i32, message: &str) -> String {
        let before = names(self.folder.path());
        let seen = refused(&mut self.command, status, message);
        assert_eq!(names(self.folder.path()), before, "{:?} leaves no file behind", self.command);
        self.files.concat() + &seen
    }
}

/// All paths below a folder.
fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // A link to a folder is not followed: it may lead back here.
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()));
        }
        names.push(entry.path());
    }
    names.sort();
    names
}
