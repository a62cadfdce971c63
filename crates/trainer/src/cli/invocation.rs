//! The command line as the user typed it, for errors that quote it.

use std::{
    ffi::OsString,
    path::{self, Path, PathBuf},
};

use clap::ArgMatches;
use mnist_data::DatasetKind;
use mnist_report::notes::quote;

use super::settings::data_dir_variable;

/// The command line, and what else names the data folder.
#[derive(Debug)]
pub struct Invocation {
    /// The program and its arguments.
    words: Vec<String>,
    has_command: bool,
    has_data_dir: bool,
    /// Whether the command works on MNIST, as far as the flags alone can tell.
    pub is_for_mnist: bool,
    config: Option<PathBuf>,
    /// The folder that the environment names.
    variable: Option<PathBuf>,
}

/// What named the data folder.
#[derive(Debug, PartialEq, Eq)]
pub enum DataDirOrigin<'a> {
    /// `--data-dir`.
    Flag,
    /// `MNIST_DATA_DIR`.
    Variable,
    /// This configuration file.
    Config(&'a Path),
    /// The settings of an earlier run.
    Run,
}

impl Invocation {
    pub fn new(arguments: &[OsString], matches: &ArgMatches) -> Self {
        let mut command = matches;
        while let Some((_, within)) = command.subcommand() {
            command = within;
        }
        // Not every command has these flags.
        let path = |flag: &str| command.try_get_one::<PathBuf>(flag).ok().flatten().cloned();
        let is_for_mnist = match command.try_get_one::<DatasetKind>("dataset") {
            Ok(Some(kind)) => *kind == DatasetKind::Mnist,
            // A configuration file, and the settings of a run or a comparison, can name another data set.
            _ => ["config", "run", "comparison"].into_iter().all(|flag| path(flag).is_none()),
        };
        Self {
            words: arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            has_command: matches.subcommand().is_some(),
            has_data_dir: path("data_dir").is_some(),
            is_for_mnist,
            config: path("config"),
            variable: data_dir_variable(),
        }
    }

    /// Returns the command that resumes this one in `folder`, quoted for a shell.
    pub fn resumed(&self, folder: &Path) -> String {
        let mut words = Vec::new();
        let mut given = self.words.iter().map(String::as_str);
        while let Some(word) = given.next() {
            match word {
                "--out" => _ = given.next(),
                "--resume" | "--force" => {}
                _ if word.starts_with("--out=") => {}
                _ => words.push(word),
            }
        }
        if !self.has_command {
            words.push("compare");
        }
        let folder = folder.to_string_lossy();
        words.extend(["--out", &folder, "--resume"]);
        words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
    }

    /// Returns what named `folder` as the data folder.
    pub fn origin_of(&self, folder: &Path) -> DataDirOrigin<'_> {
        let variable = self.variable.as_deref().and_then(|variable| path::absolute(variable).ok());
        match &self.config {
            _ if self.has_data_dir => DataDirOrigin::Flag,
            _ if variable.as_deref() == Some(folder) => DataDirOrigin::Variable,
            Some(config) => DataDirOrigin::Config(config),
            None => DataDirOrigin::Run,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn invocation(arguments: &[&str]) -> Invocation {
        let arguments: Vec<OsString> =
            ["mnist-trainer"].iter().chain(arguments).map(OsString::from).collect();
        let matches = Cli::command().try_get_matches_from(&arguments).unwrap();
        Invocation { variable: Some("/data/mnist".into()), ..Invocation::new(&arguments, &matches) }
    }

    #[test]
    fn the_resuming_command_repeats_every_argument() {
        for (arguments, expected) in [
            (
                &["train", "--scaling", "center", "--epochs=9"][..],
                "mnist-trainer train --scaling center --epochs=9 --out runs/it --resume",
            ),
            (
                &["compare", "--out", "here", "--quiet"],
                "mnist-trainer compare --quiet --out runs/it --resume",
            ),
            (&["compare", "--out=here", "--force"], "mnist-trainer compare --out runs/it --resume"),
            (&["compare", "--out", "here", "--resume"], "mnist-trainer compare --out runs/it --resume"),
            (&[], "mnist-trainer compare --out runs/it --resume"),
            (&["--quiet"], "mnist-trainer --quiet compare --out runs/it --resume"),
        ] {
            assert_eq!(invocation(arguments).resumed(Path::new("runs/it")), expected);
        }
    }

    #[test]
    fn the_resuming_command_is_quoted_for_a_shell() {
        let compare = invocation(&["compare", "--scalings", "none,zca", "--data-dir", "my digits"]);
        assert_eq!(
            compare.resumed(Path::new("it's")),
            r"mnist-trainer compare --scalings none,zca --data-dir 'my digits' --out 'it'\''s' --resume"
        );
        assert_eq!(["", "$HOME", "a\nb"].map(quote), ["''", "'$HOME'", "'a\nb'"]);
    }

    #[test]
    fn the_flags_tell_whether_the_command_is_for_mnist() {
        for (arguments, expected) in [
            (&["train", "--data-dir", "here"][..], true),
            (&["data", "verify", "--dataset", "mnist", "--config", "c.toml"], true),
            (&["train", "--dataset", "idx", "--data-dir", "here"], false),
            (&["train", "--config", "c.toml"], false),
            (&["evaluate", "run"], false),
            (&["report", "runs/all"], false),
        ] {
            assert_eq!(invocation(arguments).is_for_mnist, expected, "{arguments:?}");
        }
    }

    #[test]
    fn the_origin_of_the_data_folder_is_known() {
        let (variable, other) = (Path::new("/data/mnist"), Path::new("/data/other"));
        let origin = |arguments: &[&str], folder| format!("{:?}", invocation(arguments).origin_of(folder));
        assert_eq!(origin(&["data", "verify", "--data-dir", "/data/mnist"], variable), "Flag");
        assert_eq!(origin(&["data", "verify", "--config", "c.toml"], variable), "Variable");
        assert_eq!(origin(&["data", "verify", "--config", "c.toml"], other), "Config(\"c.toml\")");
        assert_eq!(origin(&["evaluate", "run"], other), "Run");
        assert_eq!(origin(&[], variable), "Variable");
    }
}
