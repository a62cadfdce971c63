//! Trains a CNN on MNIST and answers, with evidence, which pixel scaling to train with.
//!
//! The command line becomes settings in [`cli`], and one file in [`commands`] does what it asks for, through
//! the libraries beside this crate. Only this crate knows flags, the terminal and ctrl-C.

mod bench;
mod cli;
mod commands;
mod failure;
mod interrupt;
mod terminal;
mod wording;

use std::process::ExitCode;

use mnist_training::backend;

use terminal::Terminal;

/// Keeps the memory of a step's tensors for the next step; the system's gives it back, and pays for it
/// again page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pin_default_backend();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let terminal = Terminal::new(cli.output.wants_json(), cli.output.quiet);
    if let Err(error) = interrupt::install() {
        terminal::warn(format!("ctrl-C will stop the program without saving: {error}"));
    }
    match commands::run(cli.command, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

/// See [`backend::default_cpu`].
fn pin_default_backend() {
    let Some(cpu) = backend::default_cpu() else { return };
    // SAFETY: no other thread runs yet that could read the environment at the same time.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("BURN_DEVICE", cpu.name());
    }
}
