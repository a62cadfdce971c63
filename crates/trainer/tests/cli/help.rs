//! The help of each command, shell completions and man pages.

use std::{collections::BTreeSet, fs};

use tempfile::tempdir;

use crate::support::{
    assert_contains, read_text,
    refusals::{failing, refused},
    text, trainer, trainer_in,
};

/// Returns the help of a command such as `data summary`, or of the program if the name is empty.
fn help_of(command: &str) -> String {
    text(trainer().args(command.split_whitespace()).arg("--help"))
}

/// Lists a command and all its subcommands, read from its help.
fn with_subcommands(command: &str) -> Vec<String> {
    let help = help_of(command);
    let Some((_, list)) = help.split_once("Commands:\n") else { return vec![command.to_owned()] };
    // Names are indented by two spaces, the further lines of a description by more.
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names = names.map(|line| line.split(' ').next().unwrap()).filter(|&name| name != "help");
    let subcommands = names.flat_map(|name| with_subcommands(format!("{command} {name}").trim()));
    [command.to_owned()].into_iter().chain(subcommands).collect()
}

#[test]
fn every_command_has_help_with_its_usage_and_an_example() {
    let commands = with_subcommands("");
    assert!(commands.len() >= 15, "{commands:?}");
    for command in commands {
        let help = help_of(&command);
        assert_contains(
            &help,
            [format!("Usage: mnist-trainer {command}").trim(), "Example", "mnist-trainer "],
        );
        let name = format!("help {command}").trim().replace(' ', "-");
        insta::assert_snapshot!(name, help);
    }
}

#[test]
fn completions_contain_every_command_and_every_flag() {
    let helps: Vec<(String, String)> =
        with_subcommands("").into_iter().map(|command| (help_of(&command), command)).collect();
    let names = helps.iter().filter_map(|(_, command)| command.split(' ').next_back());
    // Scripts for fish and PowerShell contain flags without their dashes, or apart from them.
    let words = helps.iter().flat_map(|(help, _)| help.split_whitespace());
    let flags = words.filter_map(|word| word.strip_prefix("--"));
    let is_name = |flag: &&str| flag.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    let expected: BTreeSet<&str> =
        names.chain(flags.filter(is_name)).filter(|name| !name.is_empty()).collect();
    assert!(expected.contains("summary") && expected.contains("learning-rate"), "{expected:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = text(trainer().args(["completions", shell]));
        assert_contains(&script, expected.iter().copied());
    }
    failing("completions dos").fails(2, "invalid value 'dos'");
}

#[test]
fn every_command_has_a_man_page_with_its_flags() {
    let folder = tempdir().unwrap();
    assert_eq!(text(&mut trainer_in(folder.path(), "man share/man1")), "");
    let mut expected = BTreeSet::new();
    for command in with_subcommands("") {
        let name = format!("mnist-trainer {command}").trim().replace(' ', "-") + ".1";
        let page = read_text(&folder.path().join("share/man1").join(&name));
        // A dash that may not be broken or replaced is `\\-`.
        assert_contains(&page, [".SH NAME", ".SH SYNOPSIS", "\\-\\-help", "Example"]);
        expected.insert(name);
    }
    let written = fs::read_dir(folder.path().join("share/man1")).unwrap();
    let written: BTreeSet<String> =
        written.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(written, expected);
    assert_contains(
        &read_text(&folder.path().join("share/man1/mnist-trainer-train.1")),
        ["\\-\\-learning\\-rate"],
    );
    fs::write(folder.path().join("file"), "").unwrap();
    refused(&mut trainer_in(folder.path(), "man file"), 1, "cannot create file");
}
