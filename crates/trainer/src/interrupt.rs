//! Ctrl-C, and the signals that end a job (SIGTERM, SIGHUP): the first asks the work to stop after the current step, the second stops at once.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

/// Exit status after ctrl-C or another of these signals: 128 + SIGINT, the same as a shell's.
pub const INTERRUPTED: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler.
pub fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED.into());
        }
    })
}

/// Returns whether the user has asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
