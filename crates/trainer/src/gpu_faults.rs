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

/// The first panic after a GPU was used.
static PANIC: Mutex<Option<Fault>> = Mutex::new(None);

struct Fault {
    message: String,
    /// Where it happened, with the last warning before it.
    place: String,
    /// Whether it only followed from a fault.
    is_cleaning_up: bool,
}

/// The last warning in the log.
static WARNING: Mutex<Option<String>> = Mutex::new(None);

/// Crates of wgpu that complain about what a fault left behind. Their messages would hide the cause.
const CLEANING_UP: [&str; 2] = ["gpu_descriptor", "gpu_allocator"];

/// Keeps the last warning or error.
struct LastWarning;

impl Log for LastWarning {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let is_cleaning_up = CLEANING_UP.iter().any(|name| metadata.target().starts_with(name));
        metadata.level() <= Level::Warn && !is_cleaning_up
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
            let mut kept = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.as_ref().is_none_or(|kept| kept.is_cleaning_up) {
                *kept = Some(Fault::new(panic));
            }
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
        (Ok(Err(error)), Some(fault))
            if matches!(error.downcast_ref(), Some(TrainingError::Device(_))) && !fault.is_cleaning_up =>
        {
            Err(TrainingError::device_panic(&fault.message, &fault.place).into())
        }
        (Ok(other), _) => other,
        (Err(_), Some(fault)) => Err(TrainingError::device_panic(&fault.message, &fault.place).into()),
        (Err(payload), None) => panic::resume_unwind(payload),
    }
}

impl Fault {
    fn new(panic: &PanicHookInfo) -> Self {
        let message = panic.payload_as_str().unwrap_or("an unknown fault").to_owned();
        let path = panic.location().map_or("", |location| location.file());
        let file = path.rsplit('/').next().unwrap_or_default();
        let line = panic.location().map_or(0, |location| location.line());
        let warning = WARNING.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let warning = warning.map_or_else(String::new, |warning| format!("; {warning}"));
        let is_cleaning_up = CLEANING_UP.iter().any(|name| path.replace('-', "_").contains(name));
        Self { message, place: format!("{file}:{line}{warning}"), is_cleaning_up }
    }
}
