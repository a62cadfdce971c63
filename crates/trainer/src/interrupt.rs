//! Signals that ask the work to stop after the current step: ctrl-C, and those that end a job.

use std::{
    io,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// Exit status after ctrl-C or another of these signals: 128 + SIGINT, the same as a shell's.
pub const INTERRUPTED: u8 = 130;

static REQUESTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Installs the handlers. A second ctrl-C stops the program at once. Other signals do not, because some programs send
/// several of them to end one job.
pub fn install() -> io::Result<()> {
    flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), REQUESTED.clone())?;
    flag::register(SIGINT, REQUESTED.clone())?;
    flag::register(SIGTERM, REQUESTED.clone())?;
    #[cfg(unix)]
    if !is_hangup_ignored() {
        flag::register(signal_hook::consts::SIGHUP, REQUESTED.clone())?;
    }
    Ok(())
}

/// Returns whether the program was started with `nohup`. It then continues after the user has logged out.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    // Only Linux has this file. Its line `SigIgn` is a set of bits, and the lowest stands for signal 1: SIGHUP.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

/// Returns whether the user has asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
