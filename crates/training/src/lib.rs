//! Trains one image classifier: settings, training loop, evaluation, checkpoints, run folder, prediction and
//! export.
//!
//! The modules, in the order in which a run uses them: [`settings`] → [`dataset`] (opens and splits the images,
//! fits a scaling) → [`backend`] (opens a device) → [`training_loop`] on the batches of [`loader`] →
//! [`evaluation`] → [`run`] (the run's folder) → [`predictor`] and [`export`]. [`Experiment`] does the part from
//! the training loop to the finished folder.
//!
//! To train your own network, implement [`Classifier`] for the module and [`Network`] for its builder.
//! Nothing here prints. To show progress or to stop a run, pass an [`Observer`].
//!
//! ```no_run
//! use mnist_model::ModelConfig;
//! use mnist_training::{
//!     Backend, Experiment, ExperimentData, RunSettings, TrainingSettings, dataset,
//! };
//!
//! let settings = RunSettings {
//!     seed: 1,
//!     scaling: "standardize".parse()?,
//!     training: TrainingSettings::default(),
//! };
//! let network = ModelConfig::new(); // the CNN of the Keras tutorial
//! let scalings = [settings.scaling.clone()];
//! let data = ExperimentData::open(&settings.training, &scalings, &network, &())?;
//! let fitted = dataset::fit(&settings.scaling, &data.train, &())?;
//! let experiment = Experiment::new(&network, &data, Backend::Flex.open()?)?;
//! let run = experiment.run(&settings, &fitted.into(), "runs/first".as_ref(), &())?;
//! println!("{:?}", run.finished().and_then(|run| run.result.test));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

mod appended_csv;
pub mod backend;
pub mod checkpoint;
pub mod curve;
pub mod dataset;
mod error;
pub mod evaluation;
mod experiment;
pub mod export;
pub mod files;
mod lease;
pub mod loader;
mod lock;
mod monitor;
pub mod observer;
pub mod parity;
pub mod prediction;
pub mod predictor;
pub mod progress;
pub mod run;
pub mod settings;
mod toml_message;
pub mod training_loop;
pub mod transfers;
pub mod weights;

pub use backend::Backend;
pub use dataset::ExperimentData;
pub use error::TrainingError;
pub use evaluation::{Evaluation, evaluate};
pub use experiment::{Experiment, RunOutcome};
pub use mnist_model::{Classifier, Network, NetworkError};
pub use observer::Observer;
pub use prediction::Prediction;
pub use predictor::Predictor;
pub use run::{FinishedRun, RunResult};
pub use settings::{DatasetSettings, RunSettings, TrainingSettings};
pub use training_loop::{TrainingLoop, TrainingState};

/// Compiles the README's example with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
