//! The help of each command, and shell completions.

use std::collections::BTreeSet;

use crate::support::{assert_contains, refusals::failing, text, trainer};

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
