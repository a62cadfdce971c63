//! Measures the speed of this machine.

mod data;
#[cfg(feature = "flex")]
mod kernels;
#[cfg(feature = "flex")]
mod limits;
mod step;

use mnist_training::{Observer, TrainingError};
use serde::Serialize;

use crate::terminal::Terminal;

pub use data::{Throughput, throughput};
#[cfg(feature = "flex")]
pub use kernels::{KernelTime, KernelTimes};
#[cfg(feature = "flex")]
pub use limits::{Peaks, Resource};
pub use step::{Benchmark, Measurement};

/// Median, minimum and maximum of repeated measurements.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Summarizes at least one value.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Self { median: f64::midpoint(low, high), min: values[0], max: values[values.len() - 1] }
    }
}

/// Returns an error if the user has asked to stop.
fn check(terminal: &Terminal) -> Result<(), TrainingError> {
    if terminal.wants_stop() { Err(TrainingError::Interrupted) } else { Ok(()) }
}
