//! Sends the results of trainings to experiment trackers.
//!
//! A [`TrackedRun`] is a finished run as trackers see it: a name, parameters and metrics by step. [`tensorboard`] writes
//! it as event files, also while it trains. [`mlflow`] sends it to a server.
#![deny(missing_docs)]

mod error;
pub mod mlflow;
pub mod tensorboard;
pub mod tracked_run;

pub use error::TrackerError;
pub use tracked_run::TrackedRun;

/// Compiles the example in the README as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
