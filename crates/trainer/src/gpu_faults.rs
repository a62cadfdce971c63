//! Turns the panics of Burn's GPU backend into errors. A lost device, a lack of memory or a kernel that does not compile
//! can end in a panic there, and the cause only in the log.

use std::{
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use log::{Level, LevelFilter, Log, Metadata, Record};
use mnist_training::{
    TrainingError,
    backend::{is_gpu_used, wait_for_gpus},
};

/// The message of the first panic after a GPU was used, and where it happened.
static PANIC: Mutex<Option<[String; 2]>> = Mutex::new(None);

/// The last warning in the log.
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

/// Keeps the panics of a program that uses a GPU, and the warnings in the log. Other panics are reported as usual.
pub fn install() {
    static LOGGER: LastWarning = LastWarning;
    // Without a logger, an error has no cause, but it is still an error.
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if is_gpu_used() {
            PANIC.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| describe(panic));
        } else {
            usual(panic);
        }
    }));
}

/// Runs a part of the program. If it or one of its threads panics after a GPU was used, returns an error with the cause.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        let result = work();
        wait_for_gpus();
        result
    }));
    let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (result, panic) {
        // The panic of another thread is the cause of the error.
        (Ok(Err(error)), Some([message, place]))
            if matches!(error.downcast_ref(), Some(TrainingError::Device(_))) =>
        {
            Err(TrainingError::device_panic(&message, &place).into())
        }
        (Ok(other), _) => other,
        (Err(_), Some([message, place])) => Err(TrainingError::device_panic(&message, &place).into()),
        (Err(payload), None) => panic::resume_unwind(payload),
    }
}

/// Returns the message, and the place with the last warning before it.
fn describe(panic: &PanicHookInfo) -> [String; 2] {
    let message = panic.payload_as_str().unwrap_or("an unknown fault");
    let place = panic.location().map_or_else(String::new, |location| {
        let file = location.file().rsplit('/').next().unwrap_or_default();
        format!("{file}:{}", location.line())
    });
    let warning = WARNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let warning = warning.map_or_else(String::new, |warning| format!("; {warning}"));
    [message.to_owned(), format!("{place}{warning}")]
}
