//! `completions`: prints a script that completes the program's arguments in a shell.

use std::io::{self, Write};

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;

pub fn run(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut script);
    let mut script = String::from_utf8(script)?;
    if shell == Shell::Bash {
        // clap_complete 4.6.11 spells the hyphen in the name in two ways: the script sets its state to
        // `mnist__trainer__subcmd__train`, but handles `mnist__subcmd__trainer__subcmd__train`, and so completes
        // nothing after a subcommand (https://github.com/clap-rs/clap/issues/6421).
        script = script.replace("mnist__subcmd__trainer", "mnist__trainer");
    }
    Ok(io::stdout().write_all(script.as_bytes())?)
}
