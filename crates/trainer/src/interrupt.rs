//! Ctrl-C: the first asks the work to stop at the next whole step, the second stops at once.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::failure::INTERRUPTED;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Takes over SIGINT, SIGTERM and SIGHUP for this process.
pub fn install() {
    let handler = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED.into());
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("warning: ctrl-C will stop the program without saving: {error}");
    }
}

/// Whether the user has asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
