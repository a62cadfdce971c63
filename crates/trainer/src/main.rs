//! Compares pixel scalings for an image classifier: trains the same CNN with each scaling and several seeds, and
//! reports which scaling is more accurate.
//!
//! [`cli`] parses the command line, and [`commands`] has a file for each command, which calls the libraries. Only
//! this crate deals with flags, the terminal and ctrl-C.

mod bench;
mod cli;
mod command_error;
mod commands;
mod failure;
#[cfg(feature = "wgpu")]
mod gpu_faults;
mod input;
mod interrupt;
mod layout;
mod live_view;
mod terminal;
mod wording;

use std::process::ExitCode;

use mnist_training::backend;

#[cfg(feature = "wgpu")]
use gpu_faults::guarded;
use terminal::Terminal;

/// Keeps freed memory for the next training step. The system's allocator would return the memory to the system,
/// and each step would pay for fresh pages again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pin_default_backend();
    #[cfg(feature = "wgpu")]
    gpu_faults::install();
    // `--backend auto` looks for a GPU.
    let (cli, invocation) = match guarded(|| Ok(cli::parse())) {
        Ok(Ok(parsed)) => parsed,
        Ok(Err(exit)) => return exit,
        Err(error) => {
            terminal::write_line(format!("error: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let terminal = Terminal::new(cli.output.wants_json(), cli.output.quiet);
    if let Err(error) = interrupt::install() {
        terminal::warn(format!("ctrl-C will stop the program without saving its progress: {error}"));
    }
    match guarded(|| commands::run(cli.command, &terminal)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, &invocation),
    }
}

/// Without a GPU backend, there are no faults of a GPU to guard against.
#[cfg(not(feature = "wgpu"))]
fn guarded<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    work()
}

/// Makes the CPU backend Burn's default device; [`backend::default_cpu`] explains why.
fn pin_default_backend() {
    let Some(cpu) = backend::default_cpu() else { return };
    // SAFETY: no other thread runs yet, so none can read the environment at the same time.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("BURN_DEVICE", cpu.name());
    }
}
