//! The commands, one file each.

mod bench;
mod compare;
mod completions;
mod data;
mod devices;
mod evaluate;
mod export;
mod predict;
mod report;
mod scale;
mod train;

use anyhow::Result;

use crate::{
    cli::{Command, CompareArgs},
    terminal::Terminal,
};

/// Does what the command line asks for; without a command, the tutorial's comparison.
pub fn run(command: Option<Command>, terminal: &Terminal) -> Result<()> {
    match command.unwrap_or_else(|| Command::Compare(CompareArgs::default())) {
        Command::Data(command) => data::run(command, terminal),
        Command::Scale(args) => scale::run(args, terminal),
        Command::Train(args) => train::run(args, terminal),
        Command::Compare(args) => compare::run(args, terminal),
        Command::Evaluate(args) => evaluate::run(args, terminal),
        Command::Report(args) => report::run(args, terminal),
        Command::Completions { shell } => completions::run(shell),
        Command::Export(args) => export::run(args, terminal),
        Command::Predict(args) => predict::run(args, terminal),
        Command::Bench(args) => bench::run(args, terminal),
        Command::Devices => devices::run(terminal),
    }
}
