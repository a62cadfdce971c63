//! What a tracker receives about a run: its settings as parameters, and its metrics by step and epoch.

use std::path::Path;

use mnist_comparison::{ComparisonFolder, plan};
use mnist_data::source::FileSum;
use mnist_training::{FinishedRun, RunSettings, TrainingError, curve::CurvePoint, progress::EpochMetrics};
use toml::Value;

/// A finished run to send to a tracker.
#[derive(Debug, Clone)]
pub struct TrackedRun<'a> {
    /// A name that no run with another result has, see [`plan::run_name`].
    pub name: String,
    /// Name of the arm: the scaling's name, plus the values of the grid.
    pub arm: String,
    /// The settings.
    pub settings: RunSettings,
    /// The result.
    pub run: &'a FinishedRun,
}

impl<'a> TrackedRun<'a> {
    /// Returns a run that belongs to no comparison.
    ///
    /// # Errors
    /// When a number is too large for TOML.
    pub fn single(settings: &RunSettings, run: &'a FinishedRun) -> Result<Self, TrainingError> {
        Ok(Self {
            name: plan::run_name(settings, &run.result.data)?,
            arm: settings.scaling.name().to_owned(),
            settings: settings.clone(),
            run,
        })
    }

    /// Returns the finished runs of a comparison, in the order of the plan.
    pub fn of_comparison(folder: &'a ComparisonFolder) -> Vec<Self> {
        let arms = folder.settings().arms();
        let tracked = |run: &plan::PlannedRun| {
            Some(Self {
                name: run.name.clone(),
                arm: run.arm.clone(),
                settings: arms[run.arm_index].with_seed(run.seed),
                run: folder.run(run)?,
            })
        };
        folder.plan().runs.iter().filter_map(tracked).collect()
    }

    /// Returns the settings that the result depends on, each with its name. See [`parameters`].
    ///
    /// # Errors
    /// When a number is too large for TOML.
    pub fn parameters(&self) -> Result<Vec<(String, Value)>, TrainingError> {
        parameters(&self.settings)
    }

    /// Returns the metrics: the learning curve, the epochs and, if the run did not diverge, the test scores.
    pub fn metrics(&self) -> Vec<Metric> {
        let result = &self.run.result;
        let mut metrics = curve_metrics(&self.run.curve);
        metrics.extend(epoch_metrics(&result.epochs));
        if let Some(test) = result.test {
            let step = self.run.curve.last().map_or(0, |point| point.step) as u64;
            let metric = |tag, value| Metric { tag, step, value, seconds: result.seconds };
            metrics.extend([metric(TEST_LOSS, test.loss), metric(TEST_ACCURACY, test.accuracy)]);
        }
        metrics
    }

    /// Returns when the training began, in seconds since 1970: its end, less its duration. 0 in results of old versions.
    pub fn began(&self) -> f64 {
        self.ended().map_or(0.0, |ended| ended - self.run.result.seconds)
    }

    /// Returns when the training ended, in seconds since 1970. `None` in results of old versions.
    pub fn ended(&self) -> Option<f64> {
        let finished = self.run.result.finished.as_deref()?.parse::<jiff::Timestamp>().ok()?;
        Some(finished.as_second() as f64)
    }

    /// Returns the run's folder.
    pub fn folder(&self) -> &Path {
        &self.run.result.run
    }

    /// Returns the checksums of the data files.
    pub fn data(&self) -> &[FileSum] {
        &self.run.result.data
    }
}

/// Tag of the loss on the test images.
pub const TEST_LOSS: &str = "loss/test";

/// Tag of the accuracy on the test images.
pub const TEST_ACCURACY: &str = "accuracy/test";

/// A value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The metric: `loss/…` and `accuracy/…` by step, `epoch_loss/…` and `epoch_accuracy/…` by epoch.
    pub tag: &'static str,
    /// Steps since the start of the run, or the epoch, counted from 1.
    pub step: u64,
    /// The value.
    pub value: f64,
    /// Training time so far in seconds.
    pub seconds: f64,
}

/// Returns the metrics of points of a learning curve.
pub fn curve_metrics(points: &[CurvePoint]) -> Vec<Metric> {
    let of_point = |point: &CurvePoint| {
        [("loss/train", point.loss), ("accuracy/train", point.accuracy)].map(|(tag, value)| Metric {
            tag,
            step: point.step as u64,
            value,
            seconds: point.seconds,
        })
    };
    points.iter().flat_map(of_point).collect()
}

/// Returns the metrics of all finished epochs of a run.
pub fn epoch_metrics(epochs: &[EpochMetrics]) -> Vec<Metric> {
    let mut seconds = 0.0;
    let of_epoch = |epoch: &EpochMetrics| {
        seconds += epoch.seconds;
        let values = [
            ("epoch_loss/train", Some(epoch.train_loss)),
            ("epoch_accuracy/train", Some(epoch.train_accuracy)),
            ("epoch_loss/validation", epoch.validation_loss),
            ("epoch_accuracy/validation", epoch.validation_accuracy),
        ];
        values.map(|(tag, value)| Some(Metric { tag, step: epoch.epoch as u64, value: value?, seconds }))
    };
    epochs.iter().flat_map(of_epoch).flatten().collect()
}

/// Returns the settings that a result depends on, each with its name. Nested keys have names with dots, such as
/// `augmentation.rotation_range`. A preset of a scaling is a single parameter with its name.
///
/// # Errors
/// When a number is too large for TOML.
pub fn parameters(settings: &RunSettings) -> Result<Vec<(String, Value)>, TrainingError> {
    const SCALING: &str = "scaling";
    let mut table = settings.with_effect()?;
    let name = settings.scaling.name();
    let mut parameters = vec![(SCALING.to_owned(), Value::String(name.to_owned()))];
    if name != mnist_data::scaling::CUSTOM {
        table.remove(SCALING);
    }
    flatten("", table, &mut parameters);
    Ok(parameters)
}

fn flatten(above: &str, table: toml::Table, parameters: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let name = if above.is_empty() { key } else { format!("{above}.{key}") };
        match value {
            Value::Table(table) => flatten(&name, table, parameters),
            value => parameters.push((name, value)),
        }
    }
}
