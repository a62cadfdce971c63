//! `man`: writes a man page for the program and for each command.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use mnist_data::input::shown;
use mnist_training::{Observer, files};

use crate::{cli::Cli, terminal::Terminal};

pub fn run(folder: &Path, terminal: &Terminal) -> Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    render(program, &mut pages)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", shown(folder)))?;
    for (name, page) in &pages {
        files::write(&folder.join(name), page)?;
    }
    terminal.note(&format!("{} man pages: {}", pages.len(), shown(folder)));
    Ok(())
}

/// Adds the page of a command and those of its subcommands, each with its file name, such as
/// `mnist-trainer-data-fetch.1`.
fn render(command: Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for subcommand in command.get_subcommands() {
        render(subcommand.clone(), pages)?;
    }
    let page = Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    pages.push((page.get_filename(), text));
    Ok(())
}
