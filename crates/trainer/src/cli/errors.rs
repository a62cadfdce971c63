//! Prints clap's errors in two lines, as all errors of this program: the error, and a hint.

use std::{ffi::OsString, process::ExitCode};

use clap::{
    CommandFactory,
    error::{ContextKind, ContextValue, ErrorKind},
};
use mnist_data::scaling::preset_names;
use mnist_report::notes::quote;

use super::Cli;
use crate::terminal::write_line;

/// Exit status for invalid arguments or settings, the same as clap's.
pub const USAGE: u8 = 2;

/// The name of the program, as in its help.
const PROGRAM: &str = "mnist-trainer";

/// Prints the error, or the help or version that was asked for, and returns the exit status.
pub fn report(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // A pipe may be closed early, as by `mnist-trainer --help | head`.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    for line in describe(error, arguments) {
        write_line(line);
    }
    ExitCode::from(USAGE)
}

/// Returns the line with the error and the line with the hint.
fn describe(error: &clap::Error, arguments: &[OsString]) -> [String; 2] {
    // clap prints the error, then an empty line, tips, the usage, and how to get help.
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim);
    let message: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let mut tips = lines.filter_map(|line| line.strip_prefix("tip: "));
    // The tip how "to pass '--flag' as a value" would only hide the mistake.
    let tip = tips.find(|tip| !tip.starts_with("to pass"));

    let command = command_path(arguments);
    let hint = hint(error, &command, arguments)
        .or_else(|| tip.map(|tip| tip.replace('\'', "")))
        .unwrap_or_else(|| format!("see `{command} --help`"));
    [message.join(" "), format!("hint: {hint}")]
}

/// Returns the hint for frequent mistakes that clap has no tip for.
fn hint(error: &clap::Error, command: &str, arguments: &[OsString]) -> Option<String> {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    if command == PROGRAM {
        return command_for(argument, arguments);
    }
    let is_scaling = preset_names().contains(&argument.as_str());
    match (command.strip_prefix(PROGRAM)?.trim_start(), argument.as_str()) {
        ("train" | "compare", "--lr") => Some("use --learning-rate".into()),
        ("train", "--seeds") => Some("train takes --seed; use compare for several seeds".into()),
        ("train" | "scale", name) if is_scaling => Some(format!("use --scaling {name}")),
        ("compare", name) if is_scaling => Some(format!("use --scalings {name}")),
        _ => None,
    }
}

/// Returns the hint for a flag without a command: the same arguments after the first command that has this flag.
fn command_for(flag: &str, arguments: &[OsString]) -> Option<String> {
    let meant = |word: &str| match word.strip_prefix("--lr") {
        Some(value) if value.is_empty() || value.starts_with('=') => format!("--learning-rate{value}"),
        _ => word.to_owned(),
    };
    let name = meant(flag).strip_prefix("--")?.to_owned();
    let has_flag = |command: &&clap::Command| {
        command.get_arguments().any(|argument| argument.get_long() == Some(name.as_str()))
    };
    let cli = Cli::command();
    // Without a command, the program runs `compare`, so that is what most flags are meant for.
    let likely = ["compare", "train"].into_iter().filter_map(|name| cli.find_subcommand(name));
    let command = likely.chain(cli.get_subcommands()).find(has_flag)?;
    let words = arguments.iter().skip(1).map(|word| quote(&meant(&word.to_string_lossy())));
    let words = words.collect::<Vec<_>>().join(" ");
    Some(format!("name a command first, such as `{PROGRAM} {} {words}`", command.get_name()))
}

/// Returns the command that the arguments name, such as `mnist-trainer data verify`.
fn command_path(arguments: &[OsString]) -> String {
    let mut command = Cli::command();
    let mut path = command.get_name().to_owned();
    for argument in arguments {
        if let Some(named) = command.find_subcommand(argument).cloned() {
            path = format!("{path} {}", named.get_name());
            command = named;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(arguments: &str) -> [String; 2] {
        let arguments: Vec<OsString> =
            ["mnist-trainer"].into_iter().chain(arguments.split(' ')).map(OsString::from).collect();
        let error = Cli::command().try_get_matches_from(&arguments).unwrap_err();
        describe(&error, &arguments)
    }

    fn hint_for(arguments: &str) -> String {
        errors(arguments)[1].clone()
    }

    #[test]
    fn a_tip_of_clap_becomes_the_hint() {
        let [error, hint] = errors("export run --to onnx --resume");
        assert_eq!(error, "error: unexpected argument '--resume' found");
        assert_eq!(hint, "hint: a similar argument exists: --resize");
        assert_eq!(hint_for("trian"), "hint: a similar subcommand exists: train");
        assert_eq!(hint_for("scale --scaling standardise"), "hint: a similar value exists: standardize");
    }

    #[test]
    fn passing_a_flag_as_a_value_is_never_suggested() {
        assert_eq!(hint_for("predict run --foo 7.png"), "hint: see `mnist-trainer predict --help`");
        assert_eq!(hint_for("evaluate run --foo"), "hint: see `mnist-trainer evaluate --help`");
    }

    #[test]
    fn a_flag_without_a_command_gets_a_command() {
        for (arguments, expected) in [
            ("--epochs 1", "compare --epochs 1"),
            ("--quiet --epochs=1 --seeds 3", "compare --quiet --epochs=1 --seeds 3"),
            ("--lr=0.1", "compare --learning-rate=0.1"),
            ("--scaling center", "train --scaling center"),
            ("--prepare", "predict --prepare"),
        ] {
            let hint = format!("hint: name a command first, such as `mnist-trainer {expected}`");
            assert_eq!(hint_for(arguments), hint);
        }
        assert_eq!(hint_for("--quite"), "hint: a similar argument exists: --quiet");
        assert_eq!(hint_for("--nothing"), "hint: see `mnist-trainer --help`");
    }

    #[test]
    fn without_a_tip_the_hint_names_the_help_of_the_command() {
        assert_eq!(hint_for("train --epochs 0"), "hint: see `mnist-trainer train --help`");
        assert_eq!(hint_for("data summary --resize 5"), "hint: see `mnist-trainer data summary --help`");
        assert_eq!(hint_for("fit"), "hint: see `mnist-trainer --help`");
    }

    #[test]
    fn frequent_mistakes_have_a_hint() {
        for arguments in ["train --scaling center --lr 0.1", "compare --lr=0.1"] {
            assert_eq!(hint_for(arguments), "hint: use --learning-rate");
        }
        assert_eq!(hint_for("train standardize"), "hint: use --scaling standardize");
        assert_eq!(hint_for("compare center"), "hint: use --scalings center");
        let seeds = "hint: train takes --seed; use compare for several seeds";
        assert_eq!(hint_for("train --seeds 3"), seeds);
    }
}
