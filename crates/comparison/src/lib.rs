//! Compares ways to train an image classifier: trains each of them with several seeds, and tests which
//! differences in accuracy are significant.
//!
//! An *arm* is one configuration under comparison: a scaling, plus a learning rate and a batch size if the
//! grid varies them. [`compare`] turns the [`settings`] into a [`plan`] with a run for each arm and seed. A
//! [`queue`] trains the runs, the [`folder`] records each finished one, and the [`Comparison`] sums them up.
//! To compare with your own network, implement [`Classifier`](mnist_training::Classifier) and
//! [`Network`](mnist_training::Network) for it.
//!
//! [`Statistics`] also works without training, on accuracies from any program.
//!
//! ```
//! use mnist_comparison::{ArmAccuracies, Design, Looks, Statistics};
//!
//! let arms = [
//!     ArmAccuracies::new("adam", [(1, 0.9901), (2, 0.9888), (3, 0.9901)]),
//!     ArmAccuracies::new("sgd", [(1, 0.9843), (2, 0.9796), (3, 0.9853)]),
//! ];
//! let statistics = Statistics::of(&arms, Design::new(10_000, Looks::Once))?;
//! assert_eq!(statistics.arms[0].name, "adam");
//! println!("{}", statistics.headline());
//! # Ok::<(), mnist_comparison::ComparisonError>(())
//! ```
#![deny(missing_docs)]

pub mod arms;
mod basis;
pub mod catalog;
mod compare;
mod comparison;
mod decision;
pub mod design;
mod error;
mod fitted;
pub mod folder;
mod headline;
pub mod looks;
mod new_images;
pub mod numbers;
pub mod pairs;
mod phrases;
pub mod plan;
pub mod queue;
mod ranks;
pub mod settings;
pub mod significance;
pub mod statistics;
pub mod until_decided;
mod verdict;
mod worker;

pub use arms::{Accuracy, ArmAccuracies, ArmStatistics, SeedAccuracy};
pub use basis::Basis;
pub use compare::{Reporter, begin, compare};
pub use comparison::{ArmResult, ArmRuns, Comparison, Milestone, RunSummary, Terms};
pub use decision::Decision;
pub use design::Design;
pub use error::ComparisonError;
pub use fitted::FittedScalings;
pub use folder::ComparisonFolder;
pub use looks::Looks;
pub use pairs::{McNemar, Pair};
pub use settings::{Arm, ComparisonSettings, Seeds};
pub use statistics::Statistics;
pub use worker::{Work, work};

/// Compiles the example in the README as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
