//! Turns the panics of Burn's GPU backend into errors. A lost device, a lack of memory or a kernel that does not compile
//! ends in a panic there, and the cause only in the log.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use log::{Level, LevelFilter, Log, Metadata, Record};
use mnist_training::{TrainingError, backend::is_gpu_open};

/// The first panic while a GPU is open, and the last warning in the log before it.
static PANIC: Mutex<Option<String>> = Mutex::new(None);
static WARNING: Mutex<Option<String>> = Mutex::new(None);

/// Keeps the last warning or error.
struct LastWarning;

impl Log for LastWarning {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            *WARNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Runs the program. If it panics while a GPU is open, returns an error with the cause. Other panics are reported as
/// usual.
pub fn guarded(work: impl FnOnce() -> Result<()>) -> Result<()> {
    static LOGGER: LastWarning = LastWarning;
    // Without a logger, an error has no cause, but it is still an error.
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if is_gpu_open() {
            let message = panic.payload_as_str().unwrap_or("an unknown fault").to_owned();
            PANIC.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
        } else {
            usual(panic);
        }
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| match taken(&PANIC) {
        Some(message) => {
            let cause = taken(&WARNING).map_or_else(String::new, |warning| format!(" ({warning})"));
            let error = format!("{message}{cause}");
            Err(TrainingError::Device(error.lines().next().unwrap_or_default().to_owned()).into())
        }
        None => panic::resume_unwind(payload),
    })
}

fn taken(message: &Mutex<Option<String>>) -> Option<String> {
    message.lock().unwrap_or_else(PoisonError::into_inner).take()
}
