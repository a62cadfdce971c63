//! Trains a CNN on MNIST and answers, with evidence, which pixel scaling to train with.

mod benchmark;
mod checkpoint;
mod claim;
mod cli;
mod commands;
mod comparison;
mod comparison_folder;
mod config;
mod curve;
mod dataset;
mod device;
mod evaluation;
mod experiment;
mod export;
mod failure;
mod folder;
mod interrupt;
mod loader;
mod machine;
mod plan;
mod report;
mod run;
mod runner;
mod significance;
mod terminal;
mod throughput;
mod training;
mod weights;

use std::process::ExitCode;

/// Keeps the memory of a step's tensors for the next step; the system's gives it back, and pays for it
/// again page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    device::pin_default();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    interrupt::install();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
