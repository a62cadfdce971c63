//! Help and completions.

use std::collections::BTreeSet;

use crate::support::{assert_contains, refusals::failing, text, trainer};

/// What `--help` prints for a command, such as `data summary`; for the program, the name is empty.
fn help_of(command: &str) -> String {
    text(trainer().args(command.split_whitespace()).arg("--help"))
}

/// All commands, and the commands within them, as the help lists them.
fn commands_below(command: &str) -> Vec<String> {
    let help = help_of(command);
    let Some((_, list)) = help.split_once("Commands:\n") else { return vec![command.to_owned()] };
    // A name is indented by two spaces, the rest of a long description by more.
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names = names.map(|line| line.split(' ').next().unwrap()).filter(|&name| name != "help");
    let within = names.flat_map(|name| commands_below(format!("{command} {name}").trim()));
    [command.to_owned()].into_iter().chain(within).collect()
}

#[test]
fn help_of_the_program_and_of_every_command() {
    let commands = commands_below("");
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
        commands_below("").into_iter().map(|command| (help_of(&command), command)).collect();
    let names = helps.iter().filter_map(|(_, command)| command.split(' ').next_back());
    // Fish and PowerShell write flags without the dashes or apart from them.
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
