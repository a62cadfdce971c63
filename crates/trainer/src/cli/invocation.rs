//! The command line as the user typed it, for errors that quote it.

use std::{
    ffi::OsString,
    num::NonZeroU32,
    path::{self, Path, PathBuf},
};

use clap::ArgMatches;
use mnist_report::notes::quote;

use super::{Format, settings::data_dir_variable};

/// The command line, and what else names the data folder.
#[derive(Debug)]
pub struct Invocation {
    /// The command that resumes this one, without the folder.
    resume: Vec<String>,
    has_data_dir: bool,
    /// Whether a configuration file or an earlier result has settings too: without `--data-dir`, it may name another
    /// folder.
    pub has_settings_elsewhere: bool,
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
        Self {
            resume: resuming(arguments, matches, command),
            has_data_dir: path("data_dir").is_some(),
            has_settings_elsewhere: ["config", "run", "comparison"].iter().any(|flag| path(flag).is_some()),
            config: path("config"),
            variable: data_dir_variable(),
        }
    }

    /// Returns the command that resumes this one in `folder`, quoted for a shell. The folder contains the settings.
    pub fn resumed(&self, folder: &Path) -> String {
        let folder = folder.to_string_lossy();
        let words = self.resume.iter().map(String::as_str).chain(["--resume", &folder]);
        words.map(quote).collect::<Vec<_>>().join(" ")
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

/// Returns the program, its command, and the flags that a folder does not save.
fn resuming(arguments: &[OsString], matches: &ArgMatches, command: &ArgMatches) -> Vec<String> {
    let program = arguments.first().map(|program| program.to_string_lossy().into_owned());
    let name = matches.subcommand_name().unwrap_or("compare").to_owned();
    let mut words: Vec<String> = program.into_iter().chain([name]).collect();
    if let Ok(Some(jobs)) = command.try_get_one::<NonZeroU32>("jobs") {
        words.extend(["--jobs".to_owned(), jobs.to_string()]);
    }
    if let Ok(Some(true)) = command.try_get_one("worker") {
        words.push("--worker".to_owned());
    }
    if let Ok(Some(folder)) = command.try_get_one::<PathBuf>("tensorboard") {
        words.extend(["--tensorboard".to_owned(), folder.to_string_lossy().into_owned()]);
    }
    if matches.get_one::<Format>("format") == Some(&Format::Json) {
        words.extend(["--format".to_owned(), "json".to_owned()]);
    }
    if matches.get_flag("quiet") {
        words.push("--quiet".to_owned());
    }
    words
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
    fn the_resuming_command_names_the_folder_and_what_it_does_not_save() {
        for (arguments, expected) in [
            (&["train", "--scaling", "center", "--epochs=9"][..], "train --resume runs/it"),
            (&["compare", "--out", "here", "--jobs=2"], "compare --jobs 2 --resume runs/it"),
            (
                &["train", "--tensorboard", "events", "--out", "here"],
                "train --tensorboard events --resume runs/it",
            ),
            (&["compare", "--out=here", "--force", "--quiet"], "compare --quiet --resume runs/it"),
            (&["compare", "--resume", "here", "--seeds", "3"], "compare --resume runs/it"),
            (&["train", "--out", "here", "--resume"], "train --resume runs/it"),
            (&[], "compare --resume runs/it"),
            (&["compare", "--out=here", "--resume", "--worker"], "compare --worker --resume runs/it"),
            (&["--quiet", "--format", "json"], "compare --format json --quiet --resume runs/it"),
        ] {
            let resumed = invocation(arguments).resumed(Path::new("runs/it"));
            assert_eq!(resumed, format!("mnist-trainer {expected}"), "{arguments:?}");
        }
    }

    #[test]
    fn the_resuming_command_is_quoted_for_a_shell() {
        let compare = invocation(&["compare"]);
        assert_eq!(compare.resumed(Path::new("it's")), r"mnist-trainer compare --resume 'it'\''s'");
        assert_eq!(["", "$HOME", "a\nb"].map(quote), ["''", "'$HOME'", "'a\nb'"]);
    }

    #[test]
    fn settings_of_a_file_or_a_result_are_known() {
        for (arguments, expected) in [
            (&["train", "--data-dir", "here"][..], false),
            (&["train", "--config", "c.toml"], true),
            (&["evaluate", "run"], true),
            (&["report", "runs/all"], true),
        ] {
            assert_eq!(invocation(arguments).has_settings_elsewhere, expected, "{arguments:?}");
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
