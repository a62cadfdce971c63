//! Checks of commands that must fail: exit status, one or two lines on standard error, no standard output.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::{TempDir, tempdir};

use super::{digits::write_digits, pictures::write_fruit, stderr, stdout, trainer_in, transcripts};

/// Checks that a command failed with this exit status and message, in one or two lines and without a panic.
#[track_caller]
pub fn assert_refused(output: &Output, status: i32, message: &str) {
    let error = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert!(error.contains("error: ") && error.contains(message), "`{message}` is missing in: {error}");
    assert!((1..=2).contains(&error.lines().count()), "more than two lines: {error}");
    assert!(!error.contains("panicked") && !error.contains("RUST_BACKTRACE"), "{error}");
    assert_eq!(stdout(output), "", "a command that fails must print nothing on standard output");
}

/// Runs a command that must fail with this exit status and message, and returns its transcript.
#[track_caller]
pub fn refused(command: &mut Command, status: i32, message: &str) -> String {
    let output = command.output().unwrap();
    assert_refused(&output, status, message);
    transcripts::transcript(command, &output)
}

/// A command that must fail, and the temporary folder it runs in.
pub struct Failing {
    pub folder: TempDir,
    pub command: Command,
    /// A line about each file that [`with_file`](Self::with_file) wrote.
    files: Vec<String>,
}

/// Prepares a command that must fail, in an empty folder. [`Failing::fails`] runs it.
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

    /// Adds the small data set in `data`.
    pub fn with_digits(self) -> Self {
        write_digits(&self.folder.path().join("data"));
        self
    }

    /// Adds the small data set in `data`, and calls `change` with the path of one of its files.
    pub fn with_changed_digits(self, name: &str, change: impl FnOnce(&Path)) -> Self {
        let changed = self.with_digits();
        change(&changed.folder.path().join("data").join(name));
        changed
    }

    /// Adds the small data set of pictures in `data`, and calls `change` with its path.
    pub fn with_pictures(self, change: impl FnOnce(&Path)) -> Self {
        let data = self.folder.path().join("data");
        write_fruit(&data);
        change(&data);
        self
    }

    /// Runs the command and returns its transcript, after the descriptions of the files. The command must fail with
    /// this exit status and message, and create no file. `[folder]` in the message stands for the command's folder.
    #[track_caller]
    pub fn fails(mut self, status: i32, message: &str) -> String {
        let folder = fs::canonicalize(self.folder.path()).unwrap();
        let message = message.replace("[folder]", folder.to_str().unwrap());
        let before = names(self.folder.path());
        let transcript = refused(&mut self.command, status, &message);
        assert_eq!(names(self.folder.path()), before, "{:?} created or removed files", self.command);
        self.files.concat() + &transcript
    }
}

/// Lists all paths below a folder.
fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // Links to folders are not followed: they may form a cycle.
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()));
        }
        names.push(entry.path());
    }
    names.sort();
    names
}
