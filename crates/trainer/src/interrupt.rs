//! Ctrl-C: the first asks the work to stop at the next whole step, the second stops at once.

use std::{
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    failure::{INTERRUPTED, Interrupted},
    terminal::warn,
};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Takes over SIGINT for this process.
pub fn install() {
    let handler = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED.into());
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        warn(format!("ctrl-C will stop the program without saving: {error}"));
    }
}

/// An error if the user has asked to stop, for work that keeps nothing.
pub fn check() -> Result<(), Interrupted> {
    if requested() { Err(Interrupted::Lost) } else { Ok(()) }
}

/// Whether the user has asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
