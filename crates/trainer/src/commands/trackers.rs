//! `report --to`: sends a comparison to an experiment tracker.

use std::{env, path::PathBuf};

use anyhow::Result;
use mnist_comparison::{Comparison, ComparisonFolder, folder::TENSORBOARD};
use mnist_report::{SampleImages, notes::quote, numbers::plural};
use mnist_trackers::{
    TrackedRun,
    mlflow::{self, Credentials, Mlflow},
    tensorboard,
};
use serde::Serialize;

use crate::{
    cli::{ReportArgs, Tracker},
    command_error::UsageError,
    terminal::Terminal,
};

/// The experiment of MLflow, unless something names another.
const EXPERIMENT: &str = "mnist-trainer";

/// Where to send a comparison.
pub enum TrackerDestination {
    /// Event files below this folder.
    Tensorboard(PathBuf),
    /// A server.
    Mlflow(Mlflow),
}

/// What was sent, for the result of the command.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// The folder of the events.
    Tensorboard(PathBuf),
    /// Where the runs are, and their number.
    Mlflow(mlflow::Sent),
}

impl TrackerDestination {
    /// Returns the destination that the flags and the environment name, if they name one.
    pub fn of(args: &ReportArgs) -> Result<Option<Self>> {
        let misplaced = match args.to {
            Some(Tracker::Tensorboard) if args.tracking_uri.is_some() || args.experiment.is_some() => {
                Some("--tracking-uri and --experiment are for --to mlflow")
            }
            Some(Tracker::Mlflow) if args.out.is_some() => Some("--out is for --to tensorboard"),
            _ => None,
        };
        if let Some(misplaced) = misplaced {
            return Err(UsageError(misplaced.into()).into());
        }
        Ok(match args.to {
            None => None,
            Some(Tracker::Tensorboard) => {
                let default = || args.comparison.join(TENSORBOARD);
                Some(Self::Tensorboard(args.out.clone().unwrap_or_else(default)))
            }
            Some(Tracker::Mlflow) => {
                let uri = args.tracking_uri.clone().or_else(|| variable("MLFLOW_TRACKING_URI"));
                let uri = uri.ok_or_else(|| {
                    UsageError("--to mlflow needs --tracking-uri, the URL of the server".into())
                })?;
                let experiment = args.experiment.clone().or_else(|| variable("MLFLOW_EXPERIMENT_NAME"));
                let user = variable("MLFLOW_TRACKING_USERNAME").zip(variable("MLFLOW_TRACKING_PASSWORD"));
                let credentials = Credentials { token: variable("MLFLOW_TRACKING_TOKEN"), user };
                let experiment = experiment.as_deref().unwrap_or(EXPERIMENT);
                Some(Self::Mlflow(Mlflow::new(&uri, experiment, &credentials)?))
            }
        })
    }

    /// Sends a comparison, and adds the files that it writes to `files`.
    pub fn send(
        &self,
        folder: &ComparisonFolder,
        comparison: &Comparison,
        samples: Option<&SampleImages>,
        files: &mut Vec<PathBuf>,
        terminal: &Terminal,
    ) -> Result<Sent> {
        match self {
            Self::Tensorboard(root) => {
                let test = samples.map(|samples| &samples.test);
                for run in TrackedRun::of_comparison(folder) {
                    files.push(tensorboard::write(root, &run, test)?);
                }
                Ok(Sent::Tensorboard(root.clone()))
            }
            Self::Mlflow(mlflow) => Ok(Sent::Mlflow(mlflow.send(folder, comparison, terminal)?)),
        }
    }
}

impl Sent {
    /// Says where to look at the runs.
    pub fn describe(&self) -> String {
        match self {
            Self::Tensorboard(root) => {
                format!("TensorBoard: tensorboard --logdir {}", quote(&root.to_string_lossy()))
            }
            Self::Mlflow(sent) => format!(
                "MLflow: {} ({} sent, {} already there)",
                sent.page,
                plural(sent.sent, "run"),
                sent.already_there
            ),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
